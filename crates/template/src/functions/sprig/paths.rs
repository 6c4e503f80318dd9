//! Paths and URLs, of sprig.

use crate::{
    functions::{print, strings::IntoValue as _},
    go::{Failure, Function, Kind, Text, Type, Value},
    url::Url,
};

const ONE: &[Type] = &[Type::Text];

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::fixed("sprig_base", ONE, |_, args| {
        Ok(base(args.bytes(0)).into_value())
    }),
    Function::fixed("sprig_osBase", ONE, |_, args| {
        Ok(base(args.bytes(0)).into_value())
    }),
    Function::fixed("sprig_dir", ONE, |_, args| Ok(dir(args.bytes(0)).into())),
    Function::fixed("sprig_osDir", ONE, |_, args| Ok(dir(args.bytes(0)).into())),
    Function::fixed("sprig_ext", ONE, |_, args| {
        Ok(ext(args.bytes(0)).into_value())
    }),
    Function::fixed("sprig_osExt", ONE, |_, args| {
        Ok(ext(args.bytes(0)).into_value())
    }),
    Function::fixed(
        "sprig_clean",
        ONE,
        |_, args| Ok(clean(args.bytes(0)).into()),
    ),
    Function::fixed("sprig_osClean", ONE, |_, args| {
        Ok(clean(args.bytes(0)).into())
    }),
    Function::fixed("sprig_isAbs", ONE, |_, args| {
        Ok(args.bytes(0).starts_with(b"/").into())
    }),
    Function::fixed("sprig_osIsAbs", ONE, |_, args| {
        Ok(args.bytes(0).starts_with(b"/").into())
    }),
    Function::fixed("sprig_urlParse", ONE, |_, args| {
        let url =
            Url::parse(args.bytes(0)).map_err(|error| format!("unable to parse url: {error}"))?;
        Ok(Value::map([
            ("scheme", Value::from(url.scheme.as_str())),
            ("host", url.host.into_value()),
            ("hostname", url.hostname().into_value()),
            ("path", url.path.into_value()),
            ("query", url.query.into_value()),
            ("opaque", url.opaque.into_value()),
            ("fragment", url.fragment.into_value()),
            (
                "userinfo",
                url.user
                    .map(|user| user.to_string())
                    .unwrap_or_default()
                    .into(),
            ),
        ]))
    }),
    Function::fixed("sprig_urlJoin", &[Type::Map], |_, args| {
        let part = |key: &str| match args.map(0).and_then(|map| map.get_text(key.as_bytes())) {
            None => Ok(Text::default()),
            Some(Value::Nil) => Err(Failure::new(
                "runtime error: invalid memory address or nil pointer dereference",
            )),
            Some(value) if value.kind() == Kind::String => print::display(&value),
            Some(value) => {
                let found = value.kind().name();
                let message =
                    format!("unable to parse {key} key, must be of type string, but {found} found");
                Err(Failure::from(message))
            }
        };
        let mut url = Url::default();
        url.scheme = String::from_utf8_lossy(&part("scheme")?).into_owned();
        url.host = part("host")?.to_vec();
        url.path = part("path")?.to_vec();
        url.query = part("query")?.to_vec();
        url.opaque = part("opaque")?.to_vec();
        url.fragment = part("fragment")?.to_vec();
        let user = part("userinfo")?;
        if !user.is_empty() {
            let text = [b"proto://".as_slice(), &user, b"@host"].concat();
            let parsed = Url::parse(&text)
                .map_err(|error| format!("unable to parse userinfo in dict: {error}"))?;
            url.user = parsed.user;
        }
        Ok(url.to_string().into())
    }),
];

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |at| at + 1);
    let trimmed = &path[..end];
    match trimmed.rsplit(|byte| *byte == b'/').next() {
        Some(name) if !name.is_empty() => name,
        _ => b"/",
    }
}

fn dir(path: &[u8]) -> Vec<u8> {
    let end = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    clean(&path[..end])
}

fn ext(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.iter()
        .rposition(|byte| *byte == b'.')
        .map_or(b"", |at| &name[at..])
}

/// The shortest path to the same place, without looking at the file system.
pub(in crate::functions) fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            b".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join(b"/".as_slice());
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/".as_slice(), &joined].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
