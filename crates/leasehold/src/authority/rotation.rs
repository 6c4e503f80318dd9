//! The rotation of the authority, as a pure machine: what is stored and what time it is go in, the one step that is due
//! comes out. Who takes the step, and how it is stored, is the driver's business.
//!
//! The order keeps every client able to verify every replica at any moment: the next authority is trusted before it
//! signs, and the old one is trusted until nothing signed by it can still be served.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::certificate::Authority;

/// What replicas share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The authority that signs.
    pub signing: Authority,
    /// The one that will sign next, and when it was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// Authorities that sign no more and are still trusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retired>,
}

/// An authority that is trusted before it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The authority.
    pub authority: Authority,
    /// When it was stored.
    pub since: Timestamp,
}

/// A certificate that is trusted for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// PEM.
    pub certificate: String,
    /// Until when.
    pub until: Timestamp,
}

/// The lengths that decide when a step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Lifetime of a new authority.
    pub authority: Duration,
    /// Lifetime of a serving certificate.
    pub serving: Duration,
    /// How long a new authority is trusted before it signs.
    pub settle: Duration,
}

/// What is to be done with what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing before this time.
    Wait(Timestamp),
    /// Nothing usable is stored: make an authority that signs at once.
    Create,
    /// Make the next authority, so that it becomes trusted.
    Prepare,
    /// Store this: the next authority signs, or a retired one leaves.
    Store(Box<Stored>),
}

/// Says which step is due. `trusted` tells whether every certificate of the bundle is known to be in the webhook
/// configurations; nothing is promoted before.
#[must_use]
pub fn due(
    stored: Option<&Stored>,
    trusted: Trusted,
    hosts: &[String],
    lengths: &Lengths,
    now: Timestamp,
) -> Step {
    let Some(stored) = stored else {
        return Step::Create;
    };
    if stored.signing.check().is_err() || stored.signing.ends <= now {
        // Healing comes before order: a next authority that can sign does so now.
        return match &stored.next {
            Some(next) if next.authority.check().is_ok() && next.authority.ends > now => {
                Step::Store(Box::new(promoted(stored, next, lengths, now)))
            }
            _ => Step::Create,
        };
    }
    if stored.retired.iter().any(|retired| retired.until <= now) {
        let mut less = stored.clone();
        less.retired.retain(|retired| retired.until > now);
        return Step::Store(Box::new(less));
    }
    let mut wake = stored.retired.iter().map(|retired| retired.until).min();
    let mut wait_for = |time: Timestamp| wake = Some(wake.map_or(time, |other| other.min(time)));
    match &stored.next {
        Some(next) => {
            let signs = next.since + lengths.settle;
            match trusted {
                Trusted::Yes if signs <= now => {
                    return Step::Store(Box::new(promoted(stored, next, lengths, now)));
                }
                Trusted::Yes => wait_for(signs),
                // The driver asks again when the bundle is there.
                Trusted::NotYet => wait_for(now + RETRY),
            }
        }
        None => {
            let prepare = prepare_at(&stored.signing);
            if prepare <= now || !stored.signing.covers(hosts) {
                return Step::Prepare;
            }
            wait_for(prepare);
        }
    }
    Step::Wait(wake.unwrap_or(now + RETRY))
}

/// Whether the bundle is where clients look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// Every webhook configuration has it.
    Yes,
    /// Not yet, or not known.
    NotYet,
}

/// How long to wait for something that has no time of its own.
const RETRY: Duration = Duration::from_secs(5);

/// When a third of its life is left.
fn prepare_at(authority: &Authority) -> Timestamp {
    let life = authority.ends.duration_since(authority.made);
    let two_thirds = Duration::from_secs(u64::try_from(life.as_secs()).unwrap_or_default()) * 2 / 3;
    authority.made + two_thirds
}

fn promoted(stored: &Stored, next: &Next, lengths: &Lengths, now: Timestamp) -> Stored {
    let mut retired = stored.retired.clone();
    if stored.signing.ends > now {
        retired.push(Retired {
            certificate: stored.signing.certificate.clone(),
            until: (now + lengths.serving).min(stored.signing.ends),
        });
    }
    Stored {
        signing: next.authority.clone(),
        next: None,
        retired,
    }
}

impl Stored {
    /// Something stored for the first time; certificates that clients trust already stay trusted for one serving
    /// lifetime, since another program may still serve under them.
    #[must_use]
    pub fn first(
        signing: Authority,
        trusted: Vec<String>,
        lengths: &Lengths,
        now: Timestamp,
    ) -> Self {
        let until = now + lengths.serving;
        Self {
            signing,
            next: None,
            retired: trusted
                .into_iter()
                .map(|certificate| Retired { certificate, until })
                .collect(),
        }
    }

    /// The same with a next authority.
    #[must_use]
    pub fn with_next(&self, authority: Authority, now: Timestamp) -> Self {
        Self {
            next: Some(Next {
                authority,
                since: now,
            }),
            ..self.clone()
        }
    }

