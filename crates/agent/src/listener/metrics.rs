//! What the agent tells to monitoring. A label is a login's name, a number, or a word out of a fixed list: never a
//! path, a secret or a lease. `docs/reference/agent.md` lists the series, which a test here holds.

use std::{fmt::Write as _, time::Duration};

use crate::{
    core::moment::Moment,
    listener::Counts,
    status::{LoginStatus, Status},
};

/// The series, in the order in which they are told: name, kind, what it says.
const SERIES: &[(&str, &str, &str)] = &[
    (
        "ready",
        "gauge",
        "1 while everything is rendered, the token is good, and no lease has ended",
    ),
    ("authenticated", "gauge", "1 while there is a good token"),
    (
        "logins_total",
        "counter",
        "logins that succeeded, of earlier runs too",
    ),
    (
        "token_expiry_seconds",
        "gauge",
        "seconds to the token's end",
    ),
    (
        "lease_expiry_seconds",
        "gauge",
        "seconds to the end of each lease or certificate, by number",
    ),
    (
        "next_expiry_seconds",
        "gauge",
        "seconds to the first end of a lease or certificate",
    ),
    (
        "next_call_seconds",
        "gauge",
        "seconds to the next planned renewal or read",
    ),
    (
        "file_age_seconds",
        "gauge",
        "seconds since each file got its content, by number",
    ),
    ("secrets_missing", "gauge", "things asked for and not there"),
    ("templates_rendered", "gauge", "files in place"),
    (
        "error",
        "gauge",
        "1 while something of this class stands in the way",
    ),
    (
        "requests_total",
        "counter",
        "requests to the server, by kind and by what came of them",
    ),
    (
        "notifications_total",
        "counter",
        "how often the application was told of a change",
    ),
    (
        "proxy_success_total",
        "counter",
        "requests of applications that the server answered",
    ),
    (
        "proxy_client_error_total",
        "counter",
        "requests of applications that the server refused",
    ),
    (
        "proxy_error_total",
        "counter",
        "requests of applications without an answer, or with one from 500 on",
    ),
    ("cache_hit_total", "counter", "answers out of the cache"),
    ("cache_miss_total", "counter", "answers past the cache"),
];

type Values = Vec<(String, f64)>;

/// The figures as Prometheus reads them.
pub(super) fn prometheus(status: &Status, counts: &Counts, now: Moment) -> String {
    let mut text = String::new();
    for (name, kind, help) in SERIES {
        let values = values(name, status, counts, now);
        if values.is_empty() {
            continue;
        }
        let name = format!("leasehold_agent_{name}");
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
    text
}

fn values(series: &str, status: &Status, counts: &Counts, now: Moment) -> Values {
    let plain = |value: f64| vec![(String::new(), value)];
    let left =
        |at: Option<Duration>| at.map(|at| at.as_secs_f64() - now.since_start().as_secs_f64());
    let each = |value: &dyn Fn(&LoginStatus) -> Option<f64>| -> Values {
        let named = status.logins.iter().filter_map(|login| {
            let labels = format!("{{login=\"{}\"}}", name(login));
            Some((labels, value(login)?))
        });
        named.collect()
    };
    let numbered = |label: &str, values: &dyn Fn(&LoginStatus) -> Vec<Option<f64>>| -> Values {
        let named = status.logins.iter().flat_map(|login| {
            let values = values(login).into_iter().enumerate();
            values.filter_map(|(number, value)| {
                let labels = format!("{{login=\"{}\",{label}=\"{number}\"}}", name(login));
                Some((labels, value?))
            })
        });
        named.collect()
    };
    match series {
        "ready" => plain(f64::from(u8::from(status.unready(now).is_none()))),
        "authenticated" => each(&|login| Some(f64::from(u8::from(login.logged_in)))),
        "logins_total" => each(&|login| Some(f64::from(login.logins))),
        "token_expiry_seconds" => each(&|login| left(login.token_ends)),
        "lease_expiry_seconds" => numbered("secret", &|login| {
            let ends = login.secrets.iter().map(|secret| left(secret.ends));
            ends.collect()
        }),
        "next_expiry_seconds" => each(&|login| {
            let ends = login.secrets.iter().filter_map(|secret| left(secret.ends));
            ends.reduce(f64::min)
        }),
        "next_call_seconds" => each(&|login| {
            let calls = login
                .secrets
                .iter()
                .map(|secret| secret.next)
                .chain([login.token_next]);
            calls.filter_map(left).reduce(f64::min)
        }),
        "file_age_seconds" => numbered("file", &|login| {
            let written = login.templates.iter().map(|template| template.written);
            written.map(|at| left(at).map(|left| -left)).collect()
        }),
        "secrets_missing" => {
            each(&|login| Some(count(login.secrets.iter().filter(|secret| !secret.present))))
        }
        "templates_rendered" => each(&|login| {
            let rendered = login.templates.iter().filter(|template| template.rendered);
            Some(count(rendered))
        }),
        "error" => status
            .logins
            .iter()
            .filter_map(|login| {
                let class = &login.error.as_ref()?.class;
                let labels = format!("{{login=\"{}\",class=\"{class}\"}}", name(login));
                Some((labels, 1.0))
            })
            .collect(),
        "requests_total" => status
            .logins
            .iter()
            .flat_map(|login| {
                login.requests.iter().map(|requests| {
                    let labels = format!(
                        "{{login=\"{}\",kind=\"{}\",result=\"{}\"}}",
                        name(login),
                        requests.kind,
                        requests.result
                    );
                    (labels, number(requests.count))
                })
            })
            .collect(),
        "notifications_total" => notifications(status),
        counted => counters(counts)
            .into_iter()
            .filter(|(name, _)| counted.strip_suffix("_total") == Some(name))
            .map(|(_, value)| (String::new(), number(value)))
            .collect(),
    }
}

fn notifications(status: &Status) -> Values {
    let of_kind = |kind: &'static str| {
        let all = status.logins.iter().flat_map(|login| &login.notices);
        let (told, failed) = all
            .filter(|notice| notice.kind == kind)
            .fold((0, 0), |sum, notice| {
                (sum.0 + notice.told, sum.1 + notice.failed)
            });
        [("success", told), ("failure", failed)].map(|(result, count)| {
            let labels = format!("{{kind=\"{kind}\",result=\"{result}\"}}");
            (labels, number(count))
        })
    };
    ["command", "signal", "request"]
        .into_iter()
        .flat_map(of_kind)
        .collect()
}

