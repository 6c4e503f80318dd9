//! The questions that templates ask, each with a number by which the machine knows it.

use std::collections::BTreeMap;

use leasehold_template::Dependency;

use crate::core::rendering::DependencyId;

/// Gives each distinct question a number.
#[derive(Default)]
pub(super) struct Questions {
    numbers: BTreeMap<Dependency, DependencyId>,
    questions: BTreeMap<DependencyId, Dependency>,
}

impl Questions {
    /// The number of a question; a new one where it is asked for the first time.
    pub(super) fn id(&mut self, question: &Dependency) -> DependencyId {
        if let Some(&id) = self.numbers.get(question) {
            return id;
        }
        let id = DependencyId::try_from(self.numbers.len()).unwrap_or(DependencyId::MAX);
        self.numbers.insert(question.clone(), id);
        self.questions.insert(id, question.clone());
        id
    }

    /// The question of a number.
    pub(super) fn get(&self, id: DependencyId) -> Option<&Dependency> {
        self.questions.get(&id)
    }
}

/// A question for people.
pub(super) fn shown(question: &Dependency) -> String {
    match question {
        Dependency::Read { path, .. } => path.clone(),
        Dependency::Write { path, .. } => format!("{path} (written)"),
        Dependency::List { path } => format!("{path} (list)"),
        Dependency::PkiCert { path, .. } => format!("{path} (certificate)"),
        Dependency::File { path } => format!("{path} (file)"),
    }
}
