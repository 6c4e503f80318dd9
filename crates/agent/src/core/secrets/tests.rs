//! The schedule of one secret in tables, with synthetic time.

use super::*;
use crate::core::chance::Always;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(count: u64) -> Moment {
    Moment::after_start(seconds(count))
}

const RULES: SecretRules = SecretRules {
    static_interval: seconds(300),
    threshold: 0.9,
    retries: 12,
    first_pause: Duration::from_millis(250),
    largest_pause: seconds(60),
};

fn lease_not_found() -> Failure {
    Failure::new(
        FailureKind::Definite(400),
        "failed to renew: lease not found",
    )
}

fn forbidden() -> Failure {
    Failure::new(FailureKind::Definite(403), "permission denied")
}

fn no_answer() -> Failure {
    Failure::new(FailureKind::NoAnswer, "connection refused")
}

/// A secret that was read at second 100 with the token of login 1.
fn read(lifetime: Lifetime) -> Secret {
    let mut secret = Secret::wanted(at(100), &RULES);
    assert_eq!(secret.due(at(100), 1), Some(SecretTodo::Fetch(1)));
    secret.fetched(at(100), 1, lifetime, &RULES, &mut Always(0.5));
    secret
}

#[test]
fn asks_once_and_waits_for_the_answer() {
    let mut secret = Secret::wanted(at(100), &RULES);
    assert_eq!(secret.due(at(100), 1), Some(SecretTodo::Fetch(1)));
    assert!(secret.is_in_flight());
    assert_eq!(secret.due(at(200), 1), None);
}

#[test]
fn renews_at_two_thirds_and_replaces_before_the_maximum() {
    // Leases of 10 s with a maximum of 30 s, as a database gives them.
    let mut secret = read(Lifetime::Renewable(seconds(10)));
    let mut renewals = 0;
    let end = at(130);
    let replaced = loop {
        let now = secret.wakes().unwrap();
        match secret.due(now, 1) {
            Some(SecretTodo::RenewLease(1)) => {
                renewals += 1;
                let left = seconds(10).min(now.until(end));
                secret.renewed(now, Ok((left, true)), &mut Always(0.5));
            }
            Some(SecretTodo::Fetch(1)) => break now,
            other => panic!("{other:?}"),
        }
    };
    assert!(renewals >= 3, "{renewals}");
    assert!(
        replaced.until(end) >= seconds(1),
        "old and new overlap: {replaced:?}"
    );
    assert!(
        at(100).until(replaced) >= seconds(25),
        "not much earlier than needed: {replaced:?}"
    );
}

#[test]
fn a_lease_that_may_not_be_renewed_is_used_to_its_end_and_replaced_once() {
    let mut secret = read(Lifetime::Renewable(seconds(60)));
    assert_eq!(secret.due(at(140), 1), Some(SecretTodo::RenewLease(1)));
    let outcome = secret.renewed(at(140), Err(&forbidden()), &mut Always(0.5));
    assert_eq!(outcome, RenewalOutcome::LeftToItsEnd);
    assert_eq!(secret.wakes(), Some(at(151)));
    assert_eq!(secret.due(at(151), 1), Some(SecretTodo::Fetch(1)));
}

