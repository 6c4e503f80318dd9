//! One role for several accounts and namespaces; a templated policy on the account that logged in decides
//! who reads what.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::report::Seen;
use crate::stage::Stage;
use crate::workload::WAIT;

const MOUNT: &str = "kubernetes-school";

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let accounts = ["grade-api", "grade-worker", "janitor"];
    let one = stage.make_namespace("school-a", &accounts)?;
    let other = stage.make_namespace("school-b", &accounts)?;
    let server = &stage.server;
    server.mount(
        "school",
        &json!({"type": "kv", "options": {"version": "2"}}),
    )?;
    server.kubernetes_auth(MOUNT)?;
    let mounts = server.must("GET", "sys/auth", &Value::Null)?;
    let accessor = mounts["data"][format!("{MOUNT}/")]["accessor"]
        .as_str()
        .unwrap_or_default();
    let own =
        format!("{{{{identity.entity.aliases.{accessor}.metadata.service_account_namespace}}}}");
    server.policy(
        "grade-api",
        &format!("path \"school/data/{own}/*\" {{ capabilities = [\"read\"] }}"),
    )?;
    server.write(
        &format!("auth/{MOUNT}/role/grade-api"),
        &json!({
            "bound_service_account_names": "grade-api,grade-worker",
            "bound_service_account_namespaces": format!("{one},{other}"),
            "alias_name_source": "serviceaccount_uid",
            "audience": "vault", "token_policies": "grade-api", "token_ttl": "1h",
        }),
    )?;
    for namespace in [&one, &other] {
        stage.until("the new mount takes a secret", crate::stage::SOON, || {
            let data = json!({"data": {"owner": namespace}});
            let answer = server.request("PUT", &format!("school/data/{namespace}/db"), &data)?;
            Ok((answer.status == 200).then_some(()))
        })?;
    }

    let own = [
        (&one, "grade-api"),
        (&one, "grade-worker"),
        (&other, "grade-api"),
    ];
    for (namespace, account) in own {
        stage.api.create(&app(
            stage,
            namespace,
            account,
            account,
            &format!("school/data/{namespace}/db"),
        ))?;
    }
    for (namespace, account) in own {
        let pods = stage.running(namespace, account, 1)?;
        let file = stage.file(&pods[0], "/vault/secrets/db")?;
        if file != *namespace {
            bail!("{namespace}/{account} read {file:?}");
        }
        let token = stage.exec(
            &pods[0],
            "app",
            &["test", "-e", "/var/run/secrets/kubernetes.io"],
        )?;
        if token.worked {
            bail!("automount is off, and yet the application of {namespace}/{account} has a token");
        }
    }
    seen.held(
        "with one role each account reads the tree of its own namespace",
        "3 of 3",
    );
    seen.held(
        "with automount off only the agent has a token",
        "3 of 3 applications have none",
    );

    stage.api.create(&app(
        stage,
        &one,
        "curious",
        "grade-api",
        &format!("school/data/{other}/db"),
    ))?;
    let path = format!("school/data/{other}/db");
    stage.agent_says(&one, "curious", &[&path, "permission denied"])?;
    let pods = stage.pods(&one, "curious")?;
    let started = pods
        .iter()
        .any(|pod| crate::stage::container(pod, "app")["started"] == true);
    seen.require(
        !started,
        "another namespace's tree is refused, and the application does not start",
        path,
    )?;

    stage.api.create(&app(
        stage,
        &one,
        "janitor",
        "janitor",
        &format!("school/data/{one}/db"),
    ))?;
    stage.agent_says(
        &one,
        "janitor",
        &["service account name not authorized", "janitor"],
    )?;
    seen.held(
        "an account that the role does not name is refused by its name",
        "janitor",
    );
    Ok(())
}

/// A Deployment whose pods mount no token of their own.
fn app(stage: &Stage, namespace: &str, name: &str, account: &str, path: &str) -> Value {
    let mut workload = stage.deployment(
        namespace,
        name,
        account,
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "grade-api",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "vault.hashicorp.com/agent-inject-secret-db": path,
            "vault.hashicorp.com/agent-inject-template-db":
                format!("{{{{ with secret \"{path}\" }}}}{{{{ .Data.data.owner }}}}{{{{ end }}}}"),
        }),
    );
    workload["spec"]["template"]["spec"]["automountServiceAccountToken"] = json!(false);
    workload
}
