//! The server is away: files stay, agents recover by themselves, and pods that start meanwhile can be read,
//! deleted, and start when it comes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::report::Seen;
use crate::stage::{SOON, Stage, container, every, name};
use crate::workload::{WAIT, database_template, value_of};

const MOUNT: &str = "kubernetes-outage";
const CREDENTIALS: &str = "database/creds/outage";
/// Longer than the lives of lease and token together.
const AWAY: Duration = Duration::from_secs(20);

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("outage", &["app"])?;
    let server = &stage.server;
    server.database("outage", "8s", "1h")?;
    server.kubernetes_auth(MOUNT)?;
    server.policy(
        "outage",
        &format!("path \"{CREDENTIALS}\" {{ capabilities = [\"read\"] }}"),
    )?;
    server.write(
        &format!("auth/{MOUNT}/role/app"),
        &json!({
            "bound_service_account_names": "app", "bound_service_account_namespaces": namespace,
            "audience": "vault", "token_policies": "outage", "token_ttl": "10s",
        }),
    )?;
    stage.api.create(&app(stage, &namespace, "app"))?;
    let pod = stage.running(&namespace, "app", 1)?.remove(0);
    if !logs_in(stage, &pod)? {
        bail!("the credentials do not work before the outage");
    }

    server.go_away()?;
    stays(stage, &pod, AWAY)?;
    let started = Instant::now();
    server.come_back(&stage.stop)?;
    recovers(stage, &pod)?;
    seen.held(
        "the server stopped for 20 s, past lease and token: the file stays, the agent recovers without a restart",
        format!("new credentials work {:.1} s after the server was started", started.elapsed().as_secs_f64()),
    );

    server.seal()?;
    stays(stage, &pod, AWAY)?;
    let started = Instant::now();
    server.unseal(&stage.stop)?;
    recovers(stage, &pod)?;
    seen.held(
        "sealed for 20 s and unsealed: the same",
        format!(
            "new credentials work {:.1} s after the unsealing",
            started.elapsed().as_secs_f64()
        ),
    );
    every(
        &stage.stop,
        Duration::from_secs(1),
        Duration::from_secs(12),
        || {
            if logs_in(stage, &pod)? {
                return Ok(());
            }
            bail!(
                "a log-in failed after the recovery: {}",
                stage.story(&namespace)
            )
        },
    )?;
    seen.held("and it goes on", "12 log-ins in 12 s");
    stage.api.delete("Deployment", &namespace, "app")?;

    server.go_away()?;
    let result = away_at_the_start(stage, seen, &namespace);
    if result.is_err() {
        // Others need the server.
        server.come_back(&stage.stop)?;
    }
    result
}

fn away_at_the_start(stage: &Stage, seen: &mut Seen, namespace: &str) -> Result<()> {
    stage.api.create(&app(stage, namespace, "waiting"))?;
    let leaving = app(stage, namespace, "leaving");
    stage.api.create(&leaving)?;
    // While a hook hangs, the kubelet tells nothing of the pod but that it has taken it over.
    let pod = stage.until("the kubelet has the leaving pod", SOON, || {
        let pods = stage.pods(namespace, "leaving")?;
        Ok(pods
            .into_iter()
            .find(|pod| !pod["status"]["startTime"].is_null()))
    })?;
    let asked = Instant::now();
    stage.api.delete("Deployment", namespace, "leaving")?;
    stage.until("the leaving pod is gone", SOON, || {
        Ok(stage
            .api
            .find("Pod", namespace, name(&pod))?
            .is_none()
            .then_some(()))
    })?;
    let took = asked.elapsed().as_secs_f64();
    seen.require(
        // The hook's deadline is 10 s, and the pod's grace another 10 s.
        took < 25.0,
        "a pod that waits for the server is deleted within the hook's deadline and its grace",
        format!("{took:.1} s"),
    )?;
    stage.agent_says(namespace, "waiting", &["8200", "refused"])?;
    let message = stage.until(
        "the hook gives up and the reason is the termination message",
        SOON,
        || {
            let pods = stage.pods(namespace, "waiting")?;
            Ok(pods.iter().find_map(|pod| {
                let status = container(pod, "vault-agent");
                ["state", "lastState"].iter().find_map(|state| {
                    let message = status[*state]["terminated"]["message"].as_str()?;
                    message.contains("refused").then(|| message.to_owned())
                })
            }))
        },
    )?;
    seen.held(
        "away at the start: log and termination message say why",
        message,
    );
    let restarts = Instant::now();
    stage.server.come_back(&stage.stop)?;
    let pod = stage.running(namespace, "waiting", 1)?.remove(0);
    if !logs_in(stage, &pod)? {
        bail!("the credentials of the pod that waited do not work");
    }
    seen.held(
        "and the pod starts when the server comes",
        format!(
            "{:.0} s after the server was started; the kubelet waits between restarts",
            restarts.elapsed().as_secs_f64()
        ),
    );
    stage.api.delete("Deployment", namespace, "waiting")
}

/// The file stays whole and the agent runs, for a time.
fn stays(stage: &Stage, pod: &Value, time: Duration) -> Result<()> {
    every(&stage.stop, Duration::from_secs(1), time, || {
        let file = stage.file(pod, "/vault/secrets/db")?;
        if value_of(&file, "DB_PASS").is_empty() {
            bail!("the file is no longer whole: {file:?}");
        }
        Ok(())
    })
}

fn recovers(stage: &Stage, pod: &Value) -> Result<()> {
    stage.until("the file's credentials work again", SOON, || {
        Ok(logs_in(stage, pod)?.then_some(()))
    })?;
    let namespace = crate::stage::namespace_of(pod);
    let pod = stage
        .api
        .get("Pod", namespace, name(pod))
        .context("the pod is still there")?;
    let restarts = &container(&pod, "vault-agent")["restartCount"];
    if *restarts != 0 {
        bail!("the agent was restarted {restarts} times");
    }
    Ok(())
}

fn logs_in(stage: &Stage, pod: &Value) -> Result<bool> {
    let file = stage.file(pod, "/vault/secrets/db")?;
    let (user, password) = (value_of(&file, "DB_USER"), value_of(&file, "DB_PASS"));
    Ok(stage.server.log_in(&user, &password).is_ok())
}

fn app(stage: &Stage, namespace: &str, name: &str) -> Value {
    stage.deployment(
        namespace,
        name,
        "app",
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "vault.hashicorp.com/auth-max-backoff": "2s",
            "vault.hashicorp.com/agent-inject-secret-db": CREDENTIALS,
            "vault.hashicorp.com/agent-inject-template-db": database_template(CREDENTIALS),
        }),
    )
}
