//! The functions that templates of this crate can call: those of the other half, the ones which need
//! the evaluator, and what stands in for functions that are denied.

use crate::{
    functions,
    go::{Arguments, Context, Failure, Function, Functions, Type, Value},
};

/// All functions but those that the options deny.
pub(crate) struct Library<'a> {
    denylist: &'a [String],
}

impl<'a> Library<'a> {
    /// The library without the functions whose names match an entry of the list.
    pub(crate) fn new(denylist: &'a [String]) -> Self {
        Self { denylist }
    }
}

impl Functions for Library<'_> {
    fn function(&self, name: &str) -> Option<&'static Function> {
        let found = match name {
            "executeTemplate" => Some(&EXECUTE_TEMPLATE),
            _ => others().function(name),
        };
        let is_denied = self.denylist.iter().any(|pattern| matches(pattern, name));
        if is_denied {
            found.map(|_| &DISABLED)
        } else {
            found
        }
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names = others().names();
        names.push(EXECUTE_TEMPLATE.name);
        names
    }

    fn method(&self, receiver: &Value, name: &str) -> Option<&'static Function> {
        others().method(receiver, name)
    }
}

/// The functions of the other half.
fn others() -> &'static dyn Functions {
    functions::table()
}

static DISABLED: Function = Function::variadic("disabled", &[], Type::Text, |_, _| {
    Err(Failure::new("function is disabled"))
});

static EXECUTE_TEMPLATE: Function = Function::variadic(
    "executeTemplate",
    &[Type::Text],
    Type::Any,
    execute_template,
);

fn execute_template(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<Value, Failure> {
    if arguments.len() > 2 {
        let count = arguments.len();
        let message =
            format!("executeTemplate: wrong number of arguments, expected 1 or 2, but got {count}");
        return Err(Failure::new(message));
    }
    let text = context.execute_template(arguments.bytes(0), arguments.value(1).clone())?;
    Ok(Value::Text(text))
}

/// Whether a name matches a pattern in which `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("plugin", "plugin", true),
            ("plugin", "plugins", false),
            ("sprig_*", "sprig_add", true),
            ("sprig_*", "add", false),
            ("*Template", "executeTemplate", true),
            ("s*_*d", "sprig_add", true),
            ("*a*a*", "aa", true),
            ("*a*a*", "a", false),
            ("a*a", "a", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
