//! What pods with our own agent look like.

use crate::support::{Request, config, mounts, pod};
use leasehold_inject::{
    Flavour, Gate, Injected, KubeVersion, Mode, Outcome, SkipReason, TemplateFault, Unasked,
};
use serde_json::{Value, json};

const DEFAULT_MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[test]
fn a_pod_gets_one_native_sidecar_that_waits_for_the_secrets() {
    let patched = Request::with(&[]).patched();
    assert_eq!(patched.findings, []);
    assert_eq!(patched.injected, Injected::Native);
    assert_eq!(patched.names("initContainers"), ["vault-agent"]);
    assert_eq!(patched.names("containers"), ["app"]);
    let agent = patched.agent();
    assert_eq!(agent["restartPolicy"], "Always");
    assert_eq!(
        agent["command"],
        json!(["/usr/local/bin/leasehold-agent", "run"])
    );
    assert_eq!(agent.get("args"), None);
    assert_eq!(
        agent["lifecycle"]["postStart"]["exec"]["command"],
        json!(["/usr/local/bin/leasehold-agent", "wait", "--timeout", "10s"])
    );
    assert_eq!(agent["lifecycle"].get("preStop"), None);
    assert_eq!(agent.get("livenessProbe"), None);
    assert_eq!(
        agent["securityContext"],
        json!({
            "capabilities": { "drop": ["ALL"] },
            "runAsUser": 100,
            "runAsGroup": 1000,
            "runAsNonRoot": true,
            "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false,
            "seccompProfile": { "type": "RuntimeDefault" },
        })
    );
    let app = patched.container("containers", "app");
    assert_eq!(mounts(app), [("vault-secrets", "/vault/secrets")]);
    let config = config(agent);
    assert_eq!(config["exit_after_auth"], false);
    assert_eq!(
        config["leasehold"],
        json!({
            "mode": "native",
            "state_dir": "/home/vault/.leasehold",
            "revoke_on_exit": true,
        })
    );
}

#[test]
fn the_agent_gets_a_token_of_its_own_where_it_keeps_the_default_one_away() {
    let patched = Request::with(&[])
        .spec("automountServiceAccountToken", false.into())
        .patched();
    assert_eq!(
        patched
            .volume("leasehold-token")
            .map(|v| &v["projected"]["sources"]),
        Some(&json!([{ "serviceAccountToken": {
            "audience": "vault", "expirationSeconds": 600, "path": "token",
        } }]))
    );
    assert!(mounts(patched.agent()).contains(&("leasehold-token", DEFAULT_MOUNT)));
    let app = mounts(patched.container("containers", "app")).len();
    assert_eq!(app, 1, "the application does not get the token");
    assert_eq!(
        config(patched.agent())["auto_auth"]["method"]["config"]["token_path"],
        format!("{DEFAULT_MOUNT}/token")
    );
}

fn with_projection(audience: &str, seconds: i64, mode: i64) -> Request {
    Request::with(&[]).spec(
        "volumes",
        json!([{ "name": "own", "projected": { "defaultMode": mode, "sources": [{
            "serviceAccountToken": {
                "audience": audience, "expirationSeconds": seconds, "path": "jwt",
            },
        }] } }]),
    )
}

#[test]
fn a_projection_that_the_pod_has_is_used_if_it_fits() {
    let patched = with_projection("vault", 3600, 0o644).patched();
    assert!(mounts(patched.agent()).contains(&("own", DEFAULT_MOUNT)));
    assert_eq!(patched.volume("leasehold-token"), None);
    assert_eq!(
        config(patched.agent())["auto_auth"]["method"]["config"]["token_path"],
        format!("{DEFAULT_MOUNT}/jwt")
    );
}

#[test]
fn a_projection_that_does_not_fit_is_left_to_its_owner() {
    for (audience, seconds, mode) in [
        ("other", 600, 0o644),
        ("vault", 86400, 0o644),
        ("vault", 600, 0o400),
    ] {
        let patched = with_projection(audience, seconds, mode).patched();
        assert!(
            mounts(patched.agent()).contains(&("leasehold-token", DEFAULT_MOUNT)),
            "{audience} {seconds} {mode:o}"
        );
    }
    let grouped = with_projection("vault", 600, 0o400)
        .spec("securityContext", json!({ "fsGroup": 2000 }))
        .patched();
    assert!(mounts(grouped.agent()).contains(&("own", DEFAULT_MOUNT)));
}

