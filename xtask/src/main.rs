//! Chores in Rust: `cargo xtask help`.

mod tools;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = match arguments.split_first() {
        Some((chore, rest)) => (Some(chore.as_str()), rest),
        None => (None, &[][..]),
    };
    let outcome = match chore {
        Some("tools") => tools::run(rest),
        Some(other) if other != "help" => Err(anyhow::anyhow!(
            "there is no chore called `{other}`; known: tools"
        )),
        _ => {
            eprintln!("usage: cargo xtask tools [--servers]");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
