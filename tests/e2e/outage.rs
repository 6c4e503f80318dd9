//! The server is away: files stay, and the agent recovers by itself when it comes back.

use std::time::{Duration, Instant};

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, WAIT, deployment, value_of};
use leasehold_testkit::openbao::{Settings, Storage, Transport};
use leasehold_testkit::pod::{Phase, Pod};
use leasehold_testkit::wait;
use serde_json::{Value, json};

fn scene() -> Scene {
    let settings = Settings {
        storage: Storage::Disk,
        transport: Transport::Tls,
    };
    let mut scene = Scene::with(settings).with_database("app", "8s", "1h");
    scene.kubernetes_auth("kubernetes");
    scene.bao.policy(
        "app",
        "path \"database/creds/app\" { capabilities = [\"read\"] }",
    );
    scene.bao.write(
        "auth/kubernetes/role/app",
        &json!({
            "bound_service_account_names": "app", "bound_service_account_namespaces": "default",
            "audience": "vault", "token_policies": "app", "token_ttl": "10s",
        }),
    );
    scene
        .flags
        .push(format!("--vault-cacert-bytes={}", scene.bao.ca()));
    scene
}

fn app() -> Value {
    deployment(
        "default",
        "app",
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app",
            "vault.hashicorp.com/auth-max-backoff": "2s",
            "vault.hashicorp.com/agent-inject-secret-db": "database/creds/app",
            "vault.hashicorp.com/agent-inject-template-db":
                "{{ with secret \"database/creds/app\" }}DB_USER={{ .Data.username }}\n\
                 DB_PASS={{ .Data.password }}\n{{ end }}",
        }),
    )
}

fn logs_in(scene: &Scene, pod: &Pod) -> bool {
    let file = pod.read("app", "/vault/secrets/db").unwrap_or_default();
    let (user, password) = (value_of(&file, "DB_USER"), value_of(&file, "DB_PASS"));
    let Some((user, password)) = user.zip(password) else {
        return false;
    };
    scene.postgres().log_in(&user, &password).is_ok()
}

/// Longer than the lives of lease and token together.
const AWAY: Duration = Duration::from_secs(20);

#[test]
fn files_stay_and_the_agent_recovers_without_a_restart() {
    let mut scene = scene();
    let pod = scene.run(&app());
    pod.wait_running("app", SOON);
    assert!(logs_in(&scene, &pod), "{}", pod.story());

    let stays = |pod: &Pod| {
        let file = pod.read("app", "/vault/secrets/db").unwrap_or_default();
        assert!(
            value_of(&file, "DB_PASS").is_some(),
            "the file is gone\n{}",
            pod.story()
        );
        let agent = pod.status().container("vault-agent").clone();
        assert!(agent.is_running() && agent.starts == 1, "{}", pod.story());
    };
    let recovers = |scene: &Scene, pod: &Pod, what: &str| {
        wait::until_true(what, SOON, || logs_in(scene, pod));
        stays(pod);
    };

    scene.bao.stop();
    wait::every(Duration::from_millis(500), AWAY, || stays(&pod));
    scene.bao.start_again();
    scene.bao.unseal();
    recovers(
        &scene,
        &pod,
        "the file works again after the server was stopped",
    );

    scene.bao.seal();
    wait::every(Duration::from_millis(500), AWAY, || stays(&pod));
    scene.bao.unseal();
    recovers(
        &scene,
        &pod,
        "the file works again after the server was sealed",
    );
    // And goes on: renewals, not a single last fetch.
    wait::every(Duration::from_millis(500), Duration::from_secs(12), || {
        assert!(logs_in(&scene, &pod), "{}", pod.story());
    });
}

#[test]
fn away_at_the_start_the_pod_can_be_read_deleted_and_started_later() {
    let mut scene = scene();
    let waiting = scene.admit(&app()).admitted();
    let leaving = scene.admit(&app()).admitted();
    scene.bao.stop();
    let start = |pod: &Value| Pod::start(&scene.cluster, pod, Default::default());
    let waiting = start(&waiting);
    let leaving = start(&leaving);

    leaving.wait_running("vault-agent", SOON);
    let asked = Instant::now();
    let status = leaving.delete(None, SOON);
    // The hook's deadline is 10 s, and the pod's grace another 10 s.
    assert!(
        asked.elapsed() < Duration::from_secs(22),
        "{}",
        leaving.story()
    );
    assert_eq!(status.phase, Phase::Deleted);
    assert_eq!(status.container("app").starts, 0);

    waiting.wait_until("its logs can be read and say why", SOON, |_| {
        waiting.kubectl_logs("vault-agent").is_ok_and(|said| {
            said.contains(&scene.bao.port().to_string()) && said.contains("refused")
        })
    });
    let status = waiting.wait_until("the hook gives up in time", SOON, |status| {
        status.container("vault-agent").hook_failures >= 1
            && !status.container("vault-agent").message.is_empty()
    });
    let message = &status.container("vault-agent").message;
    assert!(
        message.contains("refused"),
        "the termination message is {message:?}"
    );
    assert_eq!(status.container("app").starts, 0);

    scene.bao.start_again();
    scene.bao.unseal();
    waiting.wait_running("app", SOON);
    assert!(logs_in(&scene, &waiting), "{}", waiting.story());
}
