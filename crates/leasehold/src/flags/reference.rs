//! The reference page of the flags, `docs/reference/flags.md`, written from the table.

use std::fmt::Write as _;

use super::{Default, Flag, Kind, Scope, Variable, table};
use crate::exit::Exit;

/// The whole page in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Flags and variables of `leasehold`\n\n\
         <!-- Written from the table in crates/leasehold/src/flags; do not edit. -->\n\n\
         Flags take one or two dashes, and their value after `=` or a blank. A variable that is set and not empty \
         beats its flag. Booleans are `1 t T TRUE true True 0 f F FALSE false False`; a boolean flag alone means true. \
         Durations are written as `1h30m`, `10s` or `250ms`. `stock` in the last column marks what the established \
         injector has too, under the same name.\n",
    );
    for (scope, title, commands) in [
        (
            Scope::Injection,
            "What is injected",
            "Taken by `serve`, `agent-inject`, `review`, `inject`, `lint` and `explain`.",
        ),
        (
            Scope::Server,
            "How the server runs",
            "Taken by `serve` and `agent-inject`; the offline commands accept them without effect.",
        ),
        (
            Scope::Offline,
            "Input and output",
            "Taken by `review`, `inject`, `lint` and `explain`.",
        ),
    ] {
        section(&mut page, scope, title, commands)
            .expect("writing to a text in memory cannot fail");
    }
    page.push_str("\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n");
    for (exit, sentence) in Exit::TABLE {
        page.push_str(&format!("| {} | {sentence} |\n", exit.code()));
    }
    page.push_str(
        "\n## Variables with other spellings\n\n\
         Under `agent-inject` the variables of the `tls-…` flags marked with ¹ are also read without the prefix \
         `AGENT_INJECT_`. Those marked with ² may carry the prefix twice, and that spelling wins. Both are how the \
         established injector reads them.\n",
    );
    page
}

fn section(page: &mut String, scope: Scope, title: &str, commands: &str) -> std::fmt::Result {
    write!(
        page,
        "\n## {title}\n\n{commands}\n\n| Flag | Variable | Default | Meaning | Since |\n|---|---|---|---|---|\n"
    )?;
    for flag in table().filter(|flag| flag.scope == scope) {
        writeln!(
            page,
            "| {} | {} | {} | {}{} | {} |",
            name(flag),
            variable(flag),
            default(flag.default),
            flag.doc.replace('|', "\\|"),
            accepted(flag.kind),
            flag.since
        )?;
    }
    Ok(())
}

fn name(flag: &Flag) -> String {
    match flag.kind {
        Kind::VariableOnly(_) => "–".to_owned(),
        _ => format!("`{}`", flag.name),
    }
}

fn variable(flag: &Flag) -> String {
    let Some(variable) = flag.variable else {
        return "–".to_owned();
    };
    let mark = match variable {
        Variable::Prefixed(_) => "",
        Variable::PrefixedOrBare(_) => "¹",
        Variable::PrefixedOrDoubled(_) => "²",
    };
    format!("`{}`{mark}", variable.documented())
}

fn default(default: Default) -> String {
    let text = |text: &str| {
        if text.is_empty() {
            "–".to_owned()
        } else {
            format!("`{text}`")
        }
    };
    match default {
        Default::Always(always) => text(always),
        Default::PerCommand {
            agent_inject,
            otherwise,
        } => {
            format!(
                "{}; {} under `agent-inject`",
                text(otherwise),
                text(agent_inject)
            )
        }
    }
}

fn accepted(kind: Kind) -> String {
    match kind {
        Kind::Choice(words) => format!(" Accepted: `{}`.", words.join("`, `")),
        _ => String::new(),
    }
}
