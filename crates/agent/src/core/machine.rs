//! The whole of the agent's decisions as one machine: token, secrets, templates, commands and sinks wired
//! together. The driver performs the actions and feeds back what happened.

use std::{collections::BTreeMap, time::Duration};

use crate::core::{
    chance::{Chance, between},
    commands::{Commands, Outcome, Pace},
    failure::Failure,
    message::{Action, AdoptedSecret, Event, Leave, Level, Line, Stop},
    moment::Moment,
    rendering::{CommandId, DependencyId, Template, TemplateRules},
    secrets::{Secret, SecretRules},
    telling::{Telling, seconds},
    token::{Generation, Grant, LoginPauses, TokenKeeper, Verdict},
};

const AUTH: &str = "agent.auth.handler";
const SINK: &str = "agent.sink.file";
const TEMPLATES: &str = "agent.template.server";
const AGENT: &str = "agent";

/// How long old and new credentials overlap before the old token is revoked after a hand-over, where that is
/// asked for.
const HAND_OVER: Duration = Duration::from_secs(2);

/// Whether a yes-or-no rule of the configuration is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// What the agent is asked to do, as its configuration says it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Pauses after failed logins.
    pub login: LoginPauses,
    /// The first login of an agent that starts from nothing comes at a random moment below this.
    pub login_spread: Duration,
    /// `exit_on_err` of the method: the first failed login ends the agent.
    pub exit_on_login_error: Rule,
    /// `exit_on_retry_failure`: a definite refusal ends the agent, until everything was rendered once.
    pub exit_on_refusal: Rule,
    /// `exit_after_auth`: the agent ends when everything is in place.
    pub exit_when_complete: Rule,
    /// Revoke the tokens at the end.
    pub revoke_on_exit: Rule,
    /// Revoke a replaced token once everything made with the new one is in place.
    pub revoke_after_hand_over: Rule,
    /// Whether there is anything to write tokens to.
    pub sinks: Rule,
    /// When to read, renew and try again.
    pub secrets: SecretRules,
    /// The templates in the order of the configuration.
    pub templates: Vec<TemplateRules>,
    /// When each command, signal and request is due.
    pub commands: Vec<Pace>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sinks {
    Written,
    Writing,
    RetryAt(Moment),
}

#[derive(Debug, Clone, Copy)]
struct OldToken {
    generation: Generation,
    ends: Option<Moment>,
    revoke_at: Option<Moment>,
}

/// The machine. One lives as long as the agent does.
pub struct Machine {
    settings: Settings,
    chance: Box<dyn Chance>,
    token: TokenKeeper,
    old_tokens: Vec<OldToken>,
    secrets: BTreeMap<DependencyId, Secret>,
    templates: Vec<Template>,
    commands: Commands,
    sinks: Sinks,
    complete: bool,
    adopted: bool,
    leaving: bool,
    wrapped: bool,
    last_login_failure: Option<Failure>,
    login_trouble: Telling,
    renewal_trouble: Telling,
    sink_trouble: Telling,
    actions: Vec<Action>,
}

impl Machine {
    /// A machine that has not started.
    #[must_use]
    pub fn new(settings: Settings, chance: Box<dyn Chance>) -> Self {
        Self {
            token: TokenKeeper::new(settings.login),
            templates: settings
                .templates
                .iter()
                .cloned()
                .map(Template::new)
                .collect(),
            commands: Commands::new(settings.commands.clone()),
            settings,
            chance,
            old_tokens: Vec::new(),
            secrets: BTreeMap::new(),
            sinks: Sinks::Written,
            complete: false,
            adopted: false,
            leaving: false,
            wrapped: false,
            last_login_failure: None,
            login_trouble: Telling::new(),
            renewal_trouble: Telling::new(),
            sink_trouble: Telling::new(),
            actions: Vec::new(),
        }
    }

    /// Takes in what happened and says what to do about it.
    pub fn on(&mut self, event: Event, now: Moment) -> Vec<Action> {
        if self.leaving {
            return Vec::new();
        }
        self.take_in(event, now);
        if !self.leaving {
            self.settle(now);
        }
        std::mem::take(&mut self.actions)
    }

    /// The next moment at which a `Tick` is wanted; `None` when only other events can change anything.
    #[must_use]
    pub fn wakes(&self) -> Option<Moment> {
        if self.leaving {
            return None;
        }
        let secrets = self
            .token
            .usable()
            .into_iter()
            .flat_map(|_| self.secrets.values())
            .filter_map(Secret::wakes);
        // What waits for an answer that is on its way goes on with that answer, not with the time.
        let templates = self
            .templates
            .iter()
            .filter(|template| !template.is_rendering() && !self.awaits_answer(template))
            .filter_map(Template::wakes);
        let sinks = match self.sinks {
            Sinks::RetryAt(at) => Some(at),
            Sinks::Written | Sinks::Writing => None,
        };
        let revocations = self.old_tokens.iter().filter_map(|old| old.revoke_at);
        secrets
            .chain(templates)
            .chain(sinks)
            .chain(revocations)
            .chain(self.token.wakes())
            .chain(self.commands.wakes(self.files()))
            .min()
    }

