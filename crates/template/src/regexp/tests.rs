//! Refusals, matches and replacements as recorded from Go.

use super::*;

fn regexp(expression: &str) -> Regexp {
    Regexp::new(expression.as_bytes()).expect("a valid expression")
}

fn refusal(expression: &str) -> String {
    Regexp::new(expression.as_bytes())
        .expect_err("the expression is not valid")
        .to_string()
}

#[test]
fn refuses_in_the_words_of_go() {
    for (expression, message) in [
        ("(", "missing closing ): `(`"),
        (")", "unexpected ): `)`"),
        ("[", "missing closing ]: `[`"),
        ("[a-\\d]", "invalid escape sequence: `\\d`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
        ("\\pX", "invalid character class range: `\\pX`"),
        ("\\p{Nope}", "invalid character class range: `\\p{Nope}`"),
        ("a(?=b)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        ("(?P<n-m>a)", "invalid named capture: `(?P<n-m>`"),
        ("(a)\\1", "invalid escape sequence: `\\1`"),
        ("\\C", "invalid escape sequence: `\\C`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("(a{100}){100}", "invalid repeat count: `{100}`"),
    ] {
        assert_eq!(
            refusal(expression),
            format!("error parsing regexp: {message}")
        );
    }
}

#[test]
fn matches_what_go_matches() {
    for (expression, text, is_match) in [
        ("^[a-z]+-\\d+$", "foo-123", true),
        ("(?i)FOO", "xfoox", true),
        ("a.b", "a\nb", false),
        ("(?s)a.b", "a\nb", true),
        ("(?m)^b$", "a\nb\nc", true),
        ("b$", "b\n", false),
        ("^\\p{Greek}+$", "αβγ", true),
        ("^\\w+$", "é", false),
        ("^\\d$", "٣", false),
        ("^a{,2}$", "a{,2}", true),
        ("^\\Qa.b\\E$", "axb", false),
        ("^[[a]$", "[", true),
        ("^[]a]+$", "]a", true),
        ("^[a&&b]+$", "&", true),
        ("^(?i:a)b$", "AB", false),
        ("^((?i)a)b$", "AB", false),
        ("^a(?i)b|c$", "aB", true),
        ("^(?i)*a*", "b", true),
    ] {
        assert_eq!(
            regexp(expression).is_match(text.as_bytes()),
            is_match,
            "{expression} on {text}"
        );
    }
}

#[test]
fn expands_groups_by_the_longest_name() {
    for (expression, text, replacement, result) in [
        ("o+", "foo bar", "0", "f0 bar"),
        ("(\\w+) (\\w+)", "hello world", "$2 $1", "world hello"),
        ("(?P<first>\\w)(\\w*)", "ab cd", "${first}.", "a. c."),
        ("(?<1st>\\w)", "ab", "[$1st]", "[a][b]"),
        ("(a)", "banana", "$1x", "bnn"),
        ("(a)", "banana", "${1}x", "baxnaxnax"),
        ("a", "banana", "$$", "b$n$n$"),
        ("a", "banana", "${1", "b${1n${1n${1"),
        ("x*", "abc", "-", "-a-b-c-"),
        ("x*", "axb", "-", "-a-b-"),
        ("^", "a\nb", "> ", "> a\nb"),
        ("", "é", "-", "-é-"),
        ("(?U)a+", "aa", "-", "--"),
        ("(?U)a+?", "aa", "-", "-"),
    ] {
        let replaced = regexp(expression).replace_all(text.as_bytes(), replacement.as_bytes());
        assert_eq!(
            replaced,
            Ok(result.as_bytes().to_vec()),
            "{expression} on {text}"
        );
    }
}

#[test]
fn splits_and_finds_up_to_a_limit() {
    let parts = |expression: &str, text: &'static str, limit| {
        regexp(expression).split(text.as_bytes(), limit)
    };
    assert_eq!(parts("z+", "pizza", None), [b"pi".as_slice(), b"a"]);
    assert_eq!(parts(",", "a,b,c", Some(2)), [b"a".as_slice(), b"b,c"]);
    assert_eq!(parts(",", "a,", None), [b"a".as_slice(), b""]);
    assert_eq!(parts("", "ab", None), [b"a".as_slice(), b"b"]);
    assert_eq!(
        regexp("[0-9]+").find_all(b"1 22 333", Some(2)),
        [b"1".as_slice(), b"22"]
    );
}

#[test]
fn any_text_is_refused_or_compiled() {
    // A walk through expressions of awkward pieces: none may panic, and what the reader accepts must compile.
    let pieces = [
        "(",
        ")",
        "[",
        "]",
        "^",
        "-",
        "\\",
        "?",
        "*",
        "{2,",
        "}",
        "|",
        "(?i",
        ":",
        "\\Q",
        "\\pL",
        "é",
        "a",
        "&&",
        "[:alpha:]",
        "\\x{",
        "$",
    ];
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..20_000 {
        let mut expression = String::new();
        for _ in 0..state % 9 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            expression.push_str(pieces[(state % pieces.len() as u64) as usize]);
        }
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        if let Err(error) = Regexp::new(expression.as_bytes()) {
            assert_ne!(
                error.reason, "expression too large",
                "{expression} was read and did not compile"
            );
        }
    }
}
