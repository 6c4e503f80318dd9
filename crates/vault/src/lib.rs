//! HTTP client for the Vault API, and the login methods.
//!
//! One [`Client`] is one connection to a server, with namespace, TLS, proxies, time and
//! size limits. It reads, writes and lists secrets (putting key/value paths right), logs
//! in, renews, wraps and revokes. A [`Login`] knows a login method's credentials.
//!
//! It never tries anything again, keeps no token and no answer, reads no environment and
//! writes no log: errors say what happened and whether another try can help, and the
//! caller decides. Start reading at [`Client::read`] and [`Login::log_in`].

mod address;
mod answer;
mod claims;
mod client;
mod error;
mod fetch;
mod hint;
mod kv;
mod login;
mod pace;
mod proxy;
mod reading;
mod request;
mod requests;
mod service;
mod settings;
mod streaming;
mod tls;
mod token;
mod tokens;
mod variables;

pub use address::{Address, AddressError};
pub use answer::{Auth, Secret, WrapInfo};
pub use claims::Claims;
pub use client::{Client, RawAnswer, Turn};
pub use error::{Error, Failure, NoAnswer, Refusal, RefusalForm, SetupError, Unusable};
pub use fetch::{Asked, FetchError};
pub use hint::{LoginFacts, login_hint, missing_hint, read_hint};
pub use kv::{Engine, Mounts, Place, Purpose};
pub use login::{LoggedIn, Login, LoginError, METHODS, MethodError, MethodSettings, Sign, Watched};
pub use pace::{RateLimit, RateLimitError};
pub use proxy::{ProxyError, ProxySettings};
pub use reading::{Listing, Reading};
pub use request::{Request, RequestBody};
pub use requests::RequestCount;
pub use reqwest::Method;
pub use settings::{
    ClientPair, Connections, DEFAULT_ANSWER_LIMIT, DEFAULT_READS_AT_ONCE, DEFAULT_TIMEOUT,
    PemSource, Redirects, Roots, Settings, TlsSettings, Verification,
};
pub use streaming::{BodySender, BodyStream, OpenAnswer};
pub use tls::TlsError;
pub use token::{LeaseId, SecretText, Token, TokenError};
pub use tokens::{Renewed, TokenStatus, WrappingStatus};
pub use variables::Variables;
