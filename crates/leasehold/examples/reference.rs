//! Prints a generated page of the reference: `annotations` or `flags`. `cargo xtask generate` calls it.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let page = match std::env::args().nth(1).as_deref() {
        Some("annotations") => leasehold_inject::reference::markdown(),
        Some("flags") => leasehold::flags::reference::markdown(),
        _ => {
            eprintln!("usage: reference annotations|flags");
            return ExitCode::FAILURE;
        }
    };
    match std::io::stdout().write_all(page.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: failed to write the page: {error}");
            ExitCode::FAILURE
        }
    }
}
