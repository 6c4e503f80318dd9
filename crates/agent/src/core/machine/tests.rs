//! The machine as a whole in a simulated world: what it asks for, outages, notices, adoption.

use super::*;
use crate::core::{
    failure::FailureKind,
    lifetime::Lifetime,
    message::{Action, Change},
    rendering::RenderOutcome,
    simulation::{Kind, Mood, Setup, World, at, seconds},
};

/// A lease of an hour that can be renewed for a day.
pub(super) const LONG: Kind = Kind::Leased {
    ttl: 3600,
    max: 86_400,
};
/// A lease of ten minutes that can be renewed for a day.
pub(super) const MINUTES: Kind = Kind::Leased {
    ttl: 600,
    max: 86_400,
};

/// Every written file holds credentials that are alive at this moment.
pub(super) fn assert_files_work(world: &World) {
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
    let mut world = Setup::templates([&[1, 2], &[2, 3], &[1]])
        .with(1, Kind::Static)
        .with(2, LONG)
        .with(3, Kind::Static)
        .started();
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
    let mut world = Setup::templates([&[1, 9], &[1]])
        .with(1, Kind::Static)
        .with(9, Kind::Missing)
        .rules(|settings| settings.exit_on_refusal = Rule::Off)
        .started();
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
fn a_static_secret_is_polled_and_never_renders_a_dynamic_one_anew() {
    let mut world = Setup::templates([&[1], &[2], &[1, 2]])
        .with(1, LONG)
        .with(2, Kind::Static)
        .seed(5)
        .started();
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
fn survives_an_outage_longer_than_every_lifetime_and_recovers_by_itself() {
    for (mood, seed) in [(Mood::Away, 1), (Mood::Sealed, 2), (Mood::Away, 3)] {
        let mut world = Setup::templates([&[1], &[2]])
            .with(1, Kind::Leased { ttl: 10, max: 30 })
            .with(2, Kind::Static)
            .tokens(60, 86_400)
            .seed(seed)
            .started();
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
        let mut world = Setup::templates([&[1, 2]])
            .with(1, MINUTES)
            .with(2, Kind::Static)
            .seed(seed)
            .started();
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
    let mut world = Setup::one(Kind::Static).seed(9).world();
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
fn several_changes_close_together_run_a_command_once() {
    let mut world = Setup::templates([&[1], &[2]])
        .with(1, Kind::Static)
        .with(2, Kind::Static)
        .rules(|settings| {
            for template in &mut settings.templates {
                template.commands = vec![0];
            }
        })
        .started();
    world.run_for(10);
    assert_eq!(world.commands.len(), 1);
}

#[test]
fn a_failing_command_is_tried_again_a_few_times_and_holds_nothing_up() {
    let mut machine = Setup::templates([&[]]).world().machine;
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
    let mut machine = Setup::templates([&[]]).world().machine;
    let adopted = AdoptedSecret {
        dependency: 1,
        generation: 3,
        lifetime: Lifetime::Renewable(seconds(60)),
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
fn does_not_ask_to_be_woken_for_what_waits_for_an_answer() {
    let mut world = Setup::templates([&[1, 2]]).world();
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
    let grant = Grant::fresh(Some(seconds(3600)), true);
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
