//! Which agent, in which containers, before which others.

use crate::finding::{Code, Finding};
use crate::pod::Pod;
use crate::report::Stage;
use crate::review::Review;
use crate::settings::{Flavour, Gate, KubeVersion, Mode, TokenSource};
use crate::spec::flavour::{self, Chosen};
use crate::spec::{Container, Reader, Secret, Secrets, Source};
use crate::vocabulary::{container, ours, switch};

/// What the tag of the variant with a shell ends with.
const SHELL: &str = "-shell";

/// From this API server on, its oldest supported kubelet knows native sidecars.
const NATIVE_BY_ITSELF: KubeVersion = KubeVersion {
    major: 1,
    minor: 32,
};
/// From this API server on, native sidecars may be asked for.
const NATIVE_AT_ALL: KubeVersion = KubeVersion {
    major: 1,
    minor: 29,
};

/// The shortest time that the API server lets a token live, in seconds.
const SHORTEST_TOKEN: u64 = 600;

/// Which agent containers the pod gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// One native sidecar, with what holds the application back; none: nothing does.
    Native(Option<Gate>),
    /// An init container and a sidecar.
    Pair,
    /// An init container.
    InitOnly,
    /// A sidecar.
    SidecarOnly,
}

/// The containers that get the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Containers<'a> {
    /// All of them.
    All,
    /// Those with these names.
    Named(Vec<&'a str>),
}

/// What the agent's own token should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenPlan<'a> {
    /// A projection of its own, or what the containers mount.
    pub(crate) source: TokenSource,
    /// The audience; empty for the API server's own.
    pub(crate) audience: &'a str,
    /// Seconds that the token lives.
    pub(crate) expiration: u64,
}

/// Which agent, where, for which containers.
#[derive(Debug)]
pub(crate) struct Agent<'a> {
    /// The image of its containers.
    pub(crate) image: String,
    /// Which agent the image holds.
    pub(crate) flavour: Flavour,
    /// Which containers it gets.
    pub(crate) placement: Placement,
    /// Whether it stands before other init containers, where the annotation says so.
    pub(crate) init_first: Option<bool>,
    /// Who gets the secrets.
    pub(crate) containers: Containers<'a>,
    /// What its own token should be.
    pub(crate) token: TokenPlan<'a>,
    /// How long the gate waits, in seconds.
    pub(crate) wait_seconds: u64,
    /// The first login comes at a random moment below so many seconds.
    pub(crate) login_spread_seconds: u64,
    /// Whether replaced credentials are revoked at once.
    pub(crate) revoke_after_handover: bool,
    /// Whether a listener may run on the host's network.
    pub(crate) allow_listener: bool,
    pre_populate: bool,
    pre_populate_only: bool,
}

impl<'a> Agent<'a> {
    /// Reads what the search for the token depends on; the rest follows in its own order.
    pub(crate) fn read(
        reader: &mut Reader<'_, 'a>,
        pod: &'a Pod<'_>,
        _review: &Review<'a>,
    ) -> Self {
        let settings = reader.settings;
        let Chosen { flavour, image } = flavour::choose(reader);
        let containers = match reader.given(&switch::CONTAINERS) {
            None => Containers::All,
            Some(_) => Containers::Named(reader.comma_list(&switch::CONTAINERS, "")),
        };
        if let Containers::Named(names) = &containers {
            check_names(reader, pod, names);
            if !pod.init_containers().is_empty() {
                reader.report.note(
                    Finding::info(
                        Code::NoEffect,
                        "it does not limit init containers, which all get the secrets where the \
                         agent runs before the application",
                    )
                    .about(switch::CONTAINERS.full_name()),
                );
            }
        }
        Self {
            image,
            flavour,
            placement: Placement::Pair,
            init_first: None,
            containers,
            token: read_token_plan(reader),
            wait_seconds: read_seconds(
                reader,
                &ours::WAIT_TIMEOUT,
                1,
                settings.agent_wait_seconds.into(),
            ),
            login_spread_seconds: read_seconds(
                reader,
                &ours::LOGIN_SPREAD,
                0,
                settings.agent_login_spread_seconds.into(),
            ),
            revoke_after_handover: false,
            allow_listener: false,
            pre_populate: true,
            pre_populate_only: false,
        }
    }

    /// Reads the booleans that say where the agent goes, in the established order.
    pub(crate) fn read_switches(&mut self, reader: &mut Reader<'_, 'a>) {
        self.init_first = reader.optional_boolean(&switch::INIT_FIRST);
        self.pre_populate = reader.boolean(&switch::PRE_POPULATE, true);
        self.pre_populate_only = reader.boolean(&switch::PRE_POPULATE_ONLY, false);
        self.allow_listener = reader.boolean(&ours::ALLOW_LISTENER, false);
        self.revoke_after_handover = reader.boolean(&ours::REVOKE_AFTER_HANDOVER, false);
    }

