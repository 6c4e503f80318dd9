//! The main job, to watch: `cargo xtask demo` builds everything and starts this.
//!
//! A real OpenBao, a real PostgreSQL and a scripted Kubernetes API are started; the sample Deployment
//! is injected and its pod run as a kubelet would; its database credentials are renewed and replaced;
//! and when the pod ends, its database user is gone. Everything is cleaned up, however this ends.

#![expect(
    clippy::panic,
    reason = "a demonstration fails as a test does, with a sentence"
)]
#![expect(clippy::print_stdout, reason = "showing is what it is for")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, value_of};
use leasehold_testkit::pod::{Options, Pod};
use leasehold_testkit::{admission, tools, wait};
use serde_json::{Value, json};

/// Short lives, so that the audience need not wait.
const LEASE: &str = "8s";
const LONGEST: &str = "20s";
const FILE: &str = "/vault/secrets/db.env";

fn main() {
    let started = Instant::now();
    let step = |what: &str| println!("\n[{:>5.1} s] {what}", started.elapsed().as_secs_f64());

    step("starting OpenBao, PostgreSQL and an API server on 127.0.0.1");
    let scene = Scene::new().with_database("checkout-ro", LEASE, LONGEST);
    println!("    OpenBao    {}", scene.bao.address());
    println!("    PostgreSQL 127.0.0.1:{}", scene.postgres().port());
    println!("    Kubernetes {}", scene.cluster.address());

    step("setting up the kubernetes login and a database role");
    set_up(&scene);
    println!("    role checkout: payments/checkout-sa, audience vault");
    println!("    database/creds/checkout-ro: leases of {LEASE}, at most {LONGEST}");

    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/deployment.yaml");
    step(&format!("injecting {}", shown(&sample)));
    show_patch(&inject(&scene, &sample, "patch"));
    let workload = inject(&scene, &sample, "json");

    step("running its pod");
    let mut manifest = scene.pod_of(&workload);
    admission::service_account_plugin(&mut manifest);
    let pod = Pod::start(&scene.cluster, &manifest, Options::default());
    for limit in pod.limits() {
        println!("    without root: {limit}");
    }
    let status = pod.wait_running("app", SOON);
    let app = status
        .container("app")
        .first_start
        .map(|time| time - status.created);
    println!(
        "    the app started after {:.2} s",
        app.unwrap_or_default().as_secs_f64()
    );
    let first = show_file(&scene, &pod);

    step("waiting for the lease's renewal (at two thirds of it)");
    wait::until_true("the lease is renewed", SOON, || renewals(&scene) > 0);
    println!(
        "    renewed by the agent, the file is untouched: user {}",
        masked(&first)
    );
    assert_eq!(
        user_of(&pod).as_ref(),
        Some(&first),
        "a renewal changes no file"
    );

    step("waiting for the next credentials (before the longest lease ends)");
    wait::until_true("the file has another user", SOON, || {
        user_of(&pod).is_some_and(|user| user != first)
    });
    let second = show_file(&scene, &pod);
    let alive: BTreeSet<String> = scene.postgres().users().into_iter().collect();
    println!(
        "    the old user {} until its own end: nobody is cut off",
        if alive.contains(&first) {
            "stays"
        } else {
            "has reached"
        }
    );

    step("deleting the pod");
    let status = pod.delete(None, SOON);
    let agent = status.container("vault-agent");
    let took = agent
        .last_exit
        .zip(agent.asked_to_stop)
        .map(|(end, asked)| end - asked);
    println!(
        "    the agent left within {:.2} s, after the app",
        took.unwrap_or_default().as_secs_f64()
    );
    wait::until_true("the last user is gone", SOON, || {
        !scene.postgres().users().contains(&second)
            && scene
                .bao
                .list("sys/leases/lookup/database/creds/checkout-ro/")
                .is_empty()
    });
    match scene.postgres().log_in(&second, "whatever") {
        Ok(()) => panic!("the database still lets the user in"),
        Err(error) => println!(
            "    PostgreSQL: {}",
            error.replace(&second, &masked(&second))
        ),
    }
    println!(
        "    PostgreSQL users left: {}",
        scene.postgres().users().len()
    );
    println!(
        "    OpenBao leases left:   {}",
        scene.leases("database/creds/checkout-ro/")
    );
    drop(pod);
    drop(scene);
    step("done, everything is cleaned up");
}

