//! Reading, writing and listing against the real server.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its stage cannot be set"
)]

use std::time::Duration;

use leasehold_testkit::OpenBao;
use leasehold_vault::{Client, Failure, Settings, Token};
use serde_json::json;

fn client(bao: &OpenBao) -> Client {
    Client::new(Settings::new(bao.address().parse().unwrap())).unwrap()
}

fn token(text: &str) -> Token {
    Token::new(text.to_owned()).unwrap()
}

fn root(bao: &OpenBao) -> Token {
    token(bao.root_token())
}

fn version(number: &str) -> Vec<(String, String)> {
    vec![("version".to_owned(), number.to_owned())]
}

/// How often the server was asked for a mount, by its audit log.
fn lookups(bao: &OpenBao) -> Vec<String> {
    bao.audited_requests()
        .into_iter()
        .filter_map(|(_, path)| {
            path.strip_prefix("sys/internal/ui/mounts/")
                .map(str::to_owned)
        })
        .collect()
}

#[tokio::test]
async fn a_mount_is_looked_up_once_and_only_for_open_paths() {
    let bao = OpenBao::start();
    bao.write("secret/data/app", &json!({"data": {"user": "ann"}}));
    bao.write("secret/data/other", &json!({"data": {"user": "bob"}}));
    let client = client(&bao);
    let root = root(&bao);

    let reading = client.read(&root, "secret/data/app", &[]).await.unwrap();
    assert!(reading.secret.unwrap().data().unwrap().contains("ann"));
    assert_eq!(lookups(&bao), [] as [&str; 0]);

    for path in ["secret/app", "secret/other", "/secret/app/"] {
        let reading = client.read(&root, path, &[]).await.unwrap();
        assert!(reading.path.starts_with("secret/data/"), "{}", reading.path);
        assert!(reading.secret.is_some() && reading.warnings.is_empty());
    }
    client.list(&root, "secret").await.unwrap();
    assert_eq!(lookups(&bao), ["secret/app"]);
}

#[tokio::test]
async fn a_path_that_makes_credentials_is_tried_before_its_mount_is_looked_up() {
    let bao = OpenBao::start();
    bao.write(
        "sys/mounts/plain",
        &json!({"type": "kv", "options": {"version": "1"}}),
    );
    bao.write("plain/creds/app", &json!({"user": "ann"}));
    bao.write("secret/data/creds/app", &json!({"data": {"user": "bob"}}));
    let client = client(&bao);
    let root = root(&bao);
    let reading = client.read(&root, "plain/creds/app", &[]).await.unwrap();
    assert!(reading.secret.unwrap().data().unwrap().contains("ann"));
    assert_eq!(lookups(&bao), [] as [&str; 0]);

    // It was a name in version 2 of the key/value engine, and the token has no right outside of that.
    bao.policy(
        "inner",
        r#"path "secret/data/*" { capabilities = ["read"] }"#,
    );
    let inner = token(&bao.token(&["inner"], "1h"));
    let reading = client.read(&inner, "secret/creds/app", &[]).await.unwrap();
    assert_eq!(reading.path, "secret/data/creds/app");
    assert!(reading.secret.unwrap().data().unwrap().contains("bob"));
    let reading = client.read(&root, "secret/creds/none", &[]).await.unwrap();
    assert_eq!(reading.path, "secret/data/creds/none");
    assert_eq!(lookups(&bao), ["secret/creds/app"]);
}

#[tokio::test]
async fn a_write_that_makes_something_is_tried_before_its_mount_is_looked_up() {
    let bao = OpenBao::start();
    bao.write("sys/mounts/pki", &json!({"type": "pki"}));
    bao.write(
        "pki/root/generate/internal",
        &json!({"common_name": "root.example"}),
    );
    bao.write(
        "pki/roles/web",
        &json!({"allow_any_name": true, "ttl": "1h"}),
    );
    let client = client(&bao);
    let root = root(&bao);
    let name = [("common_name".to_owned(), "web.example".to_owned())];
    let answer = client.write(&root, "pki/issue/web", &name).await.unwrap();
    assert!(answer.secret.is_some_and(|secret| secret.data().is_some()));
    assert_eq!(lookups(&bao), [] as [&str; 0]);

    // A name in version 2 of the key/value engine, written by somebody with every right and by somebody with none
    // outside of it.
    let pairs = [("user".to_owned(), "ann".to_owned())];
    let answer = client
        .write(&root, "secret/issue/one", &pairs)
        .await
        .unwrap();
    assert_eq!(answer.path, "secret/data/issue/one");
    bao.policy(
        "inner",
        r#"path "secret/data/*" { capabilities = ["create", "update"] }"#,
    );
    let other = self::client(&bao);
    let inner = token(&bao.token(&["inner"], "1h"));
    let answer = other
        .write(&inner, "secret/issue/two", &pairs)
        .await
        .unwrap();
    assert_eq!(answer.path, "secret/data/issue/two");
    assert_eq!(lookups(&bao), ["secret/issue/one", "secret/issue/two"]);
    for name in ["one", "two"] {
        let path = format!("secret/issue/{name}");
        let reading = client.read(&root, &path, &[]).await.unwrap();
        assert!(reading.secret.unwrap().data().unwrap().contains("ann"));
    }
}

