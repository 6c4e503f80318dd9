//! A sample's folder, and its script for the server.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use leasehold_e2e::scripts::{path_with, programs};
use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::{OpenBao, tools};
use serde::Deserialize as _;
use serde_json::{Value, json};

/// The text of a file of a sample.
pub(crate) fn text(name: &str) -> String {
    let path = tools::workspace().join("manifests/samples").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Deployment of a sample.
pub(crate) fn deployment(sample: &str) -> Value {
    serde_yaml::Deserializer::from_str(&text(&format!("{sample}/deployment.yaml")))
        .map(|document| Value::deserialize(document).unwrap())
        .find(|object| object["kind"] == "Deployment")
        .unwrap()
}

/// The same with images that are on this machine: containers of others wait.
pub(crate) fn runnable(sample: &str) -> Value {
    let mut deployment = deployment(sample);
    let containers = &mut deployment["spec"]["template"]["spec"]["containers"];
    for container in containers.as_array_mut().unwrap() {
        if !container["image"].as_str().unwrap().starts_with("busybox:") {
            container["command"] = json!(["/bin/sh", "-c", leasehold_e2e::scene::WAIT]);
        }
        container["image"] = json!("busybox");
    }
    deployment
}

/// Runs a script of a shell with these variables.
pub(crate) fn shell(
    script: &str,
    folder: &Path,
    programs: &Path,
    variables: &[(&str, &str)],
) -> Output {
    Command::new("/bin/sh")
        .args(["-e", "-c", script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path_with(programs))
        .env("HOME", folder)
        .envs(variables.iter().copied())
        .output()
        .expect("a shell can be started")
}

/// Runs the script that prepares the server.
#[track_caller]
pub(crate) fn prepare(sample: &str, bao: &OpenBao, variables: &[(&str, &str)]) {
    let scratch = Scratch::new("sample");
    let (address, token) = (bao.address(), bao.root_token().to_owned());
    let mut all = vec![
        ("BAO_ADDR", address.as_str()),
        ("BAO_TOKEN", token.as_str()),
    ];
    all.extend(variables);
    let script = text(&format!("{sample}/server.sh"));
    let output = shell(&script, scratch.path(), &programs(&scratch), &all);
    assert!(
        output.status.success(),
        "{sample}/server.sh: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
