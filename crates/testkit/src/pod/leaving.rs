//! The order in which containers leave: at a deletion, and when a pod comes to its own end.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process;

use super::Phase;
use super::manifest::Kind;
use super::worker::{Event, Leaving, Worker};

/// The least time that the kubelet gives a container whose turn to end came too late.
const LEAST_GRACE: Duration = Duration::from_secs(2);

impl Worker {
    /// A deletion: applications first, all at once; then sidecars in reverse order, each when those
    /// after it have ended or the grace is over.
    pub(super) fn leave(&mut self) {
        let Some(end) = self.deleting else { return };
        let now = Instant::now();
        let first: Vec<usize> = self
            .each(Kind::App)
            .chain(self.each(Kind::Init))
            .filter(|index| self.lives[*index].running)
            .collect();
        for index in &first {
            self.ask_to_leave(*index, end);
        }
        let overdue = now >= end;
        if !first.is_empty() && !overdue {
            return;
        }
        let sidecars: Vec<usize> = self
            .each(Kind::Sidecar)
            .rev()
            .filter(|index| self.lives[*index].running)
            .collect();
        for index in &sidecars {
            let kill_at = if overdue {
                now + LEAST_GRACE
            } else {
                end.max(now + LEAST_GRACE)
            };
            self.ask_to_leave(*index, kill_at);
            if !overdue {
                return;
            }
        }
        if first.is_empty() && sidecars.is_empty() {
            self.shared.update(|status| {
                if status.phase == Phase::Pending || status.phase == Phase::Running {
                    status.phase = Phase::Deleted;
                }
                status.deleted_at.get_or_insert_with(Instant::now);
            });
            self.objects.delete(
                "",
                "pods",
                Some(&self.manifest.namespace),
                &self.manifest.name,
            );
        }
    }

    /// The end of a pod whose applications are done: its sidecars leave in reverse order.
    pub(super) fn end_by_itself(&mut self) {
        let end = *self
            .ending
            .get_or_insert_with(|| Instant::now() + self.manifest.grace);
        if self.each(Kind::App).any(|index| self.lives[index].running) {
            return;
        }
        let last = self
            .each(Kind::Sidecar)
            .rev()
            .find(|index| self.lives[*index].running);
        if let Some(index) = last {
            self.ask_to_leave(index, end.max(Instant::now() + LEAST_GRACE));
            return;
        }
        let well = !self.init_failed
            && self
                .each(Kind::App)
                .all(|index| self.lives[index].finished == Some(0));
        self.shared.update(|status| {
            if status.phase == Phase::Running || status.phase == Phase::Pending {
                status.phase = if well {
                    Phase::Succeeded
                } else {
                    Phase::Failed
                };
            }
        });
    }

    /// Runs the `preStop` hook if there is one, then sends SIGTERM.
    fn ask_to_leave(&mut self, index: usize, kill_at: Instant) {
        if self.lives[index].leaving != Leaving::No {
            return;
        }
        let Some(hook) = self.manifest.containers[index].pre_stop.clone() else {
            self.signal(index, kill_at);
            return;
        };
        self.lives[index].leaving = Leaving::Hook { kill_at };
        let run = self.lives[index].run;
        let sender = self.sender.clone();
        self.in_container(index, hook, None, move |_| {
            let _ = sender.send(Event::PreStopped { index, run });
        });
    }

    pub(super) fn signal(&mut self, index: usize, kill_at: Instant) {
        let name = self.manifest.containers[index].name.clone();
        self.tell(format!("Stopping container {name}"));
        self.shared.update(|status| {
            status.containers[index]
                .asked_to_stop
                .get_or_insert_with(Instant::now);
        });
        let life = &mut self.lives[index];
        life.leaving = Leaving::Signalled { kill_at };
        let _ = process::send(life.main, Signal::TERM);
    }

    pub(super) fn kill_overdue(&mut self) {
        let now = Instant::now();
        for life in &mut self.lives {
            let kill_at = match life.leaving {
                Leaving::Hook { kill_at } | Leaving::Signalled { kill_at } => kill_at,
                Leaving::No => continue,
            };
            if life.running && kill_at <= now {
                let _ = process::send(life.main, Signal::KILL);
                // Once is enough; the exit is on its way.
                life.leaving = Leaving::Signalled {
                    kill_at: now + Duration::from_secs(3600),
                };
            }
        }
    }
}
