//! What is read, and what is refused in which words, as recorded from the established reader.

use super::*;
use crate::go;

fn shown(text: &str) -> String {
    let value = read(text.as_bytes()).expect("valid YAML");
    String::from_utf8_lossy(&go::printf(b"%#v", &[value]).expect("printable")).into_owned()
}

fn refusal(text: &str) -> String {
    read(text.as_bytes()).expect_err("not YAML").to_string()
}

#[test]
fn refuses_in_the_established_words() {
    for (text, message) in [
        ("a: b: c", "mapping values are not allowed in this context"),
        (
            "a:\n\t- 1",
            "line 2: found character that cannot start any token",
        ),
        ("a: *x", "unknown anchor 'x' referenced"),
        ("[1, 2", "line 1: did not find expected ',' or ']'"),
        ("{a: 1", "line 1: did not find expected ',' or '}'"),
        ("a: 1\nb", "line 3: could not find expected ':'"),
        ("a: 1\n- b", "line 1: did not find expected key"),
        ("- a\nb: 1", "line 1: did not find expected '-' indicator"),
        ("'a", "found unexpected end of stream"),
        ("\"\\q\"", "found unknown escape character"),
        ("a: |0\n x", "found an indentation indicator equal to 0"),
        ("&a [*a]", "anchor 'a' value contains itself"),
        ("!!int x", "cannot decode !!str `x` as a !!int"),
        (
            "<<: 1",
            "map merge requires map or sequence of maps as the value",
        ),
        ("a\u{1}", "control characters are not allowed"),
        ("{[1]: 2}", "invalid map key: []interface {}{1}"),
        ("%YAML 2.0\n---\n", "found incompatible YAML document"),
        ("!x!y z", "found undefined tag handle"),
    ] {
        assert_eq!(refusal(text), format!("yaml: {message}"), "{text:?}");
    }
}

#[test]
fn reads_what_people_write() {
    for (text, value) in [
        ("", "<nil>"),
        ("# nothing\n", "<nil>"),
        (
            "[y, no, ~, 017, 0x1f, 1_000, 1e3, .inf, 1:30, 12e, 0b11, -5, 18446744073709551615]",
            "[]interface {}{true, false, interface {}(nil), 15, 31, 1000, 1000, +Inf, \"1:30\", \"12e\", 3, -5, 0xffffffffffffffff}",
        ),
        (
            "[2024-02-29, '1', \"a\\tb\\x41\\u00e9\", !!str 1, !!float 1, ! 12]",
            "[]interface {}{\"2024-02-29\", \"1\", \"a\\tbAé\", \"1\", 1, 12}",
        ),
        (
            "a: |\n  l1\n\n  l2\nb: >\n  f1\n  f2\n\n  f3\nc: |-\n  z\nd: |+\n  z\n\n",
            "map[interface {}]interface {}{\"a\":\"l1\\n\\nl2\\n\", \"b\":\"f1 f2\\nf3\\n\", \"c\":\"z\", \"d\":\"z\\n\\n\"}",
        ),
        (
            "a: x\n  y\n\n  z\nb: 'it''s\n  two'",
            "map[interface {}]interface {}{\"a\":\"x y\\nz\", \"b\":\"it's two\"}",
        ),
        (
            "- - 1\n  - 2\n- a: 1\n  b:\n  - x\n-\n",
            "[]interface {}{[]interface {}{1, 2}, map[interface {}]interface {}{\"a\":1, \"b\":[]interface {}{\"x\"}}, interface {}(nil)}",
        ),
        (
            "{a: 1, b, c: [x: 1, y], 'd':2}",
            "map[interface {}]interface {}{\"a\":1, \"b\":interface {}(nil), \"c\":[]interface {}{map[interface {}]interface {}{\"x\":1}, true}, \"d\":2}",
        ),
        (
            "b: &b {x: 1, z: 2}\nd:\n  <<: *b\n  z: 3\n",
            "map[interface {}]interface {}{\"b\":map[interface {}]interface {}{\"x\":1, \"z\":2}, \"d\":map[interface {}]interface {}{\"x\":1, \"z\":3}}",
        ),
        ("? a\n: 1\n? [b]\n", ""),
        ("--- a\n...\n--- b\n", "\"a\""),
        ("%TAG !x! tag:yaml.org,2002:\n---\n!x!str 5", "\"5\""),
        (
            "a: !!binary aGk=",
            "map[interface {}]interface {}{\"a\":\"hi\"}",
        ),
        (
            "a: 1 # c\nb: x#y",
            "map[interface {}]interface {}{\"a\":1, \"b\":\"x#y\"}",
        ),
        ("\"a\\\n  b\"", "\"ab\""),
    ] {
        if value.is_empty() {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        } else {
            assert_eq!(shown(text), value, "{text:?}");
        }
    }
}

#[test]
fn aliases_do_not_unfold_without_end() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    assert_eq!(refusal(&text), "yaml: document contains excessive aliasing");
    assert_eq!(
        refusal(&"[".repeat(100_000)),
        "yaml: exceeded max depth of 200"
    );
}

#[test]
fn any_text_is_read_or_refused() {
    let pieces = [
        "- ", "a", ": ", "\n", "  ", "[", "]", "{", "}", ",", "&a ", "*a", "!!str ", "!", "|", ">",
        "\t", "#", "'", "\"", "\\", "?", "---\n", "%", "é", "<<", "\r\n", "!<", "%41",
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..30_000 {
        let mut text = String::new();
        for _ in 0..state % 14 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(pieces[(state % pieces.len() as u64) as usize]);
        }
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let _ = read(text.as_bytes());
    }
}
