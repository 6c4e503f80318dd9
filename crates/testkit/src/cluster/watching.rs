//! Selectors of lists and watches, and the watches' endless answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::http::{Body, Call};
use super::store::{Event, Refusal};
use super::{State, lock};

/// What a list or watch is limited to.
pub(super) struct Selector {
    pub(super) name: Option<String>,
    labels: Vec<(String, String)>,
}

impl Selector {
    pub(super) fn parse(call: &Call, name: Option<&str>) -> Result<Self, Refusal> {
        let mut selector = Self {
            name: name.map(str::to_owned),
            labels: Vec::new(),
        };
        for term in terms(call.query.get("fieldSelector")) {
            match term.split_once('=') {
                Some(("metadata.name", value)) => {
                    selector.name = Some(value.trim_start_matches('=').to_owned());
                }
                Some(("metadata.namespace", _)) => {}
                _ => {
                    let message = format!("field label not supported: {term}");
                    return Err(Refusal::new(400, "BadRequest", message));
                }
            }
        }
        for term in terms(call.query.get("labelSelector")) {
            let Some((key, value)) = term.split_once('=') else {
                let message = format!("this server knows only equality of labels: {term}");
                return Err(Refusal::new(400, "BadRequest", message));
            };
            selector
                .labels
                .push((key.to_owned(), value.trim_start_matches('=').to_owned()));
        }
        Ok(selector)
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        self.name
            .as_ref()
            .is_none_or(|name| metadata["name"] == name.as_str())
            && self
                .labels
                .iter()
                .all(|(key, value)| metadata["labels"][key] == value.as_str())
    }
}

fn terms(selector: Option<&String>) -> impl Iterator<Item = &str> {
    selector
        .map(String::as_str)
        .unwrap_or_default()
        .split(',')
        .filter(|term| !term.is_empty())
}

/// A watch that began.
pub(super) struct Watch {
    pub(super) from: u64,
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    pub(super) timeout: Option<u64>,
}

impl Watch {
    pub(super) fn stream(self, state: &Arc<State>, initial: Option<Vec<Value>>) -> Response<Body> {
        let (sender, mut receiver) = mpsc::channel::<Bytes>(64);
        let state = Arc::clone(state);
        tokio::spawn(async move {
            let end = Duration::from_secs(self.timeout.unwrap_or(3600));
            let _ = tokio::time::timeout(end, self.follow(&state, initial, &sender)).await;
        });
        let frames = futures_frames(move |context| receiver.poll_recv(context));
        let mut response = Response::new(BodyExt::boxed(StreamBody::new(frames)));
        response.headers_mut().insert(
            CONTENT_TYPE,
            hyper::header::HeaderValue::from_static("application/json"),
        );
        response
    }

    /// Sends what happened and waits for more, until the client has gone.
    async fn follow(
        &self,
        state: &State,
        initial: Option<Vec<Value>>,
        sender: &mpsc::Sender<Bytes>,
    ) {
        let mut changes = state.changed.subscribe();
        let mut seen = self.from;
        for object in initial.into_iter().flatten() {
            if self.selector.matches(&object) && sender.send(line("ADDED", &object)).await.is_err()
            {
                return;
            }
        }
        loop {
            let (events, version): (Vec<Event>, u64) = {
                let store = lock(&state.store);
                (store.events_after(seen).cloned().collect(), store.version())
            };
            seen = version;
            for event in events {
                let ours = event.resource == self.resource
                    && (self.namespace.is_none() || event.namespace == self.namespace)
                    && self.selector.matches(&event.object);
                if ours && sender.send(line(event.kind, &event.object)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = sender.closed() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(json!({"type": kind, "object": object}).to_string() + "\n")
}

/// A stream of body frames from a poll function.
fn futures_frames(
    poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Bytes>> + Unpin,
) -> impl futures_core::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    struct Frames<F>(F);
    impl<F> futures_core::Stream for Frames<F>
    where
        F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Bytes>> + Unpin,
    {
        type Item = Result<Frame<Bytes>, Infallible>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            (self.0)(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        }
    }
    Frames(poll)
}