#[test]
fn leases_lost_again_and_again_cost_one_new_credential_per_back_off_step() {
    let mut secret = read(Lifetime::Renewable(seconds(60)));
    let mut chance = Always(1.0);
    let mut pauses = Vec::new();
    for _ in 0..11 {
        let now = secret.wakes().unwrap();
        assert_eq!(secret.due(now, 1), Some(SecretTodo::RenewLease(1)));
        match secret.renewed(now, Err(&lease_not_found()), &mut chance) {
            RenewalOutcome::Lost { pause } => pauses.push(pause.as_secs()),
            other => panic!("{other:?}"),
        }
        let now = secret.wakes().unwrap();
        assert_eq!(secret.due(now, 1), Some(SecretTodo::Fetch(1)));
        secret.fetched(
            now,
            1,
            Lifetime::Renewable(seconds(60)),
            &RULES,
            &mut chance,
        );
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
}

#[test]
fn a_renewal_without_answer_is_tried_again_until_the_replacement_is_due() {
    let mut secret = read(Lifetime::Renewable(seconds(60)));
    let mut tries = 0;
    let replaced = loop {
        let now = secret.wakes().unwrap();
        match secret.due(now, 1) {
            Some(SecretTodo::RenewLease(1)) => {
                secret.renewed(now, Err(&no_answer()), &mut Always(0.9));
                tries += 1;
            }
            Some(SecretTodo::Fetch(1)) => break now,
            other => panic!("{other:?}"),
        }
    };
    assert!((2..8).contains(&tries), "{tries}");
    assert_eq!(
        replaced,
        Moment::after_start(Duration::from_millis(149_800))
    );
}

#[test]
fn reads_again_what_has_no_renewal() {
    let check = |lifetime, expected: Option<Moment>| {
        let mut secret = read(lifetime);
        assert_eq!(secret.wakes(), expected, "{lifetime:?}");
        if let Some(now) = expected {
            assert_eq!(secret.due(now, 1), Some(SecretTodo::Fetch(1)));
        }
    };
    check(Lifetime::Polled, Some(at(370)));
    check(
        Lifetime::Ends {
            after: seconds(20),
            with_token: false,
        },
        Some(at(117)),
    );
    check(
        Lifetime::Ends {
            after: seconds(10_000),
            with_token: false,
        },
        Some(at(100 + 9_000)),
    );
    check(Lifetime::ChangesIn(seconds(31)), Some(at(131)));
    check(Lifetime::Kept, None);
}

#[test]
fn pauses_after_failed_reads_as_the_established_agent_at_most() {
    let mut secret = Secret::wanted(at(100), &RULES);
    let mut now = at(100);
    let mut pauses = Vec::new();
    let mut exhausted_at = None;
    for attempt in 1..=14 {
        assert_eq!(secret.due(now, 1), Some(SecretTodo::Fetch(1)));
        let refusal = Failure::new(FailureKind::Definite(404), "no secret exists at kv/data/x");
        let setback = secret.fetch_failed(now, refusal, &RULES, &mut Always(1.0));
        assert_eq!(setback.attempt, attempt);
        if setback.exhausted && exhausted_at.is_none() {
            exhausted_at = Some(attempt);
        }
        pauses.push(setback.pause.as_millis());
        now = now + setback.pause;
    }
    assert_eq!(exhausted_at, Some(13));
    assert_eq!(
        pauses,
        [
            250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000,
            60_000, 60_000
        ]
    );
}

#[test]
fn a_server_without_answer_never_exhausts_the_tries() {
    let mut secret = Secret::wanted(at(0), &RULES);
    for _ in 0..100 {
        let now = secret.wakes().unwrap();
        secret.due(now, 1);
        assert!(
            !secret
                .fetch_failed(now, no_answer(), &RULES, &mut Always(1.0))
                .exhausted
        );
    }
}

#[test]
fn a_new_token_replaces_what_hangs_on_the_old_one_and_nothing_else() {
    let check = |lifetime, replaced: bool| {
        let mut secret = read(lifetime);
        let planned = secret.wakes();
        secret.token_changed(at(105), 2);
        if replaced {
            assert_eq!(
                secret.due(at(105), 2),
                Some(SecretTodo::Fetch(2)),
                "{lifetime:?}"
            );
        } else {
            assert_eq!(secret.wakes(), planned, "{lifetime:?}");
        }
    };
    check(Lifetime::Renewable(seconds(60)), true);
    check(
        Lifetime::Ends {
            after: seconds(60),
            with_token: true,
        },
        true,
    );
    check(
        Lifetime::Ends {
            after: seconds(60),
            with_token: false,
        },
        false,
    );
    check(Lifetime::Polled, false);
    check(Lifetime::Kept, false);
}

#[test]
fn an_adopted_lease_goes_on_where_it_was() {
    let lifetime = Lifetime::Renewable(seconds(60));
    let adopted = |ends| {
        Secret::adopted(
            at(100),
            1,
            lifetime,
            Some(at(ends)),
            &RULES,
            &mut Always(0.5),
        )
    };
    assert_eq!(
        adopted(150).wakes(),
        Some(at(130)),
        "10 s of the 40 have passed"
    );
    assert_eq!(adopted(110).wakes(), Some(at(100)), "past its two thirds");
    assert_eq!(adopted(150).ends(), Some(at(150)));
}
