//! The data that templates are rendered from: answers to what they asked for. Values are shared with
//! the templates, which can change them on purpose (`sprig_set`); a new answer starts afresh.

use std::collections::BTreeMap;

use crate::{
    dependency::Dependency,
    go::{List, Text, Type, Value},
    json,
    secret::{PemEncoded, Secret},
};

/// All answers known so far.
#[derive(Default)]
pub struct Snapshot {
    answers: BTreeMap<Dependency, Answer>,
}

impl Snapshot {
    /// No answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer to a dependency.
    pub fn get(&self, dependency: &Dependency) -> Option<&Answer> {
        self.answers.get(dependency)
    }

    /// Keeps an answer, in place of an earlier one.
    pub fn insert(&mut self, dependency: Dependency, answer: Answer) {
        // The key is replaced too: an equal dependency may carry another query.
        self.answers.remove(&dependency);
        self.answers.insert(dependency, answer);
    }

    /// Forgets an answer.
    pub fn remove(&mut self, dependency: &Dependency) {
        self.answers.remove(dependency);
    }

    /// Forgets all answers to what is not wanted any more.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Dependency) -> bool) {
        self.answers.retain(|dependency, _| wanted(dependency));
    }

    /// What has an answer.
    pub fn dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.answers.keys()
    }
}

/// An answer to a dependency.
#[derive(Clone, Debug)]
pub struct Answer(Value);

impl Answer {
    /// The answer of the server to a read or write, from the body as it came. Numbers keep the text
    /// in which they were written.
    ///
    /// # Errors
    /// When the body is not the JSON of a secret; the text holds nothing of the content.
    pub fn secret(body: &[u8]) -> Result<Self, AnswerError> {
        let body = json::read(body, json::Numbers::AsText).map_err(AnswerError::NotJson)?;
        Ok(Self(Secret::from_body(&body)?))
    }

    /// The names which a list gave, sorted here.
    pub fn list(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        Self(Value::texts(names))
    }

    /// An issued certificate.
    pub fn certificate(certificate: PemEncoded) -> Self {
        Self(Value::object(certificate))
    }

    /// The content of a file.
    pub fn file(content: impl Into<Text>) -> Self {
        Self(Value::text(content))
    }

    /// There is nothing, and that is the answer: a write without a body.
    pub fn absent() -> Self {
        Self(Value::Nil)
    }

    /// An empty list of names.
    pub fn no_names() -> Self {
        Self(Value::List(List::new(Type::Text, Vec::new())))
    }

    /// The value that templates see.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// Why a body is no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AnswerError {
    /// The body is not JSON; the text is that of Go's reader.
    #[error("answer is not JSON: {0}")]
    NotJson(String),
    /// The body is JSON of another shape.
    #[error("answer is not a secret: {found} where {wanted} was expected in {place}")]
    NotSecret {
        /// The field.
        place: &'static str,
        /// What belongs there.
        wanted: &'static str,
        /// The type found there.
        found: &'static str,
    },
}
