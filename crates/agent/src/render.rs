//! `leasehold-agent render`: one template to stdout, with the token of the environment, without waiting for
//! anything that is not there.

use std::{collections::BTreeSet, time::SystemTime};

use leasehold_config::Server;
use leasehold_template::{Dependency, Host, Options, Snapshot, Template, TemplateError};
use leasehold_vault::{Client, Token};
use zeroize::Zeroizing;

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

/// Renders; the error is the text for people, in the established words.
///
/// # Errors
/// The template is at fault, or something that it asks for cannot be had.
pub async fn render(
    request: RenderRequest,
    environment: &Environment,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let template =
        Template::parse(request.source, request.options).map_err(|error| in_words(&error))?;
    let mut machine = host::Machine::new(environment.clone());
    let mut snapshot = Snapshot::new();
    let mut server: Option<(Client, Token)> = None;
    let mut asked = BTreeSet::new();
    for _ in 0..PASSES {
        let rendered =
            leasehold_template::render(&template, &snapshot, &mut machine as &mut dyn Host)
                .map_err(|error| in_words(&error))?;
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
            return Err("there is no connection".to_owned());
        };
        for answer in fetch_all(client, token, missing).await {
            let (question, content) = answer?;
            let answer = content
                .answer()
                .map_err(|error| format!("the answer to {question:?} cannot be used: {error}"))?;
            snapshot.insert(question, answer);
        }
    }
    Err(format!(
        "the template asks for something new in each of {PASSES} passes"
    ))
}

/// An error of the template in the established words, for whoever runs the command and may see the secrets.
fn in_words(error: &TemplateError) -> String {
    format!("{}: {error}", error.name())
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
