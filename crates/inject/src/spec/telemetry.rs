//! Cache, listener, connections, the template engine's settings, and telemetry.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::finding::{Code, Finding};
use crate::go::{self, duration, number};
use crate::report::Stage;
use crate::spec::Reader;
use crate::vocabulary::telemetry as names;

/// Cache, listener, connections and telemetry of the agent.
#[derive(Debug)]
pub(crate) struct Listener<'a> {
    /// Whether the caching proxy runs.
    pub(crate) cache: bool,
    /// `use_auto_auth_token`, as written.
    pub(crate) cache_token: &'a str,
    /// The port, as written.
    pub(crate) port: &'a str,
    /// Whether a broken persistent cache ends the agent.
    pub(crate) cache_exit_on_err: bool,
    /// Whether the quit path is offered.
    pub(crate) quit: bool,
    /// Parts without idle connections.
    pub(crate) disable_idle_connections: Vec<&'a str>,
    /// Parts without kept connections.
    pub(crate) disable_keep_alives: Vec<&'a str>,
    /// The telemetry stanza; none without any telemetry annotation.
    pub(crate) telemetry: Option<Map<String, Value>>,
}

/// Settings of the agent's template engine.
#[derive(Debug)]
pub(crate) struct TemplateEngine<'a> {
    /// Whether a template that cannot be rendered ends the agent.
    pub(crate) exit_on_retry_failure: bool,
    /// How often secrets without lease are read, as written.
    pub(crate) render_interval: &'a str,
    /// Connections per server; 0 for the agent's default.
    pub(crate) max_connections: i64,
    /// When a lease counts as old; 0 for the agent's default.
    pub(crate) lease_renewal_threshold: f64,
}

impl<'a> Listener<'a> {
    /// Reads the cache's annotations; the rest has its turn later.
    pub(crate) fn read_cache(reader: &mut Reader<'_, 'a>) -> Self {
        let cache = reader.boolean(&names::CACHE_ENABLE, false);
        let cache_exit_on_err = reader.boolean(&names::CACHE_EXIT_ON_ERR, false);
        Self {
            cache,
            cache_token: reader.text(&names::CACHE_TOKEN, "true"),
            port: reader.text(&names::CACHE_PORT, "8200"),
            cache_exit_on_err,
            quit: false,
            disable_idle_connections: Vec::new(),
            disable_keep_alives: Vec::new(),
            telemetry: None,
        }
    }

    /// Reads the quit switch, the connections and the telemetry.
    pub(crate) fn read_rest(&mut self, reader: &mut Reader<'_, 'a>) {
        let settings = reader.settings;
        self.quit = reader.boolean(&names::ENABLE_QUIT, false);
        self.disable_idle_connections = read_connections(
            reader,
            &names::DISABLE_IDLE_CONNECTIONS,
            &settings.disable_idle_connections,
        );
        self.disable_keep_alives = read_connections(
            reader,
            &names::DISABLE_KEEP_ALIVES,
            &settings.disable_keep_alives,
        );
        self.telemetry = read_telemetry(reader);
        if (self.cache || self.quit) && !self.port.parse::<u16>().is_ok_and(|port| port > 0) {
            let text = format!("{} is no port (1 to 65535)", go::quote(self.port));
            reader.warn(Code::SuspiciousValue, &names::CACHE_PORT, text);
        }
        if self.cache && !matches!(self.cache_token, "true" | "false" | "force" | "") {
            let text = format!(
                "{} is neither true, false nor force",
                go::quote(self.cache_token)
            );
            reader.warn(Code::SuspiciousValue, &names::CACHE_TOKEN, text);
        }
    }
}

