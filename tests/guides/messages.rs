//! The messages that the guides quote as ours are still in the sources.

use std::fs;
use std::path::Path;

use leasehold_testkit::tools;

use crate::guide::Guide;

/// All sources as one text in which a sentence stands in one piece, however it is broken into lines there.
fn sources() -> String {
    let mut text = String::new();
    for folder in [
        "crates/agent/src",
        "crates/inject/src",
        "crates/leasehold/src",
        "crates/vault/src",
        "charts/leasehold/templates",
    ] {
        collect(&tools::workspace().join(folder), &mut text);
    }
    flat(&text.replace("\\\"", "\""))
}

fn collect(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, text);
        } else if let Ok(more) = fs::read_to_string(&path) {
            text.push_str(&more);
        }
    }
}

/// White space of any kind is one blank, and a text that goes on in the next line goes on.
fn flat(text: &str) -> String {
    let joined = text.replace("\\\n", "\n");
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_quoted_message_is_still_said() {
    let sources = sources();
    let mut quoted = 0;
    for name in ["docs/troubleshooting.md", "docs/audiences.md"] {
        for block in Guide::open(name).blocks() {
            if block.kind != "text" {
                continue;
            }
            for line in block.text.lines() {
                quoted += 1;
                // What differs from case to case stands as dots; what is between them must be there.
                let parts = line.split('…').map(flat);
                for part in
                    parts.filter(|part| part.chars().filter(|c| c.is_alphabetic()).count() > 3)
                {
                    let part = part.trim();
                    assert!(
                        sources.contains(part),
                        "{name}:{}: nobody says `{part}` any more",
                        block.line
                    );
                }
            }
        }
    }
    assert!(quoted > 40, "{quoted} messages");
}
