//! The pod runner itself, with shell scripts as containers: what a kubelet is known to do.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use leasehold_testkit::pod::{Options, Phase};
use leasehold_testkit::{Cluster, Pod, wait};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

fn shell(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "busybox", "command": ["/bin/sh", "-c", script]})
}

/// A shell that ends on SIGTERM, which the first process of a container otherwise ignores.
fn waiting(name: &str) -> Value {
    shell(name, "trap 'exit 0' TERM; while :; do sleep 0.05; done")
}

fn pod(spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "one", "namespace": "default", "labels": {"app": "demo"}},
        "spec": spec,
    })
}

fn with(mut container: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().expect("fields are an object") {
        container[name] = value.clone();
    }
    container
}

#[test]
fn init_containers_run_in_order_and_hand_files_over_in_memory() {
    let cluster = Cluster::start();
    let mounts = json!({"volumeMounts": [{"name": "work", "mountPath": "/shared"}]});
    let spec = json!({
        "restartPolicy": "Never",
        "volumes": [{"name": "work", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
        "initContainers": [
            with(shell("first", "echo one > /shared/file"), &mounts),
            with(shell("second", "echo two >> /shared/file"), &mounts),
        ],
        "containers": [with(
            shell("app", "cat /shared/file; grep ' /shared ' /proc/mounts; exit 3"), &mounts
        )],
    });
    let pod = Pod::start(&cluster, &pod(&spec), Options::default());
    let status = pod.wait_ended(SOON);
    assert_eq!(status.phase, Phase::Failed);
    assert_eq!(status.container("app").exits, [3]);
    let log = pod.logs("app");
    assert!(log.starts_with("one\ntwo\n"), "{}", pod.story());
    assert!(log.contains("tmpfs") && log.contains("size=1024k"), "{log}");
    assert_eq!(
        pod.read("app", "/shared/file").as_deref(),
        Some("one\ntwo\n")
    );
}

#[test]
fn a_failing_init_container_is_restarted_and_holds_the_rest_back() {
    let cluster = Cluster::start();
    let mounts = json!({"volumeMounts": [{"name": "work", "mountPath": "/shared"}]});
    let spec = json!({
        "restartPolicy": "OnFailure",
        "volumes": [{"name": "work", "emptyDir": {}}],
        "initContainers": [with(
            shell("first", "echo x >> /shared/tries; [ $(wc -l < /shared/tries) -ge 3 ]"), &mounts
        )],
        "containers": [with(shell("app", "cat /shared/tries"), &mounts)],
    });
    let pod = Pod::start(&cluster, &pod(&spec), Options::default());
    let status = pod.wait_ended(SOON);
    assert_eq!(status.phase, Phase::Succeeded, "{}", pod.story());
    assert_eq!(status.container("first").exits, [1, 1, 0]);
    assert_eq!(pod.logs("app"), "x\nx\nx\n");
}

#[test]
fn a_failing_hook_restarts_the_sidecar_and_holds_the_app_back() {
    let cluster = Cluster::start();
    let mounts = json!({"volumeMounts": [{"name": "work", "mountPath": "/shared"}]});
    let sidecar = with(
        with(
            shell("agent", "trap 'exit 0' TERM; while :; do sleep 0.05; done"),
            &mounts,
        ),
        &json!({
            "restartPolicy": "Always",
            "lifecycle": {"postStart": {"exec": {"command": [
                "/bin/sh", "-c", "echo x >> /shared/tries; [ $(wc -l < /shared/tries) -ge 2 ]",
            ]}}},
        }),
    );
    let spec = json!({
        "volumes": [{"name": "work", "emptyDir": {}}],
        "initContainers": [sidecar],
        "containers": [waiting("app")],
    });
    let pod = Pod::start(&cluster, &pod(&spec), Options::default());
    let status = pod.wait_running("app", SOON);
    let agent = status.container("agent");
    assert_eq!(
        (agent.starts, agent.hook_failures),
        (2, 1),
        "{}",
        pod.story()
    );
    assert_eq!(agent.exits, [0]);
    let status = pod.delete(None, SOON);
    let (app, agent) = (status.container("app"), status.container("agent"));
    assert!(
        app.last_exit <= agent.asked_to_stop.max(agent.last_exit),
        "{}",
        pod.story()
    );
    assert_eq!(app.exits, [0]);
}

#[test]
fn a_sidecar_ends_after_the_app_of_a_job_and_the_pod_succeeds() {
    let cluster = Cluster::start();
    let sidecar = |name: &str| with(waiting(name), &json!({"restartPolicy": "Always"}));
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [sidecar("first"), sidecar("second")],
        "containers": [shell("app", "exit 0")],
    });
    let pod = Pod::start(&cluster, &pod(&spec), Options::default());
    let status = pod.wait_ended(SOON);
    assert_eq!(status.phase, Phase::Succeeded, "{}", pod.story());
    let (first, second) = (status.container("first"), status.container("second"));
    assert!(
        second.last_exit < first.last_exit,
        "sidecars leave in reverse order"
    );
    assert!(status.container("app").last_exit < second.asked_to_stop);
}