    /// Everything that clients should trust, PEM, the signing authority first.
    #[must_use]
    pub fn bundle(&self) -> String {
        let next = self.next.iter().map(|next| &next.authority.certificate);
        let retired = self.retired.iter().map(|retired| &retired.certificate);
        let mut bundle = String::new();
        for certificate in std::iter::once(&self.signing.certificate)
            .chain(next)
            .chain(retired)
        {
            bundle.push_str(certificate.trim());
            bundle.push('\n');
        }
        bundle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const LENGTHS: Lengths = Lengths {
        authority: Duration::from_secs(300 * 3_600),
        serving: Duration::from_secs(24 * 3_600),
        settle: Duration::from_secs(60),
    };

    fn start() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn hosts() -> Vec<String> {
        vec!["leasehold.vault.svc".to_owned()]
    }

    fn fresh() -> Stored {
        let signing = Authority::make(&hosts(), start(), LENGTHS.authority).unwrap();
        Stored::first(signing, Vec::new(), &LENGTHS, start())
    }

    fn step(stored: &Stored, trusted: Trusted, after: Duration) -> Step {
        due(Some(stored), trusted, &hosts(), &LENGTHS, start() + after)
    }

    #[test]
    fn nothing_stored_means_a_new_authority() {
        assert_eq!(
            due(None, Trusted::NotYet, &hosts(), &LENGTHS, start()),
            Step::Create
        );
    }

    #[test]
    fn a_whole_rotation_keeps_old_and_new_trusted_as_long_as_they_may_be_served() {
        let stored = fresh();
        assert_eq!(
            step(&stored, Trusted::Yes, HOUR),
            Step::Wait(start() + HOUR * 200)
        );
        assert_eq!(step(&stored, Trusted::Yes, HOUR * 200), Step::Prepare);

        let prepared_at = start() + HOUR * 200;
        let next = Authority::make(&hosts(), prepared_at, LENGTHS.authority).unwrap();
        let prepared = stored.with_next(next.clone(), prepared_at);
        assert!(prepared.bundle().contains(next.certificate.trim()));
        assert_eq!(
            step(&prepared, Trusted::Yes, HOUR * 200 + LENGTHS.settle / 2),
            Step::Wait(prepared_at + LENGTHS.settle)
        );
        assert!(
            matches!(step(&prepared, Trusted::NotYet, HOUR * 201), Step::Wait(_)),
            "nothing untrusted signs"
        );

        let Step::Store(promoted) = step(&prepared, Trusted::Yes, HOUR * 201) else {
            panic!("no promotion")
        };
        assert_eq!(promoted.signing, next);
        assert!(
            promoted
                .bundle()
                .contains(stored.signing.certificate.trim())
        );
        let until = start() + HOUR * 225;
        assert_eq!(step(&promoted, Trusted::Yes, HOUR * 202), Step::Wait(until));

        let Step::Store(last) = step(&promoted, Trusted::Yes, HOUR * 225) else {
            panic!("the old one stays")
        };
        assert!(last.retired.is_empty());
        assert_eq!(last.signing, next);
    }

    #[test]
    fn an_expired_authority_is_replaced_at_once() {
        let stored = fresh();
        assert_eq!(step(&stored, Trusted::Yes, HOUR * 300), Step::Create);
        let next = Authority::make(&hosts(), start() + HOUR * 299, LENGTHS.authority).unwrap();
        let prepared = stored.with_next(next.clone(), start() + HOUR * 299);
        let Step::Store(promoted) = step(&prepared, Trusted::NotYet, HOUR * 300) else {
            panic!("no promotion")
        };
        assert_eq!(promoted.signing, next);
        assert!(
            promoted.retired.is_empty(),
            "what has expired is not trusted any longer"
        );
    }

    #[test]
    fn a_damaged_authority_is_replaced_at_once() {
        let mut stored = fresh();
        stored.signing.certificate = "edited by hand".to_owned();
        assert_eq!(step(&stored, Trusted::Yes, HOUR), Step::Create);
    }

    #[test]
    fn new_names_of_the_service_bring_a_new_authority_in_order() {
        let stored = fresh();
        let moved = vec!["webhook.other.svc".to_owned()];
        assert_eq!(
            due(Some(&stored), Trusted::Yes, &moved, &LENGTHS, start()),
            Step::Prepare
        );
    }

    #[test]
    fn what_another_program_serves_under_stays_trusted_for_a_while() {
        let signing = Authority::make(&hosts(), start(), LENGTHS.authority).unwrap();
        let stored = Stored::first(signing, vec!["OTHER".to_owned()], &LENGTHS, start());
        assert!(stored.bundle().contains("OTHER"));
        let Step::Store(later) = step(&stored, Trusted::Yes, LENGTHS.serving) else {
            panic!("it stays")
        };
        assert!(!later.bundle().contains("OTHER"));
    }

    #[test]
    fn what_is_stored_is_read_back_as_the_same() {
        let stored = fresh().with_next(Authority::make(&hosts(), start(), HOUR).unwrap(), start());
        let text = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), stored);
    }
}