    /// Takes the variant of our image that has a shell, where a command or a plugin wants one.
    pub(crate) fn choose_variant(&mut self, reader: &mut Reader<'_, 'a>, secrets: &Secrets<'a>) {
        if self.flavour != Flavour::Leasehold {
            return;
        }
        let Some(secret) = secrets.list.iter().find(|secret| wants_shell(secret)) else {
            return;
        };
        let last = self.image.rsplit('/').next().unwrap_or_default();
        if !last.starts_with(flavour::OUR_IMAGE) || last.contains(SHELL) {
            return;
        }
        // The variant is a tag of the same image; a digest names one image alone.
        let is_tagged = last.contains(':') && !last.contains('@');
        if reader.given(&switch::IMAGE).is_some() || !is_tagged {
            let text = format!(
                "the secret {} has a command or a plugin that needs a shell, which {} does not \
                 have; use its variant, whose tag ends with {SHELL}",
                secret.raw_name, self.image
            );
            reader.warn(Code::Image, &switch::IMAGE, text);
            return;
        }
        self.image.push_str(SHELL);
    }

    /// Whether an init container may run, so that a persistent cache has a use.
    pub(crate) fn pre_populates(&self) -> bool {
        self.pre_populate
    }

    /// Whether nothing runs beside the application.
    pub(crate) fn pre_populates_only(&self) -> bool {
        self.pre_populate_only
    }

    /// Decides which containers the pod gets.
    pub(crate) fn place(
        &mut self,
        reader: &mut Reader<'_, 'a>,
        review: &Review<'_>,
        container: &Container<'a>,
    ) {
        if !self.pre_populate && self.pre_populate_only {
            let text = format!(
                "with {} false there is no init container and with this true there is no sidecar, \
                 so no agent would run: remove one of the two",
                switch::PRE_POPULATE.full_name()
            );
            reader.report.deny(
                Stage::Validate,
                "no agent container is left",
                Finding::error(Code::Conflict, text).about(switch::PRE_POPULATE_ONLY.full_name()),
            );
        }
        let gate = self.read_gate(reader);
        let native = self.wants_native(reader, review, container);
        self.placement = match (self.pre_populate, self.pre_populate_only) {
            (_, true) => Placement::InitOnly,
            (true, false) if native => Placement::Native(Some(gate)),
            (false, false) if native => Placement::Native(None),
            (true, false) => Placement::Pair,
            (false, false) => Placement::SidecarOnly,
        };
        self.note_spread(reader, container);
    }

    /// A spread that nobody follows, and one that the gate does not wait out.
    fn note_spread(&self, reader: &mut Reader<'_, 'a>, container: &Container<'a>) {
        let (spread, wait) = (self.login_spread_seconds, self.wait_seconds);
        if spread == 0 {
            return;
        }
        let annotation = &ours::LOGIN_SPREAD;
        let unheard = if self.flavour == Flavour::Vault {
            Some("Vault's agent logs in at once")
        } else if container.configmap.is_some() {
            Some("write `leasehold { login_spread = … }` into the ConfigMap's configuration")
        } else {
            None
        };
        if let Some(why) = unheard {
            // A flag is for all pods; only who asked for this one wants to hear of it.
            if reader.given(annotation).is_some() {
                reader.warn(Code::NoEffect, annotation, format!("has no effect: {why}"));
            }
        } else if matches!(self.placement, Placement::Native(Some(_))) && spread >= wait {
            let text = format!(
                "the first login may come {spread} s after the agent's start, and {} lets the pod wait {wait} s: an \
                 agent that is late is restarted and chooses a moment anew; let it wait longer than the spread",
                ours::WAIT_TIMEOUT.full_name()
            );
            reader.warn(Code::Conflict, annotation, text);
        }
    }

    fn read_gate(&self, reader: &mut Reader<'_, 'a>) -> Gate {
        match reader.choice(&ours::GATE) {
            Some("probe") => Gate::Probe,
            Some(_) => Gate::Hook,
            None => reader.settings.agent_gate,
        }
    }

