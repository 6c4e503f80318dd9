//! The life of a token in tables, with synthetic time.

use super::*;
use crate::core::{chance::Always, failure::FailureKind};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(count: u64) -> Moment {
    Moment::after_start(seconds(count))
}

const PAUSES: LoginPauses = LoginPauses {
    first: seconds(1),
    largest: seconds(300),
};

fn no_answer() -> Failure {
    Failure::new(FailureKind::NoAnswer, "connection refused")
}

fn refused() -> Failure {
    Failure::new(FailureKind::Definite(403), "permission denied")
}

/// A keeper that has just logged in at second 100.
fn logged_in(ttl: u64, renewable: bool) -> TokenKeeper {
    let mut keeper = TokenKeeper::new(PAUSES);
    assert_eq!(keeper.due(at(100)), Some(TokenTodo::LogIn));
    keeper.logged_in(
        at(100),
        Grant::fresh(Some(seconds(ttl)), renewable),
        &mut Always(0.5),
    );
    keeper
}

#[test]
fn logs_in_at_once_and_only_once() {
    let mut keeper = TokenKeeper::new(PAUSES);
    assert_eq!(keeper.due(at(5)), Some(TokenTodo::LogIn));
    assert_eq!(keeper.due(at(6)), None);
    assert_eq!(keeper.wakes(), None);
}

#[test]
fn pauses_longer_after_each_failed_login_and_never_gives_up() {
    let mut keeper = TokenKeeper::new(PAUSES);
    let mut now = at(0);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        assert_eq!(keeper.due(now), Some(TokenTodo::LogIn));
        let pause = keeper.login_failed(now, &no_answer(), &mut Always(1.0));
        assert_eq!(keeper.wakes(), Some(now + pause));
        pauses.push(pause.as_secs());
        now = now + pause;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
}

#[test]
fn does_not_renew_right_after_the_login_but_at_two_thirds() {
    let mut keeper = logged_in(30, true);
    assert_eq!(keeper.due(at(100)), None);
    assert_eq!(keeper.wakes(), Some(at(120)));
    assert_eq!(keeper.due(at(120)), Some(TokenTodo::Renew(1)));
}

#[test]
fn goes_on_renewing_a_periodic_token() {
    let mut keeper = logged_in(30, true);
    let mut now = at(120);
    for _ in 0..100 {
        assert_eq!(keeper.due(now), Some(TokenTodo::Renew(1)));
        keeper.renewed(
            now,
            1,
            Ok(Grant::fresh(Some(seconds(30)), true)),
            &mut Always(0.5),
        );
        assert_eq!(keeper.wakes(), Some(now + seconds(20)));
        now = now + seconds(20);
    }
}

#[test]
fn logs_in_anew_before_the_maximum_lifetime_with_overlap() {
    // 10 s tokens with a maximum of 25 s: the renewal at 20 s answers 5 s.
    let mut keeper = logged_in(10, true);
    let mut chance = Always(0.5);
    for left in [10, 10] {
        let now = keeper.wakes().unwrap();
        assert_eq!(keeper.due(now), Some(TokenTodo::Renew(1)));
        keeper.renewed(
            now,
            1,
            Ok(Grant::fresh(Some(seconds(left)), true)),
            &mut chance,
        );
    }
    let now = keeper.wakes().unwrap();
    assert_eq!(keeper.due(now), Some(TokenTodo::Renew(1)));
    let left = now.until(at(125));
    keeper.renewed(now, 1, Ok(Grant::fresh(Some(left), true)), &mut chance);
    let now = keeper.wakes().unwrap();
    assert!(now.until(at(125)) >= seconds(2), "{now:?}");
    assert_eq!(keeper.due(now), Some(TokenTodo::LogIn));
    assert_eq!(
        keeper.usable(),
        Some(1),
        "the old token serves until the new one is there"
    );
    assert_eq!(
        keeper.logged_in(now, Grant::fresh(Some(seconds(10)), true), &mut chance),
        2
    );
    assert_eq!(keeper.usable(), Some(2));
}

#[test]
fn replaces_a_batch_token_before_its_end_without_renewing_it() {
    let mut keeper = logged_in(60, false);
    assert_eq!(
        keeper.wakes(),
        Some(at(151)),
        "9 s are one and a half times a tenth"
    );
    assert_eq!(keeper.due(at(151)), Some(TokenTodo::LogIn));
}

#[test]
fn leaves_a_token_without_end_alone() {
    let mut keeper = TokenKeeper::new(PAUSES);
    keeper.due(at(0));
    keeper.logged_in(at(0), Grant::fresh(None, false), &mut Always(0.5));
    assert_eq!(keeper.wakes(), None);
    assert_eq!(keeper.due(at(1_000_000)), None);
}

#[test]
fn tries_a_failed_renewal_again_until_the_replacement_is_due() {
    let mut keeper = logged_in(60, true);
    let mut chance = Always(0.9);
    let mut tries = 0;
    loop {
        let now = keeper.wakes().unwrap();
        match keeper.due(now) {
            Some(TokenTodo::Renew(1)) => keeper.renewed(now, 1, Err(&no_answer()), &mut chance),
            Some(TokenTodo::LogIn) => {
                assert_eq!(now, Moment::after_start(Duration::from_millis(149_800)));
                break;
            }
            other => panic!("{other:?}"),
        }
        tries += 1;
        assert!(tries < 10);
    }
    assert!(tries >= 2, "{tries}");
}

