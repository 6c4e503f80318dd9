//! The pod's token projections beside the one that the agent uses.

use crate::finding::{Code, Finding};
use crate::pod::Pod;
use crate::report::Report;
use crate::settings::TokenSource;
use crate::spec::Spec;
use crate::token::OUR_VOLUME;
use crate::vocabulary::ours;

/// Notes why a projection of the pod's own is not used, or which audience was perhaps meant.
pub(super) fn note(spec: &Spec<'_>, pod: &Pod<'_>, report: &mut Report) {
    let added = spec
        .token
        .as_ref()
        .is_some_and(|token| token.volume == OUR_VOLUME);
    if spec.agent.token.source != TokenSource::Projected || !added {
        return;
    }
    let wanted = spec.agent.token.audience;
    for volume in pod.volumes() {
        for token in volume.tokens() {
            let text = if !wanted.is_empty() && token.audience() == wanted {
                format!(
                    "the pod's volume {} has a token for the audience {wanted}, too, but it lives \
                     longer than an hour, cannot be read by the agent, or is not the only one; the \
                     agent gets one of its own",
                    volume.name()
                )
            } else if !token.audience().is_empty() {
                format!(
                    "the pod's volume {} has a token for the audience {}; the agent logs in with \
                     one for {}: if the server's role asks for the former, write it here",
                    volume.name(),
                    token.audience(),
                    if wanted.is_empty() {
                        "the API server"
                    } else {
                        wanted
                    }
                )
            } else {
                continue;
            };
            report.note(Finding::info(Code::Token, text).about(ours::TOKEN_AUDIENCE.full_name()));
        }
    }
}
