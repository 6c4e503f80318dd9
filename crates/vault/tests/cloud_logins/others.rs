//! Google Cloud, Azure and LDAP: the platform's token, or the password of a file, reaches the server with what
//! belongs to it.

use std::fs;

use leasehold_testkit::scratch::Scratch;
use serde_json::json;

use crate::stage::{Seen, Stage, login, refused, token};

/// A token that says for whom it is.
fn jwt(audience: &str) -> String {
    use base64::Engine as _;
    let claims = json!({"aud": audience}).to_string();
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    format!("e30.{body}.c2ln")
}

#[tokio::test]
async fn googles_metadata_service_signs_for_this_server_and_role() {
    let stage = Stage::start(|seen: &Seen| match seen.path.as_str() {
        "/computeMetadata/v1/instance/service-accounts/default/identity" => {
            match (seen.header("metadata-flavor"), seen.pair("format")) {
                ("Google", "full") => (200, jwt(seen.pair("audience"))),
                _ => (403, String::new()),
            }
        }
        _ => match seen.json()["jwt"].as_str() {
            Some(shown) if shown == jwt(&format!("http://{}/vault/web", seen.header("host"))) => {
                token()
            }
            _ => refused("audience is another"),
        },
    })
    .await;
    let host = stage.address.trim_start_matches("http://");
    let mut login = login(
        "gcp",
        &[("type", "gce"), ("role", "web")],
        &[("GCE_METADATA_HOST", host)],
    );
    stage.log_in(&mut login).await.unwrap();
    let last = stage.seen().pop().unwrap();
    assert_eq!(last.line(), "PUT /v1/auth/gcp/login");
    assert_eq!(last.json()["role"], "web");
}

#[tokio::test]
async fn ldap_sends_the_password_of_a_file_to_the_users_own_path_and_remembers_it() {
    let stage = Stage::start(|seen: &Seen| {
        let right = seen.json() == json!({"password": "pw ann"});
        match (seen.path.as_str(), right) {
            ("/v1/auth/corp/login/ann", true) => token(),
            _ => refused("ldap operation failed: failed to bind as user"),
        }
    })
    .await;
    let folder = Scratch::new("ldap");
    let file = folder.join("password");
    fs::write(&file, "pw ann\n").unwrap();
    let path = file.display().to_string();
    let mut ldap = leasehold_vault::Login::new(&leasehold_vault::MethodSettings {
        kind: "ldap".to_owned(),
        mount_path: Some("auth/corp/".to_owned()),
        config: vec![
            ("username".to_owned(), "ann".to_owned()),
            ("password_file_path".to_owned(), path),
        ],
        ..leasehold_vault::MethodSettings::default()
    })
    .unwrap();
    stage.log_in(&mut ldap).await.unwrap();
    assert!(!file.exists(), "it is removed after reading");
    stage.log_in(&mut ldap).await.unwrap();
    fs::write(&file, "of another").unwrap();
    let error = stage.log_in(&mut ldap).await.unwrap_err().to_string();
    assert!(
        error.contains("failed to log in by ldap at `auth/corp` as role `ann`"),
        "{error}"
    );
    assert!(!error.contains("of another"), "{error}");
}

/// The machine's metadata service and a tenant's token service; the server takes what they gave.
fn azure(seen: &Seen) -> (u16, String) {
    let machine = json!({"compute": {
        "name": "vm-1", "resourceGroupName": "shop", "subscriptionId": "sub", "vmScaleSetName": "pool",
    }});
    let issued = |text: &str| (200, json!({"access_token": jwt(text)}).to_string());
    let metadata = seen.header("metadata") == "true" && seen.pair("api-version") == "2018-02-01";
    match seen.path.as_str() {
        "/metadata/instance" if metadata => (200, machine.to_string()),
        "/metadata/identity/oauth2/token" if metadata => issued(&format!(
            "{} {}",
            seen.pair("resource"),
            seen.pair("client_id")
        )),
        "/tenant/oauth2/v2.0/token" => {
            let shown = [seen.pair("client_assertion"), seen.pair("client_secret")].concat();
            issued(&format!(
                "{} {} {shown}",
                seen.pair("scope"),
                seen.pair("client_id")
            ))
        }
        "/identity" if seen.header("x-identity-header") == "guard" => {
            issued(&format!("app {}", seen.pair("resource")))
        }
        "/v1/auth/azure/login" => token(),
        _ => (404, String::new()),
    }
}

