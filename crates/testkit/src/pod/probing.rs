//! Startup, liveness and readiness probes.

use std::time::Instant;

use super::manifest::Probe;
use super::worker::{Event, Leaving, Probed, Worker};

impl Worker {
    pub(super) fn start_probes(&mut self) {
        for index in 0..self.lives.len() {
            let life = &self.lives[index];
            if !life.running || life.probing || life.leaving != Leaving::No {
                continue;
            }
            if life.next_probe.is_none_or(|time| time > Instant::now()) {
                continue;
            }
            let one = &self.manifest.containers[index];
            let due: Vec<(Probed, Probe)> = if life.started {
                let live = one.liveness.clone().map(|probe| (Probed::Liveness, probe));
                let ready = one
                    .readiness
                    .clone()
                    .map(|probe| (Probed::Readiness, probe));
                live.into_iter().chain(ready).collect()
            } else {
                one.startup
                    .clone()
                    .map(|probe| (Probed::Startup, probe))
                    .into_iter()
                    .collect()
            };
            for (kind, probe) in due {
                let run = self.lives[index].run;
                self.lives[index].probing = true;
                let sender = self.sender.clone();
                let timeout = Some(probe.timeout);
                self.in_container(index, probe.handler, timeout, move |outcome| {
                    let _ = sender.send(Event::Probed {
                        index,
                        run,
                        probe: kind,
                        outcome,
                    });
                });
            }
        }
    }

    pub(super) fn probed(
        &mut self,
        index: usize,
        run: u32,
        kind: Probed,
        outcome: Result<(), String>,
    ) {
        self.lives[index].probing = false;
        if self.lives[index].run != run || !self.lives[index].running {
            return;
        }
        let one = &self.manifest.containers[index];
        let probe = match kind {
            Probed::Startup => one.startup.clone(),
            Probed::Liveness => one.liveness.clone(),
            Probed::Readiness => one.readiness.clone(),
        };
        let Some(probe) = probe else { return };
        let name = one.name.clone();
        self.lives[index].next_probe = Some(Instant::now() + probe.period);
        match (kind, outcome) {
            (Probed::Startup, Ok(())) => self.is_started(index),
            (Probed::Liveness, Ok(())) => self.lives[index].failures = 0,
            (Probed::Readiness, outcome) => {
                self.shared
                    .update(|status| status.containers[index].ready = outcome.is_ok());
            }
            (_, Err(error)) => {
                self.lives[index].failures += 1;
                self.tell(format!(
                    "Unhealthy: container {name}: {kind:?} probe: {error}"
                ));
                if self.lives[index].failures >= probe.failures {
                    let kill_at = Instant::now() + self.manifest.grace;
                    self.signal(index, kill_at);
                }
            }
        }
    }
}