fn set_up(scene: &Scene) {
    scene.kubernetes_auth("kubernetes");
    scene.bao.policy(
        "checkout",
        "path \"database/creds/checkout-ro\" { capabilities = [\"read\"] }",
    );
    scene.bao.write(
        "auth/kubernetes/role/checkout",
        &json!({
            "bound_service_account_names": "checkout-sa",
            "bound_service_account_namespaces": "payments",
            "audience": "vault", "token_policies": "checkout", "token_ttl": "1h",
        }),
    );
}

/// Runs `leasehold inject` on the sample.
fn inject(scene: &Scene, sample: &Path, form: &str) -> Value {
    let output = Command::new(tools::product("leasehold"))
        .arg("inject")
        .args(scene.injector_flags())
        .arg("-f")
        .arg(sample)
        .args(["-o", form])
        .output()
        .unwrap_or_else(|error| panic!("`leasehold inject` could not be started: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`leasehold inject` ended with {}: {errors}",
        output.status
    );
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("`leasehold inject` gave no JSON: {error}"))
}

/// Shows what the patch adds, without the configuration's encoded text.
fn show_patch(patch: &Value) {
    // One patch, or a list with one for each document.
    let operations = find_operations(patch);
    for operation in operations {
        let value = &operation["value"];
        let what = match (value["name"].as_str(), value["image"].as_str(), value) {
            (Some(name), Some(image), _) => format!("container {name} ({image})"),
            (Some(name), None, _) => name.to_owned(),
            (None, _, Value::Array(items)) => {
                let names = items
                    .iter()
                    .map(|item| match (&item["name"], &item["image"]) {
                        (Value::String(name), Value::String(image)) => {
                            format!("container {name} ({image})")
                        }
                        (Value::String(name), _) => name.clone(),
                        _ => item.to_string(),
                    });
                names.collect::<Vec<_>>().join(", ")
            }
            _ => value.to_string().chars().take(60).collect(),
        };
        println!(
            "    {:<7} {}: {what}",
            operation["op"].as_str().unwrap_or_default(),
            operation["path"].as_str().unwrap_or_default()
        );
    }
}

fn find_operations(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) if items.iter().all(|item| item["op"].is_string()) => items.clone(),
        Value::Array(items) => items.iter().flat_map(find_operations).collect(),
        Value::Object(fields) => fields.values().flat_map(find_operations).collect(),
        _ => Vec::new(),
    }
}

/// Shows the rendered file with its values masked, logs in with it, and gives its user.
fn show_file(scene: &Scene, pod: &Pod) -> String {
    let file = pod
        .read("app", FILE)
        .unwrap_or_else(|| panic!("{FILE} is not there"));
    println!("    {FILE} as the app sees it:");
    for line in file.lines().filter(|line| !line.is_empty()) {
        match line.split_once('=') {
            Some((name, value)) => println!("        {name}={}", masked(value)),
            None => println!("        {}", masked(line)),
        }
    }
    let user = value_of(&file, "DB_USER").unwrap_or_default();
    let password = value_of(&file, "DB_PASS").unwrap_or_default();
    match scene.postgres().log_in(&user, &password) {
        Ok(()) => println!("    PostgreSQL lets {} in", masked(&user)),
        Err(error) => panic!("PostgreSQL refused the credentials of the file: {error}"),
    }
    user
}

fn user_of(pod: &Pod) -> Option<String> {
    value_of(&pod.read("app", FILE)?, "DB_USER")
}

/// How often a lease was renewed, as the server's audit log tells it.
fn renewals(scene: &Scene) -> usize {
    scene
        .bao
        .audit()
        .iter()
        .filter(|line| line["type"] == "response" && line["request"]["path"] == "sys/leases/renew")
        .filter(|line| line["error"].is_null())
        .count()
}

/// The last four letters: enough to tell two values apart on a screen. All masks have one length.
fn masked(value: &str) -> String {
    let letters: Vec<char> = value.chars().collect();
    let end: String = letters
        .iter()
        .skip(letters.len().saturating_sub(4))
        .collect();
    format!("********{end}")
}

fn shown(path: &Path) -> String {
    path.strip_prefix(tools::workspace())
        .unwrap_or(path)
        .display()
        .to_string()
}
