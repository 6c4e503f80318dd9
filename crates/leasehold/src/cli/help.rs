//! The help texts: the overview of the commands, and one page per command made from the table of flags.

use std::fmt::Write as _;

use crate::exit::Exit;
use crate::flags::{Flag, Kind, Program, Scope, table};

/// Every command that takes flags, in the order of the overview.
pub(super) const PROGRAMS: [Program; 6] = [
    Program::Serve,
    Program::AgentInject,
    Program::Review,
    Program::Inject,
    Program::Lint,
    Program::Explain,
];

/// One sentence per command.
pub(super) const fn sentence(program: Program) -> &'static str {
    match program {
        Program::Serve => "the webhook",
        Program::AgentInject => {
            "the webhook, with the defaults of the established injector (vault-k8s)"
        }
        Program::Review => "answer one AdmissionReview from standard input, without network",
        Program::Inject => "print manifests as they will be admitted; findings on standard error",
        Program::Lint => "check the annotations and templates of manifests",
        Program::Explain => "say what would be injected, and where each value comes from",
    }
}

/// The overview of all commands.
pub(super) fn overview() -> String {
    let mut text = String::from(
        "leasehold injects an agent into annotated pods that brings them secrets from Vault or OpenBao.\n\n\
         Usage: leasehold COMMAND [flags]\n\nCommands:\n",
    );
    let mut line = |name: &str, sentence: &str| writeln!(text, "  {name:<14}{sentence}");
    let mut written = PROGRAMS
        .iter()
        .try_for_each(|program| line(program.name(), sentence(*program)));
    for (name, sentence) in [
        (
            "completions",
            "print a completion script for bash, zsh or fish",
        ),
        ("version", "print the version"),
        ("help", "print this, or the help of a command"),
    ] {
        written = written.and_then(|()| line(name, sentence));
    }
    written.expect("writing to a text in memory cannot fail");
    text.push_str("\nRun `leasehold COMMAND --help` for its flags.\n");
    text
}

/// The page of one command.
pub(super) fn command(program: Program) -> String {
    let mut text = format!("leasehold {}: {}\n\n", program.name(), sentence(program));
    text.push_str("Usage: ");
    text.push_str(match program {
        Program::Serve => "leasehold serve [flags]",
        Program::AgentInject => "leasehold agent-inject [flags]",
        Program::Review => "leasehold review [flags] < review.json",
        Program::Inject => "leasehold inject [flags] -f FILE|DIR|- ... [-o yaml|json|patch]",
        Program::Lint => "leasehold lint [flags] -f FILE|DIR|- ... [--strict] [-o text|json]",
        Program::Explain => "leasehold explain [flags] -f FILE|DIR|- ... [-o text|json]",
    });
    text.push_str(
        "\n\nFlags take one or two dashes, and their value after = or a blank. A variable that is set and not \
         empty beats its flag.\n",
    );
    for (scope, title) in [
        (Scope::Offline, "Input and output"),
        (Scope::Injection, "What is injected"),
        (Scope::Server, "How the server runs"),
    ] {
        let flags: Vec<&Flag> = table()
            .filter(|flag| flag.scope == scope && program.takes(flag))
            .collect();
        if flags.is_empty() {
            continue;
        }
        text.push('\n');
        text.push_str(title);
        if scope == Scope::Server && !matches!(program, Program::Serve | Program::AgentInject) {
            text.push_str(
                " (accepted without effect, so that the server's flags can be used as they are)",
            );
        }
        text.push_str(":\n");
        for flag in flags {
            describe(&mut text, flag, program);
        }
    }
    text.push_str("\nExit codes:\n");
    for (exit, sentence) in Exit::TABLE {
        let line = format!("  {:<5}{sentence}\n", exit.code());
        text.push_str(&line);
    }
    text
}

fn describe(text: &mut String, flag: &Flag, program: Program) {
    let variable_only = matches!(flag.kind, Kind::VariableOnly(_));
    let mut head = String::from("  ");
    if !variable_only {
        head.push_str("--");
        head.push_str(flag.name);
        head.push_str(&value_word(flag.kind));
    }
    if let Some(variable) = flag.variable {
        let separator = if variable_only { "" } else { "  " };
        head.push_str(separator);
        head.push_str(&variable.documented());
    }
    text.push_str(&head);
    text.push('\n');
    let default = flag.default.under(program);
    let mut doc = flag.doc.to_owned();
    if !default.is_empty() {
        doc.push_str(" Default: ");
        doc.push_str(default);
        doc.push('.');
    }
    for line in wrap(&doc, 92) {
        text.push_str("      ");
        text.push_str(&line);
        text.push('\n');
    }
}

fn value_word(kind: Kind) -> String {
    match kind {
        Kind::Switch => String::new(),
        Kind::Choice(words) => format!("={}", words.join("|")),
        Kind::Duration => "=DURATION".to_owned(),
        Kind::Integer | Kind::Float => "=NUMBER".to_owned(),
        Kind::List => "=A,B".to_owned(),
        Kind::Text | Kind::Repeated | Kind::VariableOnly(_) => "=TEXT".to_owned(),
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines
            .last()
            .is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > width);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_and_exit_code_is_in_the_help_of_its_commands() {
        for program in PROGRAMS {
            let text = command(program);
            for flag in table().filter(|flag| program.takes(flag)) {
                let word = match flag.kind {
                    Kind::VariableOnly(_) => flag.variable.unwrap().documented(),
                    _ => format!("--{}", flag.name),
                };
                assert!(
                    text.contains(&word),
                    "{word} is not in the help of {}",
                    program.name()
                );
            }
            assert!(text.contains("127"));
        }
    }

    #[test]
    fn the_overview_names_every_command() {
        let text = overview();
        for program in PROGRAMS {
            assert!(text.contains(program.name()));
        }
    }

    #[test]
    fn lines_are_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }
}
