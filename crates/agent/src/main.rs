//! Entry point; everything a test wants is in `lib.rs`.

use std::process::ExitCode;

use leasehold_agent::{cli, environment::Environment};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    cli::run(&words, &Environment::from_process()).into()
}