impl<'a> TemplateEngine<'a> {
    /// Reads the template engine's annotations.
    pub(crate) fn read(reader: &mut Reader<'_, 'a>) -> Self {
        let settings = reader.settings;
        let exit_on_retry_failure = reader.boolean(
            &names::EXIT_ON_RETRY_FAILURE,
            settings.template_exit_on_retry_failure,
        );
        let max_connections = match reader.given(&names::MAX_CONNECTIONS) {
            Some(_) => reader.integer(&names::MAX_CONNECTIONS, ""),
            None => settings.template_max_connections_per_host,
        };
        let lease_renewal_threshold = match reader.given(&names::LEASE_RENEWAL_THRESHOLD) {
            None => settings.template_lease_renewal_threshold,
            Some(given) => number::float(given.value).unwrap_or_else(|words| {
                reader.report.deny_value(
                    Stage::Parse,
                    &words,
                    given,
                    names::LEASE_RENEWAL_THRESHOLD.kind,
                );
                0.0
            }),
        };
        let render_interval = reader.text(
            &names::RENDER_INTERVAL,
            &settings.template_static_secret_render_interval,
        );
        if !render_interval.is_empty()
            && render_interval.parse::<u64>().is_err()
            && !duration::duration(render_interval).is_ok_and(|nanos| nanos >= 0)
        {
            let text = format!(
                "{} is no duration that the agent can read, such as 5m",
                go::quote(render_interval)
            );
            reader.warn(Code::SuspiciousValue, &names::RENDER_INTERVAL, text);
        }
        if lease_renewal_threshold.is_finite()
            && lease_renewal_threshold != 0.0
            && !(0.0..=1.0).contains(&lease_renewal_threshold)
        {
            let text = format!("{lease_renewal_threshold} is no part of a lease (0 to 1)");
            reader.warn(Code::SuspiciousValue, &names::LEASE_RENEWAL_THRESHOLD, text);
        }
        Self {
            exit_on_retry_failure,
            render_interval,
            max_connections,
            lease_renewal_threshold,
        }
    }
}

fn read_connections<'a>(
    reader: &mut Reader<'_, 'a>,
    annotation: &'static crate::vocabulary::Annotation,
    default: &'a str,
) -> Vec<&'a str> {
    let words = reader.comma_list(annotation, default);
    let unknown: Vec<&str> = words
        .iter()
        .copied()
        .filter(|w| !names::CONNECTION_USERS.contains(w))
        .collect();
    if !unknown.is_empty() {
        let text = format!(
            "{} is unknown and makes the agent fail; accepted: {}",
            unknown.join(", "),
            names::CONNECTION_USERS.join(", ")
        );
        reader.warn(Code::SuspiciousValue, annotation, text);
    }
    words
}

/// The type of a telemetry key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Whole,
    Flag,
    Texts,
}

/// The telemetry keys that Vault's agent knows, in the order in which they are written.
const TELEMETRY_KEYS: &[(&str, Type)] = &[
    ("usage_gauge_period", Type::Text),
    ("maximum_gauge_cardinality", Type::Whole),
    ("disable_hostname", Type::Flag),
    ("enable_hostname_label", Type::Flag),
    ("lease_metrics_epsilon", Type::Text),
    ("num_lease_metrics_buckets", Type::Whole),
    ("add_lease_metrics_namespace_labels", Type::Flag),
    ("filter_default", Type::Flag),
    ("prefix_filter", Type::Texts),
    ("statsite_address", Type::Text),
    ("statsd_address", Type::Text),
    ("circonus_api_token", Type::Text),
    ("circonus_api_app", Type::Text),
    ("circonus_api_url", Type::Text),
    ("circonus_submission_interval", Type::Text),
    ("circonus_submission_url", Type::Text),
    ("circonus_check_id", Type::Text),
    ("circonus_check_force_metric_activation", Type::Flag),
    ("circonus_check_instance_id", Type::Text),
    ("circonus_check_search_tag", Type::Text),
    ("circonus_check_display_name", Type::Text),
    ("circonus_check_tags", Type::Text),
    ("circonus_broker_id", Type::Text),
    ("circonus_broker_select_tag", Type::Text),
    ("dogstatsd_addr", Type::Text),
    ("dogstatsd_tags", Type::Texts),
    ("prometheus_retention_time", Type::Text),
    ("stackdriver_project_id", Type::Text),
    ("stackdriver_location", Type::Text),
    ("stackdriver_namespace", Type::Text),
    ("stackdriver_debug_logs", Type::Flag),
];

