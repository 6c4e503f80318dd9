//! What the log says of failures: each once, until it changes or is over.

use super::*;
use crate::core::{
    failure::FailureKind,
    simulation::{Kind, Mood, Setup, World, seconds},
};

/// The warnings and errors that were said since the last look, without the pauses that stand in them.
fn warnings(world: &mut World) -> Vec<String> {
    lines(world, |level| level > Level::Info)
}

/// What works again, said since the last look.
fn over(world: &mut World) -> Vec<String> {
    let mut said = lines(world, |level| level == Level::Info);
    said.retain(|line| line.contains("works again"));
    said
}

fn lines(world: &mut World, wanted: impl Fn(Level) -> bool) -> Vec<String> {
    let (said, kept) = std::mem::take(&mut world.said)
        .into_iter()
        .partition(|line| wanted(line.level));
    world.said = kept;
    said.into_iter()
        .map(|line: Line| {
            let error = line.fields.iter().find(|(name, _)| *name == "error");
            let error = error.map_or_else(String::new, |(_, text)| format!(": {text}"));
            format!("{}{error}", line.message)
        })
        .collect()
}

#[test]
fn an_outage_is_one_line_for_each_thing_that_fails_and_one_when_it_is_over() {
    let mut world = Setup::templates([&[1], &[2]])
        .with(1, Kind::Leased { ttl: 60, max: 3600 })
        .with(2, Kind::Static)
        .tokens(600, 86_400)
        .seed(5)
        .started();
    world.run_for(20);
    assert_eq!(warnings(&mut world), [] as [&str; 0]);

    world.server.mood = Mood::Away;
    world.run_for(3600);
    let refused = warnings(&mut world);
    let count = |words: &str| {
        let lines = refused.iter().filter(|line| line.contains(words));
        lines.count()
    };
    assert_eq!(count("error authenticating: connection refused"), 1);
    assert_eq!(count("error renewing token: connection refused"), 1);
    assert_eq!(count("retry attempt 1 after"), 2, "one for each secret");
    assert_eq!(count("exceeded maximum retries"), 2, "and one more");
    assert_eq!(count("(view)"), 4);
    assert!(refused.len() <= 7, "{refused:#?}");
    assert_eq!(over(&mut world), [] as [&str; 0]);

    world.server.mood = Mood::Sealed;
    world.run_for(3600);
    let mut sealed = warnings(&mut world);
    sealed.sort();
    let words = "the server is sealed";
    assert_eq!(
        sealed,
        [
            format!("(view) {words} (exceeded maximum retries)"),
            format!("(view) {words} (exceeded maximum retries)"),
            format!("error authenticating: {words}"),
        ],
        "what stays the same is said anew when its cause changes, and then no more"
    );

    world.server.mood = Mood::Well;
    world.run_for(600);
    // The token has ended long ago, which the first answer tells.
    let mut told = warnings(&mut world);
    told.sort();
    let count = told.len();
    told.dedup();
    assert_eq!(told.len(), count, "{told:#?}");
    let over = over(&mut world);
    assert!(
        over.iter().any(|line| {
            line.starts_with("authentication works again after ")
                && line.ends_with("s: the server is sealed")
        }),
        "{over:#?}"
    );
    let reading = over
        .iter()
        .filter(|line| line.starts_with("(view) reading"));
    assert_eq!(reading.count(), 2, "{over:#?}");
}

#[test]
fn that_the_tries_are_used_up_is_said_once() {
    let mut world = Setup::one(Kind::Missing)
        .rules(|settings| settings.exit_on_refusal = Rule::Off)
        .started();
    world.run_for(3600);
    let said = warnings(&mut world);
    let [first, last] = &said[..] else {
        panic!("{said:#?}");
    };
    assert!(first.contains("no secret exists at x (retry attempt 1"));
    assert_eq!(
        last,
        "(view) no secret exists at x (exceeded maximum retries)"
    );
    world.server.kinds.insert(1, Kind::Static);
    world.run_for(120);
    assert_eq!(over(&mut world).len(), 1);
}

#[test]
fn a_lease_that_may_not_be_renewed_is_one_warning_for_all_its_successors() {
    let mut world = Setup::leased(60, 3600).seed(2).world();
    world.server.may_renew_leases = false;
    world.start();
    world.run_for(1800);
    assert!(world.credentials_of(1).len() > 10);
    let said = warnings(&mut world);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains("used to its end and replaced before"));
    world.server.may_renew_leases = true;
    world.run_for(120);
    let over = over(&mut world);
    assert_eq!(over.len(), 1, "{over:#?}");
    assert!(over[0].starts_with("renewing a lease works again after "));
}

#[test]
fn templates_sinks_and_commands_say_a_failure_once_as_well() {
    let failure = || Failure::new(FailureKind::Local, "no space left");
    let mut world = Setup::templates([&[]])
        .rules(|settings| settings.exit_on_refusal = Rule::Off)
        .world();
    let failed = |uses| Event::Rendered {
        template: 0,
        uses,
        missing: [].into(),
        outcome: crate::core::rendering::RenderOutcome::Failed(failure()),
    };
    for _ in 0..3 {
        world.feed(failed([].into()));
        world.feed(Event::SinkFailed(1, failure()));
        world.feed(Event::CommandEnded(0, Err(failure())));
        world.now = world.now + seconds(400);
    }
    let mut said = warnings(&mut world);
    said.sort();
    assert_eq!(
        said,
        [
            "(runner) no space left",
            "error writing token: no space left",
            "template failed: no space left",
        ]
    );
}
