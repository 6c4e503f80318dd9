//! What is due once an event has been taken in: calls, renderings, commands, and the end.

use crate::core::{
    commands::Files,
    machine::{AUTH, HAND_OVER, Machine, Rule, Sinks},
    message::{Action, Level, Line},
    moment::Moment,
    rendering::Template,
    secrets::{Secret, SecretTodo},
    token::{Generation, TokenTodo},
};

impl Machine {
    /// Begins everything that is due, until nothing more is.
    pub(super) fn settle(&mut self, now: Moment) {
        while let Some(todo) = self.token.due(now) {
            let action = match todo {
                TokenTodo::LogIn => {
                    let again = self.token.generation().is_some();
                    let text = if again {
                        "lifetime watcher done channel triggered, re-authenticating"
                    } else {
                        "authenticating"
                    };
                    self.say(Line::new(Level::Info, AUTH, text));
                    Action::LogIn
                }
                TokenTodo::Renew(generation) => Action::RenewToken(generation),
                TokenTodo::Check(generation) => Action::CheckToken(generation),
            };
            self.actions.push(action);
        }
        if let Sinks::RetryAt(at) = self.sinks
            && at <= now
            && let Some(generation) = self.token.generation()
        {
            self.write_sinks(generation);
        }
        if let Some(generation) = self.token.usable()
            && !self.wrapped
        {
            for (&id, secret) in &mut self.secrets {
                match secret.due(now, generation) {
                    Some(SecretTodo::Fetch(token)) => self.actions.push(Action::Fetch(id, token)),
                    Some(SecretTodo::RenewLease(token)) => {
                        self.actions.push(Action::RenewLease(id, token));
                    }
                    None => {}
                }
            }
        }
        self.settle_templates(now);
        self.settle_end(now);
    }

    fn settle_templates(&mut self, now: Moment) {
        let waiting: Vec<bool> = self
            .templates
            .iter()
            .map(|template| self.awaits_answer(template))
            .collect();
        for (id, (template, waits)) in self.templates.iter_mut().zip(waiting).enumerate() {
            if !waits && template.take_due(now) {
                self.actions.push(Action::Render(id));
            }
        }
        let files = self.files();
        if let Some(command) = self.commands.take_due(now, files) {
            self.actions.push(Action::Run(command));
        }
    }

    /// Whether something that the template asked for is on its way: that comes soon, and several changes close
    /// together are one rendering.
    pub(super) fn awaits_answer(&self, template: &Template) -> bool {
        let awaited = template.uses.iter().chain(&template.missing);
        awaited
            .filter_map(|dependency| self.secrets.get(dependency))
            .any(Secret::is_in_flight)
    }

    /// Whether files are about to change: a command is to find all of them in place.
    pub(super) fn files(&self) -> Files {
        let moves = self.templates.iter().any(Template::is_rendering)
            || self.secrets.values().any(Secret::is_in_flight);
        if moves { Files::Moving } else { Files::Settled }
    }

    fn settle_end(&mut self, now: Moment) {
        let rendered = self.templates.iter().all(Template::is_settled);
        let has_token = self.token.generation().is_some();
        if rendered && has_token && !self.complete {
            self.complete = true;
            self.actions.push(Action::Ready);
            self.actions.push(Action::Save);
        }
        self.settle_hand_over(now);
        let idle = self.commands.is_idle() && self.sinks == Sinks::Written;
        if self.settings.exit_when_complete == Rule::On && self.complete && idle && !self.adopted {
            self.leave(now, 0, None);
        }
    }

    fn settle_hand_over(&mut self, now: Moment) {
        let Some(current) = self.token.usable() else {
            return;
        };
        let due: Vec<Generation> = self
            .old_tokens
            .iter()
            .filter(|old| old.revoke_at.is_some_and(|at| at <= now))
            .map(|old| old.generation)
            .collect();
        self.old_tokens.retain(|old| !due.contains(&old.generation));
        self.actions
            .extend(due.into_iter().map(Action::RevokeToken));
        if self.settings.revoke_after_hand_over == Rule::Off || self.old_tokens.is_empty() {
            return;
        }
        let handed_over = self.commands.is_idle()
            && self
                .templates
                .iter()
                .all(|template| !template.is_rendering() && template.wakes().is_none())
            && self.secrets.values().all(|secret| secret.hangs_on(current));
        if handed_over {
            for old in &mut self.old_tokens {
                old.revoke_at.get_or_insert(now + HAND_OVER);
            }
        }
    }
}
