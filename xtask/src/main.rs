//! Chores in Rust: `cargo xtask help`.

mod bench;
mod chores;
mod ci;
mod demo;
mod deny;
mod e2e;
mod faults;
mod fuzz;
mod generate;
mod image;
mod testing;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    if fuzz::is_in_place_of_rustc() {
        // The compiler has said what was wrong.
        return match fuzz::compile(std::env::args_os().skip(1)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match chores::dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Nothing may follow the totals.
        Err(error) if error.is::<testing::TestsFailed>() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