#[tokio::test]
async fn versions_deletions_and_destructions_read_as_templates_expect() {
    let bao = OpenBao::start();
    for rev in ["one", "two", "three"] {
        bao.write("secret/data/v", &json!({"data": {"rev": rev}}));
    }
    bao.write("secret/delete/v", &json!({"versions": [2]}));
    bao.write("secret/destroy/v", &json!({"versions": [1]}));
    let client = client(&bao);
    let root = root(&bao);
    let read =
        async |query: &[(String, String)]| client.read(&root, "secret/v", query).await.unwrap();

    assert!(
        read(&[])
            .await
            .secret
            .unwrap()
            .data()
            .unwrap()
            .contains("three")
    );
    assert!(read(&version("2")).await.secret.is_none());
    assert!(read(&version("9")).await.secret.is_none());
    // A destroyed version is there, without content.
    let destroyed = read(&version("1")).await.secret.unwrap();
    assert!(destroyed.data().unwrap().contains(r#""data":null"#));

    let error = client
        .read(&root, "secret/v", &version("x"))
        .await
        .unwrap_err();
    assert!(error.is_definite());
    assert_eq!(error.status(), Some(400));
}

#[tokio::test]
async fn what_is_not_there_is_absent_and_no_error() {
    let bao = OpenBao::start();
    bao.write(
        "sys/mounts/kv",
        &json!({"type": "kv", "options": {"version": "1"}}),
    );
    let client = client(&bao);
    let root = root(&bao);
    for (path, actual) in [
        ("secret/none", "secret/data/none"),
        ("kv/none", "kv/none"),
        ("kv/data/app", "kv/data/app"),
        ("cubbyhole/none", "cubbyhole/none"),
        ("nomount/x", "nomount/x"),
    ] {
        let reading = client.read(&root, path, &[]).await.unwrap();
        assert_eq!(reading.path, actual);
        assert!(reading.secret.is_none(), "{path}");
        assert_eq!(reading.warnings.is_empty(), path != "nomount/x", "{path}");
    }
    assert!(
        client
            .list(&root, "secret/none")
            .await
            .unwrap()
            .names
            .is_empty()
    );
    assert!(
        client
            .list(&root, "nomount")
            .await
            .unwrap()
            .names
            .is_empty()
    );
}

#[tokio::test]
async fn lists_are_sorted_and_name_their_folders() {
    let bao = OpenBao::start();
    bao.write(
        "sys/mounts/teams/alpha/kv",
        &json!({"type": "kv", "options": {"version": "2"}}),
    );
    for path in ["db/replica", "db/primary", "db/archive/old"] {
        bao.write(&format!("secret/data/{path}"), &json!({"data": {"k": "v"}}));
    }
    bao.write("teams/alpha/kv/data/ping", &json!({"data": {"k": "v"}}));
    let client = client(&bao);
    let root = root(&bao);
    for path in ["secret/db", "secret/metadata/db", "secret/db/"] {
        let listing = client.list(&root, path).await.unwrap();
        assert_eq!(listing.names, ["archive/", "primary", "replica"], "{path}");
    }
    assert_eq!(
        client.list(&root, "teams/alpha/kv").await.unwrap().names,
        ["ping"]
    );
    let reading = client
        .read(&root, "teams/alpha/kv/data/ping", &[])
        .await
        .unwrap();
    assert_eq!(reading.path, "teams/alpha/kv/data/ping");
}

#[tokio::test]
async fn writes_are_wrapped_for_version_2_only() {
    let bao = OpenBao::start();
    bao.write(
        "sys/mounts/kv",
        &json!({"type": "kv", "options": {"version": "1"}}),
    );
    let client = client(&bao);
    let root = root(&bao);
    let pairs = [("a".to_owned(), "1".to_owned())];

    for path in ["secret/written", "secret/data/written"] {
        let answer = client.write(&root, path, &pairs).await.unwrap();
        assert_eq!(answer.path, "secret/data/written");
        assert!(
            answer
                .secret
                .unwrap()
                .data()
                .unwrap()
                .contains("created_time")
        );
        assert_eq!(
            bao.read("secret/data/written")["data"]["data"],
            json!({"a": "1"})
        );
    }
    for path in ["kv/written", "kv/data/written"] {
        let answer = client.write(&root, path, &pairs).await.unwrap();
        assert!(answer.secret.is_none());
        assert_eq!(bao.read(path)["data"], json!({"a": "1"}));
    }
}

#[tokio::test]
async fn a_mount_that_may_not_be_looked_up_leaves_the_path_as_it_stands() {
    let bao = OpenBao::start();
    bao.policy("nothing", r#"path "other/x" { capabilities = ["read"] }"#);
    let poor = token(&bao.token(&["nothing"], "1h"));
    let client = client(&bao);
    let error = client.read(&poor, "secret/app", &[]).await.unwrap_err();
    assert_eq!(&*error.path, "secret/app");
    assert_eq!(error.status(), Some(403));
    // Another token may be told more.
    let root = root(&bao);
    let reading = client.read(&root, "secret/app", &[]).await.unwrap();
    assert_eq!(reading.path, "secret/data/app");
}

#[tokio::test]
async fn policies_without_the_inner_segment_are_explained() {
    let bao = OpenBao::start();
    bao.policy("naive", r#"path "secret/app" { capabilities = ["read"] }"#);
    let naive = token(&bao.token(&["naive"], "1h"));
    let error = client(&bao)
        .read(&naive, "secret/app", &[])
        .await
        .unwrap_err();
    let hint = leasehold_vault::read_hint("secret/app", &error).unwrap();
    assert!(
        hint.contains("the policy must grant `secret/data/app`"),
        "{hint}"
    );
}

#[tokio::test]
async fn leases_and_tokens_are_renewed_and_revoked() {
    let bao = OpenBao::start();
    bao.write("sys/mounts/pki", &json!({"type": "pki"}));
    bao.write(
        "pki/root/generate/internal",
        &json!({"common_name": "ca", "ttl": "1h"}),
    );
    bao.write(
        "pki/roles/web",
        &json!({"allow_any_name": true, "generate_lease": true, "ttl": "5m"}),
    );
    let client = client(&bao);
    let root = root(&bao);
    let child = token(&bao.token(&["root"], "20m"));

    let issued = client
        .issue(
            &child,
            "pki/issue/web",
            &[("common_name".to_owned(), "a.example".to_owned())],
        )
        .await
        .unwrap();
    assert!(issued.lease_id.expose().starts_with("pki/issue/web/"));
    assert!(issued.lease_duration > Duration::from_secs(290));
    assert!(!issued.renewable);
    let error = client
        .renew_lease(&child, &issued.lease_id, Duration::ZERO)
        .await
        .unwrap_err();
    assert!(error.is_definite());
    assert!(!error.to_string().contains(issued.lease_id.expose()));
    client.revoke_lease(&child, &issued.lease_id).await.unwrap();

    let renewed = client.renew_self(&child, Duration::ZERO).await.unwrap();
    assert!(renewed.renewable && renewed.lease_duration >= Duration::from_secs(1199));
    let status = client.lookup_self(&child).await.unwrap();
    assert!(!status.is_endless() && status.renewable && status.ttl > 1000);
    assert!(client.lookup_self(&root).await.unwrap().is_endless());

    client.revoke_self(&child).await.unwrap();
    let error = client.lookup_self(&child).await.unwrap_err();
    assert!(
        error.token_is_invalid() || error.status() == Some(403),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrapped_token_is_unwrapped_once() {
    let bao = OpenBao::start();
    let client = client(&bao);
    let root = root(&bao);
    let wrapped = client
        .wrap_token(&root, Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(wrapped.ttl, Duration::from_secs(60));
    let line = wrapped.sink_line();
    assert!(line.expose().starts_with(r#"{"token":"#) && line.expose().ends_with("}\n"));
    let status = client.wrapping_lookup(&wrapped.token).await.unwrap();
    assert_eq!(status.creation_path, "sys/wrapping/wrap");
    let secret = client.unwrap(&wrapped.token).await.unwrap();
    assert!(secret.data().unwrap().contains(root.expose()));
    assert!(
        client
            .unwrap(&wrapped.token)
            .await
            .unwrap_err()
            .is_definite()
    );
}

#[tokio::test]
async fn answers_without_an_envelope_are_all_data() {
    let bao = OpenBao::start();
    let reading = client(&bao)
        .read(&root(&bao), "sys/health", &[])
        .await
        .unwrap();
    assert!(
        reading
            .secret
            .unwrap()
            .data()
            .unwrap()
            .contains(r#""initialized":true"#)
    );
}

#[tokio::test]
async fn sealed_stopped_and_restarted_servers_are_told_apart() {
    let mut bao = OpenBao::start_with(leasehold_testkit::openbao::Settings {
        storage: leasehold_testkit::openbao::Storage::Disk,
        ..Default::default()
    });
    let client = client(&bao);
    let root = root(&bao);
    bao.seal();
    let error = client.read(&root, "cubbyhole/x", &[]).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Sealed(_)), "{error}");
    bao.unseal();
    assert!(client.read(&root, "cubbyhole/x", &[]).await.is_ok());
    bao.stop();
    // The connection that was kept may notice the end only now.
    let error = client.read(&root, "cubbyhole/x", &[]).await.unwrap_err();
    assert!(matches!(error.failure, Failure::NoAnswer { .. }), "{error}");
    let error = client.read(&root, "cubbyhole/x", &[]).await.unwrap_err();
    assert!(
        error.to_string().ends_with("no answer: connection refused"),
        "{error}"
    );
    bao.start_again();
    bao.unseal();
    assert!(client.read(&root, "cubbyhole/x", &[]).await.is_ok());
}
