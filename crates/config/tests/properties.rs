//! What holds for any input: reading never panics, and what is written reads back.

use std::time::Duration;

use leasehold_config::{
    AgentConfig, AutoAuth, ChangeCommand, Command, CommandEnvironment, Language, Method,
    MethodKind, Signal, Sink, Template, TemplateSource, Wait, parse, to_json, written,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Pieces that steer random texts into the corners of the readers.
const PIECES: &[&str] = &[
    "auto_auth",
    "method",
    "sink",
    "template",
    "exec",
    "wait",
    "listener",
    "cache",
    "vault",
    "env",
    "config",
    "contents",
    "destination",
    "perms",
    "command",
    "{",
    "}",
    "[",
    "]",
    "=",
    ",",
    ":",
    "\"",
    "\\",
    "${",
    "<<EOF\n",
    "<<-EOF\n",
    "EOF\n",
    "\n",
    " ",
    "#",
    "//",
    "/*",
    "*/",
    "true",
    "null",
    "-1",
    "0640",
    "0x",
    "1e",
    "9999999999999999999",
    "1h",
    "\\u12",
    "\\ud800",
    "é",
    "\u{0}",
    "\"kubernetes\"",
    "\"file\"",
    "\"x\"",
];

fn anything() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => ".{0,4}",
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1_u64..100_000).prop_map(Duration::from_secs),
        (1_u64..10_000_000_000).prop_map(Duration::from_nanos),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9/_.-]{1,12}"
}

fn free_text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{1,20}", "(?s).{1,20}"]
}

fn command() -> impl Strategy<Value = ChangeCommand> {
    let what = prop_oneof![
        name().prop_map(|program| Command::Program(vec![program])),
        (name(), vec(free_text(), 1..3)).prop_map(|(program, arguments)| {
            Command::Program(std::iter::once(program).chain(arguments).collect())
        }),
        (name(), name()).prop_map(|(a, b)| Command::Shell(format!("{a} '{b}'"))),
    ];
    (
        what,
        duration(),
        any::<bool>(),
        vec(free_text(), 0..2),
        option::of(duration()),
    )
        .prop_map(
            |(command, timeout, pristine, custom, splay)| ChangeCommand {
                command,
                timeout,
                environment: CommandEnvironment {
                    pristine,
                    custom,
                    ..CommandEnvironment::default()
                },
                kill_signal: Signal::INTERRUPT,
                kill_timeout: Duration::from_secs(30),
                reload_signal: None,
                splay: splay.unwrap_or_default(),
            },
        )
}

fn template() -> impl Strategy<Value = Template> {
    let source = prop_oneof![
        free_text().prop_map(TemplateSource::Inline),
        name().prop_map(TemplateSource::File),
    ];
    (
        (
            source,
            name(),
            any::<[bool; 4]>(),
            option::of(1_u32..=0o7777),
        ),
        (
            option::of(name()),
            option::of(command()),
            free_text(),
            free_text(),
        ),
        option::of((duration(), duration())),
    )
        .prop_map(
            |(
                (source, destination, [create, backup, missing, fatal], perms),
                (user, command, left, right),
                wait,
            )| Template {
                source,
                destination,
                create_dest_dirs: create,
                perms,
                user,
                group: None,
                backup,
                language: Language {
                    left_delimiter: left,
                    right_delimiter: right,
                    error_on_missing_key: missing,
                    ..Language::default()
                },
                error_fatal: fatal,
                command,
                wait: wait.map(|(a, b)| Wait {
                    min: a.min(b),
                    max: a.max(b),
                }),
            },
        )
}

fn auto_auth() -> impl Strategy<Value = AutoAuth> {
    let kinds: Vec<_> = MethodKind::ALL.iter().map(|(_, kind)| *kind).collect();
    let sink = (
        name(),
        0_u32..=0o7777,
        option::of(any::<u32>()),
        option::of(duration()),
    )
        .prop_map(|(path, mode, uid, wrap_ttl)| Sink {
            path,
            mode,
            uid,
            gid: uid,
            wrap_ttl,
            encryption: None,
        });
    (
        proptest::sample::select(kinds),
        "auth/[a-z0-9-]{1,9}",
        [option::of(duration()), option::of(duration())],
        vec((name(), free_text()), 0..4),
        vec(sink, 0..3),
        any::<[bool; 2]>(),
    )
        .prop_map(
            |(kind, mount_path, [min_backoff, max_backoff], config, sinks, flags)| AutoAuth {
                method: Method {
                    kind,
                    mount_path,
                    namespace: None,
                    wrap_ttl: None,
                    min_backoff,
                    max_backoff,
                    exit_on_err: flags[0],
                    config: config.into_iter().collect(),
                },
                sinks,
                enable_reauth_on_new_credentials: flags[1],
            },
        )
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in anything()) {
        for spelling in [text.clone(), format!("{{{text}"), format!("{{\"template\":[{text}")] {
            let _ = parse("any", &spelling);
        }
    }

    #[test]
    fn a_configuration_reads_back_as_it_was_written(
        auto_auth in option::of(auto_auth()),
        templates in vec(template(), 0..3),
        exit_after_auth in any::<bool>(),
    ) {
        let config = AgentConfig { auto_auth, templates, exit_after_auth, ..AgentConfig::default() };
        let json = to_json(&config);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        prop_assert_eq!(parse("written", &json).unwrap().config, config);
    }

    #[test]
    fn any_text_of_an_annotation_becomes_well_formed_json(texts in proptest::array::uniform8("(?s).*")) {
        let [a, b, c, d, e, f, g, h] = texts;
        let document = written::Document {
            method: written::Method { kind: a, mount_path: b, config: [(c, d)].into_iter().collect(), ..Default::default() },
            sink_paths: vec![e],
            templates: vec![written::Template { destination: f, contents: g.clone(), perms: h, ..Default::default() }],
            ..Default::default()
        };
        let json: serde_json::Value = serde_json::from_str(&document.to_json()).unwrap();
        let contents = json.pointer("/template/0/contents").and_then(|v| v.as_str()).unwrap_or_default();
        prop_assert_eq!(contents, g);
    }
}