#[test]
fn two_fitting_projections_are_one_too_many() {
    let mut request = with_projection("vault", 600, 0o644);
    let mut second = request.pod["spec"]["volumes"][0].clone();
    second["name"] = "second".into();
    request.pod["spec"]["volumes"]
        .as_array_mut()
        .expect("made above")
        .push(second);
    let patched = request.patched();
    assert!(mounts(patched.agent()).contains(&("leasehold-token", DEFAULT_MOUNT)));
    assert!(patched.has_finding("not the only one"));
}

#[test]
fn an_empty_audience_means_the_api_servers_own() {
    let patched = Request::with(&[("leasehold.dev/token-audience", "")]).patched();
    let volume = patched.volume("leasehold-token").expect("added");
    assert_eq!(
        volume["projected"]["sources"],
        json!([{ "serviceAccountToken": { "expirationSeconds": 600, "path": "token" } }])
    );
}

#[test]
fn the_gate_may_be_a_probe() {
    let patched = Request::with(&[("leasehold.dev/agent-wait-timeout", "30s")])
        .settings(|s| s.agent_gate = Gate::Probe)
        .patched();
    let agent = patched.agent();
    assert_eq!(agent.get("lifecycle"), None);
    assert_eq!(agent["startupProbe"]["periodSeconds"], 1);
    assert_eq!(agent["startupProbe"]["failureThreshold"], 30);
}

#[test]
fn a_spread_of_first_logins_is_handed_to_our_agent_and_no_pod_gets_one_unasked() {
    let spread = |request: Request| {
        let patched = request.patched();
        config(patched.agent())["leasehold"]["login_spread"].clone()
    };
    assert_eq!(spread(Request::with(&[])), Value::Null);
    let asked = [("leasehold.dev/login-spread", "5s")];
    assert_eq!(spread(Request::with(&asked)), "5s");
    let by_flag = |annotations: &[(&str, &str)]| {
        Request::with(annotations).settings(|s| s.agent_login_spread_seconds = 4)
    };
    assert_eq!(spread(by_flag(&[])), "4s");
    assert_eq!(
        spread(by_flag(&[("leasehold.dev/login-spread", "0s")])),
        Value::Null
    );
    let mut namespace = Request::with(&[]);
    namespace
        .namespace_annotations
        .insert("leasehold.dev/login-spread".to_owned(), "3s".to_owned());
    assert_eq!(spread(namespace), "3s");
    // Nobody holds the application back, yet it waits for its files by itself.
    let unheld = [("agent-pre-populate", "false")];
    assert_eq!(spread(Request::with(&unheld)), Value::Null);
    let denied = Request::with(&[("leasehold.dev/login-spread", "-1s")]).denied();
    assert!(denied.contains("must not be below zero"), "{denied}");
}

#[test]
fn a_spread_that_the_gate_does_not_wait_out_or_nobody_follows_is_told() {
    const LATE: &str = "let it wait longer than the spread";
    const UNHEARD: &str = "has no effect";
    let check = |annotations: &[(&str, &str)], words: Option<&str>| {
        let spread = [("leasehold.dev/login-spread", "60s")];
        let patched = Request::with(&[&spread, annotations].concat()).patched();
        for told in [LATE, UNHEARD] {
            assert_eq!(
                patched.has_finding(told),
                words == Some(told),
                "{annotations:?}: {told}"
            );
        }
    };
    check(&[], Some(LATE));
    check(&[("leasehold.dev/agent-wait-timeout", "60s")], Some(LATE));
    check(&[("leasehold.dev/agent-wait-timeout", "75s")], None);
    check(&[("leasehold.dev/agent-gate", "probe")], Some(LATE));
    check(&[("agent-pre-populate", "false")], None);
    check(&[("leasehold.dev/agent-mode", "pair")], None);
    check(&[("leasehold.dev/agent-flavour", "vault")], Some(UNHEARD));
    check(&[("agent-configmap", "own")], Some(UNHEARD));
    let flavour = ("leasehold.dev/agent-flavour", "vault");
    let by_flag = Request::with(&[flavour]).settings(|s| s.agent_login_spread_seconds = 60);
    let patched = by_flag.patched();
    assert!(!patched.has_finding(UNHEARD), "a flag is for all pods");
}

#[test]
fn without_pre_population_nothing_waits() {
    let patched = Request::with(&[("agent-pre-populate", "false")]).patched();
    assert_eq!(patched.injected, Injected::Native);
    assert_eq!(patched.agent().get("lifecycle"), None);
    assert_eq!(patched.agent().get("startupProbe"), None);
}

