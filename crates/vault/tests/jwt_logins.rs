//! Logins with JWTs against the real server: what it accepts, and what is said about each of
//! its refusals.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its stage cannot be set"
)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use leasehold_testkit::{OpenBao, scratch::Scratch};
use leasehold_vault::{Client, LoggedIn, Login, MethodSettings, Settings};
use rcgen::SigningKey as _;
use serde_json::{Value, json};

/// A server with a jwt mount that knows one key, and a file for the token.
struct Stage {
    bao: OpenBao,
    client: Client,
    key: rcgen::KeyPair,
    folder: Scratch,
}

impl Stage {
    fn new() -> Self {
        let bao = OpenBao::start();
        let key = rcgen::KeyPair::generate().unwrap();
        bao.write("sys/auth/jwt", &json!({"type": "jwt"}));
        bao.write(
            "auth/jwt/config",
            &json!({"jwt_validation_pubkeys": [key.public_key_pem()], "default_role": "app"}),
        );
        bao.write(
            "auth/jwt/role/app",
            &json!({"role_type": "jwt", "bound_audiences": ["vault-dev"], "user_claim": "sub",
                "bound_subject": "system:serviceaccount:payments:checkout-sa", "token_ttl": "10m"}),
        );
        let client = Client::new(Settings::new(bao.address().parse().unwrap())).unwrap();
        Self {
            bao,
            client,
            key,
            folder: Scratch::new("jwt"),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("token.jwt")
    }

    fn present(&self, changes: &Value) {
        let mut claims = json!({"iss": "https://cluster.example", "aud": ["vault-dev"], "iat": now(),
            "nbf": now() - 5, "exp": now() + 600, "sub": "system:serviceaccount:payments:checkout-sa"});
        for (key, value) in changes.as_object().unwrap() {
            claims[key] = value.clone();
        }
        fs::write(self.file(), signed(&self.key, &claims)).unwrap();
    }

    fn login(&self, role: Option<&str>) -> Login {
        let mut config = vec![("path".to_owned(), self.file().to_str().unwrap().to_owned())];
        config.push(("remove_jwt_after_reading".to_owned(), "false".to_owned()));
        config.extend(role.map(|role| ("role".to_owned(), role.to_owned())));
        Login::new(&MethodSettings {
            kind: "jwt".to_owned(),
            config,
            ..MethodSettings::default()
        })
        .unwrap()
    }

    async fn refusal(&self, role: Option<&str>) -> String {
        self.login(role)
            .log_in(&self.client)
            .await
            .unwrap_err()
            .to_string()
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A JWT signed with ES256: the signature as two numbers of 32 bytes.
fn signed(key: &rcgen::KeyPair, claims: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(json!({"alg": "ES256", "typ": "JWT"}).to_string());
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    let der = key.sign(format!("{head}.{body}").as_bytes()).unwrap();
    let (mut signature, mut rest) = (Vec::new(), &der[2..]);
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        signature.extend(std::iter::repeat_n(0, 32 - number.len()));
        signature.extend(number);
        rest = &rest[2 + length..];
    }
    format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_role_that_is_not_named_is_the_mounts_own() {
    let stage = Stage::new();
    stage.present(&json!({}));
    for role in [Some("app"), None] {
        let logged_in = stage.login(role).log_in(&stage.client).await.unwrap();
        assert!(
            matches!(logged_in, LoggedIn::Token(auth) if auth.lease_duration == Duration::from_secs(600))
        );
    }
}

#[tokio::test]
async fn each_refusal_names_its_likely_cause_and_never_the_token() {
    let stage = Stage::new();
    for (changes, role, parts) in [
        (
            json!({"aud": ["other"]}),
            "app",
            ["the token is for `other`", "`bound_audiences`"],
        ),
        (
            json!({"sub": "system:serviceaccount:other:default"}),
            "app",
            [
                "subject is `system:serviceaccount:other:default`",
                "`bound_subject` of role `app`",
            ],
        ),
        (
            json!({"exp": now() - 1000, "nbf": now() - 2000, "iat": now() - 2000}),
            "app",
            ["the token ended", "not being renewed"],
        ),
        (
            json!({}),
            "nobody",
            ["no role `nobody` at `auth/jwt`", "check the role's name"],
        ),
    ] {
        stage.present(&changes);
        let error = stage.refusal(Some(role)).await;
        for part in parts {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
        let jwt = fs::read_to_string(stage.file()).unwrap();
        let signature = jwt.rsplit('.').next().unwrap();
        assert!(!error.contains(signature) && !error.contains(&jwt[..40]));
    }
}

#[tokio::test]
async fn a_token_of_another_signer_is_told() {
    let mut stage = Stage::new();
    stage.key = rcgen::KeyPair::generate().unwrap();
    stage.present(&json!({}));
    let error = stage.refusal(Some("app")).await;
    assert!(
        error.contains("the token's signer (`https://cluster.example`)"),
        "{error}"
    );
}

#[tokio::test]
async fn keys_out_of_the_servers_reach_are_told() {
    let stage = Stage::new();
    // A port that nobody listens on; the server does not ask when it is configured.
    let port = leasehold_testkit::net::Port::reserve();
    let address = format!("http://127.0.0.1:{}/keys", port.number());
    let answer = stage
        .bao
        .request("PUT", "sys/auth/remote", Some(&json!({"type": "jwt"})));
    assert!(answer.status < 300);
    let listener = std::net::TcpListener::bind(("127.0.0.1", port.number())).unwrap();
    let body = r#"{"keys":[]}"#;
    let helper = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 2048]);
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    });
    stage
        .bao
        .write("auth/remote/config", &json!({"jwks_url": address}));
    helper.join().unwrap();
    stage.bao.write(
        "auth/remote/role/app",
        &json!({"role_type": "jwt", "bound_audiences": ["vault-dev"], "user_claim": "sub"}),
    );
    stage.present(&json!({}));
    let mut login = Login::new(&MethodSettings {
        kind: "jwt".to_owned(),
        mount_path: Some("auth/remote".to_owned()),
        config: vec![
            ("path".to_owned(), stage.file().to_str().unwrap().to_owned()),
            ("role".to_owned(), "app".to_owned()),
        ],
        ..MethodSettings::default()
    })
    .unwrap();
    let error = login.log_in(&stage.client).await.unwrap_err().to_string();
    assert!(error.contains("cannot fetch the keys"), "{error}");
}

#[tokio::test]
async fn a_mount_that_is_not_there_is_told() {
    let stage = Stage::new();
    stage.present(&json!({}));
    let mut login = Login::new(&MethodSettings {
        kind: "jwt".to_owned(),
        mount_path: Some("auth/nowhere".to_owned()),
        config: vec![
            ("path".to_owned(), stage.file().to_str().unwrap().to_owned()),
            ("role".to_owned(), "app".to_owned()),
        ],
        ..MethodSettings::default()
    })
    .unwrap();
    let error = login.log_in(&stage.client).await.unwrap_err().to_string();
    assert!(
        error.contains("nothing is mounted at `auth/nowhere`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_is_removed_by_default_and_its_content_remembered() {
    let stage = Stage::new();
    stage.present(&json!({}));
    let mut login = Login::new(&MethodSettings {
        kind: "jwt".to_owned(),
        config: vec![("path".to_owned(), stage.file().to_str().unwrap().to_owned())],
        ..MethodSettings::default()
    })
    .unwrap();
    login.log_in(&stage.client).await.unwrap();
    assert!(!stage.file().exists());
    login.log_in(&stage.client).await.unwrap();
}
