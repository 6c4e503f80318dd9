//! Short leases for a long time: credentials are renewed, replaced before they end, and work at every
//! moment, as the application itself tries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::report::Seen;
use crate::stage::{Stage, container, every, name};
use crate::workload::database_template;

const MOUNT: &str = "kubernetes-rotation";
const CREDENTIALS: &str = "database/creds/short";
/// A lease's lifetime at most, in seconds.
const LONGEST: u64 = 30;

/// Logs in with the file's content every 200 ms, and tells each failure and each new user.
const LOG_IN: &str = r#"trap 'exit 0' TERM
while :; do
  . /vault/secrets/db; tries=$((tries + 1))
  PGPASSWORD=$DB_PASS psql -h "$DB_HOST" -U "$DB_USER" -d postgres -Atc 'SELECT 1' >/dev/null 2>/tmp/e \
    || echo "FAILED $(cat /tmp/e)"
  [ "$DB_USER" = "$last" ] || echo "USER $DB_USER"
  last=$DB_USER; [ $((tries % 25)) = 0 ] && echo "TRIES $tries"
  sleep 0.2
done"#;

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("rotation", &["app"])?;
    let server = &stage.server;
    server.database("short", "10s", &format!("{LONGEST}s"))?;
    server.kubernetes_auth(MOUNT)?;
    server.policy(
        "short",
        &format!("path \"{CREDENTIALS}\" {{ capabilities = [\"read\"] }}"),
    )?;
    server.write(
        &format!("auth/{MOUNT}/role/short"),
        &json!({
            "bound_service_account_names": "app", "bound_service_account_namespaces": namespace,
            "audience": "vault", "token_policies": "short", "token_ttl": "1h",
        }),
    )?;
    let mut workload = stage.deployment(
        &namespace,
        "app",
        "app",
        LOG_IN,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "short",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "vault.hashicorp.com/agent-inject-secret-db": CREDENTIALS,
            "vault.hashicorp.com/agent-inject-template-db": database_template(CREDENTIALS),
        }),
    );
    let app = &mut workload["spec"]["template"]["spec"]["containers"][0];
    app["image"] = json!(stage.options.images.server);
    app["env"] = json!([{"name": "DB_HOST", "value": server.host}]);
    stage.api.create(&workload)?;
    let pod = stage.running(&namespace, "app", 1)?.remove(0);

    let time = Duration::from_secs(stage.options.rotation_seconds);
    let mut most_alive = 0;
    every(&stage.stop, Duration::from_secs(1), time, || {
        most_alive = most_alive.max(server.users("short")?.len());
        Ok(())
    })?;
    let said = stage.api.logs(&namespace, name(&pod), "app", false)?;
    let (made, renewed) = leases(stage)?;
    let failures: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("FAILED"))
        .collect();
    let tries = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("TRIES "))
        .unwrap_or("0");
    seen.require(
        failures.is_empty() && tries != "0",
        "a log-in to PostgreSQL with the file's content works at every moment",
        match failures.first() {
            Some(failure) => format!("{} of {tries} failed, first: {failure}", failures.len()),
            None => format!("{tries} tries in {} s, none failed", time.as_secs()),
        },
    )?;
    // 150 s of leases that end after 30 s are 5 to 7 users.
    let fewest = time.as_secs() / LONGEST;
    let users: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("USER "))
        .collect();
    seen.require(
        (fewest..=fewest + 2).contains(&(made.len() as u64)),
        "as few users are made as the longest lease asks for",
        format!("{} made, {} seen in the file", made.len(), users.len()),
    )?;
    seen.require(
        most_alive <= 2,
        "never more than two are alive",
        format!("at most {most_alive}"),
    )?;
    let (_, old) = made.split_last().context("a lease was made")?;
    let least = old
        .iter()
        .map(|lease| renewed.get(lease).copied().unwrap_or_default())
        .min();
    seen.require(
        least.is_none_or(|least| least >= 1),
        "each lease is renewed before it is replaced",
        format!(
            "at least {} renewals for each of {} leases",
            least.unwrap_or_default(),
            old.len()
        ),
    )?;
    let pod = stage.api.get("Pod", &namespace, name(&pod))?;
    let restarts = container(&pod, "vault-agent")["restartCount"].clone();
    seen.require(
        restarts == 0,
        "the agent was never restarted",
        format!("{restarts} restarts"),
    )?;
    stage.api.delete("Deployment", &namespace, "app")
}

/// The leases that were handed out, in order, and how often each was renewed, as the audit log tells.
fn leases(stage: &Stage) -> Result<(Vec<String>, BTreeMap<String, usize>)> {
    let mut made = Vec::new();
    let mut renewed: BTreeMap<String, usize> = BTreeMap::new();
    for line in stage.server.audit("database/creds/short")? {
        if line["type"] != "response" || !line["error"].is_null() {
            continue;
        }
        match line["request"]["path"].as_str().unwrap_or_default() {
            CREDENTIALS => {
                let lease = line["response"]["secret"]["lease_id"]
                    .as_str()
                    .unwrap_or_default();
                made.push(lease.to_owned());
            }
            "sys/leases/renew" => {
                let lease = line["request"]["data"]["lease_id"]
                    .as_str()
                    .unwrap_or_default();
                *renewed.entry(lease.to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }
    Ok((made, renewed))
}
