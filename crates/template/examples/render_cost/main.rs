//! What ten typical templates cost to render once their data is there: microseconds for each, as a line
//! of its name, the cost of parsing and the cost of rendering. `cargo xtask bench templates` measures the
//! same templates beside another program.
//!
//!     cargo run --release -p leasehold-template --example render_cost -- [ROUNDS] [TEMPLATE]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement needs the clock, and is there to be read"
)]

use std::{env, error::Error, time::Instant};

use leasehold_template::{Answer, Dependency, NoHost, Options, Snapshot, Template, render};

mod typical;

use typical::{ANSWER, TYPICAL};

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: u32 = env::args().nth(1).map_or(Ok(20_000), |text| text.parse())?;
    println!("{:<20} {:>10} {:>10}", "template", "parse µs", "render µs");
    let only = env::args().nth(2);
    for (name, definitions, body) in TYPICAL {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let source = format!("{definitions}{body}");
        let begun = Instant::now();
        for _ in 0..rounds.div_ceil(10) {
            Template::parse(&source, Options::default())?;
        }
        let parse = begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds.div_ceil(10));
        let template = Template::parse(&source, Options::default())?;
        let snapshot = answered(&template)?;
        let begun = Instant::now();
        for _ in 0..rounds {
            render(&template, &snapshot, &mut NoHost)?;
        }
        let cost = begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
        println!("{name:<20} {parse:>10.2} {cost:>10.2}");
    }
    Ok(())
}

/// A snapshot with everything that the template asks for.
fn answered(template: &Template) -> Result<Snapshot, Box<dyn Error>> {
    let mut snapshot = Snapshot::new();
    loop {
        let missing: Vec<Dependency> = render(template, &snapshot, &mut NoHost)?.missing;
        if missing.is_empty() {
            return Ok(snapshot);
        }
        for dependency in missing {
            snapshot.insert(dependency, Answer::secret(ANSWER.as_bytes())?);
        }
    }
}
