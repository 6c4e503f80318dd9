//! The API server's version, which decides whether native sidecars can be used.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kube::Client;
use leasehold_inject::KubeVersion;

use crate::server::readiness::Readiness;
use crate::settings::parse_kube_version;

/// What readiness waits for until the version is known.
pub const CONDITION: &str = "the API server's version";

/// Assumed when the API server refuses to tell: no native sidecars, which every version can do without.
const ASSUMED: KubeVersion = KubeVersion {
    major: 1,
    minor: 27,
};

/// Asks until there is an answer. Returns when the version is known.
pub async fn learn(client: Client, known: Arc<OnceLock<KubeVersion>>, readiness: Readiness) {
    let mut pause = Duration::from_millis(100);
    let version = loop {
        match tokio::time::timeout(Duration::from_secs(5), client.apiserver_version()).await {
            Ok(Ok(info)) => {
                let text = format!("{}.{}", info.major, info.minor);
                if let Some(version) = parse_kube_version(&text) {
                    break version;
                }
                tracing::warn!(version = %text, "the API server's version cannot be read; native sidecars are not used");
                break ASSUMED;
            }
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 401 | 403 | 404) => {
                tracing::warn!(
                    code = status.code, message = %status.message,
                    "the API server does not tell its version; native sidecars are not used unless --agent-mode or \
                     --kube-version says so"
                );
                break ASSUMED;
            }
            Ok(Err(error)) => tracing::warn!(
                error = %crate::chain(&error), "failed to ask for the API server's version; trying again"
            ),
            Err(_) => {
                tracing::warn!("the API server did not tell its version within 5 s; trying again");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    };
    tracing::info!(version = %format_args!("{}.{}", version.major, version.minor), "the API server's version is known");
    if known.set(version).is_err() {
        tracing::debug!("the version was known already");
    }
    readiness.met(CONDITION);
}
