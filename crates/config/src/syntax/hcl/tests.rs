//! What HCL 1 texts are read as, and how faults are told.

use super::*;

fn one(text: &str) -> Value {
    let mut entries = read(text).unwrap_or_else(|fault| panic!("{text:?}: {fault:?}"));
    assert_eq!(entries.len(), 1, "{text:?}");
    entries.remove(0).node.value
}

fn fault(text: &str) -> (u32, String) {
    let fault = read(text).unwrap_err();
    (fault.line, fault.problem)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn scalars_are_read_in_all_their_forms() {
    for (source, expected) in [
        ("a = true", Value::Bool(true)),
        ("a = false", Value::Bool(false)),
        ("a = 12", Value::Number("12".to_owned())),
        ("a = -12", Value::Number("-12".to_owned())),
        ("a = 0", Value::Number("0".to_owned())),
        ("a = 0640", Value::Number("416".to_owned())),
        ("a = 0x1F", Value::Number("31".to_owned())),
        ("a = 0.5", Value::Number("0.5".to_owned())),
        ("a = 1e3", Value::Number("1e3".to_owned())),
        ("a = 1.5e-3", Value::Number("1.5e-3".to_owned())),
        ("a = \"x\"", text("x")),
        ("\"a\" = \"x\"", text("x")),
        ("a=\"\"", text("")),
        (r#"a = "q\"b\\n\nt\tu\u00e9x\x41o\101U\U0001F600""#, {
            text("q\"b\\n\nt\tu\u{e9}xAoAU\u{1f600}")
        }),
    ] {
        assert_eq!(one(source), expected, "{source}");
    }
}

#[test]
fn dollar_braces_are_plain_text_with_quotes_and_line_ends_in_them() {
    assert_eq!(one("a = \"x${foo(\"y\")}z\""), text("x${foo(\"y\")}z"));
    assert_eq!(one("a = \"${a{b}c\n}d\""), text("${a{b}c\n}d"));
    assert_eq!(
        one(r#"a = "{{ with secret \"kv/data/a\" }}{{ .Data.data.x }}{{ end }}""#),
        text("{{ with secret \"kv/data/a\" }}{{ .Data.data.x }}{{ end }}")
    );
    assert_eq!(one("a = \"%{if} $ $x\""), text("%{if} $ $x"));
}

#[test]
fn here_documents_keep_their_text() {
    assert_eq!(
        one("a = <<EOF\n{{ with secret \"x\" }}\n  ${y} # no comment\nEOF\n"),
        text("{{ with secret \"x\" }}\n  ${y} # no comment\n")
    );
    assert_eq!(one("a = <<EOF\nEOF\n"), text(""));
    assert_eq!(one("a = <<EOF\nx\n  EOF\n"), text("x\n  "));
    assert_eq!(one("a = <<E\nEOF\nE"), text("EOF\n"));
    assert_eq!(one("a = <<EOF\r\nx\r\nEOF\r\n"), text("x\n"));
}

#[test]
fn indented_here_documents_lose_the_closing_marks_indentation() {
    assert_eq!(
        one("a = <<-EOF\n    x\n      y\n    EOF\n"),
        text("x\n  y\n")
    );
    // One line that is less indented keeps the whole text as it stands.
    assert_eq!(
        one("a = <<-EOF\n    x\n  y\n    EOF\n"),
        text("    x\n  y\n")
    );
}

#[test]
fn comments_are_skipped_wherever_blanks_are() {
    let entries = read(
        "# one\n// two\n/* three\n more */ a /* x */ = 1 # end\nb { # in\n c = 2 // d\n}\n# last",
    )
    .unwrap();
    let keys: Vec<_> = entries.iter().map(|e| (e.key.as_str(), e.line)).collect();
    assert_eq!(keys, [("a", 4), ("b", 5)]);
}

#[test]
fn blocks_have_labels_and_lists_have_blocks() {
    let entries =
        read("listener \"tcp\" {\n address = \"a\", port = 1 }\nl = [{a = 1}, {a = 2},]").unwrap();
    assert_eq!(entries[0].labels, ["tcp"]);
    let Value::Object(inner) = &entries[0].node.value else {
        panic!("a block");
    };
    assert_eq!(inner.len(), 2);
    let Value::List(items) = &entries[1].node.value else {
        panic!("a list");
    };
    assert_eq!(items.len(), 2);
    assert_eq!(
        one("a = [\"x\", <<EOF\ny\nEOF\n, 3]"),
        Value::List(vec![
            Node {
                line: 1,
                value: text("x")
            },
            Node {
                line: 1,
                value: text("y\n")
            },
            Node {
                line: 4,
                value: Value::Number("3".to_owned())
            },
        ])
    );
}

#[test]
fn faults_tell_the_line_what_was_expected_and_what_was_found() {
    for (source, line, part) in [
        ("a", 1, "expected `=` or `{` after the key `a`"),
        ("a = ", 1, "expected a value, found the end of the file"),
        ("a = yes", 1, "the bare word `yes`"),
        ("\n\na = \"x", 3, "not closed"),
        ("a = \"x\n\"", 1, "here-document"),
        ("a = <<EOF\nx\n", 1, "no line holds only `EOF`"),
        ("a {\n b = 1\n", 1, "not closed: expected `}`"),
        ("}", 1, "expected a key, found `}`"),
        ("a = 1\n= 2", 2, "expected a key, found `=`"),
        ("a \"b\" = 1", 1, "expected `{` after the labels"),
        ("a = [1 2]", 1, "expected `,` or `]`"),
        ("a = 10s", 1, "`10s` is not a number"),
        ("a = 089", 1, "`089` is not a number"),
        ("a = \"\\q\"", 1, "unknown escape"),
        ("a = \"\\u12\"", 1, "wants 4 digits"),
        ("a = \"\\ud800\"", 1, "not a Unicode character"),
        ("/* x", 1, "expected `*/`"),
        ("a = <EOF", 1, "found `<`"),
        ("a = 1 ; b = 2", 1, "found `;`"),
    ] {
        let (at, problem) = fault(source);
        assert!(
            at == line && problem.contains(part),
            "{source:?}: line {at}: {problem}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(fault(&deep).1.contains("nested more than"));
    let deep = "a {".repeat(100_000);
    assert!(fault(&deep).1.contains("nested more than"));
    let json = format!("{{\"a\":{}", "[".repeat(100_000));
    let problem = crate::syntax::json::read(&json).unwrap_err().problem;
    assert!(problem.contains("nested more than"));
}
