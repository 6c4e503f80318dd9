//! The manifests beside the chart: kustomize bases, GitOps examples, annotated samples.

use std::fs;
use std::path::{Path, PathBuf};

use leasehold_testkit::tools;
use serde_json::Value;

use crate::helm::{only, parse};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_manifest_is_yaml() {
    let mut found = Vec::new();
    files(&tools::workspace().join("manifests"), &mut found);
    assert!(found.len() >= 18, "only {} files", found.len());
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!parse(&text).is_empty(), "{}", path.display());
    }
}

#[test]
fn each_base_holds_the_whole_injector_and_no_certificate() {
    for base in [
        "minimal",
        "high-availability",
        "cert-manager",
        "external-vault",
    ] {
        let folder = tools::workspace().join("manifests").join(base);
        let kustomization = parse(&fs::read_to_string(folder.join("kustomization.yaml")).unwrap());
        let mut objects = Vec::new();
        for resource in kustomization[0]["resources"].as_array().unwrap() {
            let text = fs::read_to_string(folder.join(resource.as_str().unwrap())).unwrap();
            objects.extend(parse(&text));
        }
        let namespace = &only(&objects, "Namespace")["metadata"]["name"];
        assert_eq!(
            only(&objects, "Deployment")["metadata"]["namespace"],
            *namespace,
            "{base}"
        );
        let webhooks = only(&objects, "MutatingWebhookConfiguration");
        for webhook in webhooks["webhooks"].as_array().unwrap() {
            assert_eq!(
                webhook["clientConfig"]["service"]["namespace"], *namespace,
                "{base}"
            );
            assert_eq!(webhook["clientConfig"].get("caBundle"), None, "{base}");
        }
        assert!(
            objects
                .iter()
                .any(|o| o["kind"] == "ValidatingAdmissionPolicy"),
            "{base}"
        );
    }
}

#[test]
fn each_sample_application_asks_for_injection_on_its_pods() {
    for sample in ["database", "tls", "oidc", "third-party-token"] {
        let path = format!("manifests/samples/{sample}/deployment.yaml");
        let text = fs::read_to_string(tools::workspace().join(path)).unwrap();
        let objects = parse(&text);
        let annotations =
            &only(&objects, "Deployment")["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(
            annotations["vault.hashicorp.com/agent-inject"], "true",
            "{sample}"
        );
        assert!(
            annotations["vault.hashicorp.com/role"].is_string(),
            "{sample}"
        );
        let texts = annotations.as_object().unwrap().values();
        assert!(texts.into_iter().all(Value::is_string), "{sample}");
    }
}
