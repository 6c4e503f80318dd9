//! What a pod asks for, read from its annotations once: values typed, defaults filled in.
//!
//! Reading never stops at an error. Each error is noted in the order in which the established
//! injector checks, and a harmless value takes the bad one's place.

mod agent;
mod container;
mod flavour;
mod further;
mod login;
mod notify;
mod reader;
mod secrets;
mod telemetry;

use crate::layers::Layers;
use crate::pod::Pod;
use crate::report::{Report, Stage};
use crate::review::Review;
use crate::settings::Settings;
use crate::token::{self, Token};

pub(crate) use agent::{Agent, Containers, Placement};
pub(crate) use container::{Container, Ids, Revocation};
pub(crate) use further::{Further, OwnLogin};
pub(crate) use login::{Login, Server};
pub(crate) use reader::Reader;
pub(crate) use secrets::{Secret, Secrets, Source};
pub(crate) use telemetry::{Listener, TemplateEngine};

/// Everything that a pod's annotations ask for.
#[derive(Debug)]
pub(crate) struct Spec<'a> {
    /// Which agent, where, for which containers.
    pub(crate) agent: Agent<'a>,
    /// The token that the agent logs in with; none when it was not found, which denies the pod.
    pub(crate) token: Option<Token<'a>>,
    /// The secrets and where they go.
    pub(crate) secrets: Secrets<'a>,
    /// The server.
    pub(crate) server: Server<'a>,
    /// How the agent logs in.
    pub(crate) login: Login<'a>,
    /// Further logins, for some of the secrets.
    pub(crate) further: Vec<Further<'a>>,
    /// Whom the agent tells of a change.
    pub(crate) notify: Vec<leasehold_config::Notify>,
    /// The agent's containers.
    pub(crate) container: Container<'a>,
    /// Cache, listener, connections, telemetry.
    pub(crate) listener: Listener<'a>,
    /// The agent's template engine.
    pub(crate) engine: TemplateEngine<'a>,
}

impl<'a> Spec<'a> {
    /// Reads everything. Whether the pod must be denied is in the report afterwards.
    pub(crate) fn read(
        review: &Review<'a>,
        settings: &'a Settings,
        pod: &'a Pod<'_>,
        layers: &Layers<'a>,
        report: &mut Report,
    ) -> Self {
        let mut reader = Reader::new(layers, settings, report);

        if settings.vault_auth_path.is_empty() {
            reader.missing_flag(
                Stage::Defaults,
                "Vault Auth Path required",
                "vault-auth-path",
                "the injector's flag is empty: give it the auth method's mount, such as \
                 auth/kubernetes",
            );
        }
        if review.namespace.is_empty() {
            reader.missing(
                Stage::Defaults,
                "kubernetes namespace required",
                "the request names no namespace",
            );
        }
        let backoff = login::Backoff::read(&mut reader);
        let patches = container::Patches::read(&mut reader);

        let mut agent = Agent::read(&mut reader, pod, review);
        let token = token::find(&mut reader, pod, &agent);
        let secrets = Secrets::read(&mut reader, review);
        agent.read_switches(&mut reader);
        let revocation = Revocation::read(&mut reader, pod);
        let server = Server::read(&mut reader);
        let container = Container::read(&mut reader, pod, review, &agent, patches, revocation);
        let mut listener = Listener::read_cache(&mut reader);
        let secrets = secrets.read_rest(&mut reader);
        let engine = TemplateEngine::read(&mut reader);
        listener.read_rest(&mut reader);
        let login = Login::read(&mut reader, backoff);

        let mut spec = Self {
            agent,
            token,
            secrets,
            server,
            login,
            further: Vec::new(),
            notify: Vec::new(),
            container,
            listener,
            engine,
        };
        spec.validate(&mut reader, review);
        spec.agent.place(&mut reader, review, &spec.container);
        spec.agent.choose_variant(&mut reader, &spec.secrets);
        spec.further = further::read(&mut reader, &spec.agent, &spec.container, &spec.secrets);
        spec.notify = notify::read(
            &mut reader,
            pod,
            &spec.agent,
            &spec.container,
            &spec.secrets,
        );
        spec
    }

    /// Checks that the parts make a whole, in the established order.
    fn validate(&self, reader: &mut Reader<'_, 'a>, review: &Review<'_>) {
        use crate::vocabulary::{login as login_names, switch, vault};

        let namespace = reader.text(&switch::REQUEST_NAMESPACE, "-");
        if namespace.is_empty() && !review.namespace.is_empty() {
            reader.missing_annotation(
                &switch::REQUEST_NAMESPACE,
                "namespace missing from request",
                "it is empty: remove it",
            );
        }
        let is_incomplete =
            |token: &Token<'_>| token.mount_path.is_empty() || token.volume.is_empty();
        if self.token.as_ref().is_some_and(is_incomplete) {
            reader.missing(
                Stage::Validate,
                "no service account token volume name, mount path or token path found",
                "a container's mount of the service account token has an empty path, or names no \
                 volume: give it both",
            );
        }
        if self.agent.image.is_empty() {
            reader.missing_annotation(
                &switch::IMAGE,
                "no Vault image found",
                "it is empty: remove it for the configured image, or name one",
            );
        }
        if self.container.configmap.is_some() {
            return;
        }
        if self.login.method.is_empty() {
            reader.missing_annotation(
                &login_names::AUTH_TYPE,
                "no Vault Auth Type found",
                "it is empty: name the auth method, such as kubernetes",
            );
        }
        if self.login.method == "kubernetes" && self.login.role().is_none() {
            reader.missing_annotation(
                &login_names::ROLE,
                "no Vault role found",
                "kubernetes auth needs a role: name the role that the server binds to the pod's \
                 service account",
            );
        }
        if self.login.mount_path.is_empty() {
            reader.missing_annotation(
                &login_names::AUTH_PATH,
                "no Vault Auth Path found",
                "it is empty: name the auth method's mount, such as auth/kubernetes",
            );
        }
        if self.server.address.is_empty() {
            reader.missing_annotation(
                &vault::SERVICE,
                "no Vault address found",
                "it is empty and the injector has no --vault-address: write the server's address, \
                 such as https://vault.vault.svc:8200",
            );
        }
    }
}