    /// Whether everything was rendered once, in this run or in an adopted one.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The token's schedule, for `status` and metrics.
    #[must_use]
    pub const fn token(&self) -> &TokenKeeper {
        &self.token
    }

    /// The secrets' schedules, for `status`, metrics and what is kept for a restart.
    pub fn secrets(&self) -> impl Iterator<Item = (DependencyId, &Secret)> {
        self.secrets.iter().map(|(&id, secret)| (id, secret))
    }

    /// Whether a template was rendered, and its last failure.
    pub fn templates(&self) -> impl Iterator<Item = (Rule, Option<&Failure>)> {
        self.templates.iter().map(|template| {
            (
                if template.is_rendered() {
                    Rule::On
                } else {
                    Rule::Off
                },
                template.failure(),
            )
        })
    }

    /// How telling the application went, for `status` and metrics.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (CommandId, &Outcome)> {
        self.commands.outcomes()
    }

    /// The failure that stands in the way now: of the login, else of a secret, else of a template.
    #[must_use]
    pub fn trouble(&self) -> Option<&Failure> {
        self.last_login_failure
            .as_ref()
            .or_else(|| self.secrets.values().find_map(Secret::last_failure))
            .or_else(|| self.templates.iter().find_map(Template::failure))
    }

    fn take_in(&mut self, event: Event, now: Moment) {
        match event {
            Event::Start => self.start(now),
            Event::Tick => {}
            Event::Adopt {
                generation,
                secrets,
            } => self.adopt(now, generation, &secrets),
            Event::LoggedIn(grant) => self.logged_in(now, grant),
            Event::LoggedInWrapped => self.logged_in_wrapped(now),
            Event::LoginFailed(failure) => self.login_failed(now, failure),
            Event::TokenRenewed(generation, answer) => self.token_renewed(now, generation, &answer),
            Event::TokenChecked(generation, answer) => self.token_checked(now, generation, &answer),
            Event::Fetched {
                dependency,
                generation,
                lifetime,
                change,
            } => {
                self.fetched(now, dependency, generation, lifetime, change);
            }
            Event::FetchFailed {
                dependency,
                generation,
                failure,
            } => {
                self.fetch_failed(now, dependency, generation, failure);
            }
            Event::LeaseRenewed {
                dependency,
                generation,
                answer,
            } => {
                self.lease_renewed(now, dependency, generation, &answer);
            }
            Event::Rendered {
                template,
                uses,
                missing,
                outcome,
            } => {
                if let Some(state) = self.templates.get_mut(template) {
                    state.uses = uses;
                    state.missing = missing;
                    self.rendered(now, template, &outcome);
                }
            }
            Event::CommandEnded(command, result) => self.command_ended(now, command, &result),
            Event::SinksWritten(generation) => {
                if self
                    .token
                    .usable()
                    .is_none_or(|current| current == generation)
                {
                    self.sinks = Sinks::Written;
                    let over = self.sink_trouble.over(now);
                    self.say_over(SINK, "writing the token works again", over);
                }
            }
            Event::SinkFailed(_, failure) => {
                let news = self.sink_trouble.failed(now, &failure.text);
                self.say(Line::new(
                    news.level(Level::Error),
                    SINK,
                    format!("error writing token: {failure}"),
                ));
                let pause = between(
                    &mut *self.chance,
                    Duration::from_secs(1),
                    Duration::from_secs(3),
                );
                self.sinks = Sinks::RetryAt(now + pause);
            }
            Event::CredentialsChanged => {
                self.say(Line::new(
                    Level::Info,
                    AUTH,
                    "auth method found new credentials, re-authenticating",
                ));
                self.token.log_in_again(now);
            }
            Event::Stop(stop) => self.stop(now, stop),
        }
    }

    /// Agents that start together are not to log in together, where a spread is asked for. Any later login has a
    /// moment of its own already: the token's end, or a jittered pause.
    fn start(&mut self, now: Moment) {
        let spread = self.settings.login_spread;
        if spread.is_zero() {
            return;
        }
        let pause = between(&mut *self.chance, Duration::ZERO, spread);
        self.token.log_in_first_at(now + pause);
        self.say(Line::new(
            Level::Info,
            AUTH,
            format!(
                "the first login comes in {}, at a random moment within {} (`login_spread`)",
                seconds(pause),
                seconds(spread)
            ),
        ));
    }

    fn adopt(&mut self, now: Moment, generation: Generation, secrets: &[AdoptedSecret]) {
        self.adopted = true;
        self.token.adopt(now, generation);
        for adopted in secrets {
            let secret = Secret::adopted(
                now,
                adopted.generation,
                adopted.lifetime,
                adopted.ends,
                &self.settings.secrets,
                &mut *self.chance,
            );
            self.secrets.insert(adopted.dependency, secret);
        }
    }

    fn logged_in(&mut self, now: Moment, grant: Grant) {
        let before = self
            .token
            .generation()
            .map(|generation| (generation, self.token.ends()));
        self.login_works(now);
        let generation = self.token.logged_in(now, grant, &mut *self.chance);
        self.say(Line::new(
            Level::Info,
            AUTH,
            "authentication successful, sending token to sinks",
        ));
        self.old_tokens
            .retain(|old| old.ends.is_none_or(|ends| ends > now));
        if let Some((generation, ends)) = before {
            self.old_tokens.push(OldToken {
                generation,
                ends,
                revoke_at: None,
            });
        }
        self.say(Line::new(
            Level::Info,
            TEMPLATES,
            "template server received new token",
        ));
        for secret in self.secrets.values_mut() {
            secret.token_changed(now, generation);
        }
        self.write_sinks(generation);
        self.actions.push(Action::Save);
    }

    fn login_works(&mut self, now: Moment) {
        self.last_login_failure = None;
        let over = self.login_trouble.over(now);
        self.say_over(AUTH, "authentication works again", over);
    }

    fn logged_in_wrapped(&mut self, now: Moment) {
        self.login_works(now);
        self.wrapped = true;
        self.token
            .logged_in(now, Grant::fresh(None, false), &mut *self.chance);
        self.say(Line::new(
            Level::Info,
            AUTH,
            "authentication successful, sending wrapped token to sinks and pausing",
        ));
        self.write_sinks(self.token.generation().unwrap_or_default());
    }

    fn write_sinks(&mut self, generation: Generation) {
        if self.settings.sinks == Rule::On {
            self.sinks = Sinks::Writing;
            self.actions.push(Action::WriteSinks(generation));
        }
    }

    fn login_failed(&mut self, now: Moment, failure: Failure) {
        let pause = self.token.login_failed(now, &failure, &mut *self.chance);
        let news = self.login_trouble.failed(now, &failure.text);
        self.say(
            Line::new(news.level(Level::Error), AUTH, "error authenticating")
                .with("error", failure.text.clone())
                .with("backoff", seconds(pause)),
        );
        if self.settings.exit_on_login_error == Rule::On && !self.complete {
            self.leave(now, 1, Some(failure.clone()));
        }
        self.last_login_failure = Some(failure);
    }

    fn token_renewed(
        &mut self,
        now: Moment,
        generation: Generation,
        answer: &Result<Grant, Failure>,
    ) {
        match answer {
            Ok(_) => {
                let over = self.renewal_trouble.over(now);
                self.say_over(AUTH, "renewing the token works again", over);
                self.say(Line::new(Level::Info, AUTH, "renewed auth token"));
            }
            Err(failure) => {
                let news = self.renewal_trouble.failed(now, &failure.text);
                self.say(
                    Line::new(news.level(Level::Warn), AUTH, "error renewing token")
                        .with("error", failure.text.clone()),
                );
            }
        }
        let answer = answer.as_ref().map(|&grant| grant);
        self.token
            .renewed(now, generation, answer, &mut *self.chance);
        self.actions.push(Action::Save);
    }

    fn token_checked(
        &mut self,
        now: Moment,
        generation: Generation,
        answer: &Result<Grant, Failure>,
    ) {
        let before = answer.as_ref().map(|&grant| grant);
        match self
            .token
            .checked(now, generation, before, &mut *self.chance)
        {
            Verdict::Alive => {
                if self.adopted {
                    self.adopted = false;
                    self.say(Line::new(
                        Level::Info,
                        AUTH,
                        "continuing with the token of an earlier run",
                    ));
                    self.write_sinks(generation);
                }
            }
            Verdict::Gone => {
                self.adopted = false;
                self.say(Line::new(
                    Level::Warn,
                    AUTH,
                    "the token is no longer valid, re-authenticating",
                ));
            }
            Verdict::Unproven => {
                for secret in self.secrets.values_mut() {
                    secret.token_unproven(now);
                }
            }
            Verdict::Unknown => {}
        }
    }

    fn stop(&mut self, now: Moment, stop: Stop) {
        let status = match stop {
            Stop::Signal | Stop::Quit => 0,
            Stop::Child(status) => status,
        };
        self.leave(now, status, None);
    }

    fn leave(&mut self, now: Moment, status: u8, failure: Option<Failure>) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        let mut revoke = Vec::new();
        if self.settings.revoke_on_exit == Rule::On && !self.wrapped {
            let alive = |ends: Option<Moment>| ends.is_none_or(|ends| ends > now);
            revoke.extend(self.token.generation().filter(|_| alive(self.token.ends())));
            let old = self.old_tokens.iter().filter(|old| alive(old.ends));
            revoke.extend(old.map(|old| old.generation));
        }
        self.actions.push(Action::Leave(Leave {
            status,
            revoke,
            failure,
        }));
    }

    fn say(&mut self, line: Line) {
        self.actions.push(Action::Log(line));
    }

    /// Says that something works again, where it had failed.
    fn say_over(&mut self, module: &'static str, what: &str, over: Option<String>) {
        if let Some(over) = over {
            self.say(Line::new(Level::Info, module, format!("{what} {over}")));
        }
    }
}

mod answers;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod failures_told;
#[cfg(test)]
mod first_login;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod rotation;
mod settle;
#[cfg(test)]
mod tests;
