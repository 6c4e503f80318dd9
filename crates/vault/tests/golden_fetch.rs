//! The texts of failed reads, compared with the recorded ones: for each recorded template
//! of which a read failed, what it reads is read from the real server.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails where its stage cannot be set"
)]

use std::fs;

use leasehold_testkit::{OpenBao, tools};
use leasehold_vault::{Asked, Client, FetchError, Method, Request, RequestBody, Settings, Token};
use serde_json::Value;

/// One call of a recorded template.
struct Call {
    function: String,
    path: String,
    query: Vec<(String, String)>,
    pairs: Vec<(String, String)>,
}

#[tokio::test]
async fn failed_reads_are_reported_in_the_recorded_words() {
    let bao = OpenBao::start();
    let client = Client::new(Settings::new(bao.address().parse().unwrap())).unwrap();
    let folder = tools::workspace().join("tests/golden/templates");
    prepare(&client, &bao, &read(&folder.join("vault-setup.json"))).await;

    let mut compared = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("vault-") || name == "vault-setup.json" {
            continue;
        }
        for case in read(&path).as_array().unwrap() {
            if case["expect"]["phase"] != "fetch" {
                continue;
            }
            let template = case["template"].as_str().unwrap();
            let expected = case["expect"]["error"]
                .as_str()
                .unwrap_or_else(|| panic!("{name} {} has a text", case["name"]))
                .replace("${VAULT_ADDR}", &bao.address());
            let token = case["token"].as_str().unwrap_or("root");
            // Each case was recorded by a program of its own, which knew no mount yet.
            let client = Client::new(Settings::new(bao.address().parse().unwrap())).unwrap();
            let found = failure(&client, token, &call(template)).await.to_string();
            assert_eq!(found, expected, "{name} {}", case["name"]);
            compared += 1;
        }
    }
    assert_eq!(compared, 15, "the recorded cases of this phase");
}

async fn failure(client: &Client, token: &str, call: &Call) -> FetchError {
    let token = Token::new(token.to_owned()).unwrap();
    if call.function == "pkiCert" {
        let asked = Asked::PkiCert {
            path: call.path.clone(),
            destination: "${GOLDEN_DIR}/out".to_owned(),
        };
        let error = client
            .issue(&token, &call.path, &call.pairs)
            .await
            .unwrap_err();
        return FetchError::Failed { asked, error };
    }
    let (asked, answer) = if call.pairs.is_empty() {
        (
            Asked::read(&call.path, &call.query),
            client.read(&token, &call.path, &call.query).await,
        )
    } else {
        (
            Asked::write(&call.path, &call.pairs),
            client.write(&token, &call.path, &call.pairs).await,
        )
    };
    match answer {
        Err(error) => FetchError::Failed { asked, error },
        Ok(reading) => {
            assert!(reading.secret.is_none(), "{asked} brought a secret");
            FetchError::Missing {
                asked,
                path: reading.path,
                warnings: reading.warnings,
            }
        }
    }
}

/// The first call with a quoted path in a template: `secret "PATH?QUERY" "k=v" …`.
fn call(template: &str) -> Call {
    let function = ["pkiCert", "secret"]
        .into_iter()
        .find(|name| template.contains(&format!("{name} \"")))
        .unwrap();
    let from = template.find(&format!("{function} \"")).unwrap() + function.len();
    let end = template[from..].find("}}").unwrap() + from;
    let mut quoted = template[from..end].split('"').skip(1).step_by(2);
    let target = quoted.next().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let split = |text: &str| {
        let (key, value) = text.split_once('=').unwrap();
        (key.to_owned(), value.to_owned())
    };
    Call {
        function: function.to_owned(),
        path: path.to_owned(),
        query: query
            .split('&')
            .filter(|q| !q.is_empty())
            .map(split)
            .collect(),
        pairs: quoted.map(split).collect(),
    }
}

async fn prepare(client: &Client, bao: &OpenBao, steps: &Value) {
    let root = Token::new(bao.root_token().to_owned()).unwrap();
    let mut captured: Vec<(String, String)> = Vec::new();
    for step in steps.as_array().unwrap() {
        let method = Method::from_bytes(step["method"].as_str().unwrap().as_bytes()).unwrap();
        let mut request = Request::new(method, step["path"].as_str().unwrap()).token(&root);
        let mut body = match step["raw_body"].as_str() {
            Some(raw) => raw.to_owned(),
            None if step["body"].is_null() => String::new(),
            None => step["body"].to_string(),
        };
        for (name, value) in &captured {
            let value = serde_json::to_string(value).unwrap();
            body = body.replace(&format!("\"${{{name}}}\""), &value);
        }
        request.body = Some(RequestBody::new(body.into_bytes()));
        let answer = client
            .call(&request)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        for (name, place) in step["capture"].as_object().into_iter().flatten() {
            let raw: Value = serde_json::from_str(answer.as_ref().unwrap().raw()).unwrap();
            let pointer = format!("/{}", place.as_str().unwrap().replace('.', "/"));
            let value = raw.pointer(&pointer).unwrap().as_str().unwrap();
            captured.push((name.clone(), value.to_owned()));
        }
    }
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