/// Logs in with these settings and variables, and gives back what was shown to the server.
async fn shown(
    stage: &Stage,
    config: &[(&str, &str)],
    environment: &[(&str, &str)],
) -> serde_json::Value {
    let mut settings = vec![("role", "web"), ("resource", "https://vault.example")];
    settings.extend(config);
    let mut variables = vec![
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", stage.address.as_str()),
        ("AZURE_AUTHORITY_HOST", stage.address.as_str()),
    ];
    variables.extend(environment);
    let mut login = login("azure", &settings, &variables);
    stage.log_in(&mut login).await.unwrap();
    stage.seen().pop().unwrap().json()
}

#[tokio::test]
async fn azures_machine_shows_its_identity_and_where_it_is() {
    let stage = Stage::start(azure).await;
    let shown = shown(&stage, &[("client_id", "id-2")], &[]).await;
    let expected = json!({
        "role": "web",
        "jwt": jwt("https://vault.example id-2"),
        "vm_name": "vm-1",
        "vmss_name": "pool",
        "resource_group_name": "shop",
        "subscription_id": "sub",
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn azures_environment_is_asked_when_told_so_in_azures_own_order() {
    let stage = Stage::start(azure).await;
    let folder = Scratch::new("azure");
    let file = folder.join("token");
    fs::write(&file, "federated\n").unwrap();
    let path = file.display().to_string();
    let told = [("authenticate_from_environment", "true")];
    let workload = [
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "app"),
        ("AZURE_FEDERATED_TOKEN_FILE", path.as_str()),
    ];
    let by_workload = shown(&stage, &told, &workload).await;
    assert_eq!(
        by_workload["jwt"],
        jwt("https://vault.example/.default app federated")
    );
    let mut application = workload.to_vec();
    application.push(("AZURE_CLIENT_SECRET", "hidden"));
    let by_secret = shown(&stage, &told, &application).await;
    assert_eq!(
        by_secret["jwt"],
        jwt("https://vault.example/.default app hidden")
    );
    let endpoint = format!("{}/identity", stage.address);
    let platform = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "guard"),
    ];
    let by_platform = shown(&stage, &told, &platform).await;
    assert_eq!(by_platform["jwt"], jwt("app https://vault.example"));
    let by_machine = shown(&stage, &told, &[]).await;
    assert_eq!(by_machine["jwt"], jwt("https://vault.example "));
    // Without being told, the environment is left alone.
    let untold = shown(&stage, &[], &workload).await;
    assert_eq!(untold["jwt"], jwt("https://vault.example "));
}

#[tokio::test]
async fn a_workload_needs_no_metadata_of_the_machine() {
    let stage = Stage::start(|seen: &Seen| match seen.path.starts_with("/metadata") {
        true => (403, "blocked".to_owned()),
        false => azure(seen),
    })
    .await;
    let folder = Scratch::new("azure-workload");
    let file = folder.join("token");
    fs::write(&file, "federated").unwrap();
    let path = file.display().to_string();
    let workload = [
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "app"),
        ("AZURE_FEDERATED_TOKEN_FILE", path.as_str()),
    ];
    let told = [("authenticate_from_environment", "true"), ("scope", "own")];
    let shown = shown(&stage, &told, &workload).await;
    assert_eq!(shown["jwt"], jwt("own app federated"));
    assert_eq!(shown["vm_name"], "");

    let settings = [("role", "web"), ("resource", "r")];
    let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", stage.address.as_str())];
    let error = stage
        .log_in(&mut login("azure", &settings, &variables))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("status 403: blocked"), "{error}");
}
