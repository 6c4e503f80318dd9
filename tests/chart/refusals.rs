//! Values that the chart refuses, and in which words.

use crate::helm::{KUBERNETES, choosing, template};

#[track_caller]
fn refused(kubernetes: &str, set: &str, part: &str) {
    let output = template(kubernetes, &["--set".to_owned(), set.to_owned()]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{set} is accepted");
    assert!(error.contains(part), "`{part}` is not in: {error}");
}

#[track_caller]
fn accepted(kubernetes: &str, arguments: &[String]) {
    let output = template(kubernetes, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn values_of_the_wrong_form_are_refused_by_the_schema() {
    for (set, key) in [
        ("injector.logLevel=loud", "injector.logLevel"),
        (
            "injector.webhook.failurePolicy=Maybe",
            "injector.webhook.failurePolicy",
        ),
        (
            "injector.webhook.timeoutSeconds=31",
            "injector.webhook.timeoutSeconds",
        ),
        (
            "injector.agentDefaults.mode=triple",
            "injector.agentDefaults.mode",
        ),
        (
            "injector.agentDefaults.memLimit=lots",
            "injector.agentDefaults.memLimit",
        ),
        (
            "injector.agentDefaults.tokenExpiration=soon",
            "injector.agentDefaults.tokenExpiration",
        ),
        // The flags ask for a unit, so the program would not start with these.
        (
            "injector.agentDefaults.tokenExpiration=600",
            "injector.agentDefaults.tokenExpiration",
        ),
        (
            "injector.agentDefaults.loginSpread=60",
            "injector.agentDefaults.loginSpread",
        ),
        (
            "injector.certs.selfMade.caLifetime=24",
            "injector.certs.selfMade.caLifetime",
        ),
        ("injector.port=0", "injector.port"),
        ("injector.replicas=-1", "injector.replicas"),
        (
            "global.externalVaultAddr=vault:8200",
            "global.externalVaultAddr",
        ),
        (
            "injector.lockedAnnotations={Not OK}",
            "injector.lockedAnnotations",
        ),
    ] {
        refused(KUBERNETES, set, key);
    }
    for set in [
        "injector.agentDefaults.loginSpread=0",
        "injector.agentDefaults.loginSpread=1m30s",
    ] {
        accepted(KUBERNETES, &["--set".to_owned(), set.to_owned()]);
    }
}

#[test]
fn values_of_a_release_with_a_server_are_refused_until_that_is_understood() {
    let sentence = "an upgrade of a release that holds a server would delete that server";
    for set in [
        "server.enabled=true",
        "server.enabled=-",
        "server.ha.enabled=true",
    ] {
        refused(KUBERNETES, set, sentence);
        let understood = format!("{set},migration.noServerUnderstood=true");
        accepted(KUBERNETES, &["--set".to_owned(), understood]);
    }
    for set in [
        "server.enabled=false",
        "server.enabled=-,global.externalVaultAddr=https://vault:8200",
    ] {
        accepted(KUBERNETES, &["--set".to_owned(), set.to_owned()]);
    }
    accepted(KUBERNETES, &choosing("vault-helm"));
}

#[test]
fn fail_is_refused_where_there_are_no_match_conditions() {
    let fail = "injector.webhook.failurePolicy=Fail";
    refused("1.27.5", fail, "failurePolicy: Fail needs match conditions");
    for kubernetes in ["1.28.0", "1.36.0"] {
        accepted(kubernetes, &["--set".to_owned(), fail.to_owned()]);
    }
}

#[test]
fn values_that_contradict_each_other_are_refused_with_a_sentence() {
    let alerts = "injector.metrics.prometheusRule.enabled=true";
    refused(KUBERNETES, alerts, "set injector.metrics.enabled=true");
    let both = "injector.clientAuthority.configMapName=a,injector.clientAuthority.secretName=b";
    refused(KUBERNETES, both, "give the one that holds the authority");
}
