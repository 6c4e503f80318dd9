//! AWS: each source of credentials, and a server that checks the signature made with them.

use std::fs;
use std::sync::{Arc, Mutex};

use leasehold_testkit::scratch::Scratch;
use leasehold_vault::{Login, LoginError, Sign};
use serde_json::json;

use crate::signature::{Signed, check};
use crate::stage::{Seen, Stage, login, refused, token};

/// Ends the credentials of the platform long after any test.
const LATE: &str = "2999-01-01T00:00:00Z";

/// The secret key that belongs to an access key, here and on the server's side.
fn secret_of(access_key: &str) -> String {
    format!("secret/of+{access_key}")
}

/// A server that accepts a login when its signature is right.
fn vault(seen: &Seen) -> (u16, String) {
    let body = seen.json();
    match check(&body, secret_of) {
        Ok(_) if body["role"] == "web" => token(),
        Ok(_) => refused("entry for role not found"),
        Err(why) => refused(&why),
    }
}

/// What the platform's services answer with.
fn keys(access_key: &str, ends: &str) -> String {
    json!({
        "Code": "Success",
        "AccessKeyId": access_key,
        "SecretAccessKey": secret_of(access_key),
        "Token": format!("session-of-{access_key}"),
        "Expiration": ends,
    })
    .to_string()
}

fn iam(config: &[(&str, &str)], environment: &[(&str, &str)]) -> Login {
    let mut all = vec![("type", "iam"), ("role", "web")];
    all.extend(config);
    login("aws", &all, environment)
}

/// What the last login showed.
fn shown(stage: &Stage) -> Signed {
    let seen = stage.seen();
    let last = seen.iter().rfind(|seen| seen.path == "/v1/auth/aws/login");
    check(&last.unwrap().json(), secret_of).unwrap()
}

