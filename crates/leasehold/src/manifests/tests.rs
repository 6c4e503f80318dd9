//! Documents, lines, aliases and the way back to YAML.

use serde_json::json;

use super::*;

fn one(text: &str) -> Document {
    let mut documents = read(text).unwrap();
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

#[test]
fn several_documents_are_read_and_empty_ones_left_out() {
    let documents = read("---\n# nothing\n---\na: 1\n---\n\n---\nb: [x, {c: d}]\n...\n").unwrap();
    let values: Vec<&Value> = documents.iter().map(|document| &document.value).collect();
    assert_eq!(values, [&json!({"a": 1}), &json!({"b": ["x", {"c": "d"}]})]);
    assert_eq!(documents[1].line, 8);
}

#[test]
fn json_values_may_follow_each_other_and_keep_their_lines() {
    let pod = "{\n  \"metadata\": {\n    \"annotations\": {\"a\": \"x\"}\n  }\n}";
    let documents = read(&format!("{pod}\n{pod} {pod}\n")).unwrap();
    let lines: Vec<(usize, usize)> = documents
        .iter()
        .map(|document| (document.line, document.line_of("/metadata/annotations/a")))
        .collect();
    assert_eq!(lines, [(2, 3), (7, 8), (11, 12)]);
    let tabs = read("{\n\t\"a\": 1\n}\n{\n\t\"b\": 2\n}\n").unwrap();
    assert_eq!((tabs.len(), tabs[1].line), (2, 5));
    assert!(read("{\"a\": 1}\n{\"b\": ").is_err());
}

#[test]
fn an_annotation_is_found_on_its_line_also_in_lists() {
    let document = one(
        "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  metadata:\n    annotations:\n      a/b: x\n      c~d: y\n",
    );
    assert_eq!(document.line_of("/items/0/metadata/annotations/a~1b"), 7);
    assert_eq!(document.line_of("/items/0/metadata/annotations/c~0d"), 8);
    assert_eq!(document.line_of("/items/0/metadata/annotations/other"), 5);
    assert_eq!(document.line_of("/items/0/spec/containers"), 4);
    assert_eq!(document.line_of(""), 1);
}

#[test]
fn quoted_scalars_stay_text_and_blocks_keep_their_lines() {
    let document = one("a: \"yes\"\nb: '1'\nc: !!str 5\nd: |\n  x\n  y\ne: >-\n  p\n  q\n");
    assert_eq!(
        document.value,
        json!({"a": "yes", "b": "1", "c": "5", "d": "x\ny\n", "e": "p q"})
    );
}

#[test]
fn aliases_and_merges_are_resolved() {
    let document = one("base: &b {x: 1, y: 2}\none:\n  <<: *b\n  y: 3\ntwo: *b\n");
    assert_eq!(
        document.value,
        json!({"base": {"x": 1, "y": 2}, "one": {"y": 3, "x": 1}, "two": {"x": 1, "y": 2}})
    );
}

#[test]
fn aliases_cannot_blow_up() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let error = read(&text).unwrap_err();
    assert!(error.message.contains("aliases"), "{error}");
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    let error = read(&"[".repeat(5_000)).unwrap_err();
    assert!(
        error.message.contains("nested too deeply") || !error.message.is_empty(),
        "{error}"
    );
}

#[test]
fn duplicate_keys_are_told_with_their_line_and_the_last_wins() {
    let document = one("a: 1\nb: 2\na: 3\n");
    assert_eq!(document.value["a"], 3);
    assert_eq!(document.duplicates, [("/a".to_owned(), 3)]);
}

#[test]
fn a_fault_has_its_place() {
    let error = read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
    assert!(error.line >= 2, "{error}");
    assert!(error.to_string().starts_with("line "), "{error}");
}

#[test]
fn json_is_read_also_when_tabs_indent_it() {
    let document = one("{\n\t\"kind\": \"Pod\",\n\t\"a\": \"\\u00e9\\/\"\n}\n");
    assert_eq!(document.value, json!({"kind": "Pod", "a": "é/"}));
}

#[test]
fn what_is_written_is_read_back_as_the_same() {
    let value = json!({
        "texts": ["yes", "no", "on", "off", "y", "n", "true", "null", "~", "", "1", "0644", "1_000", "1e3", "0x1f",
            "0o7", "12:30:45", "2024-01-01", "- x", "# x", "a: b", "a #b", "x\ny\n", "x\ny", "x\n\ny\n\n\n", "\nx\n",
            "  x\n y\n", "x\n  y\n", "a\r\nb", "trailing ", "\ttab", "é", "<<", "*a", "&a", "!x", "%x", "@x", "`x",
            "{{ with }}", "'", "\"", "\\", "=", "1.", ".5", "+1", ".inf", ".nan", "|", ">", "x:", "-", "\u{85}",
            "\u{2028}", "\u{feff}x", "\u{0}", "\u{7f}", "?", "? x", ",", "[x", "10m", "app/v1", "...", "---"],
        "numbers": [1, -1, 1.5, 1e300, 18_446_744_073_709_551_615_u64],
        "others": [true, false, null, [], {}, [[1, [2]], {"a": [{"b": "c\nd"}]}]],
        "yes": 1, "": 2, "a: b": 3, "nested": {"list": [{"x": 1, "y": [{"z": "p\nq"}]}], "text": "r\ns\n"}
    });
    let text = write::document(&value);
    assert_eq!(one(&text).value, value, "{text}");
}

#[test]
fn yaml_1_1_booleans_numbers_and_dates_are_quoted_and_plain_words_are_not() {
    let text = write::document(
        &json!({"a": "yes", "b": "2024-01-01", "c": "12:30:45", "d": "0o7", "e": "web:1.4"}),
    );
    assert_eq!(
        text,
        "a: 'yes'\nb: '2024-01-01'\nc: '12:30:45'\nd: '0o7'\ne: web:1.4\n"
    );
}

#[test]
fn lists_and_blocks_look_as_kubernetes_tools_write_them() {
    let value =
        json!({"spec": {"containers": [{"name": "a", "args": ["x", "y"]}], "text": "one\ntwo\n"}});
    let expected = "spec:\n  containers:\n  - name: a\n    args:\n    - x\n    - 'y'\n  text: |\n    one\n    two\n";
    assert_eq!(write::document(&value), expected);
}