#[test]
fn a_startup_probe_holds_the_app_back_until_it_passes() {
    let cluster = Cluster::start();
    let sidecar = with(
        shell(
            "agent",
            "trap 'exit 0' TERM; sleep 1.2; : > /tmp/up; while :; do sleep 0.05; done",
        ),
        &json!({
            "restartPolicy": "Always",
            "startupProbe": {
                "exec": {"command": ["test", "-e", "/tmp/up"]},
                "periodSeconds": 1, "failureThreshold": 10,
            },
        }),
    );
    let spec = json!({"initContainers": [sidecar], "containers": [waiting("app")]});
    let pod = Pod::start(&cluster, &pod(&spec), Options::default());
    let status = pod.wait_running("app", SOON);
    let agent = status.container("agent");
    assert!(agent.started && agent.starts == 1, "{}", pod.story());
    let waited = status.container("app").first_start.zip(agent.first_start);
    assert!(waited.is_some_and(|(app, agent)| app - agent >= Duration::from_secs(1)));
}

#[test]
fn a_container_that_ignores_the_signal_is_killed_when_its_grace_is_over() {
    let cluster = Cluster::start();
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [shell("app", "trap '' TERM; while :; do sleep 0.05; done")],
    });
    let pod = Pod::start(&cluster, &pod(&spec), Options::default());
    pod.wait_running("app", SOON);
    let status = pod.delete(None, SOON);
    assert_eq!(status.container("app").exits, [137], "{}", pod.story());
}

#[test]
fn tokens_have_the_kubelets_modes_and_are_replaced_by_swapping_a_link() {
    let cluster = Cluster::start();
    let volume = |audience: &str| {
        json!({"name": "token", "projected": {"sources": [{"serviceAccountToken": {
            "audience": audience, "expirationSeconds": 600, "path": "token",
        }}]}})
    };
    let check = |security: Value, own: Value, mode: u32, owner: (u32, u32)| {
        let app = with(
            waiting("app"),
            &json!({
                "securityContext": own,
                "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/x"}],
            }),
        );
        let spec = json!({
            "serviceAccountName": "checkout-sa", "securityContext": security,
            "volumes": [volume("vault")], "containers": [app],
        });
        let pod = Pod::start(&cluster, &pod(&spec), Options::default());
        pod.wait_running("app", SOON);
        let path = pod.path("app", "/var/run/secrets/x/token");
        let found = std::fs::metadata(&path).expect("the token is there");
        assert_eq!(found.mode() & 0o777, mode);
        if pod.limits().is_empty() {
            assert_eq!((found.uid(), found.gid()), owner);
        }
        let inside = pod.exec("app", &["cat", "/var/run/secrets/x/token"]);
        let before = String::from_utf8(inside.stdout).expect("a token is text");
        assert_eq!(before.split('.').count(), 3, "{}", pod.story());
        pod.rotate_tokens();
        let after = pod.exec("app", &["cat", "/var/run/secrets/x/token"]).stdout;
        assert_ne!(before.as_bytes(), after);
        pod.delete(None, SOON);
    };
    check(json!({}), json!({}), 0o644, (0, 0));
    check(json!({}), json!({"runAsUser": 1000}), 0o600, (1000, 0));
    check(
        json!({"fsGroup": 2000}),
        json!({"runAsUser": 1000}),
        0o640,
        (1000, 2000),
    );
}

