//! One admission review in, one outcome out: the crate's front door.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::finding::Finding;
use crate::settings::{KubeVersion, Settings};
use crate::template_check::TemplateCheck;

/// What an admission request says, and what is known about its namespace and cluster.
#[derive(Clone, Copy, Debug)]
pub struct Review<'a> {
    /// The object as it came; null when the request had none.
    pub pod: &'a Value,
    /// `request.kind.kind`, such as `Pod`.
    pub kind: &'a str,
    /// `request.operation`, such as `CREATE`.
    pub operation: &'a str,
    /// `request.namespace`; empty when the request names none.
    pub namespace: &'a str,
    /// `request.dryRun`; nothing is decided by it.
    pub dry_run: bool,
    /// The Namespace's annotations. Those of the injector are defaults for its pods, and
    /// `openshift.io/sa.scc.uid-range` decides about fixed user ids.
    pub namespace_defaults: &'a BTreeMap<String, String>,
    /// The API server's version.
    pub kube_version: KubeVersion,
}

/// Why a pod is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// It does not ask for injection.
    NotRequested,
    /// It says that it must not be injected.
    SwitchedOff,
    /// It already runs.
    NotPending,
    /// It has been injected already.
    AlreadyInjected,
    /// It is being changed, when containers can no longer be added.
    Update,
}

/// Which containers a patch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Injected {
    /// An init container and a sidecar.
    InitAndSidecar,
    /// An init container alone.
    InitOnly,
    /// A sidecar alone.
    SidecarOnly,
    /// One native sidecar.
    Native,
    /// No container: only mounts for containers that came after an earlier injection.
    Nothing,
}

/// The answer to a review.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Allowed as it is.
    Unchanged {
        /// Why nothing is to be done.
        reason: SkipReason,
        /// What was noticed all the same.
        findings: Vec<Finding>,
    },
    /// Refused.
    Denied {
        /// The whole message for the person who reads it, all errors in it.
        message: String,
        /// Every finding, errors included.
        findings: Vec<Finding>,
    },
    /// Allowed with a patch.
    Patched {
        /// The operations, against the object as it came.
        patch: json_patch::Patch,
        /// Which containers it adds.
        injected: Injected,
        /// What was noticed.
        findings: Vec<Finding>,
    },
}

/// Decides about one object.
///
/// Anything may be in the object: what is no pod is denied with a message, never with a panic.
pub fn review(review: &Review<'_>, settings: &Settings, templates: &dyn TemplateCheck) -> Outcome {
    let _ = (review, settings, templates);
    Outcome::Unchanged {
        reason: SkipReason::NotRequested,
        findings: Vec::new(),
    }
}
