//! The scenarios, and the order they run in.

mod certificates;
mod checkout;
mod cluster_oidc;
mod findings;
mod gitops;
mod grade_api;
mod guard;
mod job;
mod outage;
mod release;
mod rotation;
mod start_time;
mod third_party;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::helm::Helm;
use crate::report::{Report, Seen};
use crate::stage::{Stage, check_stop};

/// One scenario.
struct Scenario {
    name: &'static str,
    run: fn(&Stage, &Helm, &mut Seen) -> Result<()>,
}

/// Those that disturb nobody, run at the same time.
const TOGETHER: &[Scenario] = &[
    Scenario {
        name: "checkout",
        run: |stage, _, seen| checkout::run(stage, seen),
    },
    Scenario {
        name: "grade-api",
        run: |stage, _, seen| grade_api::run(stage, seen),
    },
    Scenario {
        name: "cluster-oidc",
        run: |stage, _, seen| cluster_oidc::run(stage, seen),
    },
    Scenario {
        name: "third-party-token",
        run: |stage, _, seen| third_party::run(stage, seen),
    },
    Scenario {
        name: "rotation",
        run: |stage, _, seen| rotation::run(stage, seen),
    },
    Scenario {
        name: "job",
        run: |stage, _, seen| job::run(stage, seen),
    },
    Scenario {
        name: "findings",
        run: |stage, _, seen| findings::run(stage, seen),
    },
];

/// Those that change what others need, one after the other. The last ends the release.
const ALONE: &[Scenario] = &[
    Scenario {
        name: "start-time",
        run: |stage, _, seen| start_time::run(stage, seen),
    },
    Scenario {
        name: "helm-test",
        run: release::test,
    },
    Scenario {
        name: "gitops",
        run: gitops::run,
    },
    Scenario {
        name: "outage",
        run: |stage, _, seen| outage::run(stage, seen),
    },
    Scenario {
        name: "guard",
        run: |stage, _, seen| guard::run(stage, seen),
    },
    Scenario {
        name: "certificates",
        run: |stage, _, seen| certificates::run(stage, seen),
    },
    Scenario {
        name: "upgrade",
        run: release::upgrade,
    },
    Scenario {
        name: "uninstall",
        run: release::uninstall,
    },
];

/// Fails unless each name is that of a scenario.
pub(crate) fn check_names(names: &[String]) -> Result<()> {
    let known: Vec<&str> = TOGETHER.iter().chain(ALONE).map(|one| one.name).collect();
    for name in names {
        if !known.contains(&name.as_str()) {
            bail!(
                "there is no scenario called `{name}`; known are {}",
                known.join(", ")
            );
        }
    }
    Ok(())
}

/// Runs all that are wanted. A failed scenario does not end the others.
pub(crate) fn run_all(stage: &Stage, helm: &Helm, report: &mut Report) -> Result<()> {
    let wanted = |name: &str| {
        stage.options.only.is_empty() || stage.options.only.iter().any(|only| only == name)
    };
    certificates::await_webhooks(stage)?;
    thread::scope(|scope| {
        let mut running = Vec::new();
        for scenario in TOGETHER.iter().filter(|one| wanted(one.name)) {
            running.push((
                scenario.name,
                scope.spawn(|| perform(stage, helm, scenario)),
            ));
        }
        for (name, thread) in running {
            match thread.join() {
                Ok((took, seen, result)) => report.add(name, took, seen, result),
                Err(_) => report.add(
                    name,
                    Duration::ZERO,
                    Seen::default(),
                    Err(anyhow!("it panicked")),
                ),
            }
        }
    });
    for scenario in ALONE.iter().filter(|one| wanted(one.name)) {
        check_stop(&stage.stop)?;
        let (took, seen, result) = perform(stage, helm, scenario);
        report.add(scenario.name, took, seen, result);
    }
    check_stop(&stage.stop)
}

fn perform(stage: &Stage, helm: &Helm, scenario: &Scenario) -> (Duration, Seen, Result<()>) {
    let name = scenario.name;
    eprintln!("e2e: {name} begins");
    let started = Instant::now();
    let mut seen = Seen::default();
    let result = (scenario.run)(stage, helm, &mut seen);
    let took = started.elapsed();
    match &result {
        Ok(()) => eprintln!("e2e: {name} holds after {:.0} s", took.as_secs_f64()),
        Err(error) => eprintln!(
            "e2e: {name} FAILED after {:.0} s: {error:#}",
            took.as_secs_f64()
        ),
    }
    (took, seen, result)
}
