//! Very many agents at one server: a mass restart, and an outage of an hour that outlives every token. The
//! printed rates are what an operator of the server would see.
//!
//! A thousand in the usual tests, since the bounds are shares of the fleet; `cargo xtask bench fleet` builds the
//! same tests for ten thousand and shows the rates.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::*;
use crate::core::simulation::{Kind, Mood, Setup, World, at, seconds};

const AGENTS: u64 = match option_env!("LEASEHOLD_FLEET") {
    Some(text) => number(text),
    None => 1000,
};
/// Logins that the server answers in a second.
const CAPACITY: u64 = AGENTS / 50;

const fn number(text: &str) -> u64 {
    let (digits, mut at, mut number) = (text.as_bytes(), 0, 0);
    while at < digits.len() {
        assert!(digits[at].is_ascii_digit(), "LEASEHOLD_FLEET is a number");
        number = number * 10 + (digits[at] - b'0') as u64;
        at += 1;
    }
    number
}

/// Many worlds at one server that answers so many logins in a second and refuses the others with 429.
struct Fleet {
    worlds: Vec<World>,
    next: BinaryHeap<Reverse<(Moment, usize)>>,
    capacity: u64,
    retry_after: Option<Duration>,
    served: (u64, u64),
    /// Logins tried in each second, from second 1000 on.
    tried: Vec<u64>,
}

impl Fleet {
    fn new(kind: Kind, token_ttl: u64, capacity: u64, retry_after: Option<Duration>) -> Self {
        Self::spread(Duration::ZERO, kind, token_ttl, capacity, retry_after)
    }

    /// A fleet whose agents spread their first logins.
    fn spread(
        login_spread: Duration,
        kind: Kind,
        token_ttl: u64,
        capacity: u64,
        retry_after: Option<Duration>,
    ) -> Self {
        let mut worlds = Vec::new();
        for seed in 0..AGENTS {
            let setup = Setup::one(kind)
                .rules(|settings| settings.login_spread = login_spread)
                .tokens(token_ttl, 86_400)
                .seed(seed);
            let world = setup.world();
            worlds.push(world);
        }
        Self {
            worlds,
            next: BinaryHeap::new(),
            capacity,
            retry_after,
            served: (0, 0),
            tried: Vec::new(),
        }
    }

    fn set(&mut self, mood: Mood) {
        for world in &mut self.worlds {
            world.server.mood = mood;
        }
    }

    fn start(&mut self) {
        for index in 0..self.worlds.len() {
            self.step(index, at(1000), World::start);
        }
    }

    /// Lets one world make a step, as its own server's mood and the common capacity allow.
    fn step(&mut self, index: usize, now: Moment, step: impl FnOnce(&mut World)) {
        let world = &mut self.worlds[index];
        let second = now.since_start().as_secs();
        if self.served.0 != second {
            self.served = (second, 0);
        }
        let mood = world.server.mood;
        if mood == Mood::Well && self.served.1 >= self.capacity {
            world.server.mood = Mood::Busy(self.retry_after);
        }
        let (tried, made) = (world.logins_tried.len(), world.server.tokens.len());
        step(world);
        world.server.mood = mood;
        self.served.1 += (world.server.tokens.len() - made) as u64;
        let place = usize::try_from(second - 1000).unwrap();
        if self.tried.len() <= place {
            self.tried.resize(place + 1, 0);
        }
        self.tried[place] += (world.logins_tried.len() - tried) as u64;
        if let Some(next) = world.next() {
            self.next.push(Reverse((next, index)));
        }
    }

    fn run_until(&mut self, end: Moment) {
        while let Some(&Reverse((next, index))) = self.next.peek() {
            if next > end {
                break;
            }
            self.next.pop();
            // A world may have been put into the queue twice; what is no longer due is passed over.
            if self.worlds[index].next() == Some(next) {
                self.step(index, next, |world| world.step_to(next));
            }
        }
        for world in &mut self.worlds {
            world.now = world.now.max(end);
        }
    }

    fn complete(&self) -> usize {
        self.worlds
            .iter()
            .filter(|world| world.machine.is_complete())
            .count()
    }

    fn with_token(&self) -> usize {
        let now = |world: &&World| {
            world
                .server
                .tokens
                .last()
                .is_some_and(|token| token.ends > world.now)
        };
        self.worlds.iter().filter(now).count()
    }