#[test]
fn pre_population_only_is_one_plain_init_container_that_revokes_nothing() {
    let patched = Request::with(&[("agent-pre-populate-only", "true")]).patched();
    assert_eq!(patched.injected, Injected::InitOnly);
    assert_eq!(patched.names("initContainers"), ["vault-agent-init"]);
    assert_eq!(patched.names("containers"), ["app"]);
    let init = patched.container("initContainers", "vault-agent-init");
    assert_eq!(init.get("restartPolicy"), None);
    let config = config(init);
    assert_eq!(config["exit_after_auth"], true);
    assert_eq!(config["leasehold"]["revoke_on_exit"], false);
}

#[test]
fn neither_before_nor_beside_is_denied_with_a_sentence() {
    let message = Request::with(&[
        ("agent-pre-populate", "false"),
        ("agent-pre-populate-only", "true"),
    ])
    .denied();
    assert!(message.contains("no agent would run"), "{message}");
}

#[test]
fn before_native_sidecars_a_pair_hands_over_through_memory() {
    let mut request = Request::with(&[]);
    request.kube_version = KubeVersion {
        major: 1,
        minor: 31,
    };
    let patched = request.patched();
    assert_eq!(patched.injected, Injected::InitAndSidecar);
    let init = patched.container("initContainers", "vault-agent-init");
    let sidecar = patched.container("containers", "vault-agent");
    let state = ("leasehold-state", "/home/vault/.leasehold");
    assert!(mounts(init).contains(&state) && mounts(sidecar).contains(&state));
    assert!(!mounts(patched.container("containers", "app")).contains(&state));
    assert_eq!(
        patched
            .volume("leasehold-state")
            .map(|v| v["emptyDir"]["medium"].clone()),
        Some("Memory".into())
    );
    assert_eq!(config(init)["leasehold"]["mode"], "init");
    assert_eq!(config(sidecar)["leasehold"]["mode"], "sidecar");
    assert_eq!(
        config(init)["leasehold"]["state_dir"],
        config(sidecar)["leasehold"]["state_dir"]
    );
    assert_eq!(config(sidecar)["leasehold"]["revoke_on_exit"], false);
}

#[test]
fn native_sidecars_may_be_asked_for_from_their_first_version_on() {
    for (minor, want) in [(28, Injected::InitAndSidecar), (29, Injected::Native)] {
        let mut request = Request::with(&[("leasehold.dev/agent-mode", "native")]);
        request.kube_version = KubeVersion { major: 1, minor };
        assert_eq!(request.patched().injected, want, "1.{minor}");
    }
}

#[test]
fn an_explicit_wish_about_revocation_wins_in_either_mode() {
    for (mode, asked, want) in [
        (Mode::Native, "false", false),
        (Mode::Pair, "true", true),
        (Mode::Pair, "false", false),
    ] {
        let patched = Request::with(&[("agent-revoke-on-shutdown", asked)])
            .settings(|s| s.agent_mode = mode)
            .patched();
        let agent = match mode {
            Mode::Pair => patched.container("containers", "vault-agent"),
            _ => patched.agent(),
        };
        assert_eq!(
            config(agent)["leasehold"]["revoke_on_exit"],
            want,
            "{mode:?} {asked}"
        );
    }
}

#[test]
fn a_pairs_grace_before_revocation_is_a_sleeping_hook() {
    let patched = Request::with(&[
        ("agent-revoke-on-shutdown", "true"),
        ("agent-revoke-grace", "3"),
    ])
    .settings(|s| s.agent_mode = Mode::Pair)
    .patched();
    let agent = patched.container("containers", "vault-agent");
    assert_eq!(
        agent["lifecycle"]["preStop"],
        json!({ "sleep": { "seconds": 3 } })
    );
}

#[test]
fn commands_and_plugins_take_the_image_with_a_shell() {
    for (annotations, want) in [
        (vec![], "corp/leasehold-agent:1"),
        (
            vec![("agent-inject-command-db", "kill -HUP 1")],
            "corp/leasehold-agent:1-shell",
        ),
        (
            vec![("agent-inject-template-db", "{{ plugin \"/bin/x\" }}")],
            "corp/leasehold-agent:1-shell",
        ),
        (
            vec![("agent-inject-command-db", "/bin/reload")],
            "corp/leasehold-agent:1",
        ),
    ] {
        let patched = Request::with(&annotations)
            .settings(|s| s.vault_image = Some("corp/leasehold-agent:1".to_owned()))
            .patched();
        assert_eq!(patched.agent()["image"], want, "{annotations:?}");
    }
}

