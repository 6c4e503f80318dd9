//! The pods that the established injector was recorded with, and whether an answer to one is the recorded one.
//!
//! Who answers is the caller's business: the rules alone, or the program with its flags and the wire format. Both are held to
//! the same recordings and to the same list of differences.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// What the words of a denial before a reader's own begin with.
const STAGES: [&str; 6] = [
    "error checking if should inject agent: ",
    "error with request namespace: ",
    "error adding default annotations: ",
    "error creating new agent sidecar: ",
    "error validating agent configuration: ",
    "error creating patch for agent: ",
];

/// All recorded pods.
#[derive(Debug)]
pub struct Recordings {
    /// The recordings by their names.
    pub cases: Vec<(String, Value)>,
    /// The names of those that are answered otherwise for a reason, which `DIFFERENCES.md` tells.
    pub listed: BTreeSet<String>,
}

/// What became of a pod.
#[derive(Debug)]
pub enum Answer {
    /// It was refused with these words.
    Denied(String),
    /// It stays as it is.
    Unchanged,
    /// It looks like this now.
    Patched(Value),
}

impl Recordings {
    /// Reads them.
    ///
    /// # Panics
    /// When they are not there, or are not all.
    #[must_use]
    pub fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/inject");
        let mut cases: Vec<(String, Value)> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("failed to list {}: {error}", folder.display()))
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .map(|path| read_case(&path))
            .filter(|(_, case)| case.get("pod").is_some())
            .collect();
        cases.sort_by(|one, other| one.0.cmp(&other.0));
        let found = cases.len();
        assert!(found > 200, "only {found} cases in {}", folder.display());
        let list = folder.join("DIFFERENCES.md");
        let list = fs::read_to_string(&list)
            .unwrap_or_else(|error| panic!("failed to read {}: {error}", list.display()));
        Self {
            cases,
            listed: listed(&list),
        }
    }

    /// Compares the answers to all, and says how many are equal.
    ///
    /// # Panics
    /// When one is neither equal nor listed, or is listed and equal.
    pub fn compare(&self, answer: impl Fn(&Value) -> Result<Answer, String>) -> usize {
        let differences: Vec<(&str, String)> = self
            .cases
            .iter()
            .filter_map(|(name, case)| {
                let compared = answer(case).and_then(|answer| compare(&case["result"], answer));
                Some((name.as_str(), compared.err()?))
            })
            .collect();
        let differing: BTreeSet<&str> = differences.iter().map(|(name, _)| *name).collect();
        let wrong: Vec<String> = differences
            .iter()
            .filter(|(name, _)| !self.listed.contains(*name))
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        assert!(
            wrong.is_empty(),
            "{} cases are neither equal nor listed:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        let stale: Vec<&str> = self
            .cases
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| self.listed.contains(*name) && !differing.contains(name))
            .collect();
        assert!(
            stale.is_empty(),
            "listed as different, but equal: {stale:?}"
        );
        self.cases.len() - differing.len()
    }
}

fn read_case(path: &Path) -> (String, Value) {
    let text =
        fs::read(path).unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()));
    let case = serde_json::from_slice(&text)
        .unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()));
    let name = path.file_stem().unwrap_or_default();
    (name.to_string_lossy().into_owned(), case)
}