    /// Prints the logins in steps of so many seconds, and gives the largest number in one second.
    fn report(&self, title: &str, from: usize, width: usize) -> u64 {
        println!("{title}: logins per second, by {width} s");
        for (step, chunk) in self.tried[from..].chunks(width).enumerate() {
            let (sum, most) = (chunk.iter().sum::<u64>(), chunk.iter().max().copied());
            let mean = sum as f64 / chunk.len() as f64;
            println!(
                "  {:>5} s: mean {mean:>7.1}, most {:>5}",
                step * width,
                most.unwrap_or(0)
            );
        }
        self.tried[from..].iter().max().copied().unwrap_or(0)
    }
}

#[test]
fn a_mass_restart_against_a_server_of_limited_speed_spreads_out() {
    for retry_after in [None, Some(seconds(20))] {
        let mut fleet = Fleet::new(
            Kind::Leased {
                ttl: 3600,
                max: 86_400,
            },
            3600,
            CAPACITY,
            retry_after,
        );
        fleet.start();
        fleet.run_until(at(1000 + 300));
        let title =
            format!("mass restart of {AGENTS}, {CAPACITY} logins/s, Retry-After {retry_after:?}");
        fleet.report(&title, 0, 10);
        assert_eq!(
            fleet.complete() as u64,
            AGENTS,
            "all are served within five minutes"
        );
        let tries: u64 = fleet.tried.iter().sum();
        assert!(
            tries < AGENTS * 12,
            "{tries} logins tried for {AGENTS} agents"
        );
        let later = fleet.tried[10..].iter().max().copied().unwrap_or(0);
        assert!(
            later < AGENTS / 5,
            "{later} in one second after the first ten"
        );
    }
}

#[test]
fn a_mass_restart_with_a_spread_has_no_peak_and_hardly_a_refusal() {
    const SPREAD: u64 = 60;
    let run = |login_spread: Duration, title: &str| {
        let kind = Kind::Leased {
            ttl: 3600,
            max: 86_400,
        };
        let mut fleet = Fleet::spread(login_spread, kind, 3600, CAPACITY, None);
        fleet.start();
        fleet.run_until(at(1000 + 300));
        let most = fleet.report(title, 0, 10);
        let tries: u64 = fleet.tried.iter().sum();
        println!("  {tries} logins tried for {AGENTS} agents");
        assert_eq!(fleet.complete() as u64, AGENTS, "{title}");
        (most, tries)
    };
    let (herd, tries_at_once) = run(
        Duration::ZERO,
        &format!("mass restart of {AGENTS} without a spread, {CAPACITY} logins/s"),
    );
    let (most, tries) = run(
        seconds(SPREAD),
        &format!("mass restart of {AGENTS} with a spread of {SPREAD} s, {CAPACITY} logins/s"),
    );
    println!("  at most {most} in one second, in place of {herd}");
    assert_eq!(herd, AGENTS, "all in the first second");
    assert!(
        most < 2 * AGENTS / SPREAD,
        "{most} in one second, twice the mean or more"
    );
    assert!(
        tries < AGENTS + AGENTS / 5,
        "{tries} logins tried for {AGENTS} agents"
    );
    assert!(tries_at_once > 2 * AGENTS, "{tries_at_once}");
}

#[test]
fn after_an_hour_of_outage_the_logins_come_back_spread_over_minutes() {
    let mut fleet = Fleet::new(Kind::Static, 600, u64::MAX, None);
    fleet.start();
    fleet.run_until(at(1000 + 60));
    assert_eq!(fleet.complete() as u64, AGENTS);
    fleet.set(Mood::Away);
    fleet.run_until(at(1000 + 3660));
    assert_eq!(fleet.with_token(), 0, "the outage outlives every token");
    let during = fleet.tried[600..3660].iter().max().copied().unwrap_or(0);
    fleet.set(Mood::Well);
    fleet.run_until(at(1000 + 3660 + 330));
    let after = fleet.report("an hour's outage and its end", 3660, 30);
    println!("  during the outage at most {during} in one second");
    assert_eq!(
        fleet.with_token() as u64,
        AGENTS,
        "all are back after the longest pause"
    );
    assert!(
        after < AGENTS / 50,
        "{after} logins in one second after the outage"
    );
    assert!(
        during < AGENTS / 25,
        "{during} logins in one second during the outage"
    );
}
