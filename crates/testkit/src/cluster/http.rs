//! The API server's HTTP side: connections, routes, authentication and authorization, watches.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread::JoinHandle;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::net::Identity;

use super::apply::Force;
use super::route::{kind_of, parse_path, parse_query};
use super::store::{Place, Refusal, Write};
use super::token::{Bound, TokenSpec};
use super::watching::{Selector, Watch};
use super::{Grant, Request, State, lock, node, review};

/// What answers carry.
pub(super) type Body = BoxBody<Bytes, Infallible>;

/// Listens on a thread of its own until told to stop.
pub(super) fn serve(
    state: &Arc<State>,
    identity: &Identity,
    port: u16,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let certificates = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .expect("our own certificate is PEM");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("our own key is PEM");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("key and certificate belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));

    // Bound here, so that who called us can connect as soon as we return.
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .expect("the reserved port is free");
    listener
        .set_nonblocking(true)
        .expect("a socket can be made non-blocking");
    let (stop, stopped) = oneshot::channel();
    let state = Arc::clone(state);
    let thread = std::thread::Builder::new()
        .name("api server".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the system allows a runtime");
            runtime.block_on(accept(state, acceptor, listener, stopped));
        })
        .expect("the system can start a thread");
    (stop, thread)
}

async fn accept(
    state: Arc<State>,
    acceptor: TlsAcceptor,
    listener: std::net::TcpListener,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener =
        tokio::net::TcpListener::from_std(listener).expect("the runtime takes the socket");
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        let (state, acceptor) = (Arc::clone(&state), acceptor.clone());
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(answer(&state, request).await) }
            });
            // A client that goes away in the middle is no concern of ours.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A request as the handlers want it.
pub(super) struct Call {
    method: Method,
    path: String,
    pub(super) query: HashMap<String, String>,
    content_type: String,
    manager: String,
    body: Bytes,
}

