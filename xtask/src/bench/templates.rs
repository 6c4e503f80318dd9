//! What rendering costs once a template is loaded: ten typical ones, by ours and by consul-template.
//!
//! Both programs get the same file, with the answer's text in it and no server to ask. It renders a
//! template many times; the difference to a file that renders it once, for each rendering, is its cost:
//! start, reading and parsing are in both and cancel out.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use super::process::Running;
use super::report::{Budget, Line, Report};
use super::{Contender, Options};
use crate::image::program;

#[path = "../../../crates/template/examples/render_cost/typical.rs"]
mod typical;

/// How often a template is rendered in one run.
const RENDERINGS: usize = 5000;

/// How a program is told what to render.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// `render -t FILE`, to the standard output.
    Ours,
    /// `-once -template FILE:FILE`.
    ConsulTemplate,
}

/// Measures ours, and the peer where one is named.
pub(super) fn measure(options: &Options) -> Result<Report> {
    let folder = super::injector::Folder::make("templates")?;
    let ours = match &options.ours {
        Some(ours) => ours.clone(),
        None => {
            program::build("leasehold-agent", "agent")?;
            let path = program::path("leasehold-agent", "agent");
            Contender::new("leasehold-agent", vec![path.display().to_string()])
        }
    };
    let mut lines = Vec::new();
    for (name, definitions, body) in typical::TYPICAL {
        let once = source(definitions, body, 1);
        let often = source(definitions, body, RENDERINGS);
        let (a, text) = cost(&ours, Manner::Ours, &once, &often, options, &folder.path)?;
        let mut peer = None;
        if let Some(other) = &options.peer {
            let manner = Manner::ConsulTemplate;
            let (b, other_text) = cost(other, manner, &once, &often, options, &folder.path)?;
            if text != other_text {
                bail!(
                    "{} and {} render `{name}` differently",
                    ours.name,
                    other.name
                );
            }
            peer = Some(b);
        }
        lines.push(Line {
            name,
            unit: "µs",
            ours: a,
            peer,
            budget: Budget::Share(5.0),
        });
    }
    Ok(Report {
        title: format!(
            "templates: a rendering once loaded, from {RENDERINGS} against 1; the quickest of {} runs each",
            options.runs
        ),
        ours: ours.name,
        peer: options.peer.as_ref().map(|peer| peer.name.clone()),
        lines,
    })
}

/// A template that renders another one so often, with the answer's text in place of a server's.
fn source(definitions: &str, body: &str, times: usize) -> String {
    let mut inner = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("{{ with secret ") {
        inner.push_str(before);
        inner.push_str("{{ with $secret }}");
        rest = after.split_once("}}").map_or("", |(_, behind)| behind);
    }
    inner.push_str(rest);
    format!(
        "{definitions}{{{{ $secret := sprig_dict \"Data\" (index (parseJSON `{}`) \"data\") }}}}\
         {{{{ range $round := loop {times} }}}}{inner}{{{{ end }}}}",
        typical::ANSWER
    )
}

/// Microseconds for one rendering, and what came of all of them. The quickest run counts: what slows
/// one down is not the program.
fn cost(
    contender: &Contender,
    manner: Manner,
    once: &str,
    often: &str,
    options: &Options,
    folder: &Path,
) -> Result<(f64, Vec<u8>)> {
    let (mut short, mut long) = (f64::INFINITY, f64::INFINITY);
    let mut text = Vec::new();
    for _ in 0..options.runs {
        short = short.min(timed(contender, manner, once, folder)?.0);
        let (time, output) = timed(contender, manner, often, folder)?;
        long = long.min(time);
        text = output;
    }
    Ok(((long - short) * 1000.0 / (RENDERINGS - 1) as f64, text))
}

/// Milliseconds from start to end, and the output.
fn timed(
    contender: &Contender,
    manner: Manner,
    source: &str,
    folder: &Path,
) -> Result<(f64, Vec<u8>)> {
    let (template, log, out) = (
        folder.join("template"),
        folder.join("log"),
        folder.join("out"),
    );
    fs::write(&template, source)?;
    let (input, output) = (template.display().to_string(), out.display().to_string());
    let (arguments, result) = match manner {
        Manner::Ours => (vec!["render".to_owned(), "-t".to_owned(), input], &log),
        Manner::ConsulTemplate => (
            vec![
                "-once".to_owned(),
                "-template".to_owned(),
                format!("{input}:{output}"),
            ],
            &out,
        ),
    };
    let _ = fs::remove_file(&out);
    let time = Running::start(contender, &arguments, &log)?.ended(Duration::from_secs(60))?;
    Ok((time, fs::read(result)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_template_asks_a_server() {
        for (name, definitions, body) in typical::TYPICAL {
            let source = source(definitions, body, 3);
            assert!(
                !source.contains("secret \"") && !source.contains("secret ("),
                "{name}"
            );
            assert!(source.contains("{{ with $secret }}"), "{name}");
        }
    }
}
