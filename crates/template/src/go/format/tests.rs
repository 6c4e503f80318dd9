//! Printing: what no golden case shows.

use super::*;

fn check(format: &str, arguments: &[Value], expected: &str) {
    let printed = printf(format.as_bytes(), arguments).unwrap();
    assert_eq!(String::from_utf8_lossy(&printed), expected, "{format}");
}

#[test]
fn a_value_that_holds_itself_is_an_error_and_not_a_crash() {
    let map: Map = std::iter::empty().collect();
    map.insert("self".into(), Value::Map(map.clone())).unwrap();
    let failure = print(&mut Vec::new(), &[Value::Map(map.clone())]).unwrap_err();
    assert_eq!(
        failure.message(),
        "value is nested more than 100 levels deep"
    );
    map.remove(&"self".into());
}

#[test]
fn huge_widths_cannot_fill_the_memory() {
    let arguments: Vec<Value> = (0..200).map(Value::int).collect();
    assert!(printf("%900000d".repeat(200).as_bytes(), &arguments).is_err());
}

#[test]
fn nil_prints_by_where_it_is() {
    check(
        "%v|%d|%s",
        &[Value::Nil, Value::Nil, Value::Nil],
        "<nil>|%!d(<nil>)|%!s(<nil>)",
    );
    check(
        "%v|%d|%#v",
        &[
            Value::list(vec![Value::Nil]),
            Value::list(vec![Value::Nil]),
            Value::list(vec![Value::Nil]),
        ],
        "[<nil>]|[<nil>]|[]interface {}{interface {}(nil)}",
    );
}
