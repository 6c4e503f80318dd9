//! Which agent a pod gets: by annotation, by login, by patch, by image.

use leasehold_inject::{Flavour, Injected, Severity};
use serde_json::json;

use crate::support::{Request, config};

#[test]
fn an_annotation_says_which_agent_an_image_holds() {
    let patched = Request::with(&[
        ("agent-image", "registry.example.com/agent:7"),
        ("leasehold.dev/agent-flavour", "leasehold"),
    ])
    .patched();
    assert_eq!(patched.injected, Injected::Native);
    assert_eq!(patched.agent()["image"], "registry.example.com/agent:7");
}

#[test]
fn another_image_is_started_as_vaults_agent_and_says_so() {
    let patched = Request::with(&[("agent-image", "hashicorp/vault:1.19.0")]).patched();
    assert_eq!(patched.injected, Injected::InitAndSidecar);
    let agent = patched.container("containers", "vault-agent");
    assert_eq!(agent["command"], json!(["/bin/sh", "-ec"]));
    assert_eq!(config(agent).get("leasehold"), None);
    assert!(patched.has_finding("leasehold.dev/agent-flavour"));
}

#[test]
fn a_patch_that_brings_another_image_gets_the_agent_of_that_image() {
    let patch = r#"[{"op": "replace", "path": "/image", "value": "corp/vault:1.20"},
        {"op": "replace", "path": "/args/0", "value": "vault agent -config=/x"}]"#;
    let patched = Request::with(&[("agent-json-patch", patch)])
        .settings(|s| s.vault_image = Some("corp/leasehold-agent:1".to_owned()))
        .patched();
    let agent = patched.container("containers", "vault-agent");
    assert_eq!(agent["image"], "corp/vault:1.20");
    assert_eq!(agent["command"], json!(["/bin/sh", "-ec"]));
    assert_eq!(agent["args"], json!(["vault agent -config=/x"]));
    let init = patched.container("initContainers", "vault-agent-init");
    assert!(
        !init["image"]
            .as_str()
            .unwrap_or_default()
            .contains("leasehold"),
        "ours cannot be started as Vault's agent: {init}"
    );
    assert!(patched.has_finding("vault.hashicorp.com/agent-json-patch: corp/vault:1.20 is not"));

    let same = r#"[{"op": "replace", "path": "/image", "value": "mirror/leasehold-agent:1"}]"#;
    let both = [("agent-json-patch", same), ("agent-init-json-patch", same)];
    let patched = Request::with(&both).patched();
    assert_eq!(patched.injected, Injected::Native);
    assert_eq!(patched.agent()["image"], "mirror/leasehold-agent:1");
}

#[test]
fn a_login_that_only_vaults_agent_performs_brings_that_agent() {
    for (method, kind, named) in [
        ("aws", "ec2", "`aws` of type `ec2`"),
        ("gcp", "iam", "`gcp` of type `iam`"),
        ("kerberos", "", "`kerberos`"),
        ("alicloud", "", "`alicloud`"),
        ("oci", "apikey", "`oci`"),
        ("cf", "", "`cf`"),
    ] {
        let patched = Request::with(&[("auth-type", method), ("auth-config-type", kind)])
            .settings(|s| s.vault_image = Some("corp/leasehold-agent:1".to_owned()))
            .patched();
        assert_eq!(patched.injected, Injected::InitAndSidecar, "{method}");
        let agent = patched.container("containers", "vault-agent");
        assert_eq!(agent["image"], "hashicorp/vault:2.0.4");
        assert_eq!(agent["command"], json!(["/bin/sh", "-ec"]));
        assert_eq!(config(agent)["auto_auth"]["method"]["type"], method);
        let told = format!(
            "vault.hashicorp.com/auth-type: only Vault's own agent logs in by {named}, so the pod \
             gets that one, as an init container and a sidecar from hashicorp/vault:2.0.4; \
             vault.hashicorp.com/agent-image names another image of Vault"
        );
        assert!(patched.has_finding(&told), "{:?}", patched.findings);
    }
}