#[test]
fn equal_patches_are_applied_once_and_different_ones_make_a_pair() {
    let patch = r#"[{"op":"add","path":"/volumeMounts/-","value":{"name":"t","mountPath":"/t"}}]"#;
    let equal = Request::with(&[
        ("agent-json-patch", patch),
        ("agent-init-json-patch", patch),
    ])
    .patched();
    assert_eq!(equal.injected, Injected::Native);
    assert_eq!(
        mounts(equal.agent()).iter().filter(|m| m.0 == "t").count(),
        1
    );

    let different = Request::with(&[("agent-json-patch", patch)]).patched();
    assert_eq!(different.injected, Injected::InitAndSidecar);
    assert!(mounts(different.container("containers", "vault-agent")).contains(&("t", "/t")));
    let init = different.container("initContainers", "vault-agent-init");
    assert!(!mounts(init).contains(&("t", "/t")));
}

#[test]
fn amounts_are_small_and_the_memory_limit_holds_what_the_volumes_may() {
    let patched = Request::with(&[]).patched();
    assert_eq!(
        patched.agent()["resources"],
        json!({
            "limits": { "cpu": "500m", "memory": "52Mi" },
            "requests": { "cpu": "5m", "memory": "16Mi" },
        })
    );
    let size = |name: &str| {
        patched
            .volume(name)
            .map(|v| v["emptyDir"]["sizeLimit"].clone())
    };
    assert_eq!(size("vault-secrets"), Some("16Mi".into()));
    assert_eq!(size("home-sidecar"), Some("4Mi".into()));

    let larger = Request::with(&[("leasehold.dev/secrets-size", "100Mi")]).patched();
    assert_eq!(larger.agent()["resources"]["limits"]["memory"], "136Mi");
    let smaller = Request::with(&[("agent-limits-mem", "20Mi")]).patched();
    assert_eq!(smaller.agent()["resources"]["limits"]["memory"], "20Mi");
    assert!(smaller.has_finding("agent-limits-mem"));
}

#[test]
fn where_the_namespace_carries_a_uid_range_no_ids_are_fixed() {
    let mut request = Request::with(&[]);
    request.namespace_annotations.insert(
        "openshift.io/sa.scc.uid-range".to_owned(),
        "1000680000/10000".to_owned(),
    );
    let context = request.patched().agent()["securityContext"].clone();
    assert_eq!(context.get("runAsUser"), None);
    assert_eq!(context.get("runAsGroup"), None);
    assert_eq!(context["runAsNonRoot"], true);
    request.pod["metadata"]["annotations"]["vault.hashicorp.com/agent-run-as-user"] = "7".into();
    assert_eq!(request.patched().agent()["securityContext"]["runAsUser"], 7);
}

#[test]
fn the_sidecar_stands_first_but_behind_what_it_needs() {
    let init = |name: &str| json!({ "name": name, "image": "x" });
    let names = |request: Request| request.patched().names("initContainers");
    let others = json!([init("istio-proxy"), init("migrate")]);
    assert_eq!(
        names(Request::with(&[]).spec("initContainers", json!([init("migrate")]))),
        ["vault-agent", "migrate"]
    );
    assert_eq!(
        names(Request::with(&[]).spec("initContainers", others)),
        ["istio-proxy", "vault-agent", "migrate"]
    );
    assert_eq!(
        names(
            Request::with(&[("agent-init-first", "false")])
                .spec("initContainers", json!([init("migrate")]))
        ),
        ["migrate", "vault-agent"]
    );
}

fn third_party_token(list: &str) -> Request {
    let patch = r#"[{"op":"add","path":"/volumeMounts/-","value":{"name":"tokens","mountPath":"/tokens"}}]"#;
    let writer = json!({
        "name": "writer", "image": "x", "restartPolicy": "Always",
        "volumeMounts": [{ "name": "tokens", "mountPath": "/out" }],
    });
    let mut request = Request::with(&[
        ("auth-type", "jwt"),
        ("auth-config-path", "/tokens/token.jwt"),
        ("agent-json-patch", patch),
        ("agent-init-json-patch", patch),
    ])
    .spec("volumes", json!([{ "name": "tokens", "emptyDir": {} }]))
    .spec("initContainers", json!([{ "name": "first", "image": "x" }]));
    request.pod["spec"][list]
        .as_array_mut()
        .expect("made above")
        .push(writer);
    request
}