/// The names in the lines that begin with "Cases:".
fn listed(differences: &str) -> BTreeSet<String> {
    differences
        .lines()
        .filter(|line| line.starts_with("Cases:"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

fn compare(recorded: &Value, answer: Answer) -> Result<(), String> {
    let denied = recorded.get("denied").and_then(Value::as_str);
    match (answer, denied, recorded.get("patched")) {
        (Answer::Denied(message), Some(denied), _) => compare_denial(&message, denied),
        (Answer::Unchanged, None, None) => {
            let unchanged = recorded.get("unchanged");
            assert_eq!(unchanged, Some(&Value::Bool(true)), "one of three");
            Ok(())
        }
        (Answer::Patched(mut pod), None, Some(patched)) => {
            let mut patched = patched.clone();
            let configs = take_configs(&mut pod)?;
            take_configs(&mut patched)?;
            first_difference("pod", &pod, &patched)?;
            let no_config = Value::Object(Map::new());
            let agent_config = recorded.get("agent_config").unwrap_or(&no_config);
            first_difference("agent_config", &configs, agent_config)
        }
        (Answer::Denied(message), ..) => Err(format!("denied: {message}")),
        (answer, ..) => Err(format!("answered {answer:?}").chars().take(300).collect()),
    }
}

/// A reader's own words may differ: then the stage is what counts.
fn compare_denial(message: &str, recorded: &str) -> Result<(), String> {
    let stage = |text: &str| STAGES.iter().position(|stage| text.starts_with(stage));
    let by_reader = [
        "json:",
        "strconv.",
        "invalid character",
        "end of JSON",
        "unmarshal",
    ]
    .iter()
    .any(|words| recorded.contains(words));
    if message.starts_with(recorded) || (by_reader && stage(message) == stage(recorded)) {
        return Ok(());
    }
    Err(format!("denied with {message:?}, recorded {recorded:?}"))
}

/// Takes the agents' configurations out of a pod, decoded, by the container's part.
fn take_configs(pod: &mut Value) -> Result<Value, String> {
    let mut configs = Map::new();
    for (list, container, part) in [
        ("/spec/initContainers", "vault-agent-init", "init"),
        ("/spec/containers", "vault-agent", "sidecar"),
    ] {
        let containers = pod.pointer_mut(list).and_then(Value::as_array_mut);
        for entry in containers.into_iter().flatten() {
            if entry["name"] != container {
                continue;
            }
            let env = entry.get_mut("env").and_then(Value::as_array_mut);
            for variable in env.into_iter().flatten() {
                if variable["name"] != "VAULT_CONFIG" {
                    continue;
                }
                let text = variable["value"].as_str().unwrap_or_default();
                let json = STANDARD
                    .decode(text)
                    .map_err(|error| format!("VAULT_CONFIG is no base64: {error}"))?;
                let config = serde_json::from_slice(&json)
                    .map_err(|error| format!("VAULT_CONFIG is no JSON: {error}"))?;
                configs.insert(part.to_owned(), config);
                variable["value"] = "(decoded)".into();
            }
        }
    }
    Ok(Value::Object(configs))
}

fn first_difference(path: &str, ours: &Value, recorded: &Value) -> Result<(), String> {
    match (ours, recorded) {
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in other {
                let inner = one
                    .get(key)
                    .ok_or_else(|| format!("{path}.{key} is missing"))?;
                first_difference(&format!("{path}.{key}"), inner, value)?;
            }
            match one.keys().find(|key| !other.contains_key(*key)) {
                Some(extra) => Err(format!("{path}.{extra} is too much: {}", one[extra])),
                None => Ok(()),
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for (index, (left, right)) in one.iter().zip(other).enumerate() {
                first_difference(&format!("{path}[{index}]"), left, right)?;
            }
            if one.len() == other.len() {
                Ok(())
            } else {
                Err(format!(
                    "{path} has {} entries, recorded {}",
                    one.len(),
                    other.len()
                ))
            }
        }
        _ if ours == recorded => Ok(()),
        _ => Err(format!("{path} is {ours}, recorded {recorded}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_is_not_the_recorded_one_is_told_apart() {
        let pod = |config: &str| {
            json!({"spec": {"containers": [{"name": "vault-agent", "env": [
                {"name": "VAULT_CONFIG", "value": STANDARD.encode(config)},
            ]}]}})
        };
        let patched = json!({"patched": pod("{ }"), "agent_config": {"sidecar": {}}});
        let denied = json!({"denied": "error adding default annotations: strconv.Atoi"});
        let check = |recorded: &Value, answer: Answer, want: Result<(), &str>| {
            let compared = compare(recorded, answer);
            match want {
                Ok(()) => assert_eq!(compared, Ok(())),
                Err(words) => assert!(
                    compared.as_ref().is_err_and(|why| why.contains(words)),
                    "{compared:?}"
                ),
            }
        };
        let words = |text: &str| Answer::Denied(text.to_owned());
        check(&patched, Answer::Patched(pod("{}")), Ok(()));
        check(
            &patched,
            Answer::Patched(pod("{\"x\":1}")),
            Err("agent_config.sidecar.x is too much"),
        );
        check(
            &patched,
            Answer::Patched(json!({})),
            Err("pod.spec is missing"),
        );
        check(&patched, Answer::Unchanged, Err("answered Unchanged"));
        check(&patched, words("no"), Err("denied: no"));
        check(&json!({"unchanged": true}), Answer::Unchanged, Ok(()));
        check(
            &denied,
            words("error adding default annotations: x"),
            Ok(()),
        );
        check(
            &denied,
            words("error creating new agent sidecar: x"),
            Err("recorded"),
        );
        check(&denied, Answer::Unchanged, Err("answered Unchanged"));
    }
}
