//! `leasehold-agent render`: one template to stdout, with the token of the environment, without waiting for
//! anything that is not there.

use std::{collections::BTreeSet, time::SystemTime};

use leasehold_config::Server;
use leasehold_template::{Dependency, Host, Options, Snapshot, Template, TemplateError, Wiped};
use leasehold_vault::{Client, Token};

use crate::{
    answers,
    connection::{self, ConnectionFlags},
    environment::Environment,
    host, sentence,
};

/// More passes than any template needs that makes progress.
const PASSES: usize = 1000;

/// What is rendered and how.
#[derive(Debug, Clone, Default)]
pub struct RenderRequest {
    /// The template's text.
    pub source: Vec<u8>,
    /// How it is read and run.
    pub options: Options,
}

/// Why there is nothing to print.
#[derive(Debug)]
pub enum RenderError {
    /// The template is at fault.
    Template(TemplateError),
    /// Something that it asks for cannot be had; a text for people.
    Answer(String),
}

/// Who reads the text of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A file or a program, which may compare the established words: they stand alone.
    Program,
    /// Somebody at a terminal, who is shown the place in the source and near names as well.
    Person,
}

impl RenderError {
    /// The text in the established words, for whoever runs the command and may see the secrets. What a
    /// person gets below it never shows a value.
    #[must_use]
    pub fn text(&self, reader: Reader) -> String {
        match self {
            Self::Answer(text) => text.clone(),
            Self::Template(error) => {
                let text = format!("{}: {error}", error.name());
                let details = error.details();
                if reader == Reader::Program || details.is_empty() {
                    text
                } else {
                    format!("{text}\n{details}")
                }
            }
        }
    }
}

impl From<TemplateError> for RenderError {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}

impl From<String> for RenderError {
    fn from(text: String) -> Self {
        Self::Answer(text)
    }
}

/// Renders.
///
/// # Errors
/// The template is at fault, or something that it asks for cannot be had.
pub async fn render(
    request: RenderRequest,
    environment: &Environment,
) -> Result<Wiped, RenderError> {
    let template = Template::parse(request.source, request.options)?;
    let mut machine = host::Machine::new(environment.clone());
    let mut snapshot = Snapshot::new();
    let mut server: Option<(Client, Token)> = None;
    let mut asked = BTreeSet::new();
    for _ in 0..PASSES {
        let rendered =
            leasehold_template::render(&template, &snapshot, &mut machine as &mut dyn Host)?;
        let missing: Vec<Dependency> = rendered
            .missing
            .into_iter()
            .filter(|question| asked.insert(question.clone()))
            .collect();
        if missing.is_empty() {
            return Ok(rendered.output);
        }
        if server.is_none() {
            server = Some(connect(environment)?);
        }
        let Some((client, token)) = &server else {
            return Err("there is no connection".to_owned().into());
        };
        for answer in fetch_all(client, token, missing).await {
            let (question, content) = answer?;
            let answer = content
                .answer()
                .map_err(|error| format!("the answer to {question:?} cannot be used: {error}"))?;
            snapshot.insert(question, answer);
        }
    }
    Err(format!("the template asks for something new in each of {PASSES} passes").into())
}

type Answered = Result<(Dependency, answers::Content), String>;

/// Asks for everything at once; the answers come in the order of the questions.
async fn fetch_all(client: &Client, token: &Token, questions: Vec<Dependency>) -> Vec<Answered> {
    let calls: Vec<_> = questions
        .into_iter()
        .map(|question| {
            let (client, token) = (client.clone(), token.clone());
            tokio::task::spawn_local(async move {
                let got = answers::fetch(&client, &token, &question, SystemTime::now()).await;
                got.map(|got| (question, got.content))
                    .map_err(|unanswered| unanswered.text)
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        answers.push(call.await.unwrap_or_else(|error| Err(error.to_string())));
    }
    answers
}

fn connect(environment: &Environment) -> Result<(Client, Token), String> {
    let flags = ConnectionFlags::default();
    let settings = connection::settings(&flags, environment, &Server::default(), None)
        .map_err(|error| sentence::chain(&error))?;
    let client = Client::new(settings).map_err(|error| sentence::chain(&error))?;
    let token = environment.vault("TOKEN").unwrap_or_default();
    let token = Token::new(token.trim().to_owned()).map_err(|error| {
        format!("the template asks for secrets, but the environment variable VAULT_TOKEN cannot be used: {error}")
    })?;
    Ok((client, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_shown_the_place_and_a_program_reads_the_established_words_alone() {
        let error = Template::parse("pass: {{ prnt \"x\" }}", Options::default())
            .map_err(RenderError::from)
            .err()
            .map(|error| (error.text(Reader::Program), error.text(Reader::Person)));
        let words = "(dynamic): parse: template: :1: function \"prnt\" not defined";
        let place = "  |\n1 | pass: {{ prnt \"x\" }}\n  |          ^\n  = did you mean `print` or `printf`?";
        assert_eq!(error, Some((words.to_owned(), format!("{words}\n{place}"))));
    }
}
