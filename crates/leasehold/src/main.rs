//! Entry point; everything a test wants is in `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The TLS library wants its cryptography chosen once per process; a second choice would be ignored.
    drop(rustls::crypto::ring::default_provider().install_default());
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let environment = |name: &str| std::env::var(name).ok();
    leasehold::run(&arguments, &environment).into()
}