fn name(login: &LoginStatus) -> String {
    if login.name.is_empty() {
        "auto_auth".to_owned()
    } else {
        login.name.escape_default().to_string()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count beyond 2^53 is not reached"
)]
const fn number(count: u64) -> f64 {
    count as f64
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/reference/agent.md");

    fn status() -> Status {
        let text = r#"{"ready":true,"pid":7,"logins":[{
            "name":"","logged_in":true,"logins":2,"complete":true,
            "token_ends":{"secs":160,"nanos":0},"token_next":{"secs":130,"nanos":0},
            "error":{"class":"no_answer","text":"secret/data/app: no answer"},
            "secrets":[
              {"name":"secret/data/app","present":true,"ends":null,"next":{"secs":120,"nanos":0},"error":null},
              {"name":"database/creds/app","present":true,"ends":{"secs":150,"nanos":0},"next":null,"error":null}],
            "templates":[{"destination":"/vault/secrets/app","rendered":true,"written":{"secs":90,"nanos":0},"error":null}],
            "notices":[{"name":"signal `SIGHUP nginx`","kind":"signal","told":3,"failed":1,"error":null}],
            "requests":[{"kind":"read","result":"success","count":5}]}]}"#;
        serde_json::from_str(text).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn tells_what_operators_watch_and_no_path() {
        let text = prometheus(&status(), &Counts::default(), at(100));
        for line in [
            "ready 1",
            "logins_total{login=\"auto_auth\"} 2",
            "token_expiry_seconds{login=\"auto_auth\"} 60",
            "lease_expiry_seconds{login=\"auto_auth\",secret=\"1\"} 50",
            "next_call_seconds{login=\"auto_auth\"} 20",
            "file_age_seconds{login=\"auto_auth\",file=\"0\"} 10",
            "error{login=\"auto_auth\",class=\"no_answer\"} 1",
            "requests_total{login=\"auto_auth\",kind=\"read\",result=\"success\"} 5",
            "notifications_total{kind=\"signal\",result=\"failure\"} 1",
            "cache_hit_total 0",
        ] {
            let line = format!("\nleasehold_agent_{line}\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        for hidden in ["secret/", "database", "/vault", "nginx"] {
            assert!(!text.contains(hidden), "{hidden} is in\n{text}");
        }
    }

    #[test]
    fn a_lease_that_has_ended_makes_it_unready() {
        let ready = |now| {
            let text = prometheus(&status(), &Counts::default(), now);
            text.contains("\nleasehold_agent_ready 1\n")
        };
        assert!(ready(at(149)));
        assert!(!ready(at(150)));
    }

    #[test]
    fn every_series_is_in_the_reference() {
        for (name, ..) in SERIES {
            let cell = format!("| `leasehold_agent_{name}` |");
            assert!(PAGE.contains(&cell), "{cell} is missing from the page");
        }
    }
}
