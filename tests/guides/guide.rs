//! A guide as its blocks and headings.

use std::fs;
use std::path::PathBuf;

use leasehold_testkit::tools;

/// One Markdown file.
pub(crate) struct Guide {
    /// Its path below the workspace.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A fenced block.
pub(crate) struct Block {
    /// What stands behind the opening fence.
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Guide {
    pub(crate) fn open(name: &str) -> Self {
        let path = tools::workspace().join(name);
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
        Self {
            name: name.to_owned(),
            text,
        }
    }

    /// Every guide, and the README.
    pub(crate) fn all() -> Vec<Self> {
        let mut names: Vec<PathBuf> = fs::read_dir(tools::workspace().join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "md"))
            .collect();
        names.sort();
        let docs = names.iter().map(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            Self::open(&format!("docs/{name}"))
        });
        docs.chain([Self::open("README.md")]).collect()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(kind), None) => {
                    open = Some(Block {
                        kind: kind.to_owned(),
                        text: String::new(),
                        line: index + 1,
                    });
                }
                (None, Some(block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name);
        blocks
    }

    /// The anchors of its headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut in_block = false;
        let mut anchors = Vec::new();
        for line in self.text.lines() {
            if line.starts_with("```") {
                in_block = !in_block;
            }
            let title = line.trim_start_matches('#');
            if !in_block && title.len() < line.len() && title.starts_with(' ') {
                let kept = title.trim().chars().filter_map(|letter| match letter {
                    ' ' => Some('-'),
                    '-' | '_' => Some(letter),
                    letter if letter.is_alphanumeric() => letter.to_lowercase().next(),
                    _ => None,
                });
                anchors.push(kept.collect());
            }
        }
        anchors
    }
}
