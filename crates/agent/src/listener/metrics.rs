//! What the agent tells to monitoring. No secret path is a label: only logins and the classes of errors.

use std::{fmt::Write as _, time::Duration};

use crate::{core::moment::Moment, listener::Counts, status::Status};

/// The figures as Prometheus reads them.
pub(super) fn prometheus(status: &Status, counts: &Counts, now: Moment) -> String {
    let mut text = String::new();
    let mut figure = |name: &str, kind: &str, help: &str, values: &[(String, f64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let plain = |value: f64| vec![(String::new(), value)];
    figure(
        "leasehold_agent_ready",
        "gauge",
        "1 when everything is rendered",
        &plain(f64::from(u8::from(status.ready))),
    );
    let by_login =
        |value: &dyn Fn(&crate::status::LoginStatus) -> Option<f64>| -> Vec<(String, f64)> {
            let named = status.logins.iter().filter_map(|login| {
                let name = if login.name.is_empty() {
                    "auto_auth"
                } else {
                    &login.name
                };
                Some((
                    format!("{{login=\"{}\"}}", name.escape_default()),
                    value(login)?,
                ))
            });
            named.collect()
        };
    let left =
        |at: Option<Duration>| at.map(|at| at.as_secs_f64() - now.since_start().as_secs_f64());
    figure(
        "leasehold_agent_authenticated",
        "gauge",
        "1 while there is a good token",
        &by_login(&|login| Some(f64::from(u8::from(login.logged_in)))),
    );
    figure(
        "leasehold_agent_logins_total",
        "counter",
        "logins that succeeded",
        &by_login(&|login| Some(f64::from(login.logins))),
    );
    figure(
        "leasehold_agent_token_expiry_seconds",
        "gauge",
        "seconds to the token's end",
        &by_login(&|login| left(login.token_ends)),
    );
    figure(
        "leasehold_agent_next_expiry_seconds",
        "gauge",
        "seconds to the first end of a lease or certificate",
        &by_login(&|login| {
            login
                .secrets
                .iter()
                .filter_map(|secret| left(secret.ends))
                .reduce(f64::min)
        }),
    );
    figure(
        "leasehold_agent_next_call_seconds",
        "gauge",
        "seconds to the next planned renewal or read",
        &by_login(&|login| {
            let calls = login
                .secrets
                .iter()
                .map(|secret| secret.next)
                .chain([login.token_next]);
            calls.filter_map(left).reduce(f64::min)
        }),
    );
    figure(
        "leasehold_agent_secrets_missing",
        "gauge",
        "things asked for and not there",
        &by_login(&|login| Some(count(login.secrets.iter().filter(|secret| !secret.present)))),
    );
    figure(
        "leasehold_agent_templates_rendered",
        "gauge",
        "files in place",
        &by_login(&|login| {
            Some(count(
                login.templates.iter().filter(|template| template.rendered),
            ))
        }),
    );
    let classes: Vec<(String, f64)> = status
        .logins
        .iter()
        .filter_map(|login| login.error.as_ref())
        .map(|error| (format!("{{class=\"{}\"}}", error.class), 1.0))
        .collect();
    figure(
        "leasehold_agent_error",
        "gauge",
        "1 while something of this class stands in the way",
        &classes,
    );
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count beyond 2^53 is not reached"
    )]
    let told: Vec<(String, f64)> = ["command", "signal", "request"]
        .into_iter()
        .flat_map(|kind| {
            let all = status.logins.iter().flat_map(|login| &login.notices);
            let (told, failed) = all
                .filter(|notice| notice.kind == kind)
                .fold((0, 0), |sum, notice| {
                    (sum.0 + notice.told, sum.1 + notice.failed)
                });
            [("success", told), ("failure", failed)].map(|(result, count)| {
                (
                    format!("{{kind=\"{kind}\",result=\"{result}\"}}"),
                    count as f64,
                )
            })
        })
        .collect();
    figure(
        "leasehold_agent_notifications_total",
        "counter",
        "how often the application was told of a change",
        &told,
    );
    for (name, value) in counters(counts) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count beyond 2^53 is not reached"
        )]
        figure(
            &format!("leasehold_agent_{name}_total"),
            "counter",
            "requests of applications",
            &plain(value as f64),
        );
    }
    text
}

fn count<T>(items: impl Iterator<Item = T>) -> f64 {
    f64::from(u32::try_from(items.count()).unwrap_or(u32::MAX))
}

const fn counters(counts: &Counts) -> [(&'static str, u64); 5] {
    [
        ("proxy_success", counts.answered),
        ("proxy_client_error", counts.client_errors),
        ("proxy_error", counts.errors),
        ("cache_hit", counts.hits),
        ("cache_miss", counts.misses),
    ]
}

/// The figures in the form of the established agent's own JSON.
pub(super) fn json(status: &Status, counts: &Counts, now: Moment) -> serde_json::Value {
    let authenticated = status.logins.iter().all(|login| login.logged_in);
    let counted: Vec<serde_json::Value> = counters(counts)
        .into_iter()
        .map(|(name, value)| serde_json::json!({"Name": format!("agent.{}", name.replacen('_', ".", 1)), "Count": value}))
        .collect();
    serde_json::json!({
        "Gauges": [{"Name": "agent.authenticated", "Value": u8::from(authenticated)}],
        "Counters": counted,
        "Status": status.as_json(now),
    })
}
