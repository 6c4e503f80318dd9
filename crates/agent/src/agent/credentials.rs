//! Looking from time to time for other credentials, where the configuration wants a login for them.

use std::time::Duration;

use leasehold_vault::Sign;

use crate::{
    agent::Agent,
    clock,
    core::{message::Event, moment::Moment},
    session::Session,
};

/// Looking faster than this would cost more wake-ups than a new login gains.
const SHORTEST_PERIOD: Duration = Duration::from_secs(3);

/// A sign of new credentials that is looked at from time to time.
pub(super) struct CredentialsWatch {
    session: usize,
    sign: Sign,
    period: Duration,
    /// When to look next.
    pub(super) look: Moment,
    seen: Option<Vec<u8>>,
}

impl CredentialsWatch {
    /// The watch of a session that wants one.
    pub(super) fn of(number: usize, session: &Session) -> Option<Self> {
        let watched = session.watched()?;
        let period = watched.period.max(SHORTEST_PERIOD);
        let seen = match &watched.sign {
            Sign::File(path) => std::fs::read(path).ok(),
            Sign::Sources => None,
        };
        Some(Self {
            session: number,
            sign: watched.sign,
            period,
            look: clock::now() + period,
            seen,
        })
    }
}

impl Agent {
    /// Looks where it is time to.
    pub(super) fn look_at_credentials(&mut self) {
        let now = clock::now();
        for watch in self
            .credentials
            .iter_mut()
            .filter(|watch| watch.look <= now)
        {
            watch.look = now + watch.period;
            let Some(session) = self.sessions.get_mut(watch.session) else {
                continue;
            };
            match &watch.sign {
                Sign::Sources => session.ask_for_credentials(),
                Sign::File(path) => {
                    let found = std::fs::read(path).ok();
                    // A file that has gone was read and removed, by us or on purpose; only new content counts.
                    if found.is_some() && found != watch.seen {
                        watch.seen = found;
                        session.take(Event::CredentialsChanged);
                    }
                }
            }
        }
    }
}
