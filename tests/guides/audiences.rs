//! The table of `docs/audiences.md`: each role with each token, asked of a real server. The cluster's answers to reviews are scripted
//! after a real one's.

use leasehold_e2e::Scene;
use leasehold_testkit::cluster::TokenSpec;
use serde_json::json;

use crate::guide::Guide;

#[test]
fn roles_take_the_tokens_that_the_guide_says() {
    let scene = Scene::new();
    scene.kubernetes_auth("kubernetes");
    let own = scene.cluster.address();
    let audiences = [
        ("`vault`", "vault"),
        ("empty", ""),
        ("the API server's", own.as_str()),
    ];
    for (name, audience) in audiences {
        let role = json!({
            "bound_service_account_names": "checkout", "bound_service_account_namespaces": "payments",
            "audience": audience, "token_ttl": "1h",
        });
        let path = format!(
            "auth/kubernetes/role/{}",
            name.replace([' ', '`', '\''], "")
        );
        scene.bao.write(&path, &role);
    }
    let logs_in = |role: &str, audience: &str| {
        let token = scene
            .cluster
            .mint(&TokenSpec::new("payments", "checkout", &[audience]));
        let role = role.replace([' ', '`', '\''], "");
        let body = json!({"jwt": token, "role": role});
        scene
            .bao
            .request("PUT", "auth/kubernetes/login", Some(&body))
            .status
            == 200
    };
    let guide = Guide::open("docs/audiences.md");
    for (name, _) in audiences {
        let row = guide
            .text
            .lines()
            .find(|line| line.starts_with(&format!("| {name}")));
        let cells: Vec<&str> = row.unwrap().split('|').map(str::trim).collect();
        for (cell, audience) in [(cells[2], "vault"), (cells[3], own.as_str())] {
            assert_eq!(
                logs_in(name, audience),
                cell.starts_with("taken"),
                "role {name}, token of audience {audience}: {cell}"
            );
        }
    }

    // Without a reviewer the server shows the very token that it was shown.
    scene.bao.write(
        "auth/kubernetes/config",
        &json!({
            "kubernetes_host": own, "kubernetes_ca_cert": scene.cluster.ca(), "token_reviewer_jwt": "",
            "disable_local_ca_jwt": true,
        }),
    );
    assert!(!logs_in("`vault`", "vault"));
}
