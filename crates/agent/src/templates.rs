//! The templates of one login, read once, and rendering them into their files.

use std::{collections::BTreeSet, path::Path};

use leasehold_config::{Language, Template as Configured, TemplateSource};
use leasehold_template::{Dependency, Host, Options, Snapshot, Template, TemplateError};

use crate::{
    core::{
        failure::{Failure, FailureKind},
        rendering::RenderOutcome,
    },
    owners, sentence,
    volume::{self, Backup, MissingFolders, Placed, Placing},
};

/// A template and where it goes.
pub struct Loaded {
    configured: Configured,
    template: Result<Template, Failure>,
}

/// What a rendering brought.
pub struct Rendering {
    /// What it asked for and got.
    pub uses: BTreeSet<Dependency>,
    /// What it asked for and did not get.
    pub missing: BTreeSet<Dependency>,
    /// What came of it.
    pub outcome: RenderOutcome,
}

impl Loaded {
    /// Reads a template. What is wrong with it is told when it is to be rendered.
    #[must_use]
    pub fn read(configured: Configured) -> Self {
        let destination = Some(configured.destination.as_str());
        let template = parse(&configured.source, &configured.language, destination);
        Self {
            configured,
            template,
        }
    }

    /// The file that is written.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.configured.destination
    }

    /// Where the template comes from, as log lines name it.
    #[must_use]
    pub fn source(&self) -> &str {
        name(&self.configured.source)
    }

    /// Why it cannot be rendered at all.
    #[must_use]
    pub fn fault(&self) -> Option<&Failure> {
        self.template.as_ref().err()
    }

    /// Renders it, and writes its file when nothing is missing.
    pub fn render(&mut self, snapshot: &Snapshot, host: &mut dyn Host) -> Rendering {
        if self.template.is_err() && matches!(self.configured.source, TemplateSource::File(_)) {
            // A file may have come, or have been put right, since it was last looked at.
            *self = Self::read(self.configured.clone());
        }
        let failed = |failure| Rendering {
            uses: BTreeSet::new(),
            missing: BTreeSet::new(),
            outcome: RenderOutcome::Failed(failure),
        };
        let template = match &self.template {
            Ok(template) => template,
            Err(failure) => return failed(failure.clone()),
        };
        let rendered = match leasehold_template::render(template, snapshot, host) {
            Ok(rendered) => rendered,
            Err(error) => return failed(Failure::new(FailureKind::Template, in_words(&error))),
        };
        let missing: BTreeSet<Dependency> = rendered.missing.into_iter().collect();
        let outcome = if missing.is_empty() {
            self.place(&rendered.output)
        } else {
            RenderOutcome::Incomplete
        };
        Rendering {
            uses: rendered.used.into_iter().collect(),
            missing,
            outcome,
        }
    }

    fn place(&self, output: &[u8]) -> RenderOutcome {
        let owned = |result: Result<Option<u32>, owners::OwnerError>| {
            result.map_err(|error| {
                let text = format!("`{}` cannot get its owner: {error}", self.destination());
                Failure::new(FailureKind::Template, text)
            })
        };
        let user = self.configured.user.as_deref().unwrap_or_default();
        let group = self.configured.group.as_deref().unwrap_or_default();
        let (user, group) = match (owned(owners::user(user)), owned(owners::group(group))) {
            (Ok(user), Ok(group)) => (user, group),
            (Err(failure), _) | (_, Err(failure)) => return RenderOutcome::Failed(failure),
        };
        let placing = Placing {
            mode: self.configured.perms,
            user,
            group,
            folders: if self.configured.create_dest_dirs {
                MissingFolders::Made
            } else {
                MissingFolders::Refused
            },
            backup: if self.configured.backup {
                Backup::Kept
            } else {
                Backup::None
            },
        };
        match volume::place(Path::new(self.destination()), output, &placing) {
            Ok(Placed::Written) => RenderOutcome::Written,
            Ok(Placed::Unchanged) => RenderOutcome::Unchanged,
            Err(error) => {
                // A missing right or folder does not come by waiting; a full volume may pass.
                let passes = error.may_pass();
                let kind = if passes {
                    FailureKind::Local
                } else {
                    FailureKind::Template
                };
                RenderOutcome::Failed(Failure::new(kind, sentence::chain(&error)))
            }
        }
    }
}

/// Parses a template as the configuration describes it.
///
/// # Errors
/// Its file cannot be read, or its text is no template.
pub fn parse(
    source: &TemplateSource,
    language: &Language,
    destination: Option<&str>,
) -> Result<Template, Failure> {
    let text = match source {
        TemplateSource::Inline(text) => text.clone(),
        TemplateSource::File(path) => std::fs::read_to_string(path).map_err(|error| {
            let text = format!("failed to read the template `{path}`: {error}");
            Failure::new(FailureKind::Template, text)
        })?,
    };
    let options = Options {
        name: name(source).to_owned(),
        left_delimiter: language.left_delimiter.clone(),
        right_delimiter: language.right_delimiter.clone(),
        error_on_missing_key: language.error_on_missing_key,
        function_denylist: language.function_denylist.clone(),
        sandbox_path: language.sandbox_path.clone(),
        destination: destination.map(str::to_owned),
        ..Options::default()
    };
    Template::parse(text, options)
        .map_err(|error| Failure::new(FailureKind::Template, in_words(&error)))
}

/// An error of a template as the established program words it, with its name in front.
#[must_use]
pub fn in_words(error: &TemplateError) -> String {
    format!("{}: {error}", error.name())
}

fn name(source: &TemplateSource) -> &str {
    match source {
        TemplateSource::Inline(_) => "(dynamic)",
        TemplateSource::File(path) => path,
    }
}
