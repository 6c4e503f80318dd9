//! What an answer, a rendering or the end of a command changes.

use std::time::Duration;

use crate::core::{
    commands::AfterFailure,
    failure::Failure,
    lifetime::Lifetime,
    machine::{AGENT, Machine, Rule, TEMPLATES},
    message::{Action, Change, Level, Line},
    moment::Moment,
    rendering::{CommandId, DependencyId, RenderOutcome, Severity, Template, TemplateId},
    secrets::{RenewalOutcome, Secret},
    telling::seconds,
    token::{Generation, Suspicion},
};

impl Machine {
    pub(super) fn fetched(
        &mut self,
        now: Moment,
        dependency: DependencyId,
        generation: Generation,
        lifetime: Lifetime,
        change: Change,
    ) {
        let Some(secret) = self.secrets.get_mut(&dependency) else {
            return;
        };
        let first = !secret.is_there();
        secret.fetched(
            now,
            generation,
            lifetime,
            &self.settings.secrets,
            &mut *self.chance,
        );
        let over = secret.reading.over(now);
        self.say_over(AGENT, "(view) reading works again", over);
        let Some(secret) = self.secrets.get_mut(&dependency) else {
            return;
        };
        if let Some(usable) = self.token.usable()
            && usable != generation
        {
            // The answer was on its way while a new token came: what hangs on the old one is asked again.
            secret.token_changed(now, usable);
        }
        if first || change == Change::New {
            for template in &mut self.templates {
                if template.asks_for(dependency) {
                    template.changed(now, self.complete);
                }
            }
        }
        self.actions.push(Action::Save);
    }

    pub(super) fn fetch_failed(
        &mut self,
        now: Moment,
        dependency: DependencyId,
        generation: Generation,
        failure: Failure,
    ) {
        let Some(secret) = self.secrets.get_mut(&dependency) else {
            return;
        };
        if failure.is_forbidden() {
            self.token.suspect(now, generation, Suspicion::Read);
        }
        let news = secret.reading.failed(now, &failure.text);
        let setback = secret.fetch_failed(
            now,
            failure.clone(),
            &self.settings.secrets,
            &mut *self.chance,
        );
        let attempts = if setback.attempt > self.settings.secrets.retries {
            "exceeded maximum retries".to_owned()
        } else {
            format!(
                "retry attempt {} after \"{}\"",
                setback.attempt,
                seconds(setback.pause)
            )
        };
        // That the tries are used up is news by itself.
        let level = if setback.attempt == self.settings.secrets.retries.saturating_add(1) {
            Level::Warn
        } else {
            news.level(Level::Warn)
        };
        self.say(Line::new(
            level,
            AGENT,
            format!("(view) {failure} ({attempts})"),
        ));
        if setback.exhausted && self.settings.exit_on_refusal == Rule::On && !self.complete {
            self.leave(now, 1, Some(failure));
        }
    }

    pub(super) fn lease_renewed(
        &mut self,
        now: Moment,
        dependency: DependencyId,
        generation: Generation,
        answer: &Result<(Duration, bool), Failure>,
    ) {
        let Some(secret) = self.secrets.get_mut(&dependency) else {
            return;
        };
        let outcome = secret.renewed(now, answer.as_ref().copied(), &mut *self.chance);
        let (level, over) = match answer {
            Ok(_) => (Level::Debug, secret.renewing.over(now)),
            Err(failure) => {
                let news = secret.renewing.failed(now, &failure.text);
                (news.level(Level::Warn), None)
            }
        };
        self.say_over(AGENT, "renewing a lease works again", over);
        let line = match (outcome, answer) {
            (RenewalOutcome::Lost { pause }, Err(failure)) => format!(
                "{failure}; the lease is gone, a new one is asked for after {}",
                seconds(pause)
            ),
            (RenewalOutcome::LeftToItsEnd, Err(failure)) => {
                format!("{failure}; the lease is used to its end and replaced before")
            }
            (_, Err(failure)) => failure.text.clone(),
            (RenewalOutcome::Capped, Ok(_)) => {
                "a lease has met its maximum and is replaced before its end".to_owned()
            }
            (_, Ok(_)) => "renewed a lease".to_owned(),
        };
        self.say(Line::new(level, AGENT, line));
        if answer.as_ref().is_err_and(Failure::is_forbidden) {
            self.token.suspect(now, generation, Suspicion::LeaseRenewal);
        }
        self.actions.push(Action::Save);
    }

