//! A template: parsed once, rendered as often as data comes.

use crate::{
    dependency::Dependency,
    error::TemplateError,
    go::{self, Context, Functions, Trees, Value, Wiped},
    host::Host,
    library::Library,
    options::Options,
    redaction::Redaction,
    snapshot::Snapshot,
};

/// A parsed template with its options.
pub struct Template {
    options: Options,
    source: Vec<u8>,
    trees: Trees,
}

/// What a rendering gave.
#[derive(Debug)]
pub struct Rendered {
    /// The text. It means something only when nothing is missing.
    pub output: Wiped,
    /// Everything that the template asked for.
    pub used: Vec<Dependency>,
    /// What of it has no answer yet.
    pub missing: Vec<Dependency>,
}

impl Template {
    /// Parses a source.
    ///
    /// # Errors
    /// When it is no template: the error tells the place and what is wrong there.
    pub fn parse(source: impl AsRef<[u8]>, options: Options) -> Result<Self, TemplateError> {
        let source = source.as_ref();
        if source.len() > options.limits.source {
            return Err(TemplateError::too_large(
                &options.name,
                options.limits.source,
            ));
        }
        let library = Library::new(&options.function_denylist);
        let (left, right) = (&options.left_delimiter, &options.right_delimiter);
        let trees = go::parse(source, left, right, &library).map_err(|error| {
            let names: Vec<&str> = library
                .names()
                .into_iter()
                .chain(go::language_names())
                .collect();
            TemplateError::syntax(&options.name, source, &error, &names)
        })?;
        Ok(Self {
            source: source.to_vec(),
            trees,
            options,
        })
    }

    /// The options that the template was parsed with.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

/// Renders a template from what is known.
///
/// # Errors
/// When the template fails. What it asked for until then is lost, as in the established program:
/// such a template fails for good, however much data comes.
pub fn render(
    template: &Template,
    snapshot: &Snapshot,
    host: &mut dyn Host,
) -> Result<Rendered, TemplateError> {
    let Template {
        options,
        source,
        trees,
    } = template;
    let library = Library::new(&[]);
    let mut context = Context::new(options, &library, trees, snapshot, host);
    // Most files are about as long as their template: the text of its actions makes room for the values.
    let mut output = Wiped::with_capacity(source.len());
    if let Some(tree) = trees.get("")
        && let Err(error) = go::execute(&mut context, trees, tree, Value::Nil, &mut output)
    {
        let (used, _) = context.into_dependencies();
        let secrets = Redaction::new(snapshot, &used);
        return Err(TemplateError::execution(
            &options.name,
            source,
            &error,
            &secrets,
        ));
    }
    let (used, missing) = context.into_dependencies();
    Ok(Rendered {
        output,
        used,
        missing,
    })
}
