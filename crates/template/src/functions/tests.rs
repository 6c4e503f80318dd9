//! Every function with awkward arguments: nothing panics, nothing grows without bound.

use proptest::prelude::*;

use super::{TABLES, table};
use crate::{Limits, NoHost, Options, Snapshot, Template, regexp, render, semver, time, yaml};

/// Texts, numbers and collections with which functions have trouble.
const ARGUMENTS: &[&str] = &[
    "nil",
    "true",
    "0",
    "-1",
    "3",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "-0.0",
    "1e308",
    "(parseFloat \"nan\")",
    "(parseFloat \"inf\")",
    "(parseUint \"18446744073709551615\")",
    "\"\"",
    "\"a\"",
    "\" \"",
    "\"\\xff\\xfe\"",
    "\"é🔑\\u0300\"",
    "\"[\"",
    "\"(a|b)*\"",
    "\"a/b//c\"",
    "\"2006-01-02\"",
    "\"1h5m\"",
    "\"1.2.x - 3\"",
    "\"%zz\"",
    "\"- [a: {b\"",
    "\"{\\\"a\\\":[1,null]}\"",
    "\"YWJj\"",
    "\"=\"",
    "'x'",
    "(sprig_list)",
    "(sprig_list 1 nil \"a\" (sprig_list))",
    "(split \",\" \"a,b\")",
    "(sprig_until 3)",
    "(sprig_dict)",
    "(sprig_dict \"a\" (sprig_dict \"b\" nil) \"c/d\" 1)",
    "(splitToMap \",\" \":\" \"a:1\")",
    "(parseYAML \"{1: a, x: [y]}\")",
    "(loop 2)",
    "(sprig_toDate \"2006\" \"2024\")",
    "(sprig_semver \"1.2.3-a\")",
    "scratch",
];

/// Slow by design: each is tried elsewhere, a few times.
const SLOW: &[&str] = &[
    "sprig_bcrypt",
    "sprig_htpasswd",
    "sprig_derivePassword",
    "sprig_genPrivateKey",
    "sprig_genCA",
    "sprig_genSelfSignedCert",
    "sprig_genSignedCert",
];

fn rendered(source: &str) -> Result<usize, String> {
    let limits = Limits {
        steps: 200_000,
        memory: 4 << 20,
        output: 4 << 20,
        ..Limits::default()
    };
    let template = Template::parse(
        source.as_bytes(),
        Options {
            limits,
            ..Options::default()
        },
    );
    let template = template.map_err(|error| error.to_string())?;
    let rendered = render(&template, &Snapshot::new(), &mut NoHost);
    rendered
        .map(|rendered| rendered.output.len())
        .map_err(|error| error.to_string())
}

#[test]
fn every_function_takes_or_refuses_every_argument() {
    for function in TABLES
        .iter()
        .copied()
        .flatten()
        .filter(|function| !SLOW.contains(&function.name))
    {
        for index in 0..ARGUMENTS.len() {
            // As many arguments as there are parameters, the awkward one in each place.
            let count = function.parameters.len() + if function.rest.is_some() { 2 } else { 0 };
            for place in 0..count.max(1) {
                let arguments: Vec<_> = (0..count)
                    .map(|at| {
                        let step = if at == place {
                            index
                        } else {
                            index * 7 + at * 5 + 13
                        };
                        ARGUMENTS[step % ARGUMENTS.len()]
                    })
                    .collect();
                let source = format!("{{{{ {} {} }}}}", function.name, arguments.join(" "));
                let _ = rendered(&source);
            }
        }
    }
}

#[test]
fn names_are_unique_and_found() {
    let mut names = table().names();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    assert!(names.iter().all(|name| {
        table()
            .function(name)
            .is_some_and(|function| function.name == *name)
    }));
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("sprig_"))
            .count(),
        194
    );
}

#[test]
fn sizes_that_arguments_decide_are_bounded() {
    for source in [
        "{{ sprig_repeat 9223372036854775807 \"ab\" }}",
        "{{ sprig_repeat 100000000 \"ab\" }}",
        "{{ indent 9223372036854775807 \"a\\nb\" }}",
        "{{ sprig_indent 100000000 \"a\" }}",
        "{{ sprig_until 9223372036854775807 }}",
        "{{ sprig_untilStep -9223372036854775808 9223372036854775807 1 }}",
        "{{ sprig_seq 1 1000000000 }}",
        "{{ range loop 1000000000 }}x{{ end }}",
        "{{ $x := \"ab\" }}{{ range sprig_until 40 }}{{ $x = sprig_replace \"a\" \"aaaaaaaaaa\" $x }}{{ end }}{{ $x }}",
        "{{ $x := \"ab\" }}{{ range sprig_until 40 }}{{ $x = regexReplaceAll \"a\" \"aaaaaaaaaa\" $x }}{{ end }}{{ $x }}",
        "{{ $x := sprig_list 1 }}{{ range sprig_until 40 }}{{ $x = sprig_concat $x $x }}{{ end }}{{ len $x }}",
        "{{ $x := \"ab\" }}{{ range sprig_until 60 }}{{ $x = join $x (split \"a\" $x) }}{{ $x = sprig_cat $x $x }}{{ end }}",
        "{{ $d := sprig_dict }}{{ $_ := sprig_set $d \"d\" $d }}{{ toJSON $d }}",
        "{{ $d := sprig_dict }}{{ $_ := sprig_set $d \"d\" $d }}{{ toYAML $d }}",
        "{{ $d := sprig_dict }}{{ $_ := sprig_set $d \"d\" $d }}{{ toTOML $d }}",
        "{{ $d := sprig_dict }}{{ $_ := sprig_set $d \"d\" $d }}{{ sprig_deepCopy $d }}",
    ] {
        assert!(rendered(source).is_err(), "{source}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn readers_take_or_refuse_any_text(text in "\\PC{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = yaml::read(text.as_bytes());
        let _ = yaml::read(&bytes);
        let _ = regexp::Regexp::new(text.as_bytes()).map(|regexp| regexp.replace_all(text.as_bytes(), &bytes));
        let _ = semver::Constraints::parse(&text);
        let _ = semver::Version::parse(&text);
        let _ = time::Duration::parse(&text);
        let _ = time::Time::parse(&text, &text);
        let _ = crate::url::Url::parse(&bytes);
        let _ = crate::base64::decode(&bytes, crate::base64::Alphabet::Standard);
        let _ = crate::base64::decode32(text.as_bytes());
    }

    #[test]
    fn expressions_about_addresses_are_taken_or_refused(
        words in proptest::collection::vec(
            prop_oneof![
                Just("GetAllInterfaces"), Just("|"), Just("include"), Just("sort"), Just("limit"), Just("math"),
                Just("\"name\""), Just("\"[\""), Just("`"), Just("\"\\\\"), Just("-1"), Just("é"), Just("attr"),
            ],
            0..8,
        ),
    ) {
        let expression = words.join(" ");
        let source = format!("{{{{ sockaddr {expression:?} }}}}");
        let _ = rendered(&source);
    }

    #[test]
    fn yaml_that_was_written_reads_as_what_it_was(text in "[ -~é\\n\\t:#'\"-]{0,100}") {
        let quoted = crate::go::quote(text.as_bytes());
        let source = format!("{{{{ $t := {quoted} }}}}{{{{ if ne (parseYAML (toYAML (sprig_dict \"k\" $t))).k $t }}}}no{{{{ end }}}}");
        // The trailing line breaks of a text at the very end are cut off with those of the document.
        prop_assume!(!text.ends_with('\n'));
        prop_assert_eq!(rendered(&source), Ok(0), "{:?}", text);
    }
}
