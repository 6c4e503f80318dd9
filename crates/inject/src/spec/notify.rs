//! Whom the agent tells that a secret's file has changed, besides the established command.

use std::time::Duration;

use leasehold_config::{LONGEST_SPLAY, LocalRequest, Notify, ProcessSignal};

use crate::finding::{Code, Finding};
use crate::layers::Given;
use crate::pod::Pod;
use crate::report::Stage;
use crate::settings::Flavour;
use crate::spec::{Agent, Container, Placement, Reader, Secrets};
use crate::vocabulary::{Annotation, container, notify as names, secrets};

/// Reads what is said about all secrets and about each, as the blocks of the agent's configuration.
pub(crate) fn read(
    reader: &mut Reader<'_, '_>,
    pod: &Pod<'_>,
    agent: &Agent<'_>,
    own: &Container<'_>,
    wanted: &Secrets<'_>,
) -> Vec<Notify> {
    let mut blocks = Vec::new();
    for secret in &wanted.list {
        let given = |reader: &Reader<'_, '_>, annotation: &Annotation| {
            let layers = reader.layers();
            layers
                .get_for(annotation, &secret.raw_name)
                .or_else(|| layers.get(annotation))
                .map(|given| (given.key.to_owned(), given.value.to_owned(), given.origin))
        };
        let mut take = |annotation: &'static Annotation| {
            let (key, value, origin) = given(reader, annotation)?;
            let shown = Given {
                key: &key,
                value: &value,
                origin,
            };
            (!value.is_empty()).then(|| Parsed::read(reader, annotation, shown))?
        };
        let block = Notify {
            destination: secret.destination.clone(),
            signal: take(&names::SIGNAL).and_then(Parsed::signal),
            request: take(&names::REQUEST).and_then(Parsed::request),
            timeout: take(&names::TIMEOUT)
                .and_then(Parsed::pause)
                .filter(|timeout| !timeout.is_zero()),
            splay: take(&names::SPLAY)
                .and_then(Parsed::pause)
                .unwrap_or_default(),
        };
        let says_something = block.signal.is_some()
            || block.request.is_some()
            || block.timeout.is_some()
            || !block.splay.is_zero();
        if says_something {
            blocks.push(block);
        }
    }
    note_obstacles(reader, pod, agent, own, &blocks);
    if agent.flavour == Flavour::Vault || own.configmap.is_some() {
        blocks.clear();
    }
    blocks
}

enum Parsed {
    Signal(ProcessSignal),
    Request(LocalRequest),
    Pause(Duration),
}

impl Parsed {
    fn read(
        reader: &mut Reader<'_, '_>,
        annotation: &'static Annotation,
        given: Given<'_>,
    ) -> Option<Self> {
        let text = given.value;
        let parsed = if *annotation == names::SIGNAL {
            ProcessSignal::parse(text)
                .map(Self::Signal)
                .map_err(|error| error.to_string())
        } else if *annotation == names::REQUEST {
            LocalRequest::parse(text)
                .map(Self::Request)
                .map_err(|error| error.to_string())
        } else {
            leasehold_config::duration::parse(text)
                .filter(|pause| *pause <= LONGEST_SPLAY)
                .map(Self::Pause)
                .ok_or_else(|| {
                    format!(
                        "{} is no duration up to five minutes",
                        crate::go::quote(text)
                    )
                })
        };
        parsed
            .map_err(|words| {
                reader
                    .report
                    .deny_value(Stage::Validate, &words, given, annotation.kind);
            })
            .ok()
    }

    fn signal(self) -> Option<ProcessSignal> {
        match self {
            Self::Signal(signal) => Some(signal),
            Self::Request(_) | Self::Pause(_) => None,
        }
    }

    fn request(self) -> Option<LocalRequest> {
        match self {
            Self::Request(request) => Some(request),
            Self::Signal(_) | Self::Pause(_) => None,
        }
    }

    fn pause(self) -> Option<Duration> {
        match self {
            Self::Pause(pause) => Some(pause),
            Self::Signal(_) | Self::Request(_) => None,
        }
    }
}

/// What keeps the application from hearing of a change, with what to write instead.
fn note_obstacles(
    reader: &mut Reader<'_, '_>,
    pod: &Pod<'_>,
    agent: &Agent<'_>,
    own: &Container<'_>,
    blocks: &[Notify],
) {
    let Some(first) = blocks.first() else {
        return;
    };
    let signal = blocks.iter().find_map(|block| block.signal.as_ref());
    let about = if signal.is_some() {
        &names::SIGNAL
    } else if blocks.iter().any(|block| block.request.is_some()) {
        &names::REQUEST
    } else if first.timeout.is_some() {
        &names::TIMEOUT
    } else {
        &names::SPLAY
    };
    let key = written_name(reader, about);
    let mut warn = |code, text: String| {
        reader
            .report
            .note(Finding::warning(code, text).about(key.clone()));
    };
    if agent.flavour == Flavour::Vault {
        let instead = signal.map_or_else(
            || "a command".to_owned(),
            |signal| {
                let word = signal.signal.name().trim_start_matches("SIG");
                format!("a command such as `pkill -{word} {}`", signal.process)
            },
        );
        let text = format!(
            "Vault's agent does not know it, so it does nothing; write {}-<name> with {instead}",
            secrets::COMMAND.full_name()
        );
        warn(Code::NoEffect, text);
        return;
    }
    if own.configmap.is_some() {
        let text = "the ConfigMap holds the agent's whole configuration, so it does nothing; write a \
                    `notify` block into its `leasehold` stanza";
        warn(Code::NoEffect, text.to_owned());
        return;
    }
    if agent.placement == Placement::InitOnly {
        let text = "only an init container runs, which ends before any file can change, so it does \
                    nothing";
        warn(Code::NoEffect, text.to_owned());
        return;
    }
    let shares =
        own.share_process_namespace == Some(true) || pod.share_process_namespace() == Some(true);
    if signal.is_some() && !shares {
        let text = format!(
            "the pod's containers do not share their process namespace, so the agent cannot see the \
             program; set {} to true, or `shareProcessNamespace: true` in the pod",
            container::SHARE_PROCESS_NAMESPACE.full_name()
        );
        warn(Code::Conflict, text);
    }
}

/// The name that the annotation is written with, for one secret or for all.
fn written_name(reader: &Reader<'_, '_>, annotation: &'static Annotation) -> String {
    let layers = reader.layers();
    let alone = layers.get(annotation).map(|given| given.key);
    alone
        .or_else(|| layers.family(annotation).next().map(|(_, given)| given.key))
        .map_or_else(|| annotation.full_name(), str::to_owned)
}
