//! `secret`, `secrets`, `pkiCert` and `file`: what a template asks for. Each registers its question; while there is no
//! answer the result is nil or empty, and the output of that pass is not used.

use std::collections::BTreeMap;

use crate::{
    Dependency,
    functions::{print, sprig::paths},
    go::{Arguments, Context, Failure, Function, List, Type, Value},
    letters,
    url::Url,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("secret", &[], Type::Text, secret),
    Function::fixed("secrets", &[Type::Text], |context, args| {
        let empty = || Value::List(List::nil(Type::Text));
        if args.bytes(0).is_empty() {
            return Ok(empty());
        }
        let path = trimmed("vault.list", args.bytes(0))?;
        let answer = context.ask(Dependency::List { path });
        Ok(answer
            .map(|answer| answer.value().clone())
            .filter(|value| !value.is_nil())
            .unwrap_or_else(empty))
    }),
    Function::variadic("pkiCert", &[], Type::Text, |context, args| {
        if args.is_empty() {
            return Ok(Value::Nil);
        }
        let data = pairs(args)?;
        let (path, _) = location("vault.read", args.bytes(0))?;
        let destination = context.options().destination.clone();
        let answer = context.ask(Dependency::PkiCert {
            path,
            data,
            destination,
        });
        Ok(answer
            .map(|answer| answer.value().clone())
            .unwrap_or_default())
    }),
    Function::fixed("file", &[Type::Text], |context, args| {
        if args.bytes(0).is_empty() {
            return Ok("".into());
        }
        let path = letters::valid(letters::trim_space(args.bytes(0))).into_owned();
        if let Some(sandbox) = context
            .options()
            .sandbox_path
            .as_deref()
            .filter(|sandbox| !sandbox.is_empty())
        {
            context
                .host()
                .check_sandbox(sandbox, &path)
                .map_err(Failure::from)?;
        }
        if path.is_empty() {
            return Err(Failure::new("file: invalid format: \"\""));
        }
        let path = letters::valid(&paths::clean(path.as_bytes())).into_owned();
        let answer = context.ask(Dependency::File { path });
        Ok(answer
            .map(|answer| answer.value().clone())
            .filter(|value| !value.is_nil())
            .unwrap_or_else(|| "".into()))
    }),
];

fn secret(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    if args.is_empty() {
        return Ok(Value::Nil);
    }
    let data = pairs(args)?;
    // Any further argument makes it a write, even one that says nothing.
    let dependency = if args.len() == 1 {
        let (path, query) = location("vault.read", args.bytes(0))?;
        Dependency::Read { path, query }
    } else {
        Dependency::Write {
            path: trimmed("vault.write", args.bytes(0))?,
            data,
        }
    };
    match context.ask(dependency) {
        Some(answer) if answer.value().is_nil() => Ok(Value::NilObject("*dependency.Secret")),
        Some(answer) => Ok(answer.value().clone()),
        None => Ok(Value::Nil),
    }
}

/// The arguments behind the path: `key=value`, cut at the first `=`, without blanks around either.
fn pairs(args: Arguments<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let mut data = BTreeMap::new();
    for index in 1..args.len() {
        let text = args.text(index);
        if text.is_empty() {
            continue;
        }
        let Some((key, value)) = text.split_once('=') else {
            return Err(format!("not k=v pair {}", print::quote(args.bytes(index))).into());
        };
        let trim = |text: &str| text.trim_matches(letters::is_space).to_owned();
        data.insert(trim(key), trim(value));
    }
    Ok(data)
}

/// A path without blanks and slashes around it.
fn trimmed(kind: &str, text: &[u8]) -> Result<String, Failure> {
    let text = letters::valid(letters::trim_space(text));
    let path = text.trim_matches('/');
    if path.is_empty() {
        return Err(format!("{kind}: invalid format: \"\"").into());
    }
    Ok(path.to_owned())
}

/// A path with its query split off and its escapes undone.
fn location(kind: &str, text: &[u8]) -> Result<(String, String), Failure> {
    let path = trimmed(kind, text)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if path.bytes().all(is_plain) {
        return Ok((path, String::new()));
    }
    let url = Url::parse(path.as_bytes()).map_err(|error| Failure::from(error.to_string()))?;
    Ok((
        letters::valid(&url.path).into_owned(),
        letters::valid(&url.query).into_owned(),
    ))
}
