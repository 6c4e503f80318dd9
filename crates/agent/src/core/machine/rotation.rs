//! Leases and tokens over their whole lives: each is replaced in time, whatever right is missing, and the files work
//! all the while.

use super::tests::{LONG, MINUTES, assert_files_work};
use crate::core::{
    machine::Rule,
    simulation::{Kind, Setup, at, seconds},
};

#[test]
fn rotates_short_leases_with_overlap_and_never_more_than_two_alive() {
    for seed in 0..50 {
        let mut world = Setup::leased(10, 30).seed(seed).started();
        world.run_until(at(1150), |world| {
            assert_files_work(world);
            assert!(
                world.alive(1) <= 2,
                "{} alive at {:?}",
                world.alive(1),
                world.now
            );
        });
        let made = world.credentials_of(1);
        assert!(
            (5..=7).contains(&made.len()),
            "{} made with seed {seed}",
            made.len()
        );
        assert!(made[..made.len() - 1].iter().all(|one| one.renewals >= 1));
        assert_eq!(world.logins_tried.len(), 1);
        assert_eq!(
            world.commands.len(),
            made.len(),
            "the application is told each time"
        );
    }
}

#[test]
fn with_renewals_refused_each_lease_is_used_to_its_end() {
    for seed in 0..20 {
        let mut world = Setup::leased(10, 30).seed(seed).world();
        world.server.may_renew_leases = false;
        world.start();
        world.run_until(at(1150), assert_files_work);
        let made = world.credentials_of(1).len();
        assert!(
            (15..=25).contains(&made),
            "{made} made in 150 s with seed {seed}"
        );
    }
}

#[test]
fn hands_over_before_the_tokens_maximum_with_overlap_and_leaves_the_old_to_its_end() {
    for seed in 0..50 {
        let mut world = Setup::templates([&[1], &[2]])
            .with(1, MINUTES)
            .with(2, Kind::Static)
            .tokens(60, 200)
            .seed(seed)
            .started();
        world.run_until(at(1000 + 1000), assert_files_work);
        assert!(
            (5..=7).contains(&world.server.tokens.len()),
            "{:?}",
            world.server.tokens.len()
        );
        for pair in world.server.tokens.windows(2) {
            let overlap = pair[1].made.until(pair[0].ends);
            assert!(overlap >= seconds(6), "{overlap:?} with seed {seed}");
        }
        assert!(world.revoked.is_empty());
        let static_writes = world
            .writes
            .iter()
            .filter(|(_, template)| *template == 1)
            .count();
        assert_eq!(
            static_writes, 1,
            "the static file is not touched by a hand-over"
        );
    }
}

#[test]
fn revokes_the_old_token_after_a_hand_over_when_asked_to() {
    let mut world = Setup::one(MINUTES)
        .rules(|settings| settings.revoke_after_hand_over = Rule::On)
        .tokens(60, 100)
        .seed(3)
        .started();
    world.run_until(at(1300), assert_files_work);
    let made = world.server.tokens.len();
    assert!(made >= 3, "{made}");
    assert!(
        world.revoked.len() >= made - 2,
        "{:?} of {made}",
        world.revoked
    );
}

#[test]
fn a_certificate_is_issued_anew_before_its_end() {
    let mut world = Setup::one(Kind::Certificate { ttl: 20 }).seed(5).started();
    world.run_until(at(1200), assert_files_work);
    let made = world.credentials_of(1);
    assert!((11..=13).contains(&made.len()), "{}", made.len());
    for pair in made.windows(2) {
        assert!(pair[1].made.until(pair[0].ends) >= seconds(2));
    }
}

#[test]
fn notices_a_revoked_token_at_the_next_refused_read_and_replaces_what_died_with_it() {
    let mut world = Setup::templates([&[1], &[2]])
        .with(1, LONG)
        .with(2, Kind::Static)
        .seed(4)
        .started();
    world.run_for(10);
    world.revoke(1);
    world.run_for(300);
    assert_eq!(world.server.tokens.len(), 2);
    assert_files_work(&world);
    assert_eq!(world.credentials_of(1).len(), 2);
}

#[test]
fn tokens_that_die_again_and_again_cause_bounded_logins() {
    let mut world = Setup::leased(10, 20).seed(4).started();
    for _ in 0..3600 {
        world.run_for(1);
        let last = u32::try_from(world.server.tokens.len()).unwrap();
        world.revoke(last);
    }
    let logins = world.logins_tried.len();
    assert!(logins < 60, "{logins} logins in an hour");
}

#[test]
fn a_token_that_may_neither_renew_nor_look_up_itself_is_replaced_once_per_life() {
    let mut world = Setup::one(LONG).tokens(60, 86_400).seed(4).world();
    world.server.may_renew_tokens = false;
    world.server.may_look_up = false;
    world.start();
    world.run_until(at(1600), assert_files_work);
    let logins = world.logins_tried.len();
    assert!((11..=14).contains(&logins), "{logins} logins in ten lives");
}

#[test]
fn a_token_that_may_only_read_never_lets_a_lease_end_before_its_successor_is_there() {
    for seed in 0..30 {
        let mut world = Setup::leased(10, 30).seed(seed).world();
        world.server.may_renew_leases = false;
        world.server.may_look_up = false;
        world.start();
        world.run_until(at(1150), |world| {
            assert_files_work(world);
            assert!(
                world.alive(1) <= 2,
                "{} alive at {:?}",
                world.alive(1),
                world.now
            );
        });
        assert_eq!(world.logins_tried.len(), 1, "seed {seed}");
        let made = world.credentials_of(1).len();
        assert!(
            (15..=25).contains(&made),
            "{made} made in 150 s with seed {seed}"
        );
    }
}

#[test]
fn a_revoked_token_is_noticed_by_a_refused_lease_renewal_even_without_the_right_to_look_up() {
    let mut world = Setup::leased(60, 3600).seed(7).world();
    world.server.may_look_up = false;
    world.start();
    world.run_for(10);
    world.revoke(1);
    world.run_for(60);
    assert_eq!(world.server.tokens.len(), 2);
    assert_files_work(&world);
}
