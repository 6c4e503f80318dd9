//! What templates ask for, numbered for the machine and named for people.

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
    pub(super) fn id(&mut self, question: &Dependency) -> DependencyId {
        if let Some(&id) = self.numbers.get(question) {
            return id;
        }
        let id = DependencyId::try_from(self.numbers.len()).unwrap_or(DependencyId::MAX);
        self.numbers.insert(question.clone(), id);
        self.questions.insert(id, question.clone());
        id
    }

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
