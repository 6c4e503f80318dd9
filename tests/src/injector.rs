//! Takes a pod through admission: the ServiceAccount plugin, `leasehold review`, the patch, and the
//! plugin once more.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use leasehold_testkit::{admission, tools};
use serde_json::Value;

/// What came of a review.
#[derive(Debug)]
pub struct Admission {
    /// The pod as it would be kept, or the sentence that denied it.
    pub pod: Result<Value, String>,
    /// The patch as it came, null when there was none.
    pub patch: Value,
    /// Warnings for whoever created the pod.
    pub warnings: Vec<String>,
}

impl Admission {
    /// The admitted pod; panics with the sentence when it was denied.
    #[track_caller]
    pub fn admitted(self) -> Value {
        match self.pod {
            Ok(pod) => pod,
            Err(message) => panic!("the pod was denied: {message}"),
        }
    }
}

/// Admits a pod with these flags of `leasehold review`.
#[track_caller]
pub fn admit(pod: &Value, flags: &[String]) -> Admission {
    let mut pod = pod.clone();
    admission::service_account_plugin(&mut pod);
    let review = admission::review_of(&pod);
    let answer = review_with(&review, flags);
    let response = &answer["response"];
    let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
    let warnings = warnings
        .iter()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect();
    if response["allowed"] != true {
        let message = response["status"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        return Admission {
            pod: Err(message),
            patch: Value::Null,
            warnings,
        };
    }
    let patch = decoded_patch(response);
    if !patch.is_null() {
        let operations: json_patch::Patch = serde_json::from_value(patch.clone())
            .unwrap_or_else(|error| panic!("the patch is none: {error}\n{patch}"));
        json_patch::patch(&mut pod, &operations)
            .unwrap_or_else(|error| panic!("the patch does not apply: {error}\n{patch}"));
        admission::service_account_plugin(&mut pod);
    }
    Admission {
        pod: Ok(pod),
        patch,
        warnings,
    }
}

/// Runs `leasehold review` on any AdmissionReview and gives the answer.
#[track_caller]
pub fn review_with(review: &Value, flags: &[String]) -> Value {
    let mut child = Command::new(tools::product("leasehold"))
        .arg("review")
        .args(flags)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was found and can be started");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    // The program may refuse its flags and close the pipe.
    let _ = stdin.write_all(review.to_string().as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("a child can be waited for");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "`leasehold review` gave no JSON ({error}), {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// The patch of a response, or null.
pub fn decoded_patch(response: &Value) -> Value {
    let Some(encoded) = response["patch"].as_str() else {
        return Value::Null;
    };
    let bytes = STANDARD.decode(encoded).expect("a patch is base64");
    serde_json::from_slice(&bytes).expect("a patch is JSON")
}

/// `VAULT_CONFIG` of a container, decoded; null where it has none.
pub fn agent_config(pod: &Value, container: &str) -> Value {
    let all = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    let found = all
        .into_iter()
        .flatten()
        .flatten()
        .find(|one| one["name"] == container);
    let env = found.and_then(|one| one["env"].as_array());
    let config = env
        .into_iter()
        .flatten()
        .find(|one| one["name"] == "VAULT_CONFIG");
    let bytes = config.and_then(|one| STANDARD.decode(one["value"].as_str()?).ok());
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or(Value::Null)
}
