//! Which agent a pod gets, ours or Vault's, and from which image: told by an annotation, by the login,
//! by a patch, by the image, or by the injector's flags, in this order.

use leasehold_config::{ForeignLogin, MethodConfig, MethodKind};

use crate::finding::{Code, Finding};
use crate::lax_patch::LaxPatch;
use crate::layers::{Layers, Origin};
use crate::report::Stage;
use crate::settings::{Flavour, Settings};
use crate::spec::Reader;
use crate::spec::login::DEFAULT_METHOD;
use crate::vocabulary::{Annotation, container, login, ours, switch};

/// The established injector's image.
pub(crate) const VAULT_IMAGE: &str = "hashicorp/vault:2.0.4";
/// Our agent's image.
pub(crate) const LEASEHOLD_IMAGE: &str = concat!(
    "ghcr.io/leasehold/leasehold-agent:",
    env!("CARGO_PKG_VERSION")
);

/// What the last part of our images' names begins with.
pub(crate) const OUR_IMAGE: &str = "leasehold-agent";

/// The patches of the agent's containers.
const PATCHES: [&Annotation; 2] = [&container::JSON_PATCH, &container::INIT_JSON_PATCH];

/// The agent and the image that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) flavour: Flavour,
    pub(crate) image: String,
}

/// An image that the pod itself names, with the annotation that does.
struct Named {
    annotation: &'static Annotation,
    image: String,
}

/// Chooses, and says so where the choice may surprise.
pub(crate) fn choose(reader: &mut Reader<'_, '_>) -> Chosen {
    let settings = reader.settings;
    // A word that is none of the two is told, and the rest decides.
    let asked = match reader.choice(&ours::FLAVOUR) {
        Some("vault") => Some(Flavour::Vault),
        Some("leasehold") => Some(Flavour::Leasehold),
        _ => None,
    };
    let named = named_image(reader.layers());
    let by_image = default_flavour(
        named.as_ref().map(|named| named.image.as_str()),
        configured(settings),
        settings.agent_flavour,
    );
    let foreign = foreign_login(reader.layers(), settings);
    let for_shell = patch_of_args(reader.layers()).filter(|_| {
        !named
            .as_ref()
            .is_some_and(|named| is_our_image(&named.image))
    });
    let flavour = match (asked, foreign, for_shell) {
        (Some(asked), ..) => asked,
        (None, None, None) => by_image,
        (None, ..) => Flavour::Vault,
    };
    let image = image_of(flavour, reader);
    if settings.agent_flavour == Some(Flavour::Vault) {
        return Chosen { flavour, image };
    }
    match (foreign, asked) {
        (Some(foreign), Some(Flavour::Leasehold)) => {
            let text = format!(
                "our agent does not log in by {foreign}: remove the annotation, or write vault"
            );
            deny_foreign(reader, &ours::FLAVOUR, text);
        }
        (Some(foreign), None) => note_foreign(reader, foreign, named.as_ref(), &image),
        (None, None) if by_image == Flavour::Leasehold => {
            if let Some(patch) = for_shell {
                let text = format!(
                    "it changes the args of the container, which only Vault's own agent has, so the \
                     pod gets that one, as an init container and a sidecar from {image}; take /args \
                     out of the patch for our agent"
                );
                reader.warn(Code::Image, patch, text);
            }
        }
        _ => note_image(reader, flavour, named.as_ref()),
    }
    Chosen { flavour, image }
}

/// Whether an image's last part says that it is our agent.
pub(crate) fn is_our_image(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.starts_with(OUR_IMAGE)
}

/// The flag's image; empty counts as none.
fn configured(settings: &Settings) -> Option<&str> {
    settings
        .vault_image
        .as_deref()
        .filter(|image| !image.is_empty())
}

/// The image of the containers, before their patches.
fn image_of(flavour: Flavour, reader: &Reader<'_, '_>) -> String {
    let settings = reader.settings;
    // An image of ours holds nothing that could be started as Vault's agent, unless the platform
    // says so.
    let fits = |image: &str| {
        flavour == Flavour::Leasehold
            || settings.agent_flavour == Some(Flavour::Vault)
            || !is_our_image(image)
    };
    let given = reader
        .given(&switch::IMAGE)
        .filter(|given| given.origin == Origin::Pod || fits(given.value));
    let built_in = match flavour {
        Flavour::Leasehold => LEASEHOLD_IMAGE,
        Flavour::Vault => VAULT_IMAGE,
    };
    given
        .map(|given| given.value)
        .or_else(|| configured(settings).filter(|image| fits(image)))
        .unwrap_or(built_in)
        .to_owned()
}

