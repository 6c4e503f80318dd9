//! What ends the agent, and what does not.

use super::*;
use crate::core::{
    chance::Spread,
    failure::FailureKind,
    machine::tests::{LONG, MINUTES},
    rendering::{RenderOutcome, Severity},
    simulation::{Kind, Mood, Setup, at},
};

#[test]
fn a_refused_read_ends_the_agent_only_after_all_tries_and_only_before_the_first_rendering() {
    let mut early = Setup::one(Kind::Missing).seed(9).started();
    early.run_for(400);
    let leave = early.left.unwrap();
    assert_eq!(leave.status, 1);
    assert_eq!(leave.failure.unwrap().text, "no secret exists at x");
    assert_eq!(early.server.requests["read"], 13);

    let mut later = Setup::one(Kind::Static).seed(9).started();
    later.run_for(10);
    later.server.kinds.insert(1, Kind::Missing);
    later.run_for(86_400);
    assert_eq!(later.left, None);
    assert_eq!(later.files.len(), 1);
}

#[test]
fn without_exit_on_refusal_a_missing_secret_is_waited_for_without_reading_the_others_again() {
    let mut world = Setup::templates([&[1], &[9]])
        .with(1, LONG)
        .with(9, Kind::Missing)
        .rules(|settings| settings.exit_on_refusal = Rule::Off)
        .seed(9)
        .started();
    world.run_for(3600);
    assert_eq!(world.left, None);
    assert_eq!(world.credentials_of(1).len(), 1);
}

#[test]
fn the_init_container_ends_when_everything_is_in_place() {
    let mut world = Setup::one(Kind::Static)
        .rules(|settings| settings.exit_when_complete = Rule::On)
        .started();
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
    let revoking = Setup::one(MINUTES)
        .rules(|settings| settings.revoke_on_exit = Rule::On)
        .tokens(60, 100);
    let mut world = revoking.clone().started();
    world.run_until(at(1095), |_| {});
    assert_eq!(world.server.tokens.len(), 2, "in the middle of a hand-over");
    world.feed(Event::Stop(Stop::Signal));
    let leave = world.left.clone().unwrap();
    assert_eq!(leave.status, 0);
    assert_eq!(leave.revoke, [2, 1]);

    let mut world = revoking.world();
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
    let mut world = Setup::one(Kind::Static)
        .rules(|settings| settings.exit_on_login_error = Rule::On)
        .world();
    world.server.mood = Mood::Away;
    world.start();
    world.run_for(10);
    assert_eq!(world.left.map(|leave| leave.status), Some(1));
}

#[test]
fn a_failing_template_ends_the_agent_at_once_unless_its_failures_are_only_logged() {
    let fail = |change: fn(&mut Settings)| {
        let settings = Setup::templates([&[]]).rules(change).settings();
        let mut machine = Machine::new(settings, Box::new(Spread::seeded(1)));
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
    assert!(left(&fail(|_| {})));
    assert!(!left(&fail(|lenient| lenient.exit_on_refusal = Rule::Off)));
    assert!(!left(&fail(|logged| {
        logged.templates[0].severity = Severity::Logged;
    })));
}