#[test]
fn a_token_that_may_not_renew_itself_is_used_to_its_end() {
    let mut keeper = logged_in(60, true);
    let mut chance = Always(0.5);
    assert_eq!(keeper.due(at(140)), Some(TokenTodo::Renew(1)));
    keeper.renewed(at(140), 1, Err(&refused()), &mut chance);
    assert_eq!(keeper.due(at(140)), Some(TokenTodo::Check(1)));
    let alive = Ok(Grant::fresh(Some(seconds(20)), true));
    assert_eq!(
        keeper.checked(at(140), 1, alive, &mut chance),
        Verdict::Alive
    );
    assert_eq!(keeper.due(at(140)), None);
    assert_eq!(keeper.due(at(151)), Some(TokenTodo::LogIn));
}

#[test]
fn notices_a_revoked_token_by_a_refused_read_and_logs_in_anew() {
    let mut keeper = logged_in(3600, true);
    keeper.suspect(at(106), 1, Suspicion::Read);
    assert_eq!(keeper.due(at(106)), Some(TokenTodo::Check(1)));
    let verdict = keeper.checked(at(106), 1, Err(&refused()), &mut Always(0.5));
    assert_eq!(verdict, Verdict::Gone);
    assert_eq!(keeper.usable(), None);
    assert_eq!(keeper.due(at(106)), Some(TokenTodo::LogIn));
}

#[test]
fn a_token_lost_again_and_again_causes_one_login_per_back_off_step() {
    let mut keeper = logged_in(3600, true);
    let mut chance = Always(1.0);
    let mut now = at(101);
    let mut waits = Vec::new();
    for generation in 1..6 {
        keeper.suspect(now, generation, Suspicion::Read);
        assert_eq!(keeper.due(now), Some(TokenTodo::Check(generation)));
        keeper.checked(now, generation, Err(&refused()), &mut chance);
        let next = keeper.wakes().unwrap();
        waits.push(now.until(next).as_secs());
        assert_eq!(keeper.due(next), Some(TokenTodo::LogIn));
        keeper.logged_in(next, Grant::fresh(Some(seconds(3600)), true), &mut chance);
        now = next;
    }
    assert_eq!(waits, [0, 2, 4, 8, 16]);
}

#[test]
fn asks_about_a_suspected_token_at_most_once_in_half_a_minute() {
    let mut keeper = logged_in(3600, true);
    keeper.suspect(at(106), 1, Suspicion::Read);
    assert_eq!(keeper.due(at(106)), Some(TokenTodo::Check(1)));
    let alive = Ok(Grant::fresh(Some(seconds(3000)), true));
    keeper.checked(at(106), 1, alive, &mut Always(0.5));
    keeper.suspect(at(120), 1, Suspicion::Read);
    assert_eq!(keeper.due(at(120)), None);
    keeper.suspect(at(136), 1, Suspicion::Read);
    assert_eq!(keeper.due(at(136)), Some(TokenTodo::Check(1)));
}

#[test]
fn an_adopted_token_is_looked_up_before_it_is_used() {
    let mut keeper = TokenKeeper::new(PAUSES);
    keeper.adopt(at(50), 7);
    assert_eq!(keeper.usable(), None);
    assert_eq!(keeper.due(at(50)), Some(TokenTodo::Check(7)));
    let grant = Grant {
        granted: Some(seconds(60)),
        left: Some(seconds(30)),
        renewable: true,
    };
    assert_eq!(
        keeper.checked(at(50), 7, Ok(grant), &mut Always(0.5)),
        Verdict::Alive
    );
    assert_eq!(keeper.usable(), Some(7));
    assert_eq!(
        keeper.wakes(),
        Some(at(60)),
        "two thirds of 60 s, 30 s of which have passed"
    );
}

#[test]
fn an_adopted_token_that_is_gone_is_replaced_and_one_without_answer_is_asked_for_again() {
    let mut keeper = TokenKeeper::new(PAUSES);
    keeper.adopt(at(50), 7);
    keeper.due(at(50));
    let verdict = keeper.checked(at(50), 7, Err(&no_answer()), &mut Always(1.0));
    assert_eq!(verdict, Verdict::Unknown);
    assert_eq!(keeper.wakes(), Some(at(51)));
    assert_eq!(keeper.due(at(51)), Some(TokenTodo::Check(7)));
    assert_eq!(
        keeper.checked(at(51), 7, Err(&refused()), &mut Always(1.0)),
        Verdict::Gone
    );
    assert_eq!(keeper.due(at(51)), Some(TokenTodo::LogIn));
    let generation = keeper.logged_in(
        at(51),
        Grant::fresh(Some(seconds(60)), true),
        &mut Always(0.5),
    );
    assert_eq!(generation, 8);
}

#[test]
fn a_refused_look_up_after_a_refused_lease_renewal_proves_nothing_until_a_read_is_refused() {
    let mut keeper = logged_in(3600, true);
    let mut chance = Always(0.5);
    keeper.suspect(at(106), 1, Suspicion::LeaseRenewal);
    assert_eq!(keeper.due(at(106)), Some(TokenTodo::Check(1)));
    assert_eq!(
        keeper.checked(at(106), 1, Err(&refused()), &mut chance),
        Verdict::Unproven
    );
    assert_eq!(keeper.usable(), Some(1));
    assert_eq!(keeper.due(at(106)), None, "no new login");
    keeper.suspect(at(106), 1, Suspicion::Read);
    assert_eq!(keeper.due(at(106)), Some(TokenTodo::Check(1)));
    assert_eq!(
        keeper.checked(at(106), 1, Err(&refused()), &mut chance),
        Verdict::Gone
    );
    assert_eq!(keeper.due(at(106)), Some(TokenTodo::LogIn));
}