/// The annotation whose patch is about the script that Vault's agent is started with.
fn patch_of_args(layers: &Layers<'_>) -> Option<&'static Annotation> {
    PATCHES.into_iter().find(|annotation| {
        layers
            .get(annotation)
            .and_then(|given| LaxPatch::parse(given.value).ok())
            .is_some_and(|patch| patch.touches_args())
    })
}

/// The image that a patch of the agent's containers gives one of them, or else the image that an
/// annotation names: the former runs in the pod.
fn named_image(layers: &Layers<'_>) -> Option<Named> {
    PATCHES
        .into_iter()
        .find_map(|annotation| {
            let patch = LaxPatch::parse(layers.get(annotation)?.value).ok()?;
            let image = patch.image()?.to_owned();
            Some(Named { annotation, image })
        })
        .or_else(|| {
            let image = layers.get(&switch::IMAGE)?.value.to_owned();
            let annotation = &switch::IMAGE;
            Some(Named { annotation, image })
        })
}

/// The login of the pod, if only Vault's own agent performs it. With a ConfigMap the annotations do
/// not decide about the login.
fn foreign_login(layers: &Layers<'_>, settings: &Settings) -> Option<ForeignLogin> {
    let method = match layers.get(&login::AUTH_TYPE) {
        Some(given) => given.value,
        None => settings.vault_auth_type.as_str(),
    };
    if method == DEFAULT_METHOD
        || layers
            .get(&container::CONFIGMAP)
            .is_some_and(|given| !given.value.is_empty())
    {
        return None;
    }
    let (_, kind) = MethodKind::ALL
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(method))?;
    let config: MethodConfig = layers
        .family(&login::AUTH_CONFIG)
        .map(|(key, given)| (key.replace('-', "_"), given.value.to_owned()))
        .collect();
    ForeignLogin::of(*kind, &config)
}

fn deny_foreign(reader: &mut Reader<'_, '_>, annotation: &Annotation, text: String) {
    let key = match reader.given(annotation) {
        Some(given) => given.key.to_owned(),
        None => annotation.full_name(),
    };
    let finding = Finding::error(Code::Image, text).about(key);
    let recorded = "the agent does not know the login";
    reader.report.deny(Stage::Validate, recorded, finding);
}

/// Says that the login brings Vault's agent, and from where.
fn note_foreign(
    reader: &mut Reader<'_, '_>,
    foreign: ForeignLogin,
    named: Option<&Named>,
    image: &str,
) {
    let by_pod = |named: &&Named| {
        reader
            .given(named.annotation)
            .is_some_and(|given| given.origin == Origin::Pod)
    };
    if let Some(named) = named
        .filter(by_pod)
        .filter(|named| is_our_image(&named.image))
    {
        let text = format!(
            "{} holds our agent, which does not log in by {foreign}: remove it, or name an image \
             of Vault",
            named.image
        );
        deny_foreign(reader, named.annotation, text);
        return;
    }
    let image = named
        .map(|named| named.image.as_str())
        .filter(|image| !image.is_empty() && !is_our_image(image))
        .unwrap_or(image);
    let follows = format!(
        "only Vault's own agent logs in by {foreign}, so the pod gets that one, as an init container \
         and a sidecar from {image}; {} names another image of Vault",
        switch::IMAGE.full_name()
    );
    match reader.given(&login::AUTH_TYPE) {
        Some(_) => reader.warn(Code::Image, &login::AUTH_TYPE, follows),
        None => {
            let finding = Finding::warning(Code::Image, follows).about("--vault-auth-type");
            reader.report.note(finding);
        }
    }
}

/// Says that an image's name brings Vault's agent.
fn note_image(reader: &mut Reader<'_, '_>, flavour: Flavour, named: Option<&Named>) {
    let Some(Named { annotation, image }) = named.filter(|named| !named.image.is_empty()) else {
        return;
    };
    if flavour == Flavour::Vault {
        let text = format!(
            "{image} is not the configured agent image and not called leasehold-agent…, so it is \
             started as Vault Agent, as an init container and a sidecar; if it holds our agent, set \
             {} to leasehold",
            ours::FLAVOUR.full_name()
        );
        reader.warn(Code::Image, annotation, text);
    }
}

/// The flavour that images and flags tell.
fn default_flavour(
    given: Option<&str>,
    configured: Option<&str>,
    setting: Option<Flavour>,
) -> Flavour {
    if setting == Some(Flavour::Vault) {
        return Flavour::Vault;
    }
    let of_configured = match (setting, configured) {
        (Some(flavour), _) => flavour,
        (None, None) => Flavour::Leasehold,
        (None, Some(image)) if is_our_image(image) => Flavour::Leasehold,
        (None, Some(_)) => Flavour::Vault,
    };
    match given {
        None => of_configured,
        Some(image) if is_our_image(image) => Flavour::Leasehold,
        Some(image) if Some(image) == configured => of_configured,
        Some("") => of_configured,
        Some(_) => Flavour::Vault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flavour_is_told_from_the_image() {
        use Flavour::{Leasehold, Vault};
        for (given, configured, setting, want) in [
            (None, None, None, Leasehold),
            (None, Some("corp/leasehold-agent:1"), None, Leasehold),
            (None, Some("leasehold-agent-shell:1"), None, Leasehold),
            (None, Some("hashicorp/vault:1.20"), None, Vault),
            (None, Some("corp/agent:1"), Some(Leasehold), Leasehold),
            (
                Some("corp/agent:1"),
                Some("corp/agent:1"),
                Some(Leasehold),
                Leasehold,
            ),
            (
                Some("hashicorp/vault:1.19"),
                Some("corp/agent:1"),
                Some(Leasehold),
                Vault,
            ),
            (Some("hashicorp/vault:1.19"), None, None, Vault),
            (
                Some("x/leasehold-agent:2"),
                Some("hashicorp/vault:1.20"),
                None,
                Leasehold,
            ),
            (Some("x/leasehold-agent:2"), None, Some(Vault), Vault),
            (
                Some("leasehold-agent.example.com/vault:1"),
                None,
                None,
                Vault,
            ),
        ] {
            assert_eq!(
                default_flavour(given, configured, setting),
                want,
                "{given:?} {configured:?} {setting:?}"
            );
        }
    }
}