fn read_telemetry(reader: &mut Reader<'_, '_>) -> Option<Map<String, Value>> {
    let mut values: BTreeMap<&'static str, Value> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut any = false;
    for (key, given) in reader.layers().family(&names::TELEMETRY) {
        any = true;
        let folded = key.replace('-', "_");
        let Some((known, of_type)) = TELEMETRY_KEYS.iter().find(|(name, _)| *name == folded) else {
            let text = format!("the agent's telemetry has no key {folded}; it is left out");
            findings.push(Finding::warning(Code::NoEffect, text).about(given.key));
            continue;
        };
        match typed(given.value, *of_type) {
            Ok(value) => {
                if let Some(value) = value {
                    values.insert(known, value);
                }
            }
            Err(wanted) => {
                let text = format!(
                    "{} is no {wanted}; the key is left out and the others stay",
                    go::quote(given.value)
                );
                findings.push(Finding::warning(Code::SuspiciousValue, text).about(given.key));
            }
        }
    }
    findings
        .into_iter()
        .for_each(|finding| reader.report.note(finding));
    any.then(|| {
        TELEMETRY_KEYS
            .iter()
            .filter_map(|(key, _)| Some(((*key).to_owned(), values.remove(key)?)))
            .collect()
    })
}

/// A telemetry value as its key's type; none for a value that is left out as it says nothing.
fn typed(text: &str, of_type: Type) -> Result<Option<Value>, &'static str> {
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let value = match (of_type, value) {
        (_, Value::Null) => return Ok(None),
        (Type::Text, Value::String(text)) => Value::String(text),
        // A number or word where a text belongs is that text.
        (Type::Text, Value::Number(_) | Value::Bool(_)) => Value::String(text.trim().to_owned()),
        (Type::Text, _) => return Err("text"),
        (Type::Whole, Value::Number(n)) if n.is_i64() || n.is_u64() => Value::Number(n),
        (Type::Whole, Value::String(text)) => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => return Err("whole number"),
        },
        (Type::Whole, _) => return Err("whole number"),
        (Type::Flag, Value::Bool(flag)) => Value::Bool(flag),
        (Type::Flag, Value::String(text)) => match go::boolean(&text) {
            Ok(flag) => Value::Bool(flag),
            Err(_) => return Err("boolean"),
        },
        (Type::Flag, _) => return Err("boolean"),
        (Type::Texts, Value::Array(list)) if list.iter().all(Value::is_string) => {
            Value::Array(list)
        }
        (Type::Texts, _) => return Err("list of texts"),
    };
    let says_nothing = match &value {
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(flag) => !flag,
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    Ok((!says_nothing).then_some(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn telemetry_values_get_the_type_of_their_key_where_that_is_plain() {
        for (text, of_type, want) in [
            ("30s", Type::Text, Ok(Some(json!("30s")))),
            ("\"17\"", Type::Text, Ok(Some(json!("17")))),
            ("1234567890", Type::Text, Ok(Some(json!("1234567890")))),
            ("{}", Type::Text, Err("text")),
            ("168", Type::Whole, Ok(Some(json!(168)))),
            ("\"168\"", Type::Whole, Ok(Some(json!(168)))),
            ("1.5", Type::Whole, Err("whole number")),
            ("true", Type::Flag, Ok(Some(json!(true)))),
            ("\"T\"", Type::Flag, Ok(Some(json!(true)))),
            ("yes", Type::Flag, Err("boolean")),
            ("false", Type::Flag, Ok(None)),
            ("0", Type::Whole, Ok(None)),
            ("[\"a\"]", Type::Texts, Ok(Some(json!(["a"])))),
            ("a,b", Type::Texts, Err("list of texts")),
            ("[1]", Type::Texts, Err("list of texts")),
            ("null", Type::Texts, Ok(None)),
        ] {
            assert_eq!(typed(text, of_type), want, "{text} as {of_type:?}");
        }
    }
}