#[test]
fn a_token_that_a_sidecar_writes_is_waited_for_behind_it() {
    let patched = third_party_token("initContainers").patched();
    assert_eq!(
        patched.names("initContainers"),
        ["first", "writer", "vault-agent"]
    );
    assert_eq!(
        config(patched.agent())["auto_auth"]["method"]["config"]["path"],
        "/tokens/token.jwt"
    );
    assert!(!patched.has_finding("too late"));
}

#[test]
fn a_token_that_only_the_application_writes_comes_too_late_and_that_is_said() {
    let patched = third_party_token("containers").patched();
    assert!(patched.has_finding("the container writer writes it, it comes too late"));
}

#[test]
fn a_jwt_login_without_a_path_uses_the_agents_own_token() {
    let patched = Request::with(&[("auth-type", "jwt")]).patched();
    let method = config(patched.agent())["auto_auth"]["method"].clone();
    assert_eq!(method["config"]["path"], format!("{DEFAULT_MOUNT}/token"));
    assert_eq!(method["config"]["remove_jwt_after_reading"], "false");
}

#[test]
fn findings_reach_the_pods_annotation_and_the_agents_log() {
    let patched = Request::with(&[("agent-inject-perms-db", "rw-r--r--")]).patched();
    let written = patched.pod["metadata"]["annotations"]["leasehold.dev/findings"].as_str();
    assert!(
        written.is_some_and(|w| w.contains("agent-inject-perms-db")),
        "{written:?}"
    );
    let logged = config(patched.agent())["leasehold"]["findings"].to_string();
    assert!(logged.contains("agent-inject-perms-db"), "{logged}");
}

#[test]
fn a_configuration_that_no_variable_can_hold_is_denied_with_the_largest_templates() {
    let long = "x".repeat(120 * 1024);
    let message = Request::with(&[
        ("agent-inject-template-db", &long),
        ("agent-inject-template-small", "{{ key }}"),
    ])
    .denied();
    assert!(
        message.contains("vault.hashicorp.com/agent-inject-template-db (122880 bytes)"),
        "{message}"
    );
    assert!(
        message.contains("agent-inject-template-file-<name>"),
        "{message}"
    );
    assert!(message.len() < 1000);
}

#[test]
fn a_pod_for_windows_is_denied_with_a_sentence() {
    let message = Request::with(&[])
        .spec("os", json!({ "name": "windows" }))
        .denied();
    assert!(message.contains("no agent for Windows"), "{message}");
}

#[test]
fn a_listener_on_the_hosts_network_wants_leave() {
    let on_host = |more: &[(&str, &str)]| {
        Request::with(&[&[("agent-enable-quit", "true")], more].concat())
            .spec("hostNetwork", true.into())
    };
    let message = on_host(&[]).denied();
    assert!(
        message.contains("leasehold.dev/allow-listener"),
        "{message}"
    );
    let patched = on_host(&[("leasehold.dev/allow-listener", "true")]).patched();
    assert_eq!(
        config(patched.agent())["listener"][0]["require_request_header"],
        true
    );
}

#[test]
fn locked_annotations_are_refused_to_pods_and_allowed_to_the_namespace() {
    let lock = |s: &mut leasehold_inject::Settings| {
        s.locked_annotations = ["service".to_owned()].into();
    };
    let message = Request::with(&[("service", "https://evil.example.com")])
        .settings(lock)
        .denied();
    assert!(
        message.contains("vault.hashicorp.com/service: the platform has locked"),
        "{message}"
    );
    let mut request = Request::with(&[]).settings(lock);
    request.namespace_annotations.insert(
        "vault.hashicorp.com/service".to_owned(),
        "https://vault.example.com".to_owned(),
    );
    let config = config(request.patched().agent());
    assert_eq!(config["vault"]["address"], "https://vault.example.com");
}

#[test]
fn a_namespace_may_ask_for_pods_that_say_nothing() {
    let mut request = Request::new(json!({
        "apiVersion": "v1", "kind": "Pod",
        "spec": { "containers": [{ "name": "app", "image": "x" }] },
    }));
    assert_eq!(
        request.answer(),
        Outcome::Unchanged {
            reason: SkipReason::NotRequested,
            findings: Vec::new()
        }
    );
    request.unasked = Unasked::Inject;
    request
        .namespace_annotations
        .insert("vault.hashicorp.com/role".to_owned(), "web".to_owned());
    let patched = request.patched();
    assert_eq!(
        patched.pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-status"],
        "injected"
    );
    request.pod = pod(&[("agent-inject", "false")]);
    assert!(matches!(
        request.answer(),
        Outcome::Unchanged {
            reason: SkipReason::SwitchedOff,
            ..
        }
    ));
}