async fn answer(state: &Arc<State>, request: hyper::Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let header = |name| {
        let value = parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let path_and_query = parts.uri.to_string();
    let query = parts.uri.query().map(parse_query).unwrap_or_default();
    let agent = header(USER_AGENT);
    let default_manager = agent.split('/').next().unwrap_or_default().to_owned();
    let call = Call {
        manager: query
            .get("fieldManager")
            .cloned()
            .unwrap_or(default_manager),
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query,
        content_type: header(CONTENT_TYPE),
        body: body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default(),
    };
    let (user, answer) = respond(state, &call, &header(AUTHORIZATION));
    let response = match answer {
        Ok(response) => response,
        Err(refusal) => status(&refusal),
    };
    lock(&state.requests).push(Request {
        method: call.method.to_string(),
        path: path_and_query,
        user,
        status: response.status().as_u16(),
    });
    response
}

fn respond(
    state: &Arc<State>,
    call: &Call,
    authorization: &str,
) -> (String, Result<Response<Body>, Refusal>) {
    for fault in lock(&state.faults).iter_mut() {
        if fault.remaining > 0 && call.path.starts_with(&fault.path_prefix) {
            fault.remaining -= 1;
            let message = format!("a fault was asked for: {}", fault.status);
            return (
                String::new(),
                Err(Refusal::new(fault.status, "InternalError", message)),
            );
        }
    }
    // Open to anybody, as kubeadm and the clouds have it for discovery.
    match call.path.as_str() {
        "/.well-known/openid-configuration" => {
            return (
                String::new(),
                Ok(json_answer(200, &state.signer.discovery())),
            );
        }
        "/openid/v1/jwks" => return (String::new(), Ok(json_answer(200, &state.signer.key_set()))),
        "/version" => {
            let version = lock(&state.version).clone();
            let mut numbers = version.split('.');
            let (major, minor) = (numbers.next(), numbers.next());
            let answer = json!({
                "major": major, "minor": minor, "gitVersion": format!("v{version}"),
                "platform": "linux/amd64",
            });
            return (String::new(), Ok(json_answer(200, &answer)));
        }
        "/livez" | "/readyz" | "/healthz" => {
            return (String::new(), Ok(text_answer("ok")));
        }
        _ => {}
    }
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let user = if token == state.admin_token {
        "admin".to_owned()
    } else {
        let own = [state.signer.issuer().to_owned()];
        match review::authenticate(state, token, &own) {
            Ok(user) => user.name,
            Err(_) => {
                let refusal = Refusal::new(401, "Unauthorized", "Unauthorized".to_owned());
                return (String::new(), Err(refusal));
            }
        }
    };
    let answer = resource_answer(state, call, &user);
    (user, answer)
}

fn resource_answer(state: &Arc<State>, call: &Call, user: &str) -> Result<Response<Body>, Refusal> {
    let unknown = || {
        let message = "the server could not find the requested resource".to_owned();
        Refusal::new(404, "NotFound", message)
    };
    let (place, subresource) = parse_path(&call.path).ok_or_else(unknown)?;
    authorize(state, call, &place, subresource.as_deref(), user)?;
    let write = match call.query.get("dryRun").map(String::as_str) {
        Some("All") => Write::DryRun,
        _ => Write::Keep,
    };
    if call.method == Method::POST && place.resource == "tokenreviews" {
        return Ok(json_answer(
            201,
            &review::token_review(state, &parse_body(call)?),
        ));
    }
    if place.resource == "serviceaccounts" && subresource.as_deref() == Some("token") {
        return token_request(state, call, &place);
    }
    // Status and scale are kept with the object itself.
    let resource = place.group_resource();
    let namespace = place.namespace.as_deref();
    let mut store = lock(&state.store);
    let answer = match (&call.method, &place.name) {
        (&Method::GET, Some(name)) if !is_watch(call) => {
            let object = store.get(&resource, namespace, name).cloned();
            json_answer(200, &object.ok_or_else(|| place.not_found(name))?)
        }
        (&Method::GET, _) => {
            let selector = Selector::parse(call, place.name.as_deref())?;
            if is_watch(call) {
                let from = call
                    .query
                    .get("resourceVersion")
                    .and_then(|text| text.parse().ok());
                let initial = match from {
                    None | Some(0) => Some(store.list(&resource, namespace)),
                    Some(_) => None,
                };
                let from = from
                    .filter(|version| *version > 0)
                    .unwrap_or(store.version());
                drop(store);
                let watch = Watch {
                    from,
                    resource,
                    namespace: place.namespace.clone(),
                    selector,
                    timeout: call
                        .query
                        .get("timeoutSeconds")
                        .and_then(|text| text.parse().ok()),
                };
                return Ok(watch.stream(state, initial));
            }
            let mut items = store.list(&resource, namespace);
            items.retain(|item| selector.matches(item));
            let list = json!({
                "kind": format!("{}List", kind_of(&place.resource)),
                "apiVersion": place.api_version(),
                "metadata": {"resourceVersion": store.version().to_string()},
                "items": items,
            });
            json_answer(200, &list)
        }
        (&Method::POST, None) => {
            let object = store.create(&place, parse_body(call)?, &call.manager, write)?;
            json_answer(201, &object)
        }
        (&Method::PUT, Some(name)) => json_answer(
            200,
            &store.replace(&place, name, parse_body(call)?, &call.manager, write)?,
        ),
        (&Method::PATCH, Some(name)) => {
            let patch = parse_body(call)?;
            if call
                .content_type
                .starts_with("application/apply-patch+yaml")
            {
                if !call.query.contains_key("fieldManager") {
                    let message = "fieldManager: Required value: is required for apply patch";
                    return Err(Refusal::new(422, "Invalid", message.to_owned()));
                }
                let force = match call.query.get("force").map(String::as_str) {
                    Some("true" | "1") => Force::Yes,
                    _ => Force::No,
                };
                json_answer(
                    200,
                    &store.apply(&place, name, &patch, &call.manager, force, write)?,
                )
            } else {
                let current = store.get(&resource, namespace, name).cloned();
                let mut object = current.ok_or_else(|| place.not_found(name))?;
                patch_object(call, &mut object, &patch)?;
                json_answer(
                    200,
                    &store.replace(&place, name, object, &call.manager, write)?,
                )
            }
        }
        (&Method::DELETE, Some(name)) => {
            let options = if call.body.is_empty() {
                Value::Null
            } else {
                parse_body(call)?
            };
            json_answer(200, &store.delete(&place, name, &options["preconditions"])?)
        }
        _ => {
            let message = "the server does not allow this method on the requested resource";
            return Err(Refusal::new(405, "MethodNotAllowed", message.to_owned()));
        }
    };
    state.changed.send_replace(store.version());
    Ok(answer)
}

fn patch_object(call: &Call, object: &mut Value, patch: &Value) -> Result<(), Refusal> {
    let kind = call.content_type.split(';').next().unwrap_or_default();
    match kind {
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            json_patch::merge(object, patch);
            Ok(())
        }
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| Refusal::new(400, "BadRequest", error.to_string()))?;
            json_patch::patch(object, &patch)
                .map_err(|error| Refusal::new(422, "Invalid", error.to_string()))
        }
        other => Err(Refusal::new(
            415,
            "UnsupportedMediaType",
            format!("the body of the request was in an unknown format: {other}"),
        )),
    }
}

