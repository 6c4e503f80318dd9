//! Requests and limits that nobody has set, and the memory that the volumes take.
//!
//! What the agent writes into a memory volume is charged to the agent, so its limit is its own
//! need plus the volumes' sizes.

use crate::finding::{Code, Finding};
use crate::go::quantity::Quantity;
use crate::plan::volumes::hands_over;
use crate::report::Report;
use crate::settings::Flavour;
use crate::spec::Spec;
use crate::vocabulary::container as names;

/// What our agent needs itself, in MiB.
const AGENT_MIB: i128 = 32;
/// The size of the agent's own memory volume, in MiB, and as it is written.
const HOME_MIB: i128 = 4;
pub(super) const HOME_SIZE: &str = "4Mi";
/// One MiB in the unit of quantities.
const MIB_NANOS: i128 = 1024 * 1024 * 1_000_000_000;

/// The established injector's default for an amount; empty for none.
pub(super) fn established_default(list: &str, resource: &str) -> String {
    match (list, resource) {
        ("limits", "cpu") => "500m",
        ("limits", "memory") => "128Mi",
        ("requests", "cpu") => "250m",
        ("requests", "memory") => "64Mi",
        _ => "",
    }
    .to_owned()
}

/// Our agent's default for an amount; empty for none.
pub(super) fn our_default(list: &str, resource: &str, spec: &Spec<'_>) -> String {
    match (list, resource) {
        ("limits", "cpu") => "500m".to_owned(),
        ("limits", "memory") => format!("{}Mi", needed_mib(spec)),
        ("requests", "cpu") => "5m".to_owned(),
        ("requests", "memory") => "16Mi".to_owned(),
        _ => String::new(),
    }
}

/// Notes a memory limit that the volumes alone can fill.
pub(super) fn note_small_limit(
    spec: &Spec<'_>,
    read: &[(&str, &str, Quantity)],
    report: &mut Report,
) {
    if spec.agent.flavour != Flavour::Leasehold {
        return;
    }
    let limit = read
        .iter()
        .find(|(list, resource, _)| (*list, *resource) == ("limits", "memory"));
    let needed = needed_mib(spec);
    if let Some((_, _, limit)) = limit
        && limit.nanos < needed * MIB_NANOS
    {
        let text = format!(
            "{} is less than the {needed}Mi that the agent and its memory volumes may take; raise \
             it, or lower leasehold.dev/secrets-size",
            limit.text
        );
        report.note(
            Finding::info(Code::SuspiciousValue, text).about(names::LIMITS_MEMORY.full_name()),
        );
    }
}

/// The agent's need and its volumes', in MiB.
fn needed_mib(spec: &Spec<'_>) -> i128 {
    let each = spec.container.secrets_size.nanos.max(0) / MIB_NANOS
        + i128::from(spec.container.secrets_size.nanos % MIB_NANOS != 0);
    let volumes = 1 + spec.secrets.custom_paths.len() as i128;
    let homes = if hands_over(spec) { 2 } else { 1 };
    AGENT_MIB + HOME_MIB * homes + each.min(1 << 40) * volumes
}
