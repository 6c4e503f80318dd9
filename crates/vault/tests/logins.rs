//! Logging in to the real server by every method that it has.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails where its stage cannot be set"
)]

use std::fs;
use std::time::Duration;

use leasehold_testkit::openbao::{Settings as ServerSettings, Transport};
use leasehold_testkit::{OpenBao, scratch::Scratch};
use leasehold_vault::{
    Client, LoggedIn, Login, LoginError, MethodSettings, Roots, Settings, Token,
};
use serde_json::json;

fn client(bao: &OpenBao) -> Client {
    Client::new(Settings::new(bao.address().parse().unwrap())).unwrap()
}

fn login(kind: &str, config: &[(&str, &str)]) -> Login {
    Login::new(&MethodSettings {
        kind: kind.to_owned(),
        config: config
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        ..MethodSettings::default()
    })
    .unwrap()
}

fn token_of(logged_in: LoggedIn) -> Token {
    match logged_in {
        LoggedIn::Token(auth) => auth.client_token,
        other => panic!("a token was expected, not {other:?}"),
    }
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// A server with approle auth, a role, its role id and a fresh secret id.
fn approle(bao: &OpenBao) -> (String, String) {
    bao.write("sys/auth/approle", &json!({"type": "approle"}));
    bao.write("auth/approle/role/web", &json!({"token_ttl": "20m"}));
    let role_id = bao.read("auth/approle/role/web/role-id")["data"]["role_id"].clone();
    let secret_id =
        bao.write("auth/approle/role/web/secret-id", &json!({}))["data"]["secret_id"].clone();
    (
        role_id.as_str().unwrap().to_owned(),
        secret_id.as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn approle_remembers_what_it_removed() {
    let bao = OpenBao::start();
    let (role_id, secret_id) = approle(&bao);
    let folder = Scratch::new("approle");
    let (role_file, secret_file) = (folder.join("role"), folder.join("secret"));
    fs::write(&role_file, format!("{role_id}\n")).unwrap();
    fs::write(&secret_file, format!(" {secret_id}\n")).unwrap();
    let mut login = login(
        "approle",
        &[
            ("role_id_file_path", text(&role_file)),
            ("secret_id_file_path", text(&secret_file)),
        ],
    );
    let client = client(&bao);
    token_of(login.log_in(&client).await.unwrap());
    assert!(!secret_file.exists());
    fs::remove_file(&role_file).unwrap();
    token_of(login.log_in(&client).await.unwrap());
}

#[tokio::test]
async fn approle_takes_a_wrapped_secret_id_only_from_its_own_path() {
    let bao = OpenBao::start();
    let (role_id, _) = approle(&bao);
    let folder = Scratch::new("approle");
    let (role_file, secret_file) = (folder.join("role"), folder.join("secret"));
    fs::write(&role_file, &role_id).unwrap();
    let client = client(&bao);
    let root = Token::new("root".to_owned()).unwrap();
    let path = "auth/approle/role/web/secret-id";

    let mut request = leasehold_vault::Request::put(path, &json!({})).token(&root);
    request.wrap_ttl = Some(Duration::from_secs(60));
    let wrapped = client
        .call(&request)
        .await
        .unwrap()
        .unwrap()
        .wrap_info
        .unwrap();
    let stranger = client
        .wrap_token(&root, Duration::from_secs(60))
        .await
        .unwrap();

    let mut login = login(
        "approle",
        &[
            ("role_id_file_path", text(&role_file)),
            ("secret_id_file_path", text(&secret_file)),
            ("secret_id_response_wrapping_path", path),
        ],
    );
    fs::write(&secret_file, stranger.token.expose()).unwrap();
    let error = login.log_in(&client).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`sys/wrapping/wrap`, not of `auth/approle/"),
        "{error}"
    );

    fs::write(&secret_file, wrapped.token.expose()).unwrap();
    token_of(login.log_in(&client).await.unwrap());
    // The file is gone, the secret id is remembered.
    token_of(login.log_in(&client).await.unwrap());
}

#[tokio::test]
async fn userpass_reads_the_password_from_a_file() {
    let bao = OpenBao::start();
    bao.write("sys/auth/people", &json!({"type": "userpass"}));
    bao.write("auth/people/users/ann", &json!({"password": "pw ann"}));
    let folder = Scratch::new("userpass");
    let file = folder.join("password");
    fs::write(&file, "pw ann\n").unwrap();
    let mut login = Login::new(&MethodSettings {
        kind: "userpass".to_owned(),
        mount_path: Some("auth/people/".to_owned()),
        config: vec![
            ("username".to_owned(), "ann".to_owned()),
            ("password_file_path".to_owned(), text(&file).to_owned()),
        ],
        ..MethodSettings::default()
    })
    .unwrap();
    let client = client(&bao);
    token_of(login.log_in(&client).await.unwrap());
    fs::write(&file, "wrong").unwrap();
    let error = login.log_in(&client).await.unwrap_err().to_string();
    assert!(
        error.contains("failed to log in by userpass at `auth/people` as role `ann`")
            && error.contains("invalid username or password"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_from_a_file_is_looked_up() {
    let bao = OpenBao::start();
    let folder = Scratch::new("token");
    let file = folder.join("token");
    let child = bao.token(&["default"], "10m");
    fs::write(&file, format!("{child}\n")).unwrap();
    let mut login = login("token_file", &[("token_file_path", text(&file))]);
    let client = client(&bao);
    match login.log_in(&client).await.unwrap() {
        LoggedIn::Adopted { token, status } => {
            assert_eq!(token.expose(), child);
            assert!(status.renewable && status.ttl > 500);
        }
        other => panic!("{other:?}"),
    }
    fs::write(&file, "hvs.nonsense").unwrap();
    let error = login.log_in(&client).await.unwrap_err().to_string();
    assert!(
        error.contains("unknown to the server, revoked or at its end"),
        "{error}"
    );
    fs::write(&file, " \n").unwrap();
    assert!(matches!(
        login.log_in(&client).await.unwrap_err(),
        LoginError::BadToken { .. }
    ));
    fs::remove_file(&file).unwrap();
    let error = login.log_in(&client).await.unwrap_err();
    assert!(matches!(error, LoginError::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn a_login_can_be_wrapped() {
    let bao = OpenBao::start();
    let (role_id, secret_id) = approle(&bao);
    let folder = Scratch::new("wrap");
    let (role_file, secret_file) = (folder.join("role"), folder.join("secret"));
    fs::write(&role_file, role_id).unwrap();
    fs::write(&secret_file, secret_id).unwrap();
    let mut login = Login::new(&MethodSettings {
        kind: "approle".to_owned(),
        wrap_ttl: Some(Duration::from_secs(60)),
        config: vec![
            ("role_id_file_path".to_owned(), text(&role_file).to_owned()),
            (
                "secret_id_file_path".to_owned(),
                text(&secret_file).to_owned(),
            ),
        ],
        ..MethodSettings::default()
    })
    .unwrap();
    let client = client(&bao);
    let LoggedIn::Wrapped(info) = login.log_in(&client).await.unwrap() else {
        panic!("the answer is not wrapped");
    };
    assert_eq!(info.creation_path, "auth/approle/login");
    let inner = client.unwrap(&info.token).await.unwrap();
    assert!(inner.auth.is_some());
}

#[tokio::test]
async fn a_client_certificate_logs_in_and_is_read_anew_when_it_rotates() {
    let bao = OpenBao::start_with(ServerSettings {
        transport: Transport::Tls,
        ..ServerSettings::default()
    });
    bao.write("sys/auth/cert", &json!({"type": "cert"}));
    let folder = Scratch::new("cert");
    let (first, second) = (identity("first.example"), identity("second.example"));
    bao.write(
        "auth/cert/certs/second",
        &json!({"certificate": second.0, "token_ttl": "10m"}),
    );
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    fs::write(&certificate, &first.0).unwrap();
    fs::write(&key, &first.1).unwrap();

    let mut settings = Settings::new(bao.address().parse().unwrap());
    settings.tls.roots = Roots::File(bao.ca_file());
    let client = Client::new(settings).unwrap();
    let mut login = login(
        "cert",
        &[
            ("name", "second"),
            ("client_cert", text(&certificate)),
            ("client_key", text(&key)),
            ("reload", "true"),
        ],
    );
    let error = login.log_in(&client).await.unwrap_err();
    assert!(error.answer().unwrap().is_definite(), "{error}");
    fs::write(&certificate, &second.0).unwrap();
    fs::write(&key, &second.1).unwrap();
    token_of(login.log_in(&client).await.unwrap());
}

fn identity(name: &str) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}
