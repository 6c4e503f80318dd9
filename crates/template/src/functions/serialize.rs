//! Values to JSON, YAML and TOML, and sprig's JSON functions.

mod json_text;
mod toml_text;
mod yaml_text;

use crate::{
    functions::extent::{self, Form, TooDeep},
    go::{Arguments, Context, Failure, Function, Text, Type, Value},
    json, letters,
};
use json_text::{Html, Layout};

const ONE: &[Type] = &[Type::Any];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("toJSON", ONE, |context, args| {
        json_of(context, "toJSON: ", args, Html::Escaped, Layout::Compact)
    }),
    Function::fixed("toJSONPretty", ONE, |context, args| {
        json_of(
            context,
            "toJSONPretty: ",
            args,
            Html::Escaped,
            Layout::Indented,
        )
    }),
    Function::fixed("toUnescapedJSON", ONE, |context, args| {
        json_of(
            context,
            "toUnescapedJSON: ",
            args,
            Html::AsIs,
            Layout::Compact,
        )
    }),
    Function::fixed("toUnescapedJSONPretty", ONE, |context, args| {
        json_of(
            context,
            "toUnescapedJSONPretty: ",
            args,
            Html::AsIs,
            Layout::Indented,
        )
    }),
    Function::fixed("toYAML", ONE, |context, args| {
        check(context, args)?;
        let text = yaml_text::write(args.value(0)).map_err(|error| {
            // Where the established writer panics, nobody puts the function's name in front.
            let is_panic = error.starts_with("cannot marshal type");
            prefixed(if is_panic { "" } else { "toYAML: " }, &error)
        })?;
        context.reserve(text.len())?;
        Ok(letters::trim_space(&text).into_value())
    }),
    Function::fixed("toTOML", ONE, |context, args| {
        check(context, args)?;
        if matches!(args.value(0), Value::Nil) {
            return Err(Failure::new(
                "reflect: call of reflect.Value.Type on zero Value",
            ));
        }
        let text = toml_text::write(args.value(0)).map_err(|error| prefixed("toTOML: ", &error))?;
        context.reserve(text.len())?;
        Ok(letters::trim_space(&text).into_value())
    }),
    Function::fixed("sprig_toJson", ONE, |context, args| {
        lenient(context, args, Layout::Compact)
    }),
    Function::fixed("sprig_toPrettyJson", ONE, |context, args| {
        lenient(context, args, Layout::Indented)
    }),
    Function::fixed("sprig_toRawJson", ONE, |context, args| {
        json_of(context, "", args, Html::AsIs, Layout::Compact)
    }),
    Function::fixed("sprig_mustToJson", ONE, |context, args| {
        json_of(context, "", args, Html::Escaped, Layout::Compact)
    }),
    Function::fixed("sprig_mustToPrettyJson", ONE, |context, args| {
        json_of(context, "", args, Html::Escaped, Layout::Indented)
    }),
    Function::fixed("sprig_mustToRawJson", ONE, |context, args| {
        json_of(context, "", args, Html::AsIs, Layout::Compact)
    }),
    Function::fixed("sprig_fromJson", &[Type::Text], |_, args| {
        // A number beyond float64 is an error too, but leaves nil in its place and goes unseen.
        Ok(json::read(args.bytes(0), json::Numbers::AsFloatOrNil).unwrap_or_default())
    }),
    Function::fixed("sprig_mustFromJson", &[Type::Text], |_, args| {
        json::read(args.bytes(0), json::Numbers::AsFloat).map_err(Failure::from)
    }),
];

/// Nesting beyond this is taken for a value that holds itself.
const DEEPEST: usize = 500;

/// What keeps a value from being written, as the established writers say it.
type WriteError = String;

use super::strings::IntoValue as _;

fn json_of(
    context: &mut Context<'_>,
    prefix: &str,
    args: Arguments<'_>,
    html: Html,
    layout: Layout,
) -> Result<Value, Failure> {
    check(context, args)?;
    let text = Text::try_written(|out| json_text::write(out, args.value(0), html, layout))
        .map_err(|error| prefixed(prefix, &error))?;
    context.reserve(text.len())?;
    Ok(text.into())
}

fn prefixed(prefix: &str, error: &str) -> Failure {
    format!("{prefix}{error}").into()
}

/// The plain forms of sprig swallow errors, save for what the template may not do.
fn lenient(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    layout: Layout,
) -> Result<Value, Failure> {
    check(context, args)?;
    json_of(context, "", args, Html::Escaped, layout).or_else(|_| Ok("".into()))
}

/// Refuses what is too large to be written.
fn check(context: &mut Context<'_>, args: Arguments<'_>) -> Result<(), Failure> {
    const WRITTEN: Form = Form {
        deepest: DEEPEST,
        too_deep: TooDeep::Ends,
        member: 8,
    };
    extent::check(context, args.value(0), WRITTEN)
}
