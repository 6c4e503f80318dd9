//! Short leases for a long time: credentials are renewed, replaced before they end, and work at
//! every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, WAIT, deployment, value_of};
use leasehold_testkit::pod::Pod;
use leasehold_testkit::wait;
use serde_json::{Value, json};

const PACE: Duration = Duration::from_millis(200);

/// A database role of 10 s leases that end after 30 s at the latest.
fn scene(rules: &str, role: &Value) -> Scene {
    let scene = Scene::new().with_database("short", "10s", "30s");
    scene.kubernetes_auth("kubernetes");
    scene.bao.policy("app", rules);
    let mut all = json!({
        "bound_service_account_names": "app", "bound_service_account_namespaces": "default",
        "audience": "vault", "token_policies": "app", "token_ttl": "1h",
    });
    for (name, value) in role.as_object().unwrap() {
        all[name] = value.clone();
    }
    scene.bao.write("auth/kubernetes/role/app", &all);
    scene
}

fn app(annotations: &Value) -> Value {
    let mut all = json!({
        "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app",
    });
    for (name, value) in annotations.as_object().unwrap() {
        all[name] = value.clone();
    }
    deployment("default", "app", WAIT, &all)
}

fn database_app() -> Value {
    app(&json!({
        "vault.hashicorp.com/agent-inject-secret-db": "database/creds/short",
        "vault.hashicorp.com/agent-inject-template-db":
            "{{ with secret \"database/creds/short\" }}DB_USER={{ .Data.username }}\n\
             DB_PASS={{ .Data.password }}\n{{ end }}",
    }))
}

/// What was seen while log-ins with the file's content were tried at a steady pace.
struct Seen {
    users: BTreeSet<String>,
    most_alive: usize,
}

fn log_in_all_the_time(scene: &Scene, pod: &Pod, time: Duration) -> Seen {
    let mut seen = Seen {
        users: BTreeSet::new(),
        most_alive: 0,
    };
    wait::every(PACE, time, || {
        let file = pod
            .read("app", "/vault/secrets/db")
            .expect("the file is always there");
        let user = value_of(&file, "DB_USER").expect("the file is always whole");
        let password = value_of(&file, "DB_PASS").expect("the file is always whole");
        if let Err(error) = scene.postgres().log_in(&user, &password) {
            panic!("a log-in failed: {error}\n{}", pod.story());
        }
        seen.users.insert(user);
        seen.most_alive = seen.most_alive.max(scene.postgres().users().len());
    });
    seen
}