#[tokio::test]
async fn keys_of_the_configuration_sign_for_the_region_and_the_servers_name() {
    let stage = Stage::start(vault).await;
    let secret = secret_of("AKIACONFIG");
    let mut login = iam(
        &[
            ("access_key", "AKIACONFIG"),
            ("secret_key", &secret),
            ("header_value", "vault.example.com"),
            ("region", "eu-central-2"),
        ],
        &[
            ("AWS_ACCESS_KEY_ID", "AKIAOTHER"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
        ],
    );
    stage.log_in(&mut login).await.unwrap();
    let shown = shown(&stage);
    assert_eq!(shown.access_key, "AKIACONFIG");
    assert_eq!(shown.region, "eu-central-2");
    assert_eq!(shown.url, "https://sts.eu-central-2.amazonaws.com/");
    assert_eq!(
        shown.covered["x-vault-aws-iam-server-id"],
        "vault.example.com"
    );
    assert_eq!(shown.covered["host"], "sts.eu-central-2.amazonaws.com");
    assert_eq!(stage.lines(), ["PUT /v1/auth/aws/login"]);
}

#[tokio::test]
async fn the_environments_keys_sign_for_the_one_address_of_old() {
    let stage = Stage::start(vault).await;
    let secret = secret_of("ASIAENV");
    let environment = [
        ("AWS_ACCESS_KEY_ID", "ASIAENV"),
        ("AWS_SECRET_ACCESS_KEY", secret.as_str()),
        ("AWS_SESSION_TOKEN", "session"),
    ];
    stage.log_in(&mut iam(&[], &environment)).await.unwrap();
    let one = shown(&stage);
    assert_eq!(
        (one.region.as_str(), one.url.as_str()),
        ("us-east-1", "https://sts.amazonaws.com/")
    );
    assert_eq!(one.covered["x-amz-security-token"], "session");
    let mut regional = environment.to_vec();
    regional.push(("AWS_STS_REGIONAL_ENDPOINTS", "regional"));
    stage.log_in(&mut iam(&[], &regional)).await.unwrap();
    assert_eq!(shown(&stage).url, "https://sts.us-east-1.amazonaws.com/");
}

#[test]
fn neither_settings_nor_login_show_a_key_to_a_formatter() {
    let settings = leasehold_vault::MethodSettings {
        kind: "aws".to_owned(),
        config: [
            ("type", "iam"),
            ("role", "web"),
            ("access_key", "AKIA"),
            ("secret_key", "hidden"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec(),
        environment: [("AWS_SECRET_ACCESS_KEY", "hidden")].into_iter().collect(),
        ..leasehold_vault::MethodSettings::default()
    };
    let login = Login::new(&settings).unwrap();
    for shown in [format!("{settings:?}"), format!("{login:?}")] {
        assert!(
            shown.contains("AWS_SECRET_ACCESS_KEY") || shown.contains("secret_key"),
            "{shown}"
        );
        assert!(!shown.contains("hidden"), "{shown}");
    }
}

#[tokio::test]
async fn a_wrong_secret_key_is_refused_by_the_servers_check() {
    let stage = Stage::start(vault).await;
    let mut login = iam(&[("access_key", "AKIA"), ("secret_key", "not it")], &[]);
    let error = stage.log_in(&mut login).await.unwrap_err().to_string();
    assert!(error.contains("the signature does not match"), "{error}");
    assert!(error.contains("aws at `auth/aws` as role `web`"), "{error}");
    assert!(!error.contains("not it"), "{error}");
}

#[tokio::test]
async fn a_profile_of_the_shared_files_is_read_anew_at_each_login() {
    let stage = Stage::start(vault).await;
    let folder = Scratch::new("aws");
    let file = folder.join("credentials");
    let profile = |key: &str| {
        let secret = secret_of(key);
        format!("[build]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    };
    fs::write(&file, profile("AKIAFIRST")).unwrap();
    let path = file.display().to_string();
    let environment = [
        ("AWS_PROFILE", "build"),
        ("AWS_SHARED_CREDENTIALS_FILE", path.as_str()),
    ];
    let mut login = iam(&[("credential_poll_interval", "30")], &environment);
    let watched = login.watched().unwrap();
    assert_eq!(
        (watched.sign, watched.period.as_secs()),
        (Sign::Sources, 30)
    );
    stage.log_in(&mut login).await.unwrap();
    assert_eq!(shown(&stage).access_key, "AKIAFIRST");
    let client = stage.client();
    assert!(!login.has_new_credentials(&client).await.unwrap());
    fs::write(&file, profile("AKIASECOND")).unwrap();
    assert!(login.has_new_credentials(&client).await.unwrap());
    stage.log_in(&mut login).await.unwrap();
    assert_eq!(shown(&stage).access_key, "AKIASECOND");
}

#[tokio::test]
async fn a_web_identity_is_exchanged_for_the_roles_credentials() {
    let folder = Scratch::new("irsa");
    let file = folder.join("token");
    fs::write(&file, "jwt-of-the-pod\n").unwrap();
    let stage = Stage::start(|seen: &Seen| match seen.path.as_str() {
        "/" if seen.pair("WebIdentityToken") != "jwt-of-the-pod" => (
            400,
            "<Error><Code>InvalidIdentityToken</Code></Error>".to_owned(),
        ),
        "/" => (
            200,
            format!(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>\
                 <Credentials><AccessKeyId>ASIAIRSA</AccessKeyId>\
                 <SecretAccessKey>{}</SecretAccessKey><SessionToken>irsa</SessionToken>\
                 <Expiration>{LATE}</Expiration></Credentials>\
                 </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
                secret_of("ASIAIRSA")
            ),
        ),
        _ => vault(seen),
    })
    .await;
    let path = file.display().to_string();
    let environment = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/web"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str()),
        ("AWS_ROLE_SESSION_NAME", "pod"),
        ("AWS_ENDPOINT_URL_STS", stage.address.as_str()),
        ("AWS_REGION", "eu-west-1"),
    ];
    let mut login = iam(&[], &environment);
    stage.log_in(&mut login).await.unwrap();
    let exchange = stage.seen().remove(0);
    for (key, value) in [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", "arn:aws:iam::123456789012:role/web"),
        ("RoleSessionName", "pod"),
    ] {
        assert_eq!(exchange.pair(key), value);
    }
    assert_eq!(shown(&stage).covered["x-amz-security-token"], "irsa");
    // Credentials that are good for long are not exchanged again.
    stage.log_in(&mut login).await.unwrap();
    assert_eq!(
        stage.lines(),
        ["POST /", "PUT /v1/auth/aws/login", "PUT /v1/auth/aws/login"]
    );

    fs::write(&file, "of somebody else").unwrap();
    let error = stage.log_in(&mut iam(&[], &environment)).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, LoginError::Platform { .. }));
    assert!(
        text.contains("status 400: <Error><Code>InvalidIdentityToken"),
        "{text}"
    );
    assert!(!text.contains("somebody"), "{text}");
}

#[tokio::test]
async fn pod_identity_asks_the_containers_endpoint_with_the_token_file() {
    let folder = Scratch::new("pod-identity");
    let file = folder.join("token");
    fs::write(&file, "first").unwrap();
    let key = Arc::new(Mutex::new(("ASIAPODONE", "1999-01-01T00:00:00Z")));
    let given = Arc::clone(&key);
    let stage = Stage::start(move |seen: &Seen| match seen.path.as_str() {
        "/v1/credentials" if seen.header("authorization").is_empty() => refused("no token"),
        "/v1/credentials" => {
            let (key, ends) = *given.lock().unwrap();
            (200, keys(key, ends))
        }
        _ => vault(seen),
    })
    .await;
    let url = format!("{}/v1/credentials", stage.address);
    let path = file.display().to_string();
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.as_str()),
    ];
    let mut login = iam(&[], &environment);
    stage.log_in(&mut login).await.unwrap();
    assert_eq!(shown(&stage).access_key, "ASIAPODONE");
    assert_eq!(stage.seen()[0].header("authorization"), "first");
    // Theirs have ended, so they are asked for again, with the token that the file holds by now.
    fs::write(&file, "second").unwrap();
    *key.lock().unwrap() = ("ASIAPODTWO", LATE);
    let client = stage.client();
    assert!(login.has_new_credentials(&client).await.unwrap());
    assert_eq!(stage.seen()[2].header("authorization"), "second");
    stage.log_in(&mut login).await.unwrap();
    assert_eq!(shown(&stage).access_key, "ASIAPODTWO");
    assert!(!login.has_new_credentials(&client).await.unwrap());
    assert_eq!(stage.lines().len(), 4, "{:?}", stage.lines());
}

