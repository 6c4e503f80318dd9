//! Logins with service account tokens: the real server, whose token reviews are answered as an API
//! server answers them.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its stage cannot be set"
)]

use std::fs;

use leasehold_testkit::cluster::TokenSpec;
use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::{Cluster, OpenBao};
use leasehold_vault::{Client, LoggedIn, Login, MethodSettings, Settings};
use serde_json::{Value, json};

const MOUNT: &str = "auth/kubernetes-eks-prod-cin";

struct Stage {
    bao: OpenBao,
    cluster: Cluster,
    folder: Scratch,
}

impl Stage {
    fn new() -> Self {
        let stage = Self {
            bao: OpenBao::start(),
            cluster: Cluster::start(),
            folder: Scratch::new("login"),
        };
        for (namespace, account) in [
            ("payments", "checkout-sa"),
            ("payments", "default"),
            ("other", "checkout-sa"),
        ] {
            stage.cluster.service_account(namespace, account);
        }
        let mount = MOUNT.replace("auth/", "sys/auth/");
        stage.bao.write(&mount, &json!({"type": "kubernetes"}));
        stage.configure(&json!(stage.cluster.reviewer("vault", "vault")));
        stage.bao.write(
            &format!("{MOUNT}/role/checkout"),
            &json!({"bound_service_account_names": "checkout-sa", "audience": "vault",
                "bound_service_account_namespaces": "payments", "token_ttl": "10m"}),
        );
        stage
    }

    fn configure(&self, reviewer: &Value) {
        self.bao.write(
            &format!("{MOUNT}/config"),
            &json!({"kubernetes_host": self.cluster.address(), "kubernetes_ca_cert": self.cluster.ca(),
                "token_reviewer_jwt": reviewer, "disable_local_ca_jwt": true}),
        );
    }

    async fn log_in(&self, role: &str, token: &TokenSpec) -> Result<LoggedIn, String> {
        let file = self.folder.join("token");
        let text = self.cluster.mint(token);
        fs::write(&file, format!("{text}\n")).unwrap();
        let config = [("role", role), ("token_path", file.to_str().unwrap())];
        let mut login = Login::new(&MethodSettings {
            kind: "kubernetes".to_owned(),
            mount_path: Some(MOUNT.to_owned()),
            config: config
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
            ..MethodSettings::default()
        })
        .unwrap();
        let client = Client::new(Settings::new(self.bao.address().parse().unwrap())).unwrap();
        let result = login
            .log_in(&client)
            .await
            .map_err(|error| error.to_string());
        if let Err(error) = &result {
            assert!(
                !error.contains(text.rsplit('.').next().unwrap()),
                "the token is shown"
            );
        }
        result
    }
}

#[tokio::test]
async fn a_bound_token_logs_in_and_each_refusal_names_its_cause() {
    let stage = Stage::new();
    let good = TokenSpec::new("payments", "checkout-sa", &["vault"]);
    assert!(stage.log_in("checkout", &good).await.is_ok());

    for (role, token, parts) in [
        (
            "checkout",
            TokenSpec::new("payments", "checkout-sa", &["other"]),
            ["invalid audience (aud) claim", "the token is for `other`"],
        ),
        (
            "checkout",
            TokenSpec::new("other", "checkout-sa", &["vault"]),
            ["namespace not authorized", "the pod's namespace is `other`"],
        ),
        (
            "checkout",
            TokenSpec::new("payments", "default", &["vault"]),
            [
                "service account name not authorized",
                "service account is `default`",
            ],
        ),
        (
            "nobody",
            good.clone(),
            [
                "invalid role name",
                "there is no role `nobody` at `auth/kubernetes-eks-prod-cin`",
            ],
        ),
    ] {
        let error = stage.log_in(role, &token).await.unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
}

#[tokio::test]
async fn a_reviewer_that_the_api_server_refuses_is_named_as_the_cause() {
    let stage = Stage::new();
    let good = TokenSpec::new("payments", "checkout-sa", &["vault"]);
    let expired = TokenSpec::new("vault", "vault", &[]).expiring_after(-5);
    for reviewer in [json!(stage.cluster.mint(&expired)), json!("")] {
        stage.configure(&reviewer);
        let error = stage.log_in("checkout", &good).await.unwrap_err();
        assert!(error.contains("permission denied"), "{error}");
        assert!(
            error.contains("likely cause: the server's token review was refused"),
            "{error}"
        );
        assert!(error.contains("this one is for `vault`"), "{error}");
    }
}
