//! Completion scripts for bash, zsh and fish, made from the table of flags.

use std::fmt::Write as _;

use super::help::{PROGRAMS, sentence};
use crate::flags::{Flag, Kind, Program, table};

/// The script for a shell; none for a shell that is not known.
pub(super) fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(format!(
            "#compdef leasehold\nautoload -U +X bashcompinit && bashcompinit\n{}",
            bash()
        )),
        "fish" => Some(fish()),
        _ => None,
    }
}

fn flags(program: Program) -> impl Iterator<Item = &'static Flag> {
    table().filter(move |flag| program.takes(flag) && !matches!(flag.kind, Kind::VariableOnly(_)))
}

fn bash() -> String {
    let names: Vec<&str> = PROGRAMS.iter().map(|program| program.name()).collect();
    let mut text = format!(
        "_leasehold() {{\n    local word=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"\"\n    \
         if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"{} completions version help\"\n    else\n        \
         case \"${{COMP_WORDS[1]}}\" in\n",
        names.join(" ")
    );
    for program in PROGRAMS {
        let flags: Vec<String> = flags(program)
            .map(|flag| format!("--{}", flag.name))
            .collect();
        text.push_str(&format!(
            "            {}) words=\"{}\" ;;\n",
            program.name(),
            flags.join(" ")
        ));
    }
    text.push_str(
        "            completions) words=\"bash zsh fish\" ;;\n        esac\n    fi\n    \
         case \"$word\" in\n        -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n        \
         *) if [ \"$COMP_CWORD\" -eq 1 ] || [ \"${COMP_WORDS[1]}\" = completions ]; then\n               \
         COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n           else\n               \
         COMPREPLY=($(compgen -f -- \"$word\"))\n           fi ;;\n    esac\n}\n\
         complete -o filenames -F _leasehold leasehold\n",
    );
    text
}

fn fish() -> String {
    let mut text = String::from("complete -c leasehold -n __fish_use_subcommand -f\n");
    let mut write = || -> std::fmt::Result {
        for program in PROGRAMS {
            let name = program.name();
            writeln!(
                text,
                "complete -c leasehold -n __fish_use_subcommand -a {name} -d {}",
                quote(sentence(program))
            )?;
            for flag in flags(program) {
                let value = match flag.kind {
                    Kind::Switch => String::new(),
                    Kind::Choice(words) => format!(" -x -a {}", quote(&words.join(" "))),
                    _ => " -r".to_owned(),
                };
                let option = if flag.name.len() == 1 { "-o" } else { "-l" };
                let doc = flag.doc.split_terminator(". ").next().unwrap_or_default();
                writeln!(
                    text,
                    "complete -c leasehold -n '__fish_seen_subcommand_from {name}' {option} {}{value} -d {}",
                    flag.name,
                    quote(doc)
                )?;
            }
        }
        for word in ["completions", "version", "help"] {
            writeln!(
                text,
                "complete -c leasehold -n __fish_use_subcommand -a {word}"
            )?;
        }
        writeln!(
            text,
            "complete -c leasehold -n '__fish_seen_subcommand_from completions' -x -a 'bash zsh fish'"
        )
    };
    write().expect("writing to a text in memory cannot fail");
    text
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_bash_script_is_accepted_by_bash_and_completes_flags() {
        let program = format!(
            "{}\nCOMP_WORDS=(leasehold lint --str) COMP_CWORD=2; _leasehold; echo \"${{COMPREPLY[@]}}\"",
            script("bash").unwrap()
        );
        let output = Command::new("bash")
            .arg("-c")
            .arg(program)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "--strict\n",
            "{output:?}"
        );
    }

    #[test]
    fn every_shell_has_the_commands_and_others_have_no_script() {
        for shell in ["bash", "zsh", "fish"] {
            let text = script(shell).unwrap();
            assert!(
                PROGRAMS.iter().all(|program| text.contains(program.name())),
                "{shell}"
            );
        }
        assert!(script("tcsh").is_none());
    }
}
