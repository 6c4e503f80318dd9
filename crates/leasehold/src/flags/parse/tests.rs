//! Go's flag syntax, the order of variable and flag, and the words for what cannot be read.

use super::*;

fn read(program: Program, words: &[&str], variables: &[(&str, &str)]) -> Result<Parsed, FlagError> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    parse(program, &words, &|name| {
        variables
            .iter()
            .find(|(variable, _)| *variable == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn one_dash_or_two_and_equals_or_blank_all_mean_the_same() {
    for words in [
        &["-listen=:1"][..],
        &["--listen=:1"],
        &["-listen", ":1"],
        &["--listen", ":1"],
    ] {
        let parsed = read(Program::Serve, words, &[]).unwrap();
        assert_eq!(parsed.text("listen"), ":1", "{words:?}");
        assert_eq!(parsed.origin("listen"), &Origin::Flag);
    }
}

#[test]
fn a_switch_alone_is_true_and_takes_no_following_word() {
    let parsed = read(Program::Serve, &["-revoke-on-shutdown", "false"], &[]).unwrap();
    assert!(parsed.switch("revoke-on-shutdown"));
    assert_eq!(parsed.words, ["false"]);
}

#[test]
fn the_server_ignores_everything_after_the_first_word() {
    let parsed = read(
        Program::AgentInject,
        &["-listen=:1", "word", "-listen=:2", "-nonsense"],
        &[],
    )
    .unwrap();
    assert_eq!(parsed.text("listen"), ":1");
}

#[test]
fn offline_commands_take_files_between_flags() {
    let parsed = read(
        Program::Lint,
        &["a.yaml", "-strict", "-f", "b.yaml", "-f=c.yaml", "d"],
        &[],
    )
    .unwrap();
    assert_eq!(parsed.words, ["a.yaml", "d"]);
    assert_eq!(parsed.texts("f"), ["b.yaml", "c.yaml"]);
    assert!(parsed.switch("strict"));
}

#[test]
fn a_lone_dash_is_a_word_and_two_dashes_end_the_flags() {
    let parsed = read(Program::Inject, &["-", "--", "-strict"], &[]).unwrap();
    assert_eq!(parsed.words, ["-", "-strict"]);
}

#[test]
fn a_variable_that_is_not_empty_beats_the_flag() {
    let flag = ["-vault-address=http://flag"];
    let beaten = read(
        Program::Serve,
        &flag,
        &[("AGENT_INJECT_VAULT_ADDR", "http://variable")],
    )
    .unwrap();
    assert_eq!(beaten.text("vault-address"), "http://variable");
    assert_eq!(
        beaten.origin("vault-address"),
        &Origin::Variable("AGENT_INJECT_VAULT_ADDR".to_owned())
    );
    let kept = read(Program::Serve, &flag, &[("AGENT_INJECT_VAULT_ADDR", "")]).unwrap();
    assert_eq!(kept.text("vault-address"), "http://flag");
}

#[test]
fn a_doubled_prefix_wins_where_the_established_injector_reads_it() {
    let parsed = read(
        Program::AgentInject,
        &[],
        &[
            ("AGENT_INJECT_RUN_AS_USER", "1"),
            ("AGENT_INJECT_AGENT_INJECT_RUN_AS_USER", "2"),
            ("AGENT_INJECT_AGENT_INJECT_LISTEN", ":9"),
        ],
    )
    .unwrap();
    assert_eq!(parsed.text("run-as-user"), "2");
    assert_eq!(parsed.text("listen"), ":8080");
}

#[test]
fn tls_variables_without_prefix_count_only_under_the_established_name() {
    let stray = [("TLS_CERT_FILE", "/stray.pem")];
    let compatible = read(Program::AgentInject, &[], &stray).unwrap();
    assert_eq!(compatible.text("tls-cert-file"), "/stray.pem");
    let ours = read(Program::Serve, &[], &stray).unwrap();
    assert_eq!(ours.text("tls-cert-file"), "");
}

#[test]
fn what_cannot_be_read_is_told_in_the_known_words_and_names_the_place() {
    let check = |words: &[&str], variables: &[(&str, &str)], first: &str, place: &str| {
        let message = read(Program::AgentInject, words, variables)
            .unwrap_err()
            .to_string();
        assert_eq!(message.lines().next(), Some(first));
        assert!(message.contains(place), "{message}");
    };
    check(
        &["-lissten=:1"],
        &[],
        "flag provided but not defined: -lissten",
        "did you mean --listen?",
    );
    check(&["-listen"], &[], "flag needs an argument: -listen", "");
    check(&["---listen"], &[], "bad flag syntax: ---listen", "");
    check(
        &["-revoke-on-shutdown=maybe"],
        &[],
        "invalid boolean value \"maybe\" for -revoke-on-shutdown: parse error",
        "",
    );
    check(
        &[],
        &[("AGENT_INJECT_TEMPLATE_MAX_CONNECTIONS_PER_HOST", "many")],
        "Error parsing environment variables: strconv.ParseInt: parsing \"many\": invalid syntax",
        "AGENT_INJECT_TEMPLATE_MAX_CONNECTIONS_PER_HOST",
    );
    check(
        &["-auth-min-backoff=5"],
        &[],
        "Error parsing environment variables: time: missing unit in duration \"5\"",
        "-auth-min-backoff",
    );
    check(
        &["-agent-mode=sidecar"],
        &[],
        "invalid value \"sidecar\" for -agent-mode: accepted are auto, native, pair",
        "",
    );
}

#[test]
fn flags_of_the_offline_commands_are_unknown_to_the_server() {
    assert!(matches!(
        read(Program::Serve, &["-f", "x"], &[]),
        Err(FlagError::Unknown { .. })
    ));
    assert!(matches!(
        read(
            Program::Serve,
            &["-template-max-connections-per-host=1"],
            &[]
        ),
        Err(FlagError::Unknown { .. })
    ));
}

#[test]
fn every_flag_is_declared_once_and_has_a_readable_default() {
    let mut names: Vec<&str> = table().map(|flag| flag.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for flag in table() {
        for program in [Program::AgentInject, Program::Serve] {
            let default = flag.default.under(program);
            if !default.is_empty() {
                assert_eq!(flag.kind.check(default), Ok(()), "{}", flag.name);
            }
        }
    }
}
