//! The templates of one login, read once, and rendering them into their files.

use std::{collections::BTreeSet, path::Path};

use leasehold_config::{EnvTemplate, Language, Template as Configured, TemplateSource};
use leasehold_template::{Dependency, Host, Options, Snapshot, Template};
use zeroize::Zeroizing;

use crate::{
    core::{
        failure::{Failure, FailureKind},
        moment::Moment,
        rendering::RenderOutcome,
    },
    owners, sentence,
    volume::{self, Backup, MissingFolders, Placed, Placing},
};

/// A template and where it goes.
pub struct Loaded {
    target: Target,
    template: Result<Template, Failure>,
    /// The value of a variable, as last rendered.
    value: Option<Zeroizing<String>>,
    /// When its content came, or was found in place.
    placed_at: Option<Moment>,
}

/// Where a template goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// To a file.
    File(Box<Configured>),
    /// To a variable of the supervised process.
    Variable(EnvTemplate),
}

impl Target {
    const fn source(&self) -> &TemplateSource {
        match self {
            Self::File(template) => &template.source,
            Self::Variable(template) => &template.source,
        }
    }

    const fn language(&self) -> &Language {
        match self {
            Self::File(template) => &template.language,
            Self::Variable(template) => &template.language,
        }
    }
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
    pub fn read(target: Target) -> Self {
        let destination = match &target {
            Target::File(template) => Some(template.destination.as_str()),
            Target::Variable(_) => None,
        };
        let template = parse(target.source(), target.language(), destination);
        Self {
            target,
            template,
            value: None,
            placed_at: None,
        }
    }

    /// When its present content came, or was found in place.
    #[must_use]
    pub const fn placed_at(&self) -> Option<Moment> {
        self.placed_at
    }

    /// The file that is written, or the variable that is set.
    #[must_use]
    pub fn destination(&self) -> &str {
        match &self.target {
            Target::File(template) => &template.destination,
            Target::Variable(template) => &template.name,
        }
    }

    /// Name and value of a rendered variable.
    #[must_use]
    pub fn variable(&self) -> Option<(&str, &Zeroizing<String>)> {
        match &self.target {
            Target::File(_) => None,
            Target::Variable(template) => Some((template.name.as_str(), self.value.as_ref()?)),
        }
    }

    /// Where the template comes from, as log lines name it.
    #[must_use]
    pub fn source(&self) -> &str {
        name(self.target.source())
    }

    /// Why it cannot be rendered at all.
    #[must_use]
    pub fn fault(&self) -> Option<&Failure> {
        self.template.as_ref().err()
    }

    /// Renders it, and writes its file when nothing is missing.
    pub fn render(&mut self, snapshot: &Snapshot, host: &mut dyn Host, now: Moment) -> Rendering {
        if self.template.is_err() && matches!(self.target.source(), TemplateSource::File(_)) {
            // A file may have come, or have been put right, since it was last looked at.
            *self = Self::read(self.target.clone());
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
            Err(error) => return failed(Failure::new(FailureKind::Template, error.in_one_line())),
        };
        let missing: BTreeSet<Dependency> = rendered.missing.into_iter().collect();
        let outcome = if missing.is_empty() {
            match &self.target {
                Target::File(configured) => place(configured, &rendered.output),
                Target::Variable(_) => self.set(&rendered.output),
            }
        } else {
            RenderOutcome::Incomplete
        };
        match outcome {
            RenderOutcome::Created | RenderOutcome::Written => self.placed_at = Some(now),
            RenderOutcome::Unchanged => self.placed_at = self.placed_at.or(Some(now)),
            RenderOutcome::Incomplete | RenderOutcome::Failed(_) => {}
        }
        Rendering {
            uses: rendered.used.into_iter().collect(),
            missing,
            outcome,
        }
    }

    fn set(&mut self, output: &[u8]) -> RenderOutcome {
        let text = Zeroizing::new(String::from_utf8_lossy(output).into_owned());
        if text.contains('\0') {
            let words = format!(
                "the variable `{}` would hold a zero byte",
                self.destination()
            );
            return RenderOutcome::Failed(Failure::new(FailureKind::Template, words));
        }
        let same = self.value.as_ref() == Some(&text);
        self.value = Some(text);
        if same {
            RenderOutcome::Unchanged
        } else {
            RenderOutcome::Written
        }
    }
}

fn place(configured: &Configured, output: &[u8]) -> RenderOutcome {
    let owned = |result: Result<Option<u32>, owners::OwnerError>| {
        result.map_err(|error| {
            let text = format!("`{}` cannot get its owner: {error}", configured.destination);
            Failure::new(FailureKind::Template, text)
        })
    };
    let user = configured.user.as_deref().unwrap_or_default();
    let group = configured.group.as_deref().unwrap_or_default();
    let (user, group) = match (owned(owners::user(user)), owned(owners::group(group))) {
        (Ok(user), Ok(group)) => (user, group),
        (Err(failure), _) | (_, Err(failure)) => return RenderOutcome::Failed(failure),
    };
    let placing = Placing {
        mode: configured.perms,
        user,
        group,
        folders: if configured.create_dest_dirs {
            MissingFolders::Made
        } else {
            MissingFolders::Refused
        },
        backup: if configured.backup {
            Backup::Kept
        } else {
            Backup::None
        },
    };
    match volume::place(Path::new(&configured.destination), output, &placing) {
        Ok(Placed::Created) => RenderOutcome::Created,
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
        .map_err(|error| Failure::new(FailureKind::Template, error.in_one_line()))
}

fn name(source: &TemplateSource) -> &str {
    match source {
        TemplateSource::Inline(_) => "(dynamic)",
        TemplateSource::File(path) => path,
    }
}
