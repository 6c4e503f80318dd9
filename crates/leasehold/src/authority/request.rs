//! One request to the API server: its deadline, and the error that says what was attempted.

use std::future::Future;
use std::time::Duration;

use super::certificate::CertificateError;

/// How long one request to the API server may take.
const REQUEST: Duration = Duration::from_secs(10);

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error("failed to {doing}")]
    Api {
        doing: &'static str,
        #[source]
        source: kube::Error,
    },
    #[error("failed to {0}: the API server did not answer in time")]
    Slow(&'static str),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Waits for an answer, but not for ever.
pub(super) async fn within<T>(
    doing: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, StepError> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(StepError::Api { doing, source }),
        Err(_) => Err(StepError::Slow(doing)),
    }
}
