//! The calls and processes of a session: each is a task that ends in a report.

use std::{rc::Rc, time::Duration, time::SystemTime};

use leasehold_vault::{Client, Token};

use crate::{
    answers,
    core::{
        failure::{Failure, FailureKind},
        message::{Event, Level, Line},
        rendering::{CommandId, DependencyId},
        token::{Generation, Grant},
    },
    sentence,
    session::{AGENT, Report, SINK, Session, arriving::grant, questions::shown},
    sinks::{self, Content as SinkContent},
    volume::Placed,
};

impl Session {
    fn spawn(&self, task: impl Future<Output = Report> + 'static) {
        let (reports, number) = (self.context.reports.clone(), self.context.number);
        tokio::task::spawn_local(async move {
            // Nobody listens any more when the agent is leaving.
            let _ = reports.send((number, task.await));
        });
    }

    pub(super) fn log_in(&mut self) {
        let Some(mut login) = self.login.take() else {
            self.login_waits = true;
            return;
        };
        let client = self.client.clone();
        self.spawn(async move {
            let result = login.log_in(&client).await;
            Report::LoggedIn(login, result.map(Box::new))
        });
    }

    /// Asks the sources of the credentials whether they give others. Not while the method is at work.
    pub fn ask_for_credentials(&mut self) {
        let Some(mut login) = self.login.take() else {
            return;
        };
        let client = self.client.clone();
        self.spawn(async move {
            let result = login.has_new_credentials(&client).await;
            Report::Asked(login, result)
        });
    }

    fn with_token<F: Future<Output = Report> + 'static>(
        &self,
        generation: Generation,
        call: impl FnOnce(Client, Token) -> F,
    ) {
        if let Some(token) = self.tokens.get(&generation) {
            self.spawn(call(self.client.clone(), token.clone()));
        }
    }

    pub(super) fn renew_token(&self, generation: Generation) {
        self.with_token(generation, |client, token| async move {
            let answer = client.renew_self(&token, Duration::ZERO).await;
            let answer = answer.map_err(|error| failure(&error)).map(|auth| {
                let ttl = Some(auth.lease_duration).filter(|ttl| !ttl.is_zero());
                Grant::fresh(ttl, auth.renewable)
            });
            Report::Event(Event::TokenRenewed(generation, answer))
        });
    }

    pub(super) fn check_token(&self, generation: Generation) {
        self.with_token(generation, |client, token| async move {
            let answer = client.lookup_self(&token).await;
            let answer = answer
                .map_err(|error| failure(&error))
                .map(|status| grant(&status));
            Report::Event(Event::TokenChecked(generation, answer))
        });
    }

    pub(super) fn revoke_token(&self, generation: Generation) {
        let log = self.context.log.clone();
        self.with_token(generation, |client, token| async move {
            match client.revoke_self(&token).await {
                Ok(()) => log.info(
                    "agent.auth.handler",
                    "revoked the former token after the hand-over",
                ),
                Err(error) => log.warn(
                    "agent.auth.handler",
                    format!("the former token is left to its end: {error}"),
                ),
            }
            Report::Event(Event::Tick)
        });
    }

    pub(super) fn fetch(&self, id: DependencyId, generation: Generation) {
        let Some(question) = self.questions.get(id).cloned() else {
            return;
        };
        self.with_token(generation, |client, token| async move {
            let result = answers::fetch(&client, &token, &question, SystemTime::now()).await;
            Report::Fetched(id, generation, Box::new(result))
        });
    }

    pub(super) fn renew_lease(&self, id: DependencyId, generation: Generation) {
        let Some(lease) = self.answers.get(&id).map(|answer| answer.lease.clone()) else {
            return;
        };
        let name = self.questions.get(id).map(shown).unwrap_or_default();
        self.with_token(generation, |client, token| async move {
            let renewed = client.renew_lease(&token, &lease, Duration::ZERO).await;
            let answer = match renewed {
                Ok(renewed) => Ok((renewed.duration, renewed.renewable)),
                Err(error) => Err(Failure::new(
                    answers::kind(&error),
                    format!("failed to renew the lease of {name}: {error}"),
                )),
            };
            Report::Event(Event::LeaseRenewed {
                dependency: id,
                generation,
                answer,
            })
        });
    }

    pub(super) fn write_sinks(&self, generation: Generation) {
        let token = self
            .tokens
            .get(&generation)
            .cloned()
            .map(SinkContent::Token);
        let Some(content) = self.wrapped.clone().or(token) else {
            return;
        };
        let all = Rc::new(self.plan.sinks.clone());
        let (client, context) = (self.client.clone(), self.context.clone());
        self.spawn(async move {
            for sink in all.iter() {
                match sinks::write(sink, &content, &client, &context.environment).await {
                    Ok(Placed::Unchanged) => {}
                    Ok(Placed::Created | Placed::Written) => context.log.say(
                        &Line::new(Level::Info, SINK, "token written")
                            .with("path", sink.path.clone()),
                    ),
                    Err(error) => {
                        let failure = Failure::new(FailureKind::Local, sinks::in_words(&error));
                        return Report::Event(Event::SinkFailed(generation, failure));
                    }
                }
            }
            Report::Event(Event::SinksWritten(generation))
        });
    }

    pub(super) fn run(&self, id: CommandId) {
        let Some(notice) = self.plan.notices.get(id).cloned() else {
            return;
        };
        let context = self.context.clone();
        self.spawn(async move {
            let result = notice.give(&context.environment, &context.children).await;
            let result = result.map(|words| context.log.info(AGENT, format!("(runner) {words}")));
            Report::Event(Event::CommandEnded(id, result))
        });
    }
}

fn failure(error: &leasehold_vault::Error) -> Failure {
    Failure::new(answers::kind(error), sentence::chain(error))
}