#[test]
fn the_other_prefix_means_the_same() {
    let patched = Request::new(pod(&[
        ("openbao.openbao.org/agent-inject", "true"),
        ("openbao.openbao.org/role", "web"),
        ("openbao.openbao.org/agent-inject-secret-db", "kv/data/db"),
    ]))
    .patched();
    let config = config(patched.agent());
    assert_eq!(config["auto_auth"]["method"]["config"]["role"], "web");
    assert_eq!(config["template"][0]["destination"], "/openbao/secrets/db");
}

#[test]
fn a_second_admission_changes_nothing_and_newcomers_get_the_secrets() {
    let first = Request::with(&[]).patched();
    let mut second = Request::new(first.pod);
    assert!(matches!(
        second.answer(),
        Outcome::Unchanged {
            reason: SkipReason::AlreadyInjected,
            ..
        }
    ));
    let newcomer = json!({ "name": "proxy", "image": "x" });
    second.pod["spec"]["containers"]
        .as_array_mut()
        .expect("a list")
        .push(newcomer);
    let patched = second.patched();
    assert_eq!(patched.injected, Injected::Nothing);
    assert_eq!(
        mounts(patched.container("containers", "proxy")),
        [("vault-secrets", "/vault/secrets")]
    );
    assert!(matches!(
        Request::new(patched.pod).answer(),
        Outcome::Unchanged { .. }
    ));
}

#[test]
fn all_errors_are_told_at_once_with_name_value_and_what_is_accepted() {
    let message = Request::with(&[
        ("agent-init-first", "first"),
        ("agent-limits-cpu", "half"),
        ("agent-revoke-grace", "5s"),
    ])
    .denied();
    for words in [
        "vault.hashicorp.com/agent-init-first: the value \"first\" is not valid; accepted: 1, t",
        "vault.hashicorp.com/agent-limits-cpu: the value \"half\"",
        "vault.hashicorp.com/agent-revoke-grace: the value \"5s\"",
    ] {
        assert!(message.contains(words), "{words} is not in: {message}");
    }
}

#[test]
fn unknown_names_are_told_with_what_was_perhaps_meant() {
    let patched = Request::with(&[("agent-inject-secrets-x", "kv/data/x")]).patched();
    assert!(patched.has_finding("did you mean vault.hashicorp.com/agent-inject-secret-x?"));
}

#[test]
fn templates_that_do_not_parse_warn_or_deny() {
    struct Refuses;
    impl leasehold_inject::TemplateCheck for Refuses {
        fn check(
            &self,
            template: leasehold_inject::TemplateText<'_>,
        ) -> Result<(), Box<TemplateFault>> {
            match template.contents.contains("{{ end") {
                true => Ok(()),
                false => Err(Box::new(TemplateFault {
                    sentence: "unclosed action at line 1".to_owned(),
                    line: Some(1),
                    ..TemplateFault::default()
                })),
            }
        }
    }
    let mut request = Request::with(&[("agent-inject-template-db", "{{ if")]);
    let Outcome::Patched { findings, .. } = request.answer_checked(&Refuses) else {
        unreachable!("a template is a warning by default")
    };
    assert!(findings.iter().any(|f| f.to_string().contains(
        "vault.hashicorp.com/agent-inject-template-db: the template does not parse: unclosed"
    )));
    request.settings.strictness = leasehold_inject::Strictness::Strict;
    assert!(matches!(
        request.answer_checked(&Refuses),
        Outcome::Denied { .. }
    ));
}

#[test]
fn the_established_agent_keeps_its_own_shape_with_a_projected_token() {
    let patched = Request::with(&[])
        .settings(|s| s.agent_flavour = Some(Flavour::Vault))
        .patched();
    assert_eq!(patched.injected, Injected::InitAndSidecar);
    let agent = patched.container("containers", "vault-agent");
    assert_eq!(agent["resources"]["requests"]["cpu"], "250m");
    assert_eq!(agent["securityContext"].get("seccompProfile"), None);
    assert!(mounts(agent).contains(&("leasehold-token", DEFAULT_MOUNT)));
    let annotations = patched.pod["metadata"]["annotations"].clone();
    assert_eq!(annotations.get("leasehold.dev/findings"), None::<&Value>);
}

