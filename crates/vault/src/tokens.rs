//! The calls that keep tokens and leases alive or end them, and wrapping.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::answer::{Auth, Secret, WrapInfo};
use crate::client::Client;
use crate::error::{Error, Unusable};
use crate::request::Request;
use crate::token::{LeaseId, SecretText, Token};

/// What the server tells about a token.
#[derive(Debug, Clone, Deserialize)]
pub struct TokenStatus {
    /// What is left of its life, in seconds; 0 for a token without end, and for one in its
    /// last second.
    #[serde(default)]
    pub ttl: u64,
    /// How long it lived when it was made or last renewed, in seconds; 0 for a token
    /// without end.
    #[serde(default)]
    pub creation_ttl: u64,
    /// When it ends, as the server wrote it; absent for a token without end.
    #[serde(default)]
    pub expire_time: Option<String>,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
    /// How often it can still be used; 0 means without limit.
    #[serde(default)]
    pub num_uses: u64,
    /// Service or batch.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The names of its policies.
    #[serde(default)]
    pub policies: Vec<String>,
}

/// A lease as the server left it after a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// What is left of its life.
    pub duration: Duration,
    /// Whether it can be renewed again.
    pub renewable: bool,
}

/// What a wrapping token holds.
#[derive(Debug, Clone, Deserialize)]
pub struct WrappingStatus {
    /// The path whose answer is wrapped.
    #[serde(default)]
    pub creation_path: String,
    /// When it was wrapped.
    #[serde(default)]
    pub creation_time: String,
    /// How long it can be unwrapped from then, in seconds.
    #[serde(default)]
    pub creation_ttl: u64,
}

impl TokenStatus {
    /// Whether the token has no end. A TTL of 0 alone does not say so: a token in its last
    /// second has it as well.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.ttl == 0 && self.creation_ttl == 0 && self.expire_time.is_none()
    }
}

impl Client {
    /// Asks what the token is.
    ///
    /// # Errors
    /// The token is not good, or as with any request.
    pub async fn lookup_self(&self, token: &Token) -> Result<TokenStatus, Error> {
        let request = Request::get("auth/token/lookup-self").token(token);
        let secret = self.demand(&request).await?;
        secret
            .data_as()
            .map_err(|reason| self.unusable(&request, 200, reason))
    }

    /// Renews the token; `increment` of zero means the role's own TTL.
    ///
    /// # Errors
    /// The token cannot be renewed, or as with any request.
    pub async fn renew_self(&self, token: &Token, increment: Duration) -> Result<Auth, Error> {
        self.renew_token(None, token, increment).await
    }

    /// The same in another namespace than the connection's; an empty one is the server's own.
    ///
    /// # Errors
    /// As above.
    pub async fn renew_self_in(
        &self,
        namespace: &str,
        token: &Token,
        increment: Duration,
    ) -> Result<Auth, Error> {
        self.renew_token(Some(namespace), token, increment).await
    }

    async fn renew_token(
        &self,
        namespace: Option<&str>,
        token: &Token,
        increment: Duration,
    ) -> Result<Auth, Error> {
        let body = json!({ "increment": increment.as_secs() });
        let mut request = Request::put("auth/token/renew-self", &body).token(token);
        request.namespace = namespace.map(str::to_owned);
        let secret = self.demand(&request).await?;
        secret
            .auth
            .ok_or_else(|| self.unusable(&request, 200, Unusable::Lacks("auth")))
    }

    /// Ends the token and all its leases.
    ///
    /// # Errors
    /// As with any request. A token that is gone already is refused with 403.
    pub async fn revoke_self(&self, token: &Token) -> Result<(), Error> {
        let request = Request::put("auth/token/revoke-self", &json!({})).token(token);
        self.call(&request).await.map(drop)
    }

