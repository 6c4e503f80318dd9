//! Cache, listener, connections, the template engine's settings, and telemetry.

use std::collections::BTreeMap;

use leasehold_config::{TelemetryKey, TelemetryKind, TelemetryValue};
use serde_json::Value;

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
    pub(crate) telemetry: Option<Vec<(TelemetryKey, TelemetryValue)>>,
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
            && !(lease_renewal_threshold > 0.0 && lease_renewal_threshold < 1.0)
        {
            let text = format!(
                "{lease_renewal_threshold} is no part of a lease, so the agent refuses it; write a \
                 number between 0 and 1, such as 0.75"
            );
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

/// A key that the agent knows and the established injector leaves out.
const LEFT_OUT: &str = "metrics_prefix";

fn read_telemetry(reader: &mut Reader<'_, '_>) -> Option<Vec<(TelemetryKey, TelemetryValue)>> {
    let mut values: BTreeMap<String, (TelemetryKey, TelemetryValue)> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut any = false;
    for (key, given) in reader.layers().family(&names::TELEMETRY) {
        any = true;
        // Keys are told apart without regard to capitals, as the established reader does.
        let folded = key.replace('-', "_").to_lowercase();
        let known = TelemetryKey::from_name(&folded)
            .filter(|known| known.name() == folded && folded != LEFT_OUT);
        let Some(known) = known else {
            let text = format!("{folded} is no telemetry key that is passed on; it is left out");
            findings.push(Finding::warning(Code::NoEffect, text).about(given.key));
            continue;
        };
        match typed(given.value, known.kind()) {
            Some(value) => {
                values.insert(folded, (known, value));
            }
            None => {
                let wanted = match known.kind() {
                    TelemetryKind::Text => "text",
                    TelemetryKind::Whole => "whole number",
                    TelemetryKind::Switch => "boolean",
                    TelemetryKind::List => "JSON list of texts",
                };
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
        TelemetryKey::ALL
            .iter()
            .filter_map(|key| values.remove(key.name()))
            .collect()
    })
}

/// A number without a fraction, however it is spelt.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let text = format!(
            "{:.0}",
            number.as_f64().filter(|float| float.fract() == 0.0)?
        );
        text.parse().ok()
    })
}

/// A telemetry value as its key's type. Null reads as what says nothing.
fn typed(text: &str, kind: TelemetryKind) -> Option<TelemetryValue> {
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    Some(match (kind, value) {
        (TelemetryKind::Text, Value::String(text)) => TelemetryValue::Text(text),
        // A number or word where a text belongs is that text.
        (TelemetryKind::Text, Value::Number(_) | Value::Bool(_)) => {
            TelemetryValue::Text(text.trim().to_owned())
        }
        (TelemetryKind::Text, Value::Null) => TelemetryValue::Text(String::new()),
        (TelemetryKind::Whole, Value::Number(number)) => TelemetryValue::Whole(whole(&number)?),
        (TelemetryKind::Whole, Value::String(text)) => TelemetryValue::Whole(text.parse().ok()?),
        (TelemetryKind::Whole, Value::Null) => TelemetryValue::Whole(0),
        (TelemetryKind::Switch, Value::Bool(flag)) => TelemetryValue::Switch(flag),
        (TelemetryKind::Switch, Value::String(text)) => {
            TelemetryValue::Switch(go::boolean(&text).ok()?)
        }
        (TelemetryKind::Switch, Value::Null) => TelemetryValue::Switch(false),
        (TelemetryKind::List, Value::Array(list)) => TelemetryValue::List(
            list.into_iter()
                .map(|entry| entry.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
        ),
        (TelemetryKind::List, Value::Null) => TelemetryValue::List(Vec::new()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_values_get_the_type_of_their_key_where_that_is_plain() {
        use TelemetryKind::{List, Switch, Text, Whole};
        let word = |text: &str| Some(TelemetryValue::Text(text.to_owned()));
        for (text, kind, want) in [
            ("30s", Text, word("30s")),
            ("\"17\"", Text, word("17")),
            ("1234567890", Text, word("1234567890")),
            ("{}", Text, None),
            ("168", Whole, Some(TelemetryValue::Whole(168))),
            ("\"168\"", Whole, Some(TelemetryValue::Whole(168))),
            ("1.5", Whole, None),
            ("1e2", Whole, Some(TelemetryValue::Whole(100))),
            ("true", Switch, Some(TelemetryValue::Switch(true))),
            ("\"T\"", Switch, Some(TelemetryValue::Switch(true))),
            ("yes", Switch, None),
            (
                "[\"a\"]",
                List,
                Some(TelemetryValue::List(vec!["a".to_owned()])),
            ),
            ("a,b", List, None),
            ("[1]", List, None),
            ("null", List, Some(TelemetryValue::List(Vec::new()))),
        ] {
            assert_eq!(typed(text, kind), want, "{text} as {kind:?}");
        }
    }
}