#[test]
fn some_secrets_may_be_read_with_another_role_mount_server_and_audience() {
    let patched = Request::with(&[
        ("agent-inject-secret-own", "kv/data/own"),
        ("leasehold.dev/role-own", "other"),
        ("leasehold.dev/audience-own", "billing"),
        ("agent-inject-secret-also", "kv/data/also"),
        ("leasehold.dev/role-also", "other"),
        ("leasehold.dev/audience-also", "billing"),
        ("agent-inject-secret-far", "kv/data/far"),
        ("leasehold.dev/service-far", "https://far.example.com"),
        ("leasehold.dev/auth-path-far", "auth/k8s-far"),
        ("leasehold.dev/namespace-far", "team"),
    ])
    .patched();
    assert!(
        !patched.has_finding("will refuse"),
        "{:?}",
        patched.findings
    );
    let stanza = config(patched.agent())["leasehold"].clone();
    assert_eq!(
        stanza["template_logins"],
        json!({
            "/vault/secrets/also": "also",
            "/vault/secrets/own": "also",
            "/vault/secrets/far": "far",
        })
    );
    let logins = stanza["logins"].as_array().expect("two further logins");
    assert_eq!(logins.len(), 2);
    assert_eq!(logins[0]["method"]["config"]["role"], "other");
    assert_eq!(
        logins[0]["method"]["config"]["token_path"],
        format!("{DEFAULT_MOUNT}/token-1")
    );
    assert_eq!(logins[1]["vault"]["address"], "https://far.example.com");
    assert_eq!(logins[1]["method"]["mount_path"], "auth/k8s-far");
    assert_eq!(logins[1]["method"]["namespace"], "team");
    let volume = patched.volume("leasehold-token").expect("added");
    let audiences: Vec<&Value> = volume["projected"]["sources"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|source| &source["serviceAccountToken"]["audience"])
        .collect();
    assert_eq!(audiences, ["vault", "billing"]);
}

#[test]
fn several_logins_want_our_agent_and_a_projected_token() {
    let with = |more: &[(&str, &str)]| {
        Request::with(&[&[("leasehold.dev/role-db", "other")], more].concat())
    };
    let message = with(&[("agent-image", "hashicorp/vault:1.19")]).denied();
    assert!(message.contains("Vault's agent has one login"), "{message}");
    let message = with(&[
        ("leasehold.dev/audience-db", "x"),
        ("leasehold.dev/token-source", "pod"),
    ])
    .spec(
        "containers",
        json!([{
            "name": "app",
            "image": "x",
            "volumeMounts": [{ "name": "t", "mountPath": DEFAULT_MOUNT }],
        }]),
    )
    .denied();
    assert!(
        message.contains("leasehold.dev/token-source to projected"),
        "{message}"
    );
}

#[test]
fn a_lock_covers_what_may_follow_the_name_under_either_prefix() {
    let message = Request::with(&[("leasehold.dev/service-db", "https://evil.example.com")])
        .settings(|s| s.locked_annotations = ["service".to_owned()].into())
        .denied();
    assert!(
        message.contains("leasehold.dev/service-db: the platform has locked"),
        "{message}"
    );
}

#[test]
fn a_token_that_the_pod_projects_for_the_server_is_still_found_by_its_path() {
    let mount = |name: &str, path: &str| json!({ "name": name, "mountPath": path });
    let request = Request::with(&[("leasehold.dev/token-source", "pod")])
        .spec(
            "containers",
            json!([{ "name": "app", "image": "x", "volumeMounts": [
                mount("key", "/etc/gcp/serviceaccount-key"),
                mount("own", "/var/run/secrets/vault/serviceaccount"),
                mount("kube-api-access", DEFAULT_MOUNT),
            ] }]),
        )
        .spec(
            "volumes",
            json!([
                { "name": "key", "secret": { "secretName": "gcp" } },
                { "name": "own", "projected": { "sources": [{ "serviceAccountToken": {
                    "audience": "vault", "path": "token",
                } }] } },
            ]),
        );
    let patched = request.patched();
    assert_eq!(
        config(patched.agent())["auto_auth"]["method"]["config"]["token_path"],
        "/var/run/secrets/vault/serviceaccount/token"
    );
}

#[test]
fn a_file_that_climbs_into_the_agents_own_folder_is_denied() {
    let message =
        Request::with(&[("agent-inject-file-db", "../../home/vault/.vault-token")]).denied();
    assert!(
        message.contains("/home/vault/.vault-token is in the agent's own folder"),
        "{message}"
    );
}

