//! Equality all the way down, as Go's `reflect.DeepEqual` has it, whose work counts: lists and maps can stand in others
//! many times over, and in themselves.

use crate::go::{Context, Failure, Value};

/// Deeper than any value that is not a member of itself.
const DEEPEST: u32 = 1000;

/// What a rendering's steps take of the bytes of texts that are compared.
const BYTES_PER_STEP: usize = 64;

/// Whether two values are equal in type and content. One and the same list or map is equal to itself, whatever is in it.
pub(super) fn deep_equals(
    context: &mut Context<'_>,
    a: &Value,
    b: &Value,
) -> Result<bool, Failure> {
    within(context, a, b, 0)
}

fn within(context: &mut Context<'_>, a: &Value, b: &Value, depth: u32) -> Result<bool, Failure> {
    context.spend(1)?;
    if depth > DEEPEST {
        return Ok(true);
    }
    match (a, b) {
        (Value::List(one), Value::List(other)) => {
            let (items, others) = (one.items(), other.items());
            let is_alike = one.element() == other.element()
                && one.is_nil() == other.is_nil()
                && items.len() == others.len();
            if !is_alike || items.as_ptr() == others.as_ptr() {
                return Ok(is_alike);
            }
            for (a, b) in items.iter().zip(others) {
                if !within(context, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(one), Value::Map(other)) => {
            if one.is_same(other) {
                return Ok(true);
            }
            let is_alike = one.kind() == other.kind()
                && one.is_nil() == other.is_nil()
                && one.len() == other.len();
            if !is_alike {
                return Ok(false);
            }
            let (entries, others) = (one.entries(), other.entries());
            for ((key, a), (other_key, b)) in entries.iter().zip(others.iter()) {
                if key != other_key || !within(context, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Text(one), Value::Text(_)) | (Value::Number(one), Value::Number(_)) => {
            context.spend((one.len() / BYTES_PER_STEP) as u64)?;
            Ok(a.deep_equals(b))
        }
        _ => Ok(a.deep_equals(b)),
    }
}
