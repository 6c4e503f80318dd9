//! The fuzzing program: one for all targets, since one link takes as long as a dozen. libFuzzer brings `main`
//! and the arguments; the environment says which target gets the inputs. `cargo xtask fuzz` builds and runs it.
//!
//! A target takes any bytes. It fails by a panic, by taking longer than libFuzzer allows for one input, or by
//! more memory than that. What it checks besides stands beside it.
#![no_main]

mod admission;
mod configuration;
mod templates;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// The environment variable that names the target.
const CHOICE: &str = "LEASEHOLD_FUZZ_TARGET";

/// A target: gets one input.
type Target = fn(&[u8]);

/// Every target, by the name that `cargo xtask fuzz` has for it.
const TARGETS: &[(&str, Target)] = &[
    ("admission", admission::review),
    ("annotations", admission::annotations),
    ("configuration-hcl", configuration::hcl),
    ("configuration-json", configuration::json),
    ("json-patch", admission::json_patch),
    ("printf", templates::printf),
    ("regex", templates::regex),
    ("scalars", configuration::scalars),
    ("serialized", templates::serialized),
    ("template", templates::source),
    ("template-data", templates::source_and_data),
];

fn chosen() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var(CHOICE).unwrap_or_default();
        match TARGETS.iter().find(|(known, _)| *known == name) {
            Some((_, target)) => *target,
            None => {
                let known: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
                panic!("{CHOICE} is {name:?}; accepted are {}", known.join(", "))
            }
        }
    })
}

fuzz_target!(|input: &[u8]| chosen()(input));