#[test]
fn a_short_lived_token_is_replaced_at_four_fifths_of_its_life() {
    let cluster = Cluster::start();
    let app = with(
        waiting("app"),
        &json!({"volumeMounts": [{"name": "token", "mountPath": "/token"}]}),
    );
    let spec = json!({
        "volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {
            "audience": "vault", "expirationSeconds": 600, "path": "token",
        }}]}}],
        "containers": [app],
    });
    let options = Options {
        token_lifetime: Some(Duration::from_secs(2)),
        ..Options::default()
    };
    let pod = Pod::start(&cluster, &pod(&spec), options);
    let first = pod.read("app", "/token/token");
    assert!(first.is_some());
    wait::until_true("the token is replaced", SOON, || {
        pod.read("app", "/token/token") != first
    });
}

#[test]
fn users_groups_and_read_only_roots_are_those_of_the_manifest() {
    let cluster = Cluster::start();
    let script = "id -u; id -g; id -G; grep CapBnd /proc/self/status; grep NoNewPrivs \
                  /proc/self/status; touch /etc/x 2>/dev/null || echo read-only; touch /shared/x && \
                  stat -c %g /shared/x; echo last words > /dev/termination-log; echo $POD $LABEL";
    let app = with(
        shell("app", script),
        &json!({
            "securityContext": {
                "runAsUser": 100, "runAsGroup": 1000, "runAsNonRoot": true,
                "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
            },
            "env": [
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            ],
            "volumeMounts": [{"name": "work", "mountPath": "/shared"}],
        }),
    );
    let spec = json!({
        "restartPolicy": "Never", "securityContext": {"fsGroup": 2000},
        "volumes": [{"name": "work", "emptyDir": {"medium": "Memory"}}], "containers": [app],
    });
    let pod = Pod::start(&cluster, &pod(&spec), Options::default());
    let status = pod.wait_ended(SOON);
    let log = pod.logs("app");
    if pod.limits().is_empty() {
        assert!(
            log.starts_with("100\n1000\n1000 2000\nCapBnd:\t0000000000000000\n"),
            "{log}"
        );
        assert!(log.contains("\n2000\n"), "{log}");
    }
    assert!(log.contains("NoNewPrivs:\t1\nread-only\n"), "{log}");
    assert!(log.ends_with("one demo\n"), "{log}");
    assert_eq!(status.container("app").message, "last words\n");
}

#[test]
fn root_is_refused_where_the_manifest_forbids_it() {
    let cluster = Cluster::start();
    let app = with(
        waiting("app"),
        &json!({"securityContext": {"runAsNonRoot": true}}),
    );
    let pod = Pod::start(
        &cluster,
        &pod(&json!({"containers": [app]})),
        Options::default(),
    );
    pod.wait_until("the kubelet refuses", SOON, |status| {
        status
            .events
            .iter()
            .any(|event| event.contains("image will run as root"))
    });
}

#[test]
fn what_the_api_server_would_refuse_is_refused() {
    let cluster = Cluster::start();
    let mounts = json!({"volumeMounts": [{"name": "none", "mountPath": "/x"}]});
    let spec = json!({"containers": [with(waiting("app"), &mounts)]});
    let refused = Pod::try_start(&cluster, &pod(&spec), Options::default());
    assert_eq!(
        refused.err().as_deref(),
        Some("container \"app\": volumeMounts: Not found: \"none\"")
    );
}

#[test]
fn a_dropped_pod_leaves_no_process_and_no_folder() {
    let cluster = Cluster::start();
    let mounts = json!({"volumeMounts": [{"name": "work", "mountPath": "/shared"}]});
    let spec = json!({
        "volumes": [{"name": "work", "emptyDir": {}}],
        "containers": [with(waiting("app"), &mounts)],
    });
    let pod = Pod::start(&cluster, &pod(&spec), Options::default());
    let status = pod.wait_running("app", SOON);
    let process = format!("/proc/{}", status.container("app").main_process);
    let folder = pod.path("app", "/shared");
    assert!(std::path::Path::new(&process).exists() && folder.exists());
    drop(pod);
    wait::until_true("the process has ended", SOON, || {
        !std::path::Path::new(&process).exists()
    });
    assert!(!folder.exists());
}
