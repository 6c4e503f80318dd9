//! The end of the agent: its last words, the supervised process, and the revocation of what it holds, all within
//! the time that there is.

use std::time::{Duration, Instant};

use crate::{
    agent::{AGENT, Agent, Happening, signals::Signals},
    core::{machine::Rule, message::Leave},
    exit::ExitStatus,
    session::Session,
};

/// How long the agent may take to revoke what it holds.
const LEAVING_TIME: Duration = Duration::from_secs(1);

/// Where the kubelet picks up the last words of a container.
const LAST_WORDS: &str = "/dev/termination-log";

impl Agent {
    /// Does what is due at the end, and says how the program ends.
    pub(super) async fn end(&mut self, leave: &Leave, signals: &mut Signals) -> ExitStatus {
        let words = leave
            .failure
            .as_ref()
            .or_else(|| self.sessions.iter().find_map(Session::trouble));
        if let Some(failure) = words {
            last_words(&failure.text);
        }
        if let Some(failure) = &leave.failure {
            self.log.error(AGENT, format!("the agent ends: {failure}"));
        }
        let leaving = async {
            if let Some(supervisor) = &self.supervisor {
                supervisor.stop().await;
            }
            self.revoke().await;
        };
        tokio::select! {
            () = leaving => {}
            // A second signal means now.
            happening = signals.next() => if matches!(happening, Happening::Stop) {},
        }
        match leave.status {
            0 => ExitStatus::Done,
            1 => ExitStatus::Failed,
            status => ExitStatus::Child(status),
        }
    }

    /// Revokes every token that a login wants revoked, all at once and within the time there is.
    async fn revoke(&self) {
        let begun = Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        for session in &self.sessions {
            let generations = session
                .leave()
                .map(|leave| leave.revoke.clone())
                .unwrap_or_default();
            if !generations.is_empty()
                && self.hands_over == Rule::Off
                && let Some(state) = &self.state
            {
                state.forget(session.name());
            }
            for generation in generations {
                let Some(token) = session.token_of(generation).cloned() else {
                    continue;
                };
                let client = session.client().clone();
                calls.spawn(async move { client.revoke_self(&token).await });
            }
        }
        let mut failed = None;
        let revoked = calls.len();
        let all = async {
            while let Some(call) = calls.join_next().await {
                if let Ok(Err(error)) = call {
                    failed = Some(error.to_string());
                }
            }
        };
        let in_time = tokio::time::timeout(LEAVING_TIME, all).await.is_ok();
        match (revoked, in_time, failed) {
            (0, ..) => {}
            (_, false, _) => self.log.warn(
                AGENT,
                "the server did not revoke the token in time; token and leases end by their TTLs",
            ),
            (_, true, Some(error)) => self.log.warn(
                AGENT,
                format!(
                    "the token could not be revoked, it and its leases end by their TTLs: {error}"
                ),
            ),
            (_, true, None) => {
                let took = begun.elapsed().as_millis();
                self.log.info(
                    AGENT,
                    format!("revoked the token and its leases in {took} ms"),
                );
            }
        }
    }
}

/// Writes a container's last words where the kubelet looks for them, if there is such a place.
pub fn last_words(text: &str) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(LAST_WORDS);
    if let Ok(mut file) = file {
        use std::io::Write as _;
        let short: String = text.chars().take(2000).collect();
        let _ = file.write_all(short.as_bytes());
    }
}