#[test]
fn a_login_of_ours_keeps_our_agent() {
    for (method, kind) in [
        ("aws", "iam"),
        ("gcp", "gce"),
        ("azure", ""),
        ("jwt", ""),
        ("cert", ""),
    ] {
        let patched = Request::with(&[("auth-type", method), ("auth-config-type", kind)]).patched();
        assert_eq!(patched.injected, Injected::Native, "{method}");
    }
}

#[test]
fn a_login_by_flag_brings_vaults_agent_from_the_image_that_holds_it() {
    let request = |image: &str| {
        Request::with(&[]).settings(|s| {
            s.vault_auth_type = "kerberos".to_owned();
            s.agent_flavour = Some(Flavour::Leasehold);
            s.vault_image = Some(image.to_owned());
        })
    };
    let patched = request("corp/vault:1.20").patched();
    let agent = patched.container("containers", "vault-agent");
    assert_eq!(agent["image"], "corp/vault:1.20");
    assert!(patched.has_finding("--vault-auth-type: only Vault's own agent logs in by `kerberos`"));

    let with_image = Request::with(&[("auth-type", "oci"), ("agent-image", "corp/vault:1.19")]);
    let patched = with_image.patched();
    assert_eq!(
        patched.container("containers", "vault-agent")["image"],
        "corp/vault:1.19"
    );
    assert!(patched.has_finding("as an init container and a sidecar from corp/vault:1.19;"));
    assert!(!patched.has_finding("is not the configured agent image"));

    // The configuration of a ConfigMap brings its own login.
    let own = [("auth-type", "oci"), ("agent-configmap", "agent")];
    assert!(
        !Request::with(&own)
            .patched()
            .has_finding("only Vault's own")
    );
}

#[test]
fn a_login_that_the_named_agent_does_not_know_is_denied() {
    for (annotation, value) in [
        ("leasehold.dev/agent-flavour", "leasehold"),
        ("agent-image", "corp/leasehold-agent:1"),
        (
            "agent-json-patch",
            r#"[{"op": "replace", "path": "/image", "value": "leasehold-agent:1"}]"#,
        ),
    ] {
        let request = Request::with(&[("auth-type", "kerberos"), (annotation, value)]);
        let denied = request.denied();
        assert!(
            denied.contains(annotation) && denied.contains("does not log in by `kerberos`"),
            "{denied}"
        );
    }
    // The platform's default for the image is not what the pod asked for.
    let mut request = Request::with(&[("auth-type", "kerberos")]);
    request.namespace_annotations.insert(
        "vault.hashicorp.com/agent-image".to_owned(),
        "corp/leasehold-agent:1".to_owned(),
    );
    let patched = request.patched();
    assert_eq!(
        patched.container("containers", "vault-agent")["image"],
        "hashicorp/vault:2.0.4"
    );
}

#[test]
fn a_patch_of_the_arguments_brings_the_agent_that_has_some() {
    let patch = r#"[{"op": "replace", "path": "/args/0", "value": "vault agent"}]"#;
    let patched = Request::with(&[("agent-json-patch", patch)])
        .settings(|s| s.vault_image = Some("corp/leasehold-agent:1".to_owned()))
        .patched();
    let agent = patched.container("containers", "vault-agent");
    assert_eq!(agent["args"], json!(["vault agent"]));
    assert_eq!(agent["image"], "hashicorp/vault:2.0.4");
    assert!(
        patched
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Warning
                && finding.to_string().starts_with(
                    "vault.hashicorp.com/agent-json-patch: it changes the args of the container"
                )),
        "{:?}",
        patched.findings
    );

    for ours in [
        ("leasehold.dev/agent-flavour", "leasehold"),
        ("agent-image", "corp/leasehold-agent:1"),
    ] {
        let message = Request::with(&[("agent-json-patch", patch), ours]).denied();
        assert!(
            message.contains("has no args")
                && message.contains("set leasehold.dev/agent-flavour to vault"),
            "{message}"
        );
    }
}
