//! What fuzzing starts from: the recorded cases of `tests/golden`, cut into the inputs that the targets take.
//! They are written anew for each run and kept nowhere.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::workspace;

/// Writes the seeds of a target into a folder of its own, and says how many.
pub(super) fn write(target: &str, folder: &Path) -> Result<usize> {
    // Those of an earlier version may be there.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let seeds = of(target)?;
    for (index, seed) in seeds.iter().enumerate() {
        let file = folder.join(format!("{index:04}"));
        fs::write(&file, seed).with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(seeds.len())
}

/// The seeds of a target.
pub(super) fn of(target: &str) -> Result<Vec<Vec<u8>>> {
    Ok(match target {
        "admission" => pods()?.iter().map(review).collect(),
        "annotations" => pods()?.iter().map(annotations).collect(),
        "json-patch" => {
            let mut patches = named(&pods()?, "vault.hashicorp.com/agent-json-patch");
            patches.extend(named(&pods()?, "vault.hashicorp.com/agent-init-json-patch"));
            patches
        }
        "configuration-hcl" => documents(&["hcl"])?,
        "configuration-json" => {
            let mut found = configurations(&pods()?);
            found.extend(documents(&["json"])?);
            found
        }
        "template" => templates()?,
        "template-data" => {
            let with_answer = |mut template: Vec<u8>| {
                template.push(0);
                template.extend_from_slice(ANSWER);
                template
            };
            let asking = templates()?.into_iter();
            let asking = asking.filter(|text| text.windows(6).any(|part| part == b"secret"));
            asking.map(with_answer).collect()
        }
        "printf" => quoted("printf \"")?
            .into_iter()
            .map(|format| {
                [
                    format,
                    b"\0[1,-2,0.5,\"a\",true,null,[1],{\"k\":\"v\"}]".to_vec(),
                ]
                .concat()
            })
            .collect(),
        "regex" => quoted("egex")?
            .into_iter()
            .map(|expression| {
                [
                    expression,
                    b"\0key=value 2024-01-02 user@example.com".to_vec(),
                ]
                .concat()
            })
            .collect(),
        "scalars" => [
            "1h30m",
            "-1.5s",
            "300ms",
            "2h45m0.5s",
            "1d",
            "0755",
            "0o17",
            "0x1p-2",
            "1_000",
            "1e400",
            "-0",
            "NaN",
            "SIGTERM",
            "hup",
            "3600",
            "9223372036854775808",
        ]
        .map(Vec::from)
        .into(),
        "serialized" => {
            let mut texts = quoted("`")?;
            texts.extend(
                [
                    "2006-01-02T15:04:05Z07:00\x002024-02-29T12:00:00+01:00",
                    ">=1.2.3 <2.0.0 || ~3.1\x001.4.5-rc.1+b",
                    "https://user:p%40ss@host:8200/a%2Fb?c=d#e",
                    "GetPrivateInterfaces | sort \"size\" | attr \"address\"",
                    "a: &x {b: [1, 017, yes, ~]}\nc: *x\n<<: *x\nd: |2-\n   t\n",
                    "a = 1\nb = [1979-05-27T07:32:00Z]\n[[c.d]]\ne = \"\"\"\nx\"\"\"\n",
                ]
                .map(Vec::from),
            );
            texts
        }
        _ => Vec::new(),
    })
}

/// An answer in the server's form.
const ANSWER: &[u8] = br#"{"request_id":"r","lease_id":"l","lease_duration":60,"renewable":true,
"data":{"username":"u","password":"p","data":{"a":1,"b":[1,2.5],"c":{"d":null}},"metadata":{"version":2}},
"warnings":["w"],"auth":{"client_token":"t","policies":["p"],"metadata":{"k":"v"},"lease_duration":1},
"wrap_info":{"token":"t","ttl":1,"creation_time":"2024-01-02T03:04:05.6Z"}}"#;

/// All recorded cases of a folder; a file holds one or a list.
fn cases(folder: &str) -> Result<Vec<Value>> {
    let folder = workspace::root().join("tests/golden").join(folder);
    let entries =
        fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "json"))
    {
        let text = fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
        match serde_json::from_slice(&text) {
            Ok(Value::Array(list)) => cases.extend(list),
            Ok(case) => cases.push(case),
            Err(error) => {
                return Err(error).with_context(|| format!("{} is no JSON", file.display()));
            }
        }
    }
    Ok(cases)
}

fn pods() -> Result<Vec<Value>> {
    let mut cases = cases("inject")?;
    cases.retain(|case| case["pod"].is_object());
    Ok(cases)
}

fn templates() -> Result<Vec<Vec<u8>>> {
    let cases = cases("templates")?;
    let texts = cases.iter().filter_map(|case| case["template"].as_str());
    Ok(texts.map(|text| text.as_bytes().to_vec()).collect())
}

/// What stands between quotes in templates: all such texts of each template that has the word.
fn quoted(word: &str) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for template in templates()? {
        let text = String::from_utf8_lossy(&template);
        if text.contains(word) {
            let parts = text.split(['"', '`']).skip(1).step_by(2);
            found.extend(parts.map(|part| part.as_bytes().to_vec()));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn review(case: &Value) -> Vec<u8> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": case["request"]["operation"],
            "namespace": case["request"]["namespace"],
            "object": case["pod"],
        },
    });
    review.to_string().into_bytes()
}

fn annotations(case: &Value) -> Vec<u8> {
    let pairs = case["pod"]["metadata"]["annotations"].as_object();
    let lines: Vec<String> = pairs
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    lines.join("\0").into_bytes()
}

fn named(cases: &[Value], annotation: &str) -> Vec<Vec<u8>> {
    let values = cases
        .iter()
        .filter_map(|case| case["pod"]["metadata"]["annotations"][annotation].as_str());
    values.map(|value| value.as_bytes().to_vec()).collect()
}

/// The agents' configurations in the recorded pods.
fn configurations(cases: &[Value]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for case in cases {
        let spec = &case["result"]["patched"]["spec"];
        for list in ["containers", "initContainers"] {
            let containers = spec[list].as_array().into_iter().flatten();
            let variables =
                containers.flat_map(|container| container["env"].as_array().into_iter().flatten());
            for variable in variables.filter(|variable| variable["name"] == "VAULT_CONFIG") {
                let text = variable["value"].as_str().unwrap_or_default();
                found.extend(STANDARD.decode(text).ok().filter(|text| !text.is_empty()));
            }
        }
    }
    found
}

/// The files with which the configuration's own tests work.
fn documents(endings: &[&str]) -> Result<Vec<Vec<u8>>> {
    let folder = workspace::root().join("crates/config/tests/data");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let ending = path.extension().unwrap_or_default();
        if endings.iter().any(|wanted| ending == *wanted) {
            found.push(
                fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?,
            );
        }
    }
    Ok(found)
}
