//! The HTTP surface: which path answers what, with which status and type. Connections and TLS are beneath it, the
//! decisions about pods and workloads behind it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::admission::{self, Question};
use crate::server::connection::Peer;
use crate::server::metrics::{self, Endpoint, Metrics};
use crate::server::readiness::Readiness;
use crate::webhook::Webhook;

/// Largest body that is read. The API server's own limit for an object is below 3 MiB, and an update carries two.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Bytes that the bodies of all reviews under way may take together.
const BODIES_LIMIT: usize = 64 * 1024 * 1024;

/// How long a client may take to send a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the handlers need.
#[derive(Debug)]
pub struct Service {
    /// Decides about pods and workloads.
    pub webhook: Webhook,
    /// Says whether reviews may be sent.
    pub readiness: Readiness,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Whether reviews want a client certificate.
    pub clients: Clients,
    /// What all bodies together may take: [`body_memory`].
    pub memory: Semaphore,
}

/// A fresh account of the bytes that all bodies together may take.
#[must_use]
pub fn body_memory() -> Semaphore {
    Semaphore::new(BODIES_LIMIT)
}

/// Who may ask for reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Everybody who reaches the port.
    Anyone,
    /// Clients with a certificate of the configured authority.
    Verified,
}

/// The whole HTTP surface. An empty `telemetry_path` serves no metrics.
pub fn router(service: Arc<Service>, telemetry_path: &str) -> Router {
    let mut router = Router::new()
        .route("/mutate", any(mutate))
        .route("/validate", any(validate))
        .route("/health/ready", any(ready))
        .route("/health/live", any(live))
        .route("/version", any(version))
        .fallback(not_found);
    let taken = [
        "/mutate",
        "/validate",
        "/health/ready",
        "/health/live",
        "/version",
    ];
    if telemetry_path.starts_with('/') && !taken.contains(&telemetry_path) {
        // Braces and stars are the router's own syntax; a path with them cannot be meant.
        if telemetry_path.contains(['{', '}', '*']) {
            tracing::warn!(
                telemetry_path,
                "--telemetry-path is no plain path; no metrics are served"
            );
        } else {
            router = router.route(telemetry_path, any(telemetry));
        }
    } else if !telemetry_path.is_empty() {
        tracing::warn!(
            telemetry_path,
            "--telemetry-path must begin with / and be free; no metrics are served"
        );
    }
    router.with_state(service)
}

async fn mutate(State(service): State<Arc<Service>>, request: Request) -> Response {
    answer(&service, Endpoint::Mutate, request).await
}

async fn validate(State(service): State<Arc<Service>>, request: Request) -> Response {
    answer(&service, Endpoint::Validate, request).await
}

async fn ready(State(service): State<Arc<Service>>) -> Response {
    match service.readiness.obstacle() {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(obstacle) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {obstacle}"),
        ),
    }
}

async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn version() -> Response {
    let body = json!({"name": "leasehold", "version": env!("CARGO_PKG_VERSION")}).to_string();
    ([(CONTENT_TYPE, JSON)], body).into_response()
}

async fn telemetry(State(service): State<Arc<Service>>) -> Response {
    match service.metrics.text() {
        Ok(body) => (
            [(
                CONTENT_TYPE,
                HeaderValue::from_static(metrics::CONTENT_TYPE),
            )],
            body,
        )
            .into_response(),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to gather the metrics: {error}"),
        ),
    }
}

async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found".to_owned())
}

async fn answer(service: &Service, endpoint: Endpoint, request: Request) -> Response {
    let queued = service.metrics.enter();
    let start = Instant::now();
    let response = match review(service, endpoint, request).await {
        Ok(body) => ([(CONTENT_TYPE, JSON)], body).into_response(),
        Err((status, message)) => {
            service.metrics.refused(status.as_u16());
            tracing::warn!(status = status.as_u16(), error = %message, "a request is no review");
            text(status, message)
        }
    };
    service.metrics.took(endpoint, start.elapsed());
    drop(queued);
    response
}

async fn review(
    service: &Service,
    endpoint: Endpoint,
    request: Request,
) -> Result<Vec<u8>, (StatusCode, String)> {
    if service.clients == Clients::Verified
        && request.extensions().get::<Peer>() != Some(&Peer::Verified)
    {
        return Err((
            StatusCode::FORBIDDEN,
            "reviews are answered only to clients with a certificate of the configured authority"
                .to_owned(),
        ));
    }
    check_content_type(request.headers())?;
    let body = read_body(&service.memory, request.into_body()).await?;
    let question = admission::read(&body.bytes).map_err(|error| {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        (status, error.to_string())
    })?;
    decide(service, endpoint, &question).await
}