    pub(super) fn rendered(&mut self, now: Moment, id: TemplateId, outcome: &RenderOutcome) {
        let Some(template) = self.templates.get_mut(id) else {
            return;
        };
        let pause = template.rendered(now, outcome, &mut *self.chance);
        let severity = template.rules.severity;
        let (level, over) = match outcome {
            RenderOutcome::Failed(failure) => {
                let news = template.telling.failed(now, &failure.text);
                (news.level(Level::Error), None)
            }
            RenderOutcome::Incomplete => (Level::Debug, None),
            RenderOutcome::Created | RenderOutcome::Written | RenderOutcome::Unchanged => {
                (Level::Debug, template.telling.over(now))
            }
        };
        let changed = match outcome {
            RenderOutcome::Created | RenderOutcome::Written => template.rules.commands.as_slice(),
            RenderOutcome::Unchanged | RenderOutcome::Incomplete | RenderOutcome::Failed(_) => &[],
        };
        let told = over.map(|over| {
            let text = format!("rendering works again {over}");
            Action::Log(Line::new(Level::Info, TEMPLATES, text))
        });
        self.actions.extend(told);
        for &command in changed {
            if *outcome == RenderOutcome::Created && !self.commands.follows_first(command) {
                continue;
            }
            if self.complete {
                self.commands.want(now, command, &mut *self.chance);
            } else {
                self.commands.want_now(now, command);
            }
        }
        if let (RenderOutcome::Failed(failure), Some(pause)) = (outcome, pause) {
            self.say(
                Line::new(level, TEMPLATES, format!("template failed: {failure}"))
                    .with("retry", seconds(pause)),
            );
            if failure.is_definite()
                && severity == Severity::Fatal
                && self.settings.exit_on_refusal == Rule::On
                && !self.complete
            {
                self.leave(now, 1, Some(failure.clone()));
                return;
            }
        }
        for dependency in self.templates.iter().flat_map(|template| &template.missing) {
            self.secrets
                .entry(*dependency)
                .or_insert_with(|| Secret::wanted(now, &self.settings.secrets));
        }
        self.drop_unused();
    }

    fn drop_unused(&mut self) {
        // While a template is still being rendered nobody knows yet what it asks for.
        if !self.templates.iter().all(Template::is_settled) {
            return;
        }
        let unused: Vec<DependencyId> = self
            .secrets
            .keys()
            .copied()
            .filter(|&id| !self.templates.iter().any(|template| template.asks_for(id)))
            .collect();
        for id in unused {
            self.secrets.remove(&id);
            self.actions.push(Action::Forget(id));
        }
    }

    pub(super) fn command_ended(
        &mut self,
        now: Moment,
        command: CommandId,
        result: &Result<(), Failure>,
    ) {
        let Err(failure) = result else {
            let over = self.commands.succeeded(now, command);
            self.say_over(AGENT, "(runner) telling the application works again", over);
            return;
        };
        let news = self.commands.news(now, command, failure);
        let level = news.level(Level::Error);
        let line = |level| Line::new(level, AGENT, format!("(runner) {failure}"));
        if self.settings.exit_when_complete == Rule::On {
            // A failing command does not fail the init container, nor hold it back.
            self.commands.left_failed(command, failure);
            self.say(line(level));
            return;
        }
        let (level, after) = match self
            .commands
            .failed(now, command, failure, &mut *self.chance)
        {
            AfterFailure::TriedAgain(pause) => {
                (level, format!("tried again after {}", seconds(pause)))
            }
            AfterFailure::GivenUp => (
                Level::Error,
                "not tried again before its file changes".to_owned(),
            ),
        };
        self.say(line(level).with("next", after));
    }
}
