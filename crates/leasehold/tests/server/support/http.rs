//! HTTP clients that a test holds in its hands: HTTP/2 connections that are kept, as an API server keeps them, and
//! requests that are written byte by byte.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// How a client that trusts a PEM text speaks TLS, offering these application protocols.
pub(crate) fn tls(roots: &str, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store
            .add(certificate.expect("the text is PEM"))
            .expect("the certificate is an authority");
    }
    let provider = rustls::crypto::ring::default_provider();
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A TLS connection without a request on it.
pub(crate) async fn encrypted(
    port: u16,
    tls: &Arc<ClientConfig>,
) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    tokio_rustls::TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
}

/// An HTTP/2 connection; it lives as long as the runtime or until one side ends it.
pub(crate) async fn http2(
    port: u16,
    tls: &Arc<ClientConfig>,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = encrypted(port, tls).await.map_err(|e| e.to_string())?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

/// The POST of a review.
pub(crate) fn post(path: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(format!("https://localhost{path}"))
        .header("content-type", "application/json")
        .body(Full::new(body))
        .expect("the request is complete")
}

/// Status and body of an answer.
pub(crate) async fn read(
    answer: Response<hyper::body::Incoming>,
) -> Result<(u16, Bytes), hyper::Error> {
    let status = answer.status().as_u16();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

/// A plain TCP connection.
pub(crate) fn open(port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}