    /// Renews a lease; `increment` of zero means its own TTL.
    ///
    /// # Errors
    /// The lease is gone or cannot be renewed, or as with any request.
    pub async fn renew_lease(
        &self,
        token: &Token,
        lease: &LeaseId,
        increment: Duration,
    ) -> Result<Renewed, Error> {
        self.renew_a_lease(None, token, lease, increment).await
    }

    /// The same in another namespace than the connection's; an empty one is the server's own.
    ///
    /// # Errors
    /// As above.
    pub async fn renew_lease_in(
        &self,
        namespace: &str,
        token: &Token,
        lease: &LeaseId,
        increment: Duration,
    ) -> Result<Renewed, Error> {
        self.renew_a_lease(Some(namespace), token, lease, increment)
            .await
    }

    async fn renew_a_lease(
        &self,
        namespace: Option<&str>,
        token: &Token,
        lease: &LeaseId,
        increment: Duration,
    ) -> Result<Renewed, Error> {
        let body = json!({ "increment": increment.as_secs(), "lease_id": lease.expose() });
        let mut request = Request::put("sys/leases/renew", &body).token(token);
        request.namespace = namespace.map(str::to_owned);
        let secret = self.demand(&request).await?;
        Ok(Renewed {
            duration: secret.lease_duration,
            renewable: secret.renewable,
        })
    }

    /// Ends a lease.
    ///
    /// # Errors
    /// As with any request.
    pub async fn revoke_lease(&self, token: &Token, lease: &LeaseId) -> Result<(), Error> {
        let body = json!({ "lease_id": lease.expose() });
        let request = Request::put("sys/leases/revoke", &body).token(token);
        self.call(&request).await.map(drop)
    }

    /// Wraps a token, as a sink with `wrap_ttl` wants it.
    ///
    /// # Errors
    /// As with any request.
    pub async fn wrap_token(&self, token: &Token, ttl: Duration) -> Result<WrapInfo, Error> {
        let body = json!({ "token": token.expose() });
        let mut request = Request::put("sys/wrapping/wrap", &body).token(token);
        request.wrap_ttl = Some(ttl);
        let secret = self.demand(&request).await?;
        secret
            .wrap_info
            .ok_or_else(|| self.unusable(&request, 200, Unusable::Lacks("wrap_info")))
    }

    /// Asks what a wrapping token holds, without using it up.
    ///
    /// # Errors
    /// As with any request; a wrapping token that is used or at its end is refused.
    pub async fn wrapping_lookup(&self, wrapping: &Token) -> Result<WrappingStatus, Error> {
        let request = Request::get("sys/wrapping/lookup").token(wrapping);
        let secret = self.demand(&request).await?;
        secret
            .data_as()
            .map_err(|reason| self.unusable(&request, 200, reason))
    }

    /// Takes out what a wrapping token holds, once.
    ///
    /// # Errors
    /// As with any request; a wrapping token that is used or at its end is refused.
    pub async fn unwrap(&self, wrapping: &Token) -> Result<Secret, Error> {
        let request = Request::put("sys/wrapping/unwrap", &json!({})).token(wrapping);
        self.demand(&request).await
    }

    /// Takes out the secret id that a wrapping token holds.
    pub(crate) async fn unwrap_secret_id(&self, wrapping: &Token) -> Result<SecretText, Error> {
        #[derive(Deserialize)]
        struct Form {
            secret_id: String,
        }
        let secret = self.unwrap(wrapping).await?;
        let form: Form = secret.data_as().map_err(|_| {
            let request = Request::put("sys/wrapping/unwrap", &json!({}));
            self.unusable(&request, 200, Unusable::Lacks("data.secret_id"))
        })?;
        Ok(SecretText::new(form.secret_id))
    }

    /// Sends a request whose answer must have a body.
    pub(crate) async fn demand(&self, request: &Request) -> Result<Secret, Error> {
        match self.call(request).await? {
            Some(secret) => Ok(secret),
            None => Err(self.unusable(request, 204, Unusable::Lacks("data"))),
        }
    }
}