#[test]
fn an_image_that_is_named_or_pinned_is_kept_and_its_lack_of_a_shell_told() {
    let command = ("agent-inject-command-db", "kill -HUP 1");
    let named = Request::with(&[command, ("agent-image", "x/leasehold-agent:1")]).patched();
    assert_eq!(named.agent()["image"], "x/leasehold-agent:1");
    assert!(named.has_finding("needs a shell"));
    let pinned = "x/leasehold-agent@sha256:00";
    let pinned_pod = Request::with(&[command])
        .settings(|s| s.vault_image = Some(pinned.to_owned()))
        .patched();
    assert_eq!(pinned_pod.agent()["image"], pinned);
    assert!(pinned_pod.has_finding("needs a shell"));
}

#[test]
fn an_application_can_be_told_of_a_change_by_signal_and_by_request() {
    let asked = [
        ("agent-inject-secret-db", "kv/data/db"),
        ("agent-inject-secret-tls", "kv/data/tls"),
        ("leasehold.dev/notify-signal", "hup nginx"),
        (
            "leasehold.dev/notify-request-db",
            "http://localhost:9000/-/reload",
        ),
        ("leasehold.dev/notify-splay-db", "10s"),
        ("leasehold.dev/notify-timeout", "2s"),
    ];
    let shared = Request::with(&asked)
        .spec("shareProcessNamespace", true.into())
        .patched();
    let told = |annotation: &Option<String>| {
        let name = annotation.as_deref().unwrap_or_default();
        name.starts_with("leasehold.dev/")
    };
    assert!(!shared.findings.iter().any(|f| told(&f.annotation)));
    assert_eq!(
        config(shared.agent())["leasehold"]["notify"],
        json!([
            {
                "destination": "/vault/secrets/db",
                "signal": "SIGHUP nginx",
                "request": "POST http://localhost:9000/-/reload",
                "timeout": "2s",
                "splay": "10s",
            },
            { "destination": "/vault/secrets/tls", "signal": "SIGHUP nginx", "timeout": "2s" },
        ])
    );
    let apart = Request::with(&asked).patched();
    assert!(
        apart.has_finding("do not share their process namespace"),
        "{:?}",
        apart.findings
    );
    let established = Request::with(&asked)
        .settings(|s| s.agent_flavour = Some(Flavour::Vault))
        .patched();
    assert!(
        established.has_finding("with a command such as `pkill -HUP nginx`"),
        "{:?}",
        established.findings
    );
}

#[test]
fn a_request_to_another_host_is_denied_in_words() {
    for (name, value, part) in [
        (
            "notify-request",
            "http://vault:8200/",
            "accepted: a method and an address of the pod itself",
        ),
        (
            "notify-signal-web",
            "nginx",
            "accepted: the name of a signal",
        ),
        (
            "notify-splay",
            "1h",
            "accepted: a number with one of the units",
        ),
    ] {
        let key = format!("leasehold.dev/{name}");
        let outcome = Request::with(&[("agent-inject-secret-web", "kv/data/web"), (&key, value)]);
        let words = outcome.denied();
        assert!(words.contains(part) && words.contains(&key), "{words}");
    }
}

#[test]
fn an_aws_login_gets_the_applications_pod_identity() {
    const FOLDER: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
    let token = format!("{FOLDER}/eks-pod-identity-token");
    let request = Request::with(&[
        ("vault.hashicorp.com/auth-type", "aws"),
        ("vault.hashicorp.com/auth-config-type", "iam"),
    ])
    .spec(
        "containers",
        json!([{
            "name": "app",
            "image": "app",
            "env": [
                { "name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials" },
                { "name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": token },
            ],
            "volumeMounts": [{ "name": "eks-pod-identity-token", "mountPath": FOLDER, "readOnly": true }],
        }]),
    );
    let patched = request.patched();
    let agent = patched.agent();
    assert!(mounts(agent).contains(&("eks-pod-identity-token", FOLDER)));
    let value = |name: &str| {
        let variables = agent["env"].as_array().unwrap();
        variables
            .iter()
            .find(|variable| variable["name"] == name)
            .map(|variable| variable["value"].clone())
    };
    assert_eq!(
        value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        Some(json!(token))
    );
    assert_eq!(
        value("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        Some(json!("http://169.254.170.23/v1/credentials"))
    );
}
