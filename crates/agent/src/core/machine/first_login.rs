//! When the first login comes: at once, or within the spread that is asked for.

use super::*;
use crate::core::simulation::{Kind, Mood, Setup, World, at, seconds};

const SPREAD: u64 = 60;

fn spread_setup(seed: u64) -> Setup {
    Setup::one(Kind::Static)
        .rules(|settings| settings.login_spread = seconds(SPREAD))
        .seed(seed)
}

fn spread(seed: u64) -> World {
    spread_setup(seed).world()
}

/// The lines about logins in what the machine says.
fn said(actions: &[Action]) -> Vec<&str> {
    let lines = actions.iter().filter_map(|action| match action {
        Action::Log(line) if line.module == AUTH => Some(line.message.as_str()),
        _ => None,
    });
    lines.collect()
}

#[test]
fn without_a_spread_the_first_login_comes_at_once() {
    let world = Setup::one(Kind::Static).started();
    assert_eq!(world.logins_tried, [at(1000)]);
    assert_eq!(world.machine.token().first_login(), None);
}

#[test]
fn a_spread_puts_the_first_login_at_any_moment_below_it() {
    let mut logins: Vec<Moment> = Vec::new();
    for seed in 0..500 {
        let mut world = spread(seed);
        world.start();
        assert_eq!(world.logins_tried, []);
        let announced = world.machine.token().first_login().unwrap();
        world.run_for(0);
        assert_eq!(
            world.next(),
            Some(announced),
            "nothing else wakes the agent"
        );
        world.run_until(at(1000 + SPREAD), |_| {});
        assert_eq!(world.logins_tried, [announced], "one login, as announced");
        assert_eq!(world.machine.token().first_login(), None);
        logins.push(announced);
    }
    let within = |from: u64| {
        let sixth = at(1000 + from)..at(1000 + from + 10);
        logins
            .iter()
            .filter(|moment| sixth.contains(moment))
            .count()
    };
    for from in (0..SPREAD).step_by(10) {
        let count = within(from);
        assert!(
            (60..110).contains(&count),
            "{count} in the 10 s from {from}"
        );
    }
}

#[test]
fn who_waits_says_until_when() {
    let mut world = spread(1);
    let actions = world.machine.on(Event::Start, world.now);
    let [line] = said(&actions)[..] else {
        panic!("one line: {actions:?}");
    };
    let pause = world.now.until(world.machine.wakes().unwrap());
    let text = super::seconds(pause);
    assert_eq!(
        line,
        format!("the first login comes in {text}, at a random moment within 60s (`login_spread`)")
    );
}

#[test]
fn who_adopts_a_token_does_not_wait_even_where_that_token_is_gone() {
    let mut world = spread(1);
    let adopt = Event::Adopt {
        generation: 1,
        secrets: Vec::new(),
    };
    world.feed(adopt);
    assert_eq!(world.server.requests.get("lookup-self"), Some(&1));
    assert_eq!(world.machine.token().first_login(), None);
    // This server never gave out such a token.
    world.run_for(1);
    assert_eq!(
        world.logins_tried.len(),
        1,
        "a lost token is made good at once"
    );
}

#[test]
fn after_the_first_login_nothing_is_spread() {
    let mut world = spread(7);
    world.server.mood = Mood::Away;
    world.start();
    let first = world.machine.token().first_login().unwrap();
    world.run_until(first + seconds(3), |_| {});
    let [tried, again, ..] = world.logins_tried[..] else {
        panic!("{:?}", world.logins_tried);
    };
    assert_eq!(tried, first);
    assert!(tried.until(again) <= seconds(1), "the usual first pause");

    let mut world = spread_setup(7).tokens(60, 60).started();
    world.run_for(SPREAD + 10);
    world.revoke(1);
    world.feed(Event::CredentialsChanged);
    assert_eq!(
        world.logins_tried.last(),
        Some(&world.now),
        "asked for, done"
    );
}

#[test]
fn new_credentials_do_not_call_the_first_login_forward() {
    let mut world = spread(3);
    world.start();
    let first = world.machine.token().first_login();
    world.feed(Event::CredentialsChanged);
    assert_eq!(world.machine.token().first_login(), first);
    assert_eq!(world.logins_tried, []);
}

#[test]
fn a_signal_while_the_first_login_waits_ends_the_agent_at_once() {
    let mut world = spread(1);
    world.start();
    world.feed(Event::Stop(Stop::Signal));
    let left = world.left.as_ref().unwrap();
    assert_eq!((left.status, left.revoke.as_slice()), (0, &[][..]));
    assert_eq!(world.logins_tried, []);
    assert_eq!(world.machine.wakes(), None);
}