    fn wants_native(
        &self,
        reader: &mut Reader<'_, 'a>,
        review: &Review<'_>,
        container: &Container<'a>,
    ) -> bool {
        let mode = match reader.choice(&ours::MODE) {
            Some("native") => Mode::Native,
            Some("pair") => Mode::Pair,
            Some(_) => Mode::Auto,
            None => reader.settings.agent_mode,
        };
        let asked = reader.given(&ours::MODE).is_some() && mode == Mode::Native;
        let obstacle = if self.flavour == Flavour::Vault {
            Some("Vault's agent always runs as an init container and a sidecar".to_owned())
        } else if review.kube_version < NATIVE_AT_ALL {
            Some(format!(
                "the API server has version {}.{}, and native sidecars exist from {}.{} on",
                review.kube_version.major,
                review.kube_version.minor,
                NATIVE_AT_ALL.major,
                NATIVE_AT_ALL.minor
            ))
        } else if container.configmap.is_some() {
            Some(format!(
                "{} brings one configuration for an init container and one for a sidecar",
                container::CONFIGMAP.full_name()
            ))
        } else if !container.patches.are_equal() {
            Some(format!(
                "{} and {} differ, so there are two containers to patch; write the same patch in \
                 both for one native sidecar",
                container::JSON_PATCH.full_name(),
                container::INIT_JSON_PATCH.full_name()
            ))
        } else {
            None
        };
        let wanted = match mode {
            Mode::Native => true,
            Mode::Pair => false,
            Mode::Auto => review.kube_version >= NATIVE_BY_ITSELF,
        };
        match obstacle {
            None => wanted,
            Some(why) => {
                if asked {
                    reader.warn(Code::NoEffect, &ours::MODE, format!("has no effect: {why}"));
                } else if wanted && self.flavour == Flavour::Leasehold && !self.pre_populate_only {
                    let text = format!("the pod gets an init container and a sidecar: {why}");
                    reader
                        .report
                        .note(Finding::info(Code::NoEffect, text).about(ours::MODE.full_name()));
                }
                false
            }
        }
    }
}

/// Whether the agent runs a shell for a secret: for a command of several words, and for plugins.
fn wants_shell(secret: &Secret<'_>) -> bool {
    let plugin = match &secret.source {
        Source::Contents(text) => text
            .match_indices("plugin")
            .any(|(at, word)| text[at + word.len()..].starts_with([' ', '\t', '\n'])),
        Source::File(_) => false,
    };
    plugin || secret.command.trim().contains(char::is_whitespace)
}

fn read_token_plan<'a>(reader: &mut Reader<'_, 'a>) -> TokenPlan<'a> {
    let settings = reader.settings;
    let source = match reader.choice(&ours::TOKEN_SOURCE) {
        Some("pod") => TokenSource::Pod,
        Some(_) => TokenSource::Projected,
        None => settings.token_source,
    };
    let audience = reader
        .given(&ours::TOKEN_AUDIENCE)
        .map_or(settings.token_audience.as_str(), |g| g.value);
    let expiration = read_seconds(
        reader,
        &ours::TOKEN_EXPIRATION,
        1,
        settings.token_expiration_seconds.into(),
    );
    if expiration < SHORTEST_TOKEN && reader.given(&ours::TOKEN_EXPIRATION).is_some() {
        let text = "the API server issues no token that lives less than ten minutes; it lives that";
        reader.warn(Code::NoEffect, &ours::TOKEN_EXPIRATION, text);
    }
    TokenPlan {
        source,
        audience,
        expiration: expiration.max(SHORTEST_TOKEN),
    }
}

fn read_seconds(
    reader: &mut Reader<'_, '_>,
    annotation: &'static crate::vocabulary::Annotation,
    least: u64,
    default: u64,
) -> u64 {
    let Some(given) = reader.given(annotation) else {
        return default;
    };
    let read = crate::go::duration::duration(given.value);
    let read = read.map(|nanos| u64::try_from(nanos).map(|nanos| nanos.div_ceil(1_000_000_000)));
    match read {
        Ok(Ok(seconds)) if seconds >= least => seconds,
        Ok(_) => {
            let words = if least > 0 {
                "a duration must be above zero"
            } else {
                "a duration must not be below zero"
            };
            reader
                .report
                .deny_value(Stage::Validate, words, given, annotation.kind);
            default
        }
        Err(words) => {
            reader
                .report
                .deny_value(Stage::Validate, &words, given, annotation.kind);
            default
        }
    }
}

fn check_names(reader: &mut Reader<'_, '_>, pod: &Pod<'_>, names: &[&str]) {
    let known: Vec<&str> = pod.containers().iter().map(|c| c.name()).collect();
    let unknown: Vec<&str> = names
        .iter()
        .copied()
        .filter(|n| !known.contains(n))
        .collect();
    if !unknown.is_empty() {
        let text = format!(
            "the pod has no container called {}; it has {}",
            unknown.join(", "),
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        );
        reader.warn(Code::NoEffect, &switch::CONTAINERS, text);
    }
}
