//! The `leasehold` block: what our injector tells our agent and no other agent knows.

use std::time::Duration;

use crate::method::Method;
use crate::notify::Notify;
use crate::reading::{Block, Unknown};
use crate::server::Server;
use crate::writing::Object;

/// The block `leasehold`. A configuration for another agent does not have it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Leasehold {
    /// Which part of the pod the agent is; without it `exit_after_auth` tells init from sidecar.
    pub mode: Option<Mode>,
    /// The folder in a memory volume where the agent keeps what a restart, or the sidecar after
    /// the init container, adopts.
    pub state_dir: Option<String>,
    /// Whether token and leases are revoked when the agent ends; unset means yes in native mode
    /// and no elsewhere.
    pub revoke_on_exit: Option<bool>,
    /// Whether an old token is revoked as soon as a new one took over.
    pub revoke_after_handover: bool,
    /// The first login of an agent that finds nothing to adopt comes at a random moment below this; unset means
    /// at once.
    pub login_spread: Option<Duration>,
    /// Sentences that the agent logs first.
    pub findings: Vec<String>,
    /// Further logins, beside that of `auto_auth`; each name appears once.
    pub logins: Vec<Login>,
    /// Which of them a template reads with, as pairs of its destination and the login's name.
    pub template_logins: Vec<(String, String)>,
    /// Whom to tell that a template's file has changed.
    pub notify: Vec<Notify>,
}

/// A further login: the block `leasehold.logins`.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    /// The name by which `template_logins` refers to it.
    pub name: String,
    /// How to log in.
    pub method: Method,
    /// Where the server is.
    pub vault: Server,
}

/// Which part of the pod the agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A native sidecar: an init container that stays.
    Native,
    /// An init container that ends.
    Init,
    /// A sidecar beside the application.
    Sidecar,
}

impl Mode {
    /// Every mode with the word that names it.
    pub const ALL: [(&str, Self); 3] = [
        ("native", Self::Native),
        ("init", Self::Init),
        ("sidecar", Self::Sidecar),
    ];

    /// The word that names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Init => "init",
            Self::Sidecar => "sidecar",
        }
    }
}

impl Leasehold {
    pub(crate) fn read(block: &Block<'_>) -> Self {
        let leasehold = Self {
            mode: block.choice("mode", &Mode::ALL),
            state_dir: block.text("state_dir"),
            revoke_on_exit: block.flag("revoke_on_exit"),
            revoke_after_handover: block.flag("revoke_after_handover").unwrap_or_default(),
            login_spread: block
                .duration("login_spread")
                .filter(|spread| !spread.is_zero()),
            findings: block.words("findings"),
            logins: block
                .labelled_blocks("logins", &["name", "method", "vault"])
                .iter()
                .filter_map(Login::read)
                .collect(),
            template_logins: block.map("template_logins"),
            notify: block
                .labelled_blocks("notify", Notify::KEYS)
                .iter()
                .filter_map(Notify::read)
                .collect(),
        };
        block.finish(Unknown::Warned);
        leasehold
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.some_text("mode", self.mode.map(Mode::name));
        object.some_text("state_dir", self.state_dir.as_deref());
        if let Some(revoke) = self.revoke_on_exit {
            object.put("revoke_on_exit", revoke.to_string());
        }
        object.flag("revoke_after_handover", self.revoke_after_handover);
        object.duration("login_spread", self.login_spread);
        object.texts("findings", &self.findings);
        object.objects("logins", self.logins.iter().map(Login::write));
        object.map("template_logins", &self.template_logins);
        object.objects("notify", self.notify.iter().map(Notify::write));
        object
    }
}

impl Login {
    fn read(block: &Block<'_>) -> Option<Self> {
        let name = block
            .text("name")
            .or_else(|| block.label().map(str::to_owned));
        if name.is_none() {
            block.refuse("name", "is missing; a name for the login is needed");
        }
        let method = Method::read_from(block);
        let vault = block.block("vault").map(|vault| Server::read(&vault));
        block.finish(Unknown::Warned);
        Some(Self {
            name: name?,
            method: method?,
            vault: vault.unwrap_or_default(),
        })
    }

    fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("name", &self.name);
        object.object("method", Some(self.method.write()));
        object.object("vault", Some(self.vault.write()));
        object
    }
}
