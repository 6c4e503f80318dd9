//! The machine as a whole in a simulated world: rotation, hand-over, outage, refusals, the end.

use super::*;
use crate::core::{
    failure::FailureKind,
    lifetime::Lifetime,
    message::{Action, Change},
    rendering::RenderOutcome,
    simulation::{Kind, Mood, World, at, seconds, settings},
};

fn world(uses: Vec<Vec<DependencyId>>, kinds: &[(DependencyId, Kind)], seed: u64) -> World {
    let settings = settings(uses.len());
    World::new(settings, uses, kinds.iter().copied(), seed)
}

/// Every written file holds credentials that are alive at this moment.
fn assert_files_work(world: &World) {
    for (template, uses) in world.uses.iter().enumerate() {
        for &dependency in uses {
            if let Some(credential) = world.in_file(template, dependency) {
                assert!(
                    credential.ends >= world.now,
                    "at {:?} the file holds a credential made at {:?} that ended at {:?}",
                    world.now,
                    credential.made,
                    credential.ends
                );
            }
        }
    }
}

#[test]
fn logs_in_once_and_reads_each_distinct_secret_once_until_rendered() {
    let mut world = world(
        vec![vec![1, 2], vec![2, 3], vec![1]],
        &[
            (1, Kind::Static),
            (
                2,
                Kind::Leased {
                    ttl: 3600,
                    max: 86_400,
                },
            ),
            (3, Kind::Static),
        ],
        1,
    );
    world.start();
    world.run_for(60);
    assert!(world.machine.is_complete());
    assert_eq!(world.files.len(), 3);
    let requests: Vec<_> = world
        .server
        .requests
        .iter()
        .map(|(&k, &v)| (k, v))
        .collect();
    assert_eq!(requests, [("login", 1), ("read", 3)]);
}

#[test]
fn nothing_is_written_while_something_is_missing_and_other_templates_go_on() {
    let mut settings = settings(2);
    settings.exit_on_refusal = Rule::Off;
    let uses = vec![vec![1, 9], vec![1]];
    let mut world = World::new(settings, uses, [(1, Kind::Static), (9, Kind::Missing)], 1);
    world.start();
    world.run_for(120);
    assert_eq!(world.files.keys().copied().collect::<Vec<_>>(), [1]);
    assert!(!world.machine.is_complete());
    assert_eq!(world.machine.trouble().map(Failure::class), Some("refused"));
    world.server.kinds.insert(9, Kind::Static);
    world.run_for(120);
    assert!(world.machine.is_complete());
    assert_eq!(world.machine.trouble(), None);
}

