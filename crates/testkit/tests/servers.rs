//! The real servers themselves: what other tests rely on.

use leasehold_testkit::openbao::{Settings, Storage, Transport};
use leasehold_testkit::{OpenBao, Postgres};
use serde_json::json;

#[test]
fn a_development_server_answers_and_audits() {
    let bao = OpenBao::start();
    bao.write("secret/data/app", &json!({"data": {"answer": "42"}}));
    assert_eq!(bao.read("secret/data/app")["data"]["data"]["answer"], "42");
    assert!(
        bao.audited_requests()
            .contains(&("read".to_owned(), "secret/data/app".to_owned())),
        "{:?}",
        bao.audited_requests()
    );
}

#[test]
fn a_server_on_disk_keeps_its_data_through_stop_and_seal() {
    let mut bao = OpenBao::start_with(Settings {
        storage: Storage::Disk,
        transport: Transport::Tls,
    });
    bao.must(
        "POST",
        "sys/mounts/kv",
        &json!({"type": "kv", "options": {"version": "1"}}),
    );
    bao.write("kv/app", &json!({"answer": "42"}));
    bao.stop();
    assert!(!bao.is_active());
    bao.start_again();
    assert!(!bao.is_active(), "it starts sealed");
    bao.unseal();
    assert_eq!(bao.read("kv/app")["data"]["answer"], "42");
    bao.seal();
    assert!(!bao.is_active());
    bao.unseal();
    assert_eq!(bao.read("kv/app")["data"]["answer"], "42");
}

#[test]
fn two_servers_live_beside_each_other() {
    let one = OpenBao::start_with(Settings {
        transport: Transport::Tls,
        ..Settings::default()
    });
    let other = OpenBao::start();
    one.write("secret/data/app", &json!({"data": {}}));
    assert_eq!(other.request("GET", "secret/data/app", None).status, 404);
}

#[test]
fn database_users_come_and_go_with_their_leases() {
    let postgres = Postgres::start();
    let bao = OpenBao::start();
    let (superuser, password) = postgres.superuser();
    bao.must("POST", "sys/mounts/database", &json!({"type": "database"}));
    bao.write(
        "database/config/app",
        &json!({
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "*",
            "connection_url": postgres.connection_url(),
            "username": superuser,
            "password": password,
        }),
    );
    bao.write(
        "database/roles/reader",
        &json!({
            "db_name": "app",
            "creation_statements":
                "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';",
            "default_ttl": "60s",
        }),
    );
    let secret = bao.read("database/creds/reader");
    let user = secret["data"]["username"].as_str().unwrap();
    let password = secret["data"]["password"].as_str().unwrap();
    assert_eq!(postgres.users(), [user]);
    assert_eq!(postgres.log_in(user, password), Ok(()));
    assert!(
        postgres
            .log_in(user, "wrong")
            .unwrap_err()
            .contains("password authentication failed")
    );
    bao.write(
        "sys/leases/revoke",
        &json!({"lease_id": secret["lease_id"]}),
    );
    assert_eq!(postgres.users(), Vec::<String>::new());
}
