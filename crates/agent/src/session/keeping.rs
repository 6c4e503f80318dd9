//! What a session leaves for a restart, and what it takes over from one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leasehold_vault::{LeaseId, Token};
use ring::digest;

use crate::{
    clock,
    core::message::{AdoptedSecret, Event, Level, Line},
    sentence,
    session::{AGENT, KeptAnswer, Session},
    state::{Kept, KeptSecret},
};

impl Session {
    /// Takes over what an earlier run kept, as the event that tells the machine of it.
    pub(super) fn adopt(&mut self, kept: &Kept) -> Option<Event> {
        let token = Token::new(kept.token.clone()).ok()?;
        self.tokens.insert(kept.generation, token);
        let now = clock::now();
        let mut secrets = Vec::new();
        for secret in &kept.secrets {
            if secret.ends().is_some_and(|ends| ends <= now) {
                continue;
            }
            let Ok(answer) = secret.content.answer() else {
                continue;
            };
            let dependency = secret.dependency();
            let id = self.questions.id(&dependency);
            self.snapshot.insert(dependency, answer);
            self.answers.insert(
                id,
                KeptAnswer {
                    content: secret.content.clone(),
                    lease: LeaseId::new(secret.lease.clone()),
                    lifetime: secret.lifetime(),
                },
            );
            secrets.push(AdoptedSecret {
                dependency: id,
                generation: secret.generation,
                lifetime: secret.lifetime(),
                ends: secret.ends(),
            });
        }
        let count = secrets.len();
        self.context.log.info(
            AGENT,
            format!("found the state of an earlier run: a token and {count} answers"),
        );
        Some(Event::Adopt {
            generation: kept.generation,
            secrets,
        })
    }

    /// Keeps what a restart can adopt.
    pub(super) fn save(&mut self) {
        let Some(state) = &self.context.state else {
            return;
        };
        let generation = self.machine.token().generation();
        let Some((generation, token)) =
            generation.and_then(|generation| Some((generation, self.tokens.get(&generation)?)))
        else {
            return;
        };
        let secrets = self.machine.secrets().filter_map(|(id, secret)| {
            let answer = self.answers.get(&id)?;
            Some(KeptSecret::new(
                self.questions.get(id)?,
                secret.generation()?,
                answer.lifetime,
                secret.ends(),
                answer.lease.expose().to_owned(),
                answer.content.clone(),
            ))
        });
        let kept = Kept::new(
            self.origin(),
            self.context.boot.clone(),
            generation,
            token.expose().to_owned(),
            secrets.collect(),
        );
        let now = clock::now();
        let saved = state.save(&self.plan.name, &kept);
        match saved {
            Ok(()) => {
                if let Some(over) = self.saving.over(now) {
                    let text = format!("keeping the state works again {over}");
                    self.context.log.info(AGENT, text);
                }
            }
            Err(error) => {
                let text = format!("a restart will log in anew: {}", sentence::chain(&error));
                let level = self.saving.failed(now, &text).level(Level::Warn);
                self.context.log.say(&Line::new(level, AGENT, text));
            }
        }
    }

    /// What tells this login from any other: a digest, for a method's settings may hold secrets.
    pub(super) fn origin(&self) -> String {
        let method = &self.plan.method;
        let config: Vec<String> = method
            .config
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let all = format!(
            "{} {} {} {} {}",
            self.plan.connection.address,
            self.plan
                .connection
                .namespace
                .as_deref()
                .unwrap_or_default(),
            method.kind,
            method.mount_path.as_deref().unwrap_or_default(),
            config.join(" ")
        );
        STANDARD.encode(digest::digest(&digest::SHA256, all.as_bytes()))
    }
}
