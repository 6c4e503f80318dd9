//! What reaches the machine, through the host: environment, commands, files.

use crate::{
    go::{Context, Failure, Function, Type, Value, find},
    host::{FileToWrite, Placement},
    letters,
};

use super::print;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("env", &[Type::Text], |context, args| {
        Ok(context
            .host()
            .environment(&args.text(0))
            .unwrap_or_default()
            .into())
    }),
    Function::fixed(
        "envOrDefault",
        &[Type::Text, Type::Text],
        |context, args| {
            let value = context.host().environment(&args.text(0));
            Ok(value.map_or_else(|| args.value(1).clone(), Value::from))
        },
    ),
    Function::fixed("mustEnv", &[Type::Text], |context, args| {
        match context
            .host()
            .environment(&args.text(0))
            .filter(|value| !value.is_empty())
        {
            Some(value) => Ok(value.into()),
            None => Err(format!("required environment variable {} is empty", args.text(0)).into()),
        }
    }),
    Function::variadic("plugin", &[Type::Text], Type::Text, |context, args| {
        let command = args.text(0);
        if command.is_empty() {
            return Ok("".into());
        }
        let arguments: Vec<String> = (1..args.len())
            .map(|index| args.text(index).trim_matches(letters::is_space).to_owned())
            .filter(|argument| !argument.is_empty())
            .collect();
        let output = context
            .host()
            .run_plugin(&command, &arguments)
            .map_err(Failure::from)?;
        context.reserve(output.len())?;
        Ok(Value::text(letters::trim_space(&output)))
    }),
    Function::variadic(
        "writeToFile",
        &[Type::Text, Type::Text, Type::Text, Type::Text],
        Type::Text,
        |context, args| {
            let Some(content) = args.rest(4).last().and_then(Value::as_text) else {
                return Err(Failure::new("runtime error: index out of range [-1]"));
            };
            let flags: &[u8] = if args.len() == 6 { args.bytes(4) } else { b"" };
            let has = |flag: &str| find(flags, flag.as_bytes()).is_some();
            let mode = mode(args.bytes(3))?;
            let mut content = content.as_bytes().to_vec();
            if has("newline") {
                content.push(b'\n');
            }
            context.reserve(content.len())?;
            let file = FileToWrite {
                path: &args.text(0),
                user: &args.text(1),
                group: &args.text(2),
                mode,
                placement: if has("append") {
                    Placement::Append
                } else {
                    Placement::Replace
                },
                content: &content,
            };
            context.host().write_file(&file).map_err(Failure::from)?;
            Ok("".into())
        },
    ),
    Function::variadic("spew_sdump", &[], Type::Any, |context, args| {
        let text = super::spew::dump(context, args.all())?;
        context.reserve(text.len())?;
        Ok(text.into())
    }),
    Function::variadic("spew_sprintf", &[Type::Text], Type::Any, |context, args| {
        let text = super::spew::format(context, args.bytes(0), args.rest(1))?;
        context.reserve(text.len())?;
        Ok(text.into())
    }),
    Function::variadic("spew_dump", &[], Type::Any, |context, args| {
        let text = super::spew::dump(context, args.all())?;
        print_out(context, text.as_slice())
    }),
    Function::variadic("spew_printf", &[Type::Text], Type::Any, |context, args| {
        let text = super::spew::format(context, args.bytes(0), args.rest(1))?;
        print_out(context, &text)
    }),
];

fn print_out(context: &mut Context<'_>, text: &[u8]) -> Result<Value, Failure> {
    context.reserve(text.len())?;
    context.host().print(text);
    Ok("".into())
}

/// Permission bits in octal.
fn mode(text: &[u8]) -> Result<u32, Failure> {
    let refused = |reason: &str| {
        Failure::from(format!(
            "strconv.ParseUint: parsing {}: {reason}",
            print::quote(text)
        ))
    };
    if text.is_empty() || !text.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return Err(refused("invalid syntax"));
    }
    let digits = std::str::from_utf8(text).unwrap_or_default();
    u32::from_str_radix(digits, 8).map_err(|_| refused("value out of range"))
}
