//! Reads typed values from the layers of annotations.

use crate::finding::{Code, Finding};
use crate::go::{self, number, quote};
use crate::layers::{Given, Layers, Origin};
use crate::report::{Report, Stage};
use crate::settings::Settings;
use crate::vocabulary::{Annotation, Default, Kind};

/// The layers, the settings below them, and the report that errors go to.
pub(crate) struct Reader<'r, 'a> {
    layers: &'r Layers<'a>,
    /// The lowest layer.
    pub(crate) settings: &'a Settings,
    /// Where errors and findings go.
    pub(crate) report: &'r mut Report,
}

impl<'r, 'a> Reader<'r, 'a> {
    pub(crate) fn new(
        layers: &'r Layers<'a>,
        settings: &'a Settings,
        report: &'r mut Report,
    ) -> Self {
        Self {
            layers,
            settings,
            report,
        }
    }

    pub(crate) fn layers(&self) -> &'r Layers<'a> {
        self.layers
    }

    pub(crate) fn given(&self, annotation: &Annotation) -> Option<Given<'a>> {
        self.layers.get(annotation)
    }

    /// A text; an empty one takes away the default, which is said.
    pub(crate) fn text(&mut self, annotation: &Annotation, default: &'a str) -> &'a str {
        let Some(given) = self.layers.get(annotation) else {
            return default;
        };
        if given.value.is_empty()
            && !default.is_empty()
            && matches!(annotation.default, Default::Flag { .. } | Default::Value(_))
        {
            self.report.note(
                Finding::warning(
                    Code::EmptyValue,
                    "the empty value takes away the default; remove the annotation to keep it",
                )
                .about(given.key),
            );
        }
        given.value
    }

    /// A text without default; empty counts as absent.
    pub(crate) fn optional_text(&self, annotation: &Annotation) -> Option<&'a str> {
        self.layers
            .get(annotation)
            .map(|g| g.value)
            .filter(|v| !v.is_empty())
    }

    /// A boolean; the default also where the value is none, which is denied.
    pub(crate) fn boolean(&mut self, annotation: &Annotation, default: bool) -> bool {
        self.optional_boolean(annotation).unwrap_or(default)
    }

    /// A boolean, none where the annotation is absent or no boolean, which is denied.
    pub(crate) fn optional_boolean(&mut self, annotation: &Annotation) -> Option<bool> {
        let given = self.layers.get(annotation)?;
        self.boolean_of(given)
    }

    /// The boolean of one value; none where it is none, which is denied.
    pub(crate) fn boolean_of(&mut self, given: Given<'a>) -> Option<bool> {
        match go::boolean(given.value) {
            Ok(value) => Some(value),
            Err(words) => {
                self.report
                    .deny_value(Stage::Parse, &words, given, Kind::Boolean);
                None
            }
        }
    }

    /// A whole number with a default in text, as flags that are checked at each pod give it.
    pub(crate) fn integer(&mut self, annotation: &Annotation, default: &'a str) -> i64 {
        let (given, flag) = match (self.layers.get(annotation), annotation.default) {
            (Some(given), _) => (given, None),
            (None, Default::Flag { flag, .. }) => (
                Given {
                    key: flag,
                    value: default,
                    origin: Origin::Injector,
                },
                Some(flag),
            ),
            (None, _) => (
                Given {
                    key: "",
                    value: default,
                    origin: Origin::Injector,
                },
                None,
            ),
        };
        match number::integer(given.value) {
            Ok(value) => value,
            Err(words) => {
                match flag {
                    Some(flag) => {
                        let kind = Kind::Integer;
                        self.report
                            .deny_flag(Stage::Parse, &words, flag, given.value, kind);
                    }
                    None => self
                        .report
                        .deny_value(Stage::Parse, &words, given, Kind::Integer),
                }
                0
            }
        }
    }

    /// One of a few words in an annotation of ours.
    pub(crate) fn choice(&mut self, annotation: &Annotation) -> Option<&'a str> {
        let given = self.layers.get(annotation)?;
        let Kind::Choice(words) = annotation.kind else {
            return Some(given.value);
        };
        if words.contains(&given.value) {
            return Some(given.value);
        }
        let recorded = format!("unknown word {}", quote(given.value));
        self.report
            .deny_value(Stage::Validate, &recorded, given, annotation.kind);
        None
    }

    /// Words between commas. Blanks around them are no part of them, as no name has any.
    pub(crate) fn comma_list(&mut self, annotation: &Annotation, default: &'a str) -> Vec<&'a str> {
        let text = self.text(annotation, default);
        if text.is_empty() {
            return Vec::new();
        }
        text.split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// Denies because of a flag that is empty.
    pub(crate) fn missing_flag(&mut self, stage: Stage, recorded: &str, flag: &str, text: &str) {
        let finding = Finding::error(Code::MissingValue, text).about(format!("--{flag}"));
        self.report.deny(stage, recorded, finding);
    }

    /// Denies because something is missing that no annotation stands for.
    pub(crate) fn missing(&mut self, stage: Stage, recorded: &str, text: &str) {
        self.report
            .deny(stage, recorded, Finding::error(Code::MissingValue, text));
    }

    /// Denies because an annotation is missing or empty.
    pub(crate) fn missing_annotation(
        &mut self,
        annotation: &Annotation,
        recorded: &str,
        text: &str,
    ) {
        let key = match self.layers.get(annotation) {
            Some(given) => given.key.to_owned(),
            None => annotation.full_name(),
        };
        self.report.deny(
            Stage::Validate,
            recorded,
            Finding::error(Code::MissingValue, text).about(key),
        );
    }

    /// Notes a warning about an annotation, by the name it is written with.
    pub(crate) fn warn(&mut self, code: Code, annotation: &Annotation, text: impl Into<String>) {
        let key = match self.layers.get(annotation) {
            Some(given) => given.key.to_owned(),
            None => annotation.full_name(),
        };
        self.report.note(Finding::warning(code, text).about(key));
    }
}
