//! `leasehold review`: one AdmissionReview in, one out, as the webhook would answer it.

use std::io::{Read, Write};

use leasehold_inject::Review;

use crate::admission::{self, Verdict};
use crate::exit::Exit;
use crate::flags::Parsed;
use crate::offline::objects::NamespaceDefaults;
use crate::offline::source::SourceError;
use crate::settings::Address;
use crate::templates::Templates;

/// Answers the review on `input`. A denied pod ends the command with [`Exit::Failed`], its answer written.
#[must_use]
pub fn run(parsed: &Parsed, input: &mut dyn Read, output: &mut dyn Write) -> Exit {
    match answer(parsed, input, output) {
        Ok(exit) => exit,
        Err(error) => super::complain(error.as_ref()),
    }
}

fn answer(
    parsed: &Parsed,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<Exit, Box<dyn std::error::Error>> {
    let (settings, kube_version) = super::settings(parsed, Address::Required)?;
    let defaults = NamespaceDefaults::read(parsed)?;
    let mut body = Vec::new();
    input.read_to_end(&mut body).map_err(SourceError::Input)?;
    let question = admission::read(&body)?;
    let request = &question.request;
    let facts = defaults.of(&request.namespace);
    let review = Review {
        pod: request.object(),
        kind: &request.kind.kind,
        operation: &request.operation,
        namespace: &request.namespace,
        dry_run: request.dry_run,
        namespace_defaults: &facts.annotations,
        unasked: facts.unasked,
        kube_version,
    };
    let outcome = leasehold_inject::review(&review, &settings, &Templates);
    let verdict = Verdict::of(outcome);
    let answer = verdict.answer(&question)?;
    output.write_all(&answer)?;
    output.write_all(b"\n")?;
    output.flush()?;
    Ok(match verdict.denied {
        Some(_) => Exit::Failed,
        None => Exit::Done,
    })
}
