//! What tasks bring back to a session, turned into the machine's events.

use leasehold_vault::{LoggedIn, LoginError};

use crate::{
    answers::{self, Got, Unanswered},
    core::{
        failure::{Failure, FailureKind},
        message::{Change, Event},
        rendering::DependencyId,
        token::{Generation, Grant},
    },
    sentence,
    session::{AGENT, KeptAnswer, Session, questions::shown},
    sinks::Content as SinkContent,
};

impl Session {
    /// What a login brought, as an event.
    pub(super) fn logged_in(&mut self, result: Result<Box<LoggedIn>, LoginError>) -> Event {
        let (token, grant) = match result.map(|boxed| *boxed) {
            Ok(LoggedIn::Token(auth)) => {
                let ttl = Some(auth.lease_duration).filter(|ttl| !ttl.is_zero());
                (auth.client_token, Grant::fresh(ttl, auth.renewable))
            }
            Ok(LoggedIn::Adopted { token, status }) => (token, grant(&status)),
            Ok(LoggedIn::Wrapped(info)) => {
                self.wrapped = Some(SinkContent::Wrapped(info.sink_line()));
                return Event::LoggedInWrapped;
            }
            Err(error) => {
                let kind = match &error {
                    LoginError::Refused { error, .. } => answers::kind(error),
                    _ => FailureKind::Local,
                };
                let mut text = sentence::chain(&error);
                if let LoginError::Unreadable { path, source, .. } = &error
                    && source.kind() == std::io::ErrorKind::NotFound
                {
                    text.push_str(&format!(
                        "; the agent only reads `{}`: another container of the pod has to write it, an init container or a native sidecar that starts before the agent, on a volume that the agent mounts too",
                        path.display()
                    ));
                }
                return Event::LoginFailed(Failure::new(kind, text));
            }
        };
        let next = self
            .machine
            .token()
            .generation()
            .map_or(1, |generation| generation + 1);
        self.tokens.insert(next, token);
        // Two logins back everything has ended or is about to; what is kept longer is kept for nothing.
        let oldest = next.saturating_sub(3);
        self.tokens.retain(|&generation, _| generation >= oldest);
        Event::LoggedIn(grant)
    }

    /// What a read brought, as an event.
    pub(super) fn fetched(
        &mut self,
        dependency: DependencyId,
        generation: Generation,
        result: Result<Got, Unanswered>,
    ) -> Event {
        let got = match result {
            Ok(got) => got,
            Err(unanswered) => {
                return Event::FetchFailed {
                    dependency,
                    generation,
                    failure: unanswered.into_failure(),
                };
            }
        };
        for warning in &got.warnings {
            self.context.log.warn(AGENT, format!("(view) {warning}"));
        }
        let answer = match got.content.answer() {
            Ok(answer) => answer,
            Err(error) => {
                let path = self
                    .questions
                    .get(dependency)
                    .map(shown)
                    .unwrap_or_default();
                let text = format!("the answer to {path} cannot be used: {error}");
                let failure = Failure::new(FailureKind::ServerError(None), text);
                return Event::FetchFailed {
                    dependency,
                    generation,
                    failure,
                };
            }
        };
        let before = self.answers.get(&dependency);
        let same = before.is_some_and(|before| before.content.shows_the_same_as(&got.content));
        if !same && let Some(question) = self.questions.get(dependency) {
            self.snapshot.insert(question.clone(), answer);
        }
        let lifetime = got.lifetime;
        let kept = KeptAnswer {
            content: got.content,
            lease: got.lease,
            lifetime,
        };
        self.answers.insert(dependency, kept);
        let change = if same { Change::Same } else { Change::New };
        Event::Fetched {
            dependency,
            generation,
            lifetime,
            change,
        }
    }
}

/// What the server says about a token, as the machine takes it.
pub(super) fn grant(status: &leasehold_vault::TokenStatus) -> Grant {
    if status.is_endless() {
        return Grant::fresh(None, false);
    }
    Grant {
        granted: Some(std::time::Duration::from_secs(
            status.creation_ttl.max(status.ttl),
        )),
        left: Some(std::time::Duration::from_secs(status.ttl)),
        renewable: status.renewable,
    }
}
