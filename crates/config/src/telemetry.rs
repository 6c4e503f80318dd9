//! The `telemetry` block, which Vault's servers and agents share.

use std::time::Duration;

use crate::reading::{Block, Unknown, go_bool};
use crate::syntax::Value;
use crate::writing::{Object, array, quoted};

/// The block `telemetry`: its known keys in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Keys and values; a key appears once.
    pub settings: Vec<(TelemetryKey, TelemetryValue)>,
}

/// A key of the block, with the type of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TelemetryKey {
    name: &'static str,
    kind: TelemetryKind,
}

/// The type of a telemetry key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TelemetryKind {
    /// A text.
    Text,
    /// A whole number.
    Whole,
    /// A boolean.
    Switch,
    /// A list of texts.
    List,
}

/// The value of a telemetry key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TelemetryValue {
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A boolean.
    Switch(bool),
    /// A list of texts.
    List(Vec<String>),
}

impl TelemetryKey {
    /// Every key of the block.
    pub const ALL: &[Self] = &[
        Self::new("usage_gauge_period", TelemetryKind::Text),
        Self::new("maximum_gauge_cardinality", TelemetryKind::Whole),
        Self::new("disable_hostname", TelemetryKind::Switch),
        Self::new("enable_hostname_label", TelemetryKind::Switch),
        Self::new("lease_metrics_epsilon", TelemetryKind::Text),
        Self::new("num_lease_metrics_buckets", TelemetryKind::Whole),
        Self::new("add_lease_metrics_namespace_labels", TelemetryKind::Switch),
        Self::new("filter_default", TelemetryKind::Switch),
        Self::new("prefix_filter", TelemetryKind::List),
        Self::new("metrics_prefix", TelemetryKind::Text),
        Self::new("statsite_address", TelemetryKind::Text),
        Self::new("statsd_address", TelemetryKind::Text),
        Self::new("circonus_api_token", TelemetryKind::Text),
        Self::new("circonus_api_app", TelemetryKind::Text),
        Self::new("circonus_api_url", TelemetryKind::Text),
        Self::new("circonus_submission_interval", TelemetryKind::Text),
        Self::new("circonus_submission_url", TelemetryKind::Text),
        Self::new("circonus_check_id", TelemetryKind::Text),
        Self::new(
            "circonus_check_force_metric_activation",
            TelemetryKind::Switch,
        ),
        Self::new("circonus_check_instance_id", TelemetryKind::Text),
        Self::new("circonus_check_search_tag", TelemetryKind::Text),
        Self::new("circonus_check_tags", TelemetryKind::Text),
        Self::new("circonus_check_display_name", TelemetryKind::Text),
        Self::new("circonus_broker_id", TelemetryKind::Text),
        Self::new("circonus_broker_select_tag", TelemetryKind::Text),
        Self::new("dogstatsd_addr", TelemetryKind::Text),
        Self::new("dogstatsd_tags", TelemetryKind::List),
        Self::new("prometheus_retention_time", TelemetryKind::Text),
        Self::new("stackdriver_project_id", TelemetryKind::Text),
        Self::new("stackdriver_location", TelemetryKind::Text),
        Self::new("stackdriver_namespace", TelemetryKind::Text),
        Self::new("stackdriver_debug_logs", TelemetryKind::Switch),
    ];

    const fn new(name: &'static str, kind: TelemetryKind) -> Self {
        Self { name, kind }
    }

    /// The key of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|key| key.name.eq_ignore_ascii_case(name))
            .copied()
    }

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The type of its value.
    #[must_use]
    pub fn kind(self) -> TelemetryKind {
        self.kind
    }
}

impl Telemetry {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&TelemetryValue> {
        self.settings
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value)
    }

    /// How long the Prometheus form keeps a series that does not change; it is switched on by a
    /// value above zero.
    #[must_use]
    pub fn prometheus_retention(&self) -> Option<Duration> {
        match self.get("prometheus_retention_time") {
            Some(TelemetryValue::Text(text)) => {
                crate::duration::parse(text).filter(|time| !time.is_zero())
            }
            _ => None,
        }
    }

    /// Whether names of metrics leave out the host's name.
    #[must_use]
    pub fn disable_hostname(&self) -> bool {
        self.get("disable_hostname") == Some(&TelemetryValue::Switch(true))
    }

    pub(crate) fn read(block: &Block<'_>) -> Self {
        let mut telemetry = Self::default();
        for (name, value) in block.pairs() {
            let Some(key) = TelemetryKey::from_name(name) else {
                block.warn(name, "is not a key that is known here and is ignored");
                continue;
            };
            if *value == Value::Null {
                continue;
            }
            let Some(value) = TelemetryValue::read(key.kind, value) else {
                let accepted = match key.kind {
                    TelemetryKind::Text => "a text",
                    TelemetryKind::Whole => "a whole number",
                    TelemetryKind::Switch => "true or false",
                    TelemetryKind::List => "a list of texts",
                };
                block.refuse(name, format!("has another type; accepted is {accepted}"));
                continue;
            };
            telemetry.settings.retain(|(known, _)| *known != key);
            telemetry.settings.push((key, value));
        }
        if let Some(TelemetryValue::Text(text)) = telemetry.get("prometheus_retention_time")
            && !text.is_empty()
            && crate::duration::parse(text).is_none()
        {
            block.refuse(
                "prometheus_retention_time",
                format!(
                    "is `{}`; accepted is {}",
                    text.escape_debug(),
                    crate::duration::ACCEPTED
                ),
            );
        }
        block.finish(Unknown::Warned);
        telemetry
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        for (key, value) in &self.settings {
            object.put(key.name, value.write());
        }
        object
    }
}

impl TelemetryValue {
    fn read(kind: TelemetryKind, value: &Value) -> Option<Self> {
        match (kind, value) {
            (TelemetryKind::Text, Value::Text(text) | Value::Number(text)) => {
                Some(Self::Text(text.clone()))
            }
            (TelemetryKind::Whole, Value::Number(text) | Value::Text(text)) => {
                text.parse().ok().map(Self::Whole)
            }
            (TelemetryKind::Switch, Value::Bool(flag)) => Some(Self::Switch(*flag)),
            (TelemetryKind::Switch, Value::Text(text)) => go_bool(text).map(Self::Switch),
            (TelemetryKind::List, Value::List(items)) => items
                .iter()
                .map(|item| match &item.value {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect::<Option<_>>()
                .map(Self::List),
            _ => None,
        }
    }

    pub(crate) fn write(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Whole(number) => number.to_string(),
            Self::Switch(flag) => flag.to_string(),
            Self::List(items) => array(items.iter().map(|item| quoted(item))),
        }
    }
}