#[test]
fn rotates_short_leases_with_overlap_and_never_more_than_two_alive() {
    for seed in 0..50 {
        let mut world = world(
            vec![vec![1]],
            &[(1, Kind::Leased { ttl: 10, max: 30 })],
            seed,
        );
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
        let mut world = world(
            vec![vec![1]],
            &[(1, Kind::Leased { ttl: 10, max: 30 })],
            seed,
        );
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
        let kinds = [
            (
                1,
                Kind::Leased {
                    ttl: 600,
                    max: 86_400,
                },
            ),
            (2, Kind::Static),
        ];
        let mut world = world(vec![vec![1], vec![2]], &kinds, seed);
        world.server.token_ttl = 60;
        world.server.token_max = 200;
        world.start();
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
    let mut settings = settings(1);
    settings.revoke_after_hand_over = Rule::On;
    let kinds = [(
        1,
        Kind::Leased {
            ttl: 600,
            max: 86_400,
        },
    )];
    let mut world = World::new(settings, vec![vec![1]], kinds, 3);
    world.server.token_ttl = 60;
    world.server.token_max = 100;
    world.start();
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
fn a_static_secret_is_polled_and_never_renders_a_dynamic_one_anew() {
    let kinds = [
        (
            1,
            Kind::Leased {
                ttl: 3600,
                max: 86_400,
            },
        ),
        (2, Kind::Static),
    ];
    let mut world = world(vec![vec![1], vec![2], vec![1, 2]], &kinds, 5);
    world.start();
    world.run_for(100);
    for value in 2..6 {
        world.server.values.insert(2, value);
        world.run_for(300);
    }
    let writes = |id| {
        world
            .writes
            .iter()
            .filter(|(_, template)| *template == id)
            .count()
    };
    assert_eq!((writes(0), writes(1), writes(2)), (1, 5, 5));
    assert_eq!(world.credentials_of(1).len(), 1);
}

#[test]
fn a_certificate_is_issued_anew_before_its_end() {
    let mut world = world(vec![vec![1]], &[(1, Kind::Certificate { ttl: 20 })], 5);
    world.start();
    world.run_until(at(1200), assert_files_work);
    let made = world.credentials_of(1);
    assert!((11..=13).contains(&made.len()), "{}", made.len());
    for pair in made.windows(2) {
        assert!(pair[1].made.until(pair[0].ends) >= seconds(2));
    }
}

#[test]
fn survives_an_outage_longer_than_every_lifetime_and_recovers_by_itself() {
    for (mood, seed) in [(Mood::Away, 1), (Mood::Sealed, 2), (Mood::Away, 3)] {
        let kinds = [(1, Kind::Leased { ttl: 10, max: 30 }), (2, Kind::Static)];
        let mut world = world(vec![vec![1], vec![2]], &kinds, seed);
        world.server.token_ttl = 60;
        world.start();
        world.run_for(20);
        world.server.mood = mood;
        world.run_for(3600);
        assert_eq!(world.left, None, "no answer never ends the agent");
        assert_eq!(world.files.len(), 2, "files stay");
        world.server.mood = Mood::Well;
        world.run_for(301);
        assert_files_work(&world);
        assert_eq!(world.machine.trouble(), None);
    }
}

#[test]
fn a_machine_that_slept_beyond_every_lifetime_replaces_all_when_it_wakes() {
    for seed in 0..20 {
        let kinds = [
            (
                1,
                Kind::Leased {
                    ttl: 600,
                    max: 86_400,
                },
            ),
            (2, Kind::Static),
        ];
        let mut world = world(vec![vec![1, 2]], &kinds, seed);
        world.start();
        world.run_for(30);
        // The clock that counts goes on while the machine sleeps, so much is due at once.
        world.now = world.now + seconds(7200);
        world.run_for(60);
        assert!(world.machine.is_complete());
        assert_eq!(world.machine.trouble(), None);
        assert!(world.in_file(0, 1).unwrap().ends > world.now, "seed {seed}");
        assert_eq!(world.logins_tried.len(), 2, "one login more");
        assert!(world.credentials_of(1).len() <= 3);
        assert!(world.alive(1) <= 1);
    }
}

#[test]
fn waits_for_a_server_that_is_away_at_the_start() {
    let mut world = world(vec![vec![1]], &[(1, Kind::Static)], 9);
    world.server.mood = Mood::Away;
    world.start();
    world.run_for(600);
    assert_eq!(world.left, None);
    assert!(!world.machine.is_complete());
    world.server.mood = Mood::Well;
    world.run_for(301);
    assert!(world.machine.is_complete());
}

#[test]
fn a_refused_read_ends_the_agent_only_after_all_tries_and_only_before_the_first_rendering() {
    let mut early = world(vec![vec![9]], &[(9, Kind::Missing)], 9);
    early.start();
    early.run_for(400);
    let leave = early.left.unwrap();
    assert_eq!(leave.status, 1);
    assert_eq!(leave.failure.unwrap().text, "no secret exists at x");
    assert_eq!(early.server.requests["read"], 13);

    let mut later = world(vec![vec![9]], &[(9, Kind::Static)], 9);
    later.start();
    later.run_for(10);
    later.server.kinds.insert(9, Kind::Missing);
    later.run_for(86_400);
    assert_eq!(later.left, None);
    assert_eq!(later.files.len(), 1);
}

#[test]
fn without_exit_on_refusal_a_missing_secret_is_waited_for_without_reading_the_others_again() {
    let mut settings = settings(2);
    settings.exit_on_refusal = Rule::Off;
    let kinds = [
        (
            1,
            Kind::Leased {
                ttl: 3600,
                max: 86_400,
            },
        ),
        (9, Kind::Missing),
    ];
    let mut world = World::new(settings, vec![vec![1], vec![9]], kinds, 9);
    world.start();
    world.run_for(3600);
    assert_eq!(world.left, None);
    assert_eq!(world.credentials_of(1).len(), 1);
}

#[test]
fn notices_a_revoked_token_at_the_next_refused_read_and_replaces_what_died_with_it() {
    let kinds = [
        (
            1,
            Kind::Leased {
                ttl: 3600,
                max: 86_400,
            },
        ),
        (2, Kind::Static),
    ];
    let mut world = world(vec![vec![1], vec![2]], &kinds, 4);
    world.start();
    world.run_for(10);
    world.revoke(1);
    world.run_for(300);
    assert_eq!(world.server.tokens.len(), 2);
    assert_files_work(&world);
    assert_eq!(world.credentials_of(1).len(), 2);
}

#[test]
fn tokens_that_die_again_and_again_cause_bounded_logins() {
    let kinds = [(1, Kind::Leased { ttl: 10, max: 20 })];
    let mut world = world(vec![vec![1]], &kinds, 4);
    world.start();
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
    let kinds = [(
        1,
        Kind::Leased {
            ttl: 3600,
            max: 86_400,
        },
    )];
    let mut world = world(vec![vec![1]], &kinds, 4);
    world.server.token_ttl = 60;
    world.server.may_renew_tokens = false;
    world.server.may_look_up = false;
    world.start();
    world.run_until(at(1600), assert_files_work);
    let logins = world.logins_tried.len();
    assert!((11..=14).contains(&logins), "{logins} logins in ten lives");
}

#[test]
fn the_init_container_ends_when_everything_is_in_place() {
    let mut settings = settings(1);
    settings.exit_when_complete = Rule::On;
    let mut world = World::new(settings, vec![vec![1]], [(1, Kind::Static)], 1);
    world.start();
    world.run_for(10);
    assert_eq!(
        world.left,
        Some(Leave {
            status: 0,
            revoke: Vec::new(),
            failure: None
        })
    );
    assert_eq!(world.commands.len(), 1, "its command has run before");
}

#[test]
fn ends_by_signal_at_any_time_with_status_0_and_revokes_all_tokens_when_asked_to() {
    let mut settings = settings(1);
    settings.revoke_on_exit = Rule::On;
    let kinds = [(
        1,
        Kind::Leased {
            ttl: 600,
            max: 86_400,
        },
    )];
    let mut world = World::new(settings.clone(), vec![vec![1]], kinds, 1);
    world.server.token_ttl = 60;
    world.server.token_max = 100;
    world.start();
    world.run_until(at(1095), |_| {});
    assert_eq!(world.server.tokens.len(), 2, "in the middle of a hand-over");
    world.feed(Event::Stop(Stop::Signal));
    let leave = world.left.clone().unwrap();
    assert_eq!(leave.status, 0);
    assert_eq!(leave.revoke, [2, 1]);

    let mut world = World::new(settings, vec![vec![1]], kinds, 1);
    world.server.mood = Mood::Away;
    world.start();
    world.feed(Event::Stop(Stop::Signal));
    assert_eq!(
        world.left,
        Some(Leave {
            status: 0,
            revoke: Vec::new(),
            failure: None
        })
    );
}

#[test]
fn a_failing_login_ends_the_agent_only_where_the_configuration_says_so() {
    let mut settings = settings(1);
    settings.exit_on_login_error = Rule::On;
    let mut world = World::new(settings, vec![vec![1]], [(1, Kind::Static)], 1);
    world.server.mood = Mood::Away;
    world.start();
    world.run_for(10);
    assert_eq!(world.left.map(|leave| leave.status), Some(1));
}

#[test]
fn a_failing_template_ends_the_agent_at_once_unless_its_failures_are_only_logged() {
    let fail = |settings: Settings| {
        let mut machine = Machine::new(settings, Box::new(crate::core::chance::Spread::seeded(1)));
        machine.on(Event::Start, at(0));
        machine.on(
            Event::Rendered {
                template: 0,
                uses: [].into(),
                missing: [].into(),
                outcome: RenderOutcome::Failed(Failure::new(FailureKind::Template, "parse: …")),
            },
            at(0),
        )
    };
    let left = |actions: &[Action]| {
        actions
            .iter()
            .any(|action| matches!(action, Action::Leave(_)))
    };
    assert!(left(&fail(settings(1))));
    let mut lenient = settings(1);
    lenient.exit_on_refusal = Rule::Off;
    assert!(!left(&fail(lenient)));
    let mut logged = settings(1);
    logged.templates[0].severity = crate::core::rendering::Severity::Logged;
    assert!(!left(&fail(logged)));
}

#[test]
fn several_changes_close_together_run_a_command_once() {
    let mut settings = settings(2);
    for template in &mut settings.templates {
        template.commands = vec![0];
    }
    let kinds = [(1, Kind::Static), (2, Kind::Static)];
    let mut world = World::new(settings, vec![vec![1], vec![2]], kinds, 1);
    world.start();
    world.run_for(10);
    assert_eq!(world.commands.len(), 1);
}

#[test]
fn a_failing_command_is_tried_again_a_few_times_and_holds_nothing_up() {
    let mut machine = Machine::new(
        settings(1),
        Box::new(crate::core::chance::Spread::seeded(1)),
    );
    machine.on(Event::Start, at(0));
    machine.on(
        Event::Rendered {
            template: 0,
            uses: [].into(),
            missing: [].into(),
            outcome: RenderOutcome::Written,
        },
        at(0),
    );
    machine.on(
        Event::LoggedIn(Grant::fresh(Some(seconds(3600)), true)),
        at(0),
    );
    let mut now = at(0);
    let mut runs = 0;
    loop {
        let failure = Failure::new(FailureKind::Local, "command `x` ended with status 1");
        let mut actions = machine.on(Event::CommandEnded(0, Err(failure)), now);
        runs += 1;
        let Some(next) = machine.wakes().filter(|&next| next < at(600)) else {
            break;
        };
        now = next;
        actions.extend(machine.on(Event::Tick, now));
        assert!(actions.contains(&Action::Run(0)), "{actions:?}");
    }
    assert_eq!(runs, 5);
    assert!(machine.is_complete());
}

#[test]
fn a_restart_adopts_what_is_still_valid_and_asks_for_nothing_anew() {
    let mut machine = Machine::new(
        settings(1),
        Box::new(crate::core::chance::Spread::seeded(1)),
    );
    let adopted = AdoptedSecret {
        dependency: 1,
        generation: 3,
        lifetime: crate::core::lifetime::Lifetime::Renewable(seconds(60)),
        ends: Some(at(150)),
    };
    let actions = machine.on(
        Event::Adopt {
            generation: 3,
            secrets: vec![adopted],
        },
        at(100),
    );
    assert!(actions.contains(&Action::CheckToken(3)));
    assert!(actions.contains(&Action::Render(0)));
    assert!(!actions.contains(&Action::LogIn));
    let actions = machine.on(
        Event::Rendered {
            template: 0,
            uses: [1].into(),
            missing: [].into(),
            outcome: RenderOutcome::Unchanged,
        },
        at(100),
    );
    assert!(actions.contains(&Action::Ready));
    let grant = Grant {
        granted: Some(seconds(600)),
        left: Some(seconds(500)),
        renewable: true,
    };
    machine.on(Event::TokenChecked(3, Ok(grant)), at(100));
    let next = machine.wakes().unwrap();
    assert_eq!(machine.on(Event::Tick, next), [Action::RenewLease(1, 3)]);
    assert!((at(125)..at(135)).contains(&next), "{next:?}");
}

#[test]
fn a_token_that_may_only_read_never_lets_a_lease_end_before_its_successor_is_there() {
    for seed in 0..30 {
        let mut world = world(
            vec![vec![1]],
            &[(1, Kind::Leased { ttl: 10, max: 30 })],
            seed,
        );
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
    let mut world = world(
        vec![vec![1]],
        &[(1, Kind::Leased { ttl: 60, max: 3600 })],
        7,
    );
    world.server.may_look_up = false;
    world.start();
    world.run_for(10);
    world.revoke(1);
    world.run_for(60);
    assert_eq!(world.server.tokens.len(), 2);
    assert_files_work(&world);
}

#[test]
fn does_not_ask_to_be_woken_for_what_waits_for_an_answer() {
    let mut world = world(vec![vec![1, 2]], &[], 1);
    let now = world.now;
    let machine = &mut world.machine;
    machine.on(Event::Start, now);
    machine.on(
        Event::Rendered {
            template: 0,
            uses: [1, 2].into(),
            missing: [1, 2].into(),
            outcome: RenderOutcome::Incomplete,
        },
        now,
    );
    let grant = crate::core::token::Grant::fresh(Some(seconds(3600)), true);
    let reads = machine
        .on(Event::LoggedIn(grant), now)
        .into_iter()
        .filter(|action| matches!(action, Action::Fetch(..)))
        .count();
    assert_eq!(reads, 2);
    let later = now + seconds(1);
    let generation = machine.token().usable().expect("the login succeeded");
    let actions = machine.on(
        Event::Fetched {
            dependency: 1,
            generation,
            lifetime: Lifetime::Polled,
            change: Change::New,
        },
        later,
    );
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Render(_)))
    );
    assert!(
        machine.wakes().is_none_or(|at| at > later),
        "the second answer is on its way, and nothing is due before it comes"
    );
}