fn token_request(state: &State, call: &Call, place: &Place) -> Result<Response<Body>, Refusal> {
    let mut request = parse_body(call)?;
    let name = place.name.clone().unwrap_or_default();
    let namespace = place.namespace.clone().unwrap_or_default();
    let spec = &request["spec"];
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(3600);
    if seconds < 600 {
        let message = "spec.expirationSeconds: Invalid value: may not specify a duration less than \
                       10 minutes";
        return Err(Refusal::new(422, "Invalid", message.to_owned()));
    }
    let audiences: Vec<&str> = spec["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut wanted = TokenSpec::new(&namespace, &name, &audiences).expiring_after(seconds);
    let store = lock(&state.store);
    let account = store
        .get("/serviceaccounts", Some(&namespace), &name)
        .ok_or_else(|| place.not_found(&name))?;
    let uid = account["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut bound = None;
    if spec["boundObjectRef"]["kind"] == "Pod" {
        let pod = spec["boundObjectRef"]["name"].as_str().unwrap_or_default();
        let found = store
            .get("/pods", Some(&namespace), pod)
            .ok_or_else(|| Refusal::new(404, "NotFound", format!("pods \"{pod}\" not found")))?;
        wanted = wanted.bound_to_pod(pod);
        bound = Some(Bound {
            name: pod.to_owned(),
            uid: found["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        });
    }
    drop(store);
    let token = state.signer.mint(&wanted, &uid, bound.as_ref(), &node());
    let end = jiff::Timestamp::from_second(super::token::now() + seconds)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default();
    request["status"] = json!({"token": token, "expirationTimestamp": end});
    Ok(json_answer(201, &request))
}

/// Refuses what the user was not granted, in the server's words.
fn authorize(
    state: &State,
    call: &Call,
    place: &Place,
    subresource: Option<&str>,
    user: &str,
) -> Result<(), Refusal> {
    if user == "admin" {
        return Ok(());
    }
    let selected = Selector::parse(call, place.name.as_deref())
        .ok()
        .and_then(|selector| selector.name);
    let verb = match call.method {
        Method::GET if is_watch(call) => "watch",
        Method::GET if place.name.is_none() => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        _ => "delete",
    };
    let resource = match subresource {
        Some(subresource) => format!("{}/{subresource}", place.resource),
        None => place.resource.clone(),
    };
    let covers = |grant: &Grant| {
        let has =
            |list: &[String], wanted: &str| list.iter().any(|one| one == wanted || one == "*");
        // A create cannot be limited by name: the name is in the body.
        let named = grant.names.is_empty()
            || (verb != "create"
                && selected
                    .as_ref()
                    .is_some_and(|name| grant.names.contains(name)));
        has(&grant.groups, &place.group)
            && has(&grant.resources, &resource)
            && has(&grant.verbs, verb)
            && named
            && (grant.namespace.is_none() || grant.namespace == place.namespace)
    };
    let grants = lock(&state.grants);
    // An apply of an object that is not there also needs the right to create it.
    if grants
        .iter()
        .any(|(who, grant)| who == user && covers(grant))
    {
        return Ok(());
    }
    let name = place
        .name
        .as_deref()
        .map(|name| format!(" \"{name}\""))
        .unwrap_or_default();
    let at = match &place.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    Err(Refusal::new(
        403,
        "Forbidden",
        format!(
            "{resource}{name} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" \
             in API group \"{}\" {at}",
            place.group
        ),
    ))
}

fn is_watch(call: &Call) -> bool {
    matches!(
        call.query.get("watch").map(String::as_str),
        Some("true" | "1")
    )
}

fn parse_body(call: &Call) -> Result<Value, Refusal> {
    serde_json::from_slice(&call.body).map_err(|error| {
        let message = format!("the object provided is unrecognized: {error}");
        Refusal::new(400, "BadRequest", message)
    })
}

fn json_answer(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

fn text_answer(text: &'static str) -> Response<Body> {
    Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed())
}

fn status(refusal: &Refusal) -> Response<Body> {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": refusal.message, "reason": refusal.reason, "code": refusal.code,
    });
    if refusal.causes.is_array() {
        body["details"] = json!({"causes": refusal.causes});
    }
    json_answer(refusal.code, &body)
}
