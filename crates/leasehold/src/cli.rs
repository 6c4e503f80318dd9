//! The command line: which command was called, its help, and how it ends.

mod completions;
mod help;

use std::io::{self, IsTerminal as _, Write as _};

use crate::exit::Exit;
use crate::flags::{self, Parsed, Program};
use crate::{chain, offline, server};

/// Runs the program: `arguments` without its own name, `environment` answering for a variable.
#[must_use]
pub fn run(arguments: &[String], environment: &dyn Fn(&str) -> Option<String>) -> Exit {
    let Some((command, rest)) = arguments.split_first() else {
        return complain(&help::overview(), Exit::Usage);
    };
    let program = match command.as_str() {
        "serve" => Program::Serve,
        "agent-inject" => Program::AgentInject,
        "review" => Program::Review,
        "inject" => Program::Inject,
        "lint" => Program::Lint,
        "explain" => Program::Explain,
        "version" | "--version" | "-version" | "-v" => {
            return print(&format!("leasehold {}\n", env!("CARGO_PKG_VERSION")));
        }
        "completions" => return completions(rest),
        "help" | "--help" | "-help" | "-h" => return help_for(rest),
        other => {
            let message = format!("unknown command {other:?}\n\n{}", help::overview());
            return complain(&message, Exit::Usage);
        }
    };
    match flags::parse(program, rest, environment) {
        Ok(parsed) if parsed.help => print(&help::command(program)),
        Ok(parsed) => dispatch(&parsed, environment),
        Err(error) => {
            let pointer = format!(
                "{error}\nrun `leasehold {} --help` for the list of flags",
                program.name()
            );
            complain(&pointer, Exit::Failed)
        }
    }
}

fn dispatch(parsed: &Parsed, environment: &dyn Fn(&str) -> Option<String>) -> Exit {
    match parsed.program() {
        Program::Serve | Program::AgentInject => serve(parsed, environment),
        Program::Review => offline::review::run(parsed, &mut io::stdin().lock(), &mut output()),
        Program::Inject => offline::inject::run(parsed, &mut io::stdin().lock(), &mut output()),
        Program::Lint => offline::lint::run(parsed, &mut io::stdin().lock(), &mut output()),
        Program::Explain => offline::explain::run(parsed, &mut io::stdin().lock(), &mut output()),
    }
}

fn serve(parsed: &Parsed, environment: &dyn Fn(&str) -> Option<String>) -> Exit {
    // One thread carries ten thousand reviews a second; more would cost memory and the way between them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(4)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return complain(
                &format!("failed to start the runtime: {error}"),
                Exit::Failed,
            );
        }
    };
    let exit = match runtime.block_on(server::run(parsed, environment)) {
        Ok(exit) => exit,
        Err(error) => complain(&chain(&error), Exit::Failed),
    };
    // A name look-up that hangs in a blocking thread must not keep the process.
    runtime.shutdown_background();
    exit
}

fn completions(words: &[String]) -> Exit {
    match words
        .first()
        .map(String::as_str)
        .and_then(completions::script)
    {
        Some(script) => print(&script),
        None => complain("usage: leasehold completions bash|zsh|fish", Exit::Failed),
    }
}

fn help_for(words: &[String]) -> Exit {
    let program = words.first().and_then(|word| {
        help::PROGRAMS
            .into_iter()
            .find(|program| program.name() == word)
    });
    match program {
        Some(program) => print(&help::command(program)),
        None => print(&help::overview()),
    }
}

/// Standard output, in large pieces unless somebody watches.
fn output() -> Box<dyn io::Write> {
    let output = io::stdout().lock();
    if output.is_terminal() {
        Box::new(output)
    } else {
        Box::new(io::BufWriter::with_capacity(64 * 1024, output))
    }
}

fn print(text: &str) -> Exit {
    match output()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        Ok(()) => Exit::Done,
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(_) => Exit::Failed,
    }
}

fn complain(message: &str, exit: Exit) -> Exit {
    // Nothing can be done when standard error is gone as well; the exit code still tells.
    drop(writeln!(io::stderr(), "{}", message.trim_end()));
    exit
}