async fn decide(
    service: &Service,
    endpoint: Endpoint,
    question: &Question<'_>,
) -> Result<Vec<u8>, (StatusCode, String)> {
    let request = &question.request;
    let namespace = service.webhook.namespace(&request.namespace).await;
    // A mistake of ours must not take the connection, which carries other reviews, with it.
    let verdict = catch_unwind(AssertUnwindSafe(|| match endpoint {
        Endpoint::Mutate => service.webhook.mutate(request, namespace.as_ref()),
        Endpoint::Validate => service.webhook.validate(request, namespace.as_ref()),
    }))
    .map_err(|_| {
        let message = format!(
            "the review {} of {} {:?} failed inside leasehold; this is a mistake in it, please report it",
            request.uid, request.kind.kind, request.namespace
        );
        (StatusCode::INTERNAL_SERVER_ERROR, message)
    })?;
    verdict.answer(question).map_err(|error| {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to write the answer: {error}"),
        )
    })
}

/// Only JSON is read; parameters such as a charset do not matter, JSON being UTF-8 by definition.
fn check_content_type(headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
    let given = headers
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let given = String::from_utf8_lossy(given);
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err((
        StatusCode::BAD_REQUEST,
        format!("Invalid content-type: {given:?}"),
    ))
}

/// A body in memory, and its share of what all bodies together may take.
#[derive(Debug)]
struct Held<'a> {
    bytes: Vec<u8>,
    _share: Option<SemaphorePermit<'a>>,
}

/// Reads a body within its limits of size and time, and within what all bodies together may take: a burst waits here
/// instead of growing the process.
async fn read_body<'a>(
    memory: &'a Semaphore,
    body: Body,
) -> Result<Held<'a>, (StatusCode, String)> {
    match tokio::time::timeout(BODY_TIMEOUT, collect(memory, body)).await {
        Ok(held) => held,
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "error reading request body: it did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            ),
        )),
    }
}

async fn collect<'a>(
    memory: &'a Semaphore,
    mut body: Body,
) -> Result<Held<'a>, (StatusCode, String)> {
    let mut bytes = Vec::new();
    let mut share: Option<SemaphorePermit<'a>> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            (
                StatusCode::BAD_REQUEST,
                format!("error reading request body: {error}"),
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > BODY_LIMIT {
            return Err((
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("error reading request body: it is larger than {BODY_LIMIT} bytes"),
            ));
        }
        // Below the limit of a body, so it fits the type and is always to be had in the end.
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if let Ok(more) = memory.acquire_many(length).await {
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Held {
        bytes,
        _share: share,
    })
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

fn text(status: StatusCode, mut message: String) -> Response {
    message.push('\n');
    (status, [(CONTENT_TYPE, TEXT)], message).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures_util::stream;
    use tokio::time::Instant;

    use super::*;

    /// A body of which a piece comes every second.
    fn slow(piece: &'static [u8]) -> Body {
        Body::from_stream(stream::unfold((), move |()| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(piece)), ()))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_byte_by_byte_is_given_up_and_its_memory_given_back() {
        let memory = body_memory();
        let begun = Instant::now();
        let (status, message) = read_body(&memory, slow(b"x")).await.err().unwrap();
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{message}");
        assert_eq!(begun.elapsed(), BODY_TIMEOUT);
        assert_eq!(memory.available_permits(), BODIES_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_up_to_its_limit_and_not_beyond() {
        let memory = body_memory();
        let held = read_body(&memory, Body::from(vec![b'x'; BODY_LIMIT])).await;
        assert_eq!(held.unwrap().bytes.len(), BODY_LIMIT);
        let refused = read_body(&memory, Body::from(vec![b'x'; BODY_LIMIT + 1])).await;
        assert_eq!(refused.err().unwrap().0, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(memory.available_permits(), BODIES_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_wait_while_others_take_the_memory() {
        let memory = body_memory();
        let taken = memory.acquire_many(BODIES_LIMIT as u32).await.unwrap();
        let reading = read_body(&memory, Body::from("{}"));
        let freeing = async {
            tokio::time::sleep(BODY_TIMEOUT / 2).await;
            drop(taken);
        };
        let (held, ()) = tokio::join!(reading, freeing);
        assert_eq!(held.unwrap().bytes, b"{}");
    }
}