/// The leases that were handed out, in order, and how often each was renewed.
fn leases(scene: &Scene) -> (Vec<String>, BTreeMap<String, usize>) {
    let mut made = Vec::new();
    let mut renewed = BTreeMap::new();
    for line in scene.bao.audit() {
        if line["type"] != "response" || !line["error"].is_null() {
            continue;
        }
        match line["request"]["path"].as_str().unwrap_or_default() {
            "database/creds/short" => {
                let lease = line["response"]["secret"]["lease_id"]
                    .as_str()
                    .unwrap_or_default();
                made.push(lease.to_owned());
            }
            "sys/leases/renew" => {
                let data = &line["request"]["data"];
                let lease = data["lease_id"].as_str().unwrap_or_default();
                *renewed.entry(lease.to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }
    (made, renewed)
}

#[test]
fn credentials_work_at_every_moment_and_are_few() {
    let scene = scene(
        "path \"database/creds/short\" { capabilities = [\"read\"] }",
        &json!({}),
    );
    let pod = scene.run(&database_app());
    pod.wait_running("app", SOON);
    let seen = log_in_all_the_time(&scene, &pod, Duration::from_secs(150));
    let (made, renewed) = leases(&scene);
    assert!(
        (5..=7).contains(&made.len()),
        "{} users were made\n{}",
        made.len(),
        pod.story()
    );
    assert_eq!(
        seen.users.len(),
        made.len(),
        "each was in the file at some time"
    );
    assert!(
        seen.most_alive <= 2,
        "{} users at one time\n{}",
        seen.most_alive,
        pod.story()
    );
    // The last one may be too young.
    for lease in &made[..made.len() - 1] {
        assert!(
            renewed.get(lease).is_some_and(|times| *times >= 1),
            "{lease} was never renewed"
        );
    }
    let agent = pod.status().container("vault-agent").clone();
    assert_eq!(agent.starts, 1, "{}", pod.story());
}

#[test]
fn refused_renewals_make_at_most_one_new_user_per_back_off_step() {
    let scene = scene(
        "path \"database/creds/short\" { capabilities = [\"read\"] }",
        &json!({"token_no_default_policy": true}),
    );
    let pod = scene.run(&database_app());
    pod.wait_running("app", SOON);
    let mut made_at: Vec<Instant> = Vec::new();
    wait::every(PACE, Duration::from_secs(60), || {
        let file = pod
            .read("app", "/vault/secrets/db")
            .expect("the file is always there");
        let user = value_of(&file, "DB_USER").expect("the file is always whole");
        let password = value_of(&file, "DB_PASS").expect("the file is always whole");
        if let Err(error) = scene.postgres().log_in(&user, &password) {
            panic!("a log-in failed: {error}\n{}", pod.story());
        }
        while made_at.len() < leases(&scene).0.len() {
            made_at.push(Instant::now());
        }
    });
    let (_, renewed) = leases(&scene);
    assert!(renewed.is_empty(), "the server refuses renewals");
    // A 10 s lease that cannot be renewed is replaced after two thirds of it at the earliest.
    assert!(
        (6..=12).contains(&made_at.len()),
        "{} users\n{}",
        made_at.len(),
        pod.story()
    );
    for pair in made_at.windows(2) {
        let between = pair[1] - pair[0];
        assert!(
            between >= Duration::from_secs(1),
            "two new users within {between:?}"
        );
    }
}

/// What a file with a key and its certificate says.
#[derive(Debug, PartialEq, Eq)]
struct Certificate {
    serial: String,
    name: String,
    /// Seconds since 1970, both.
    begins: i64,
    ends: i64,
}

impl Certificate {
    /// Reads the first certificate after the private key.
    fn read(file: &str) -> Self {
        let mut blocks = x509_parser::pem::Pem::iter_from_buffer(file.as_bytes());
        let key = blocks.next().unwrap().unwrap();
        assert!(key.label.ends_with("PRIVATE KEY"), "{}", key.label);
        let block = blocks.next().unwrap().unwrap();
        let certificate = block.parse_x509().unwrap();
        let name = certificate.subject().iter_common_name().next().unwrap();
        Self {
            serial: certificate.raw_serial_as_string(),
            name: name.as_str().unwrap().to_owned(),
            begins: certificate.validity().not_before.timestamp(),
            ends: certificate.validity().not_after.timestamp(),
        }
    }
}

#[test]
fn a_certificate_is_issued_anew_before_it_ends() {
    let scene = scene(
        "path \"pki/issue/web\" { capabilities = [\"create\", \"update\"] }",
        &json!({}),
    );
    scene
        .bao
        .must("POST", "sys/mounts/pki", &json!({"type": "pki"}));
    scene.bao.write(
        "pki/root/generate/internal",
        &json!({"common_name": "root", "ttl": "24h"}),
    );
    scene.bao.write(
        "pki/roles/web",
        &json!({"allow_any_name": true, "max_ttl": "1h", "ttl": "20s", "key_type": "ec",
                "key_bits": 256, "not_before_duration": "1s"}),
    );
    let pod = scene.run(&app(&json!({
        "vault.hashicorp.com/agent-inject-secret-end": "pki/issue/web",
        "vault.hashicorp.com/agent-inject-template-end":
            "{{ with secret \"pki/issue/web\" \"common_name=a.test\" \"ttl=20s\" }}\
             END={{ .Data.expiration }}\nSERIAL={{ .Data.serial_number }}\n{{ end }}",
        "vault.hashicorp.com/agent-inject-secret-tls.pem": "pki/issue/web",
        "vault.hashicorp.com/agent-inject-template-tls.pem":
            "{{ with pkiCert \"pki/issue/web\" \"common_name=b.test\" \"ttl=20s\" }}\
             {{ .Key }}{{ .Cert }}{{ end }}",
    })));
    pod.wait_running("app", SOON);
    let mut serials = BTreeSet::new();
    let mut certificates: Vec<(Certificate, Instant)> = Vec::new();
    wait::every(PACE, Duration::from_secs(50), || {
        let file = pod
            .read("app", "/vault/secrets/end")
            .expect("the file is always there");
        let end: i64 = value_of(&file, "END").unwrap().parse().unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        assert!(
            end > now.as_secs() as i64,
            "the certificate has ended\n{}",
            pod.story()
        );
        serials.insert(value_of(&file, "SERIAL").unwrap());
        let file = pod.read("app", "/vault/secrets/tls.pem").unwrap();
        let certificate = Certificate::read(&file);
        assert_eq!(certificate.name, "b.test");
        assert!(
            (certificate.begins..certificate.ends).contains(&(now.as_secs() as i64)),
            "{certificate:?} is not valid at {now:?}\n{}",
            pod.story()
        );
        if certificates
            .last()
            .is_none_or(|(last, _)| *last != certificate)
        {
            certificates.push((certificate, Instant::now()));
        }
    });
    assert!(
        (3..=5).contains(&serials.len()),
        "{serials:?}\n{}",
        pod.story()
    );
    assert!(
        (3..=5).contains(&certificates.len()),
        "{}\n{}",
        certificates.len(),
        pod.story()
    );
    for pair in certificates.windows(2) {
        assert!(
            pair[0].0.ends < pair[1].0.ends && pair[0].0.serial != pair[1].0.serial,
            "{pair:?}"
        );
        assert!(
            pair[1].1 - pair[0].1 < Duration::from_secs(20),
            "it was replaced too late"
        );
    }
}
