//! The Terraform sample: read as HCL, its resources against what the provider knows, and what they would write into a real server,
//! which names every parameter that it does not know.

use std::collections::BTreeMap;

use hcl::{Block, Body, Expression};
use leasehold_testkit::OpenBao;
use serde_json::{Value, json};

use crate::sample::text;

/// What the provider (hashicorp/vault 4) knows of the resources in use: arguments that must be there and others.
const SCHEMA: [(&str, &[&str], &[&str]); 4] = [
    (
        "vault_auth_backend",
        &["type"],
        &[
            "path",
            "description",
            "local",
            "disable_remount",
            "namespace",
        ],
    ),
    (
        "vault_kubernetes_auth_backend_config",
        &["kubernetes_host"],
        &[
            "backend",
            "kubernetes_ca_cert",
            "token_reviewer_jwt",
            "pem_keys",
            "issuer",
            "disable_iss_validation",
            "disable_local_ca_jwt",
            "namespace",
        ],
    ),
    (
        "vault_kubernetes_auth_backend_role",
        &[
            "role_name",
            "bound_service_account_names",
            "bound_service_account_namespaces",
        ],
        &[
            "backend",
            "audience",
            "alias_name_source",
            "token_ttl",
            "token_max_ttl",
            "token_policies",
            "token_bound_cidrs",
            "token_explicit_max_ttl",
            "token_no_default_policy",
            "token_num_uses",
            "token_period",
            "token_type",
            "namespace",
        ],
    ),
    ("vault_policy", &["name", "policy"], &["namespace"]),
];

/// Arguments that Terraform itself knows, of every resource.
const META: [&str; 5] = ["for_each", "count", "depends_on", "provider", "lifecycle"];

fn body() -> Body {
    hcl::parse(&text("several-clusters/main.tf")).expect("the sample is HCL")
}

fn labels(block: &Block) -> Vec<&str> {
    block.labels().iter().map(|label| label.as_str()).collect()
}

fn resources(body: &Body) -> Vec<&Block> {
    body.blocks()
        .filter(|block| block.identifier() == "resource")
        .collect()
}

fn attributes(block: &Block) -> BTreeMap<&str, &Expression> {
    block
        .body()
        .attributes()
        .map(|one| (one.key(), one.expr()))
        .collect()
}

#[test]
fn every_argument_is_one_that_the_provider_knows_and_none_is_missing() {
    let body = body();
    let resources = resources(&body);
    assert!(resources.len() >= 4);
    for block in &resources {
        let kind = labels(block)[0];
        let known = SCHEMA.iter().find(|(name, ..)| *name == kind);
        let (_, required, optional) =
            known.unwrap_or_else(|| panic!("{kind} is in no schema here"));
        let given = attributes(block);
        for name in given.keys() {
            let is_known =
                required.contains(name) || optional.contains(name) || META.contains(name);
            assert!(is_known, "{kind} has no argument {name}");
        }
        for name in *required {
            assert!(given.contains_key(name), "{kind} lacks {name}");
        }
    }
}

#[test]
fn every_reference_leads_to_something_in_the_file() {
    let text = text("several-clusters/main.tf");
    let body = body();
    let declared: Vec<String> = resources(&body)
        .iter()
        .map(|block| labels(block).join("."))
        .collect();
    // `resource "TYPE" "NAME"` is no reference; `TYPE.NAME` is one.
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
    let references = words.filter(|word| word.starts_with("vault_") && word.contains('.'));
    for reference in references {
        let parts: Vec<&str> = reference.split('.').take(2).collect();
        assert!(declared.contains(&parts.join(".")), "{reference}");
    }
    for variable in text.split("var.").skip(1) {
        let name: String = variable
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let is_declared = body
            .blocks()
            .any(|b| b.identifier() == "variable" && labels(b) == [name.as_str()]);
        assert!(is_declared, "var.{name}");
    }
}

/// What an expression stands for when it needs no evaluation.
fn literal(expression: &Expression) -> Option<Value> {
    match expression {
        Expression::String(text) => Some(json!(text)),
        Expression::Bool(value) => Some(json!(value)),
        Expression::Number(number) => Some(json!(number.as_i64()?)),
        Expression::Array(items) => items.iter().map(literal).collect(),
        Expression::TemplateExpr(template) => Some(json!(template.to_string())),
        _ => None,
    }
}

#[test]
fn what_it_would_write_is_known_to_a_real_server() {
    let body = body();
    let bao = OpenBao::start();
    bao.must(
        "POST",
        "sys/auth/kubernetes-one",
        &json!({"type": "kubernetes"}),
    );
    let mut written = 0;
    for block in resources(&body) {
        let given = attributes(block);
        let values: serde_json::Map<String, Value> = given
            .iter()
            .filter(|(name, _)| !["backend", "role_name", "for_each"].contains(name))
            .map(|(name, value)| {
                (
                    (*name).to_owned(),
                    literal(value).unwrap_or_else(|| json!("checkout")),
                )
            })
            .collect();
        let answer = match labels(block)[0] {
            "vault_policy" => {
                let policy = json!({"policy": values["policy"]});
                bao.write("sys/policies/acl/checkout", &policy)
            }
            "vault_kubernetes_auth_backend_role" => {
                bao.write("auth/kubernetes-one/role/checkout", &Value::Object(values))
            }
            "vault_kubernetes_auth_backend_config" => {
                let mut values = Value::Object(values);
                values["kubernetes_host"] = json!("https://one.example:6443");
                values["kubernetes_ca_cert"] = json!(bao.ca());
                bao.write("auth/kubernetes-one/config", &values)
            }
            _ => continue,
        };
        assert!(answer["warnings"].is_null(), "{}", answer["warnings"]);
        written += 1;
    }
    assert_eq!(written, 3);
    let role = bao.read("auth/kubernetes-one/role/checkout");
    assert_eq!(role["data"]["audience"], "vault");
    assert_eq!(role["data"]["token_ttl"], 3600);
    let policy = bao.read("sys/policies/acl/checkout");
    let policy = policy["data"]["policy"].as_str().unwrap();
    assert!(policy.contains("database/creds/checkout-ro"), "{policy}");
}