#[tokio::test]
async fn the_machines_role_is_asked_for_within_a_session() {
    let stage = Stage::start(|seen: &Seen| {
        let session = seen.header("x-aws-ec2-metadata-token");
        match seen.line().as_str() {
            "PUT /latest/api/token" => match seen.header("x-aws-ec2-metadata-token-ttl-seconds") {
                "" => (400, String::new()),
                _ => (200, "session".to_owned()),
            },
            "PUT /v1/auth/aws/login" => vault(seen),
            _ if session != "session" => (401, String::new()),
            "GET /latest/meta-data/iam/security-credentials/" => (200, "node-role".to_owned()),
            "GET /latest/meta-data/iam/security-credentials/node-role" => {
                (200, keys("ASIANODE", LATE))
            }
            _ => (404, String::new()),
        }
    })
    .await;
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", stage.address.as_str())];
    stage.log_in(&mut iam(&[], &environment)).await.unwrap();
    assert_eq!(shown(&stage).access_key, "ASIANODE");
    assert_eq!(stage.lines().len(), 4, "{:?}", stage.lines());
}

#[tokio::test]
async fn a_source_that_fails_is_not_replaced_by_a_role_that_nobody_named() {
    let stage = Stage::start(|seen: &Seen| match seen.path.as_str() {
        "/" => (403, "<Error><Code>AccessDenied</Code></Error>".to_owned()),
        _ => (200, keys("ASIANODE", LATE)),
    })
    .await;
    let folder = Scratch::new("denied");
    let file = folder.join("token");
    fs::write(&file, "jwt").unwrap();
    let path = file.display().to_string();
    let environment = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/web"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str()),
        ("AWS_ENDPOINT_URL_STS", stage.address.as_str()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", stage.address.as_str()),
    ];
    let error = stage
        .log_in(&mut iam(&[], &environment))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("AccessDenied"), "{error}");
    assert_eq!(stage.lines(), ["POST /"]);

    let none = iam(&[], &[("AWS_EC2_METADATA_DISABLED", "true")]);
    let error = stage.log_in(&mut { none }).await.unwrap_err().to_string();
    assert!(
        error.starts_with("found no AWS credentials: neither"),
        "{error}"
    );
}
