//! `leasehold-agent check-config`: what a configuration would do, without doing it.

use std::fmt::Write as _;

use leasehold_config::Parsed;

use crate::{
    connection::ConnectionFlags,
    core::machine::Rule,
    environment::Environment,
    plan::{self, PlanError},
    templates::{Loaded, Target},
};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What the agent would do.
    pub summary: String,
    /// What it would ignore or do otherwise.
    pub warnings: Vec<String>,
    /// What it would fail at.
    pub errors: Vec<String>,
}

/// Checks a configuration that could be read.
///
/// # Errors
/// The agent could not begin with it.
pub fn check(
    parsed: &Parsed,
    flags: &ConnectionFlags,
    environment: &Environment,
) -> Result<Checked, PlanError> {
    let config = &parsed.config;
    let plan = plan::plan(config, flags, environment)?;
    let mut checked = Checked {
        summary: String::new(),
        warnings: parsed.warnings.iter().map(ToString::to_string).collect(),
        errors: Vec::new(),
    };
    checked.warnings.extend(plan.without_effect.iter().cloned());
    let out = &mut checked.summary;
    for login in &plan.logins {
        let name = if login.name.is_empty() {
            String::new()
        } else {
            format!(" `{}`", login.name)
        };
        let namespace = login.connection.namespace.as_deref();
        let _ = writeln!(
            out,
            "login{name}: {} at `{}` of {}{}",
            login.method.kind,
            login.method.mount_path.as_deref().unwrap_or_default(),
            login.connection.address,
            namespace
                .map(|name| format!(" in namespace {name}"))
                .unwrap_or_default(),
        );
        if let Err(error) = leasehold_vault::Login::new(&login.method) {
            checked.errors.push(error.to_string());
        }
        for sink in &login.sinks {
            let _ = writeln!(out, "  token to `{}` (mode {:04o})", sink.path, sink.mode);
        }
        for target in &login.templates {
            let loaded = Loaded::read(target.clone());
            let what = match target {
                Target::File(_) => "renders",
                Target::Variable(_) => "sets the variable",
            };
            let _ = writeln!(out, "  {what} `{}`", loaded.destination());
            if let Some(failure) = loaded.fault() {
                checked
                    .errors
                    .push(format!("`{}`: {failure}", loaded.destination()));
            }
        }
        for notice in &login.notices {
            let _ = writeln!(out, "  tells the application by {}", notice.shown());
        }
        let at_end = match login.settings.revoke_on_exit {
            Rule::On => "revokes its token",
            Rule::Off => "leaves its token to its TTL",
        };
        let _ = writeln!(out, "  at its end: {at_end}");
    }
    let lifetime = match plan.hands_over {
        Rule::On => "ends when everything is rendered",
        Rule::Off => "stays and keeps everything alive",
    };
    let _ = writeln!(out, "{lifetime}");
    Ok(checked)
}
