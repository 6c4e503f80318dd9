//! Google Cloud, type `gce`: the metadata service signs a token that names the machine's or pod's service
//! account, and the server checks that signature.

use super::Call;
use crate::client::Client;
use crate::login::LoginError;
use crate::settings::Roots;
use crate::token::SecretText;
use crate::variables::Variables;

/// Where the metadata service is, unless `GCE_METADATA_HOST` names another host.
const METADATA_HOST: &str = "metadata.google.internal";

/// Settings of the login.
#[derive(Debug)]
pub(in crate::login) struct Gce {
    pub(in crate::login) role: String,
    pub(in crate::login) service_account: String,
    pub(in crate::login) host: String,
}

impl Gce {
    pub(in crate::login) fn new(
        role: String,
        service_account: Option<String>,
        variables: &Variables,
    ) -> Self {
        Self {
            role,
            service_account: service_account.unwrap_or_else(|| "default".to_owned()),
            host: variables
                .get("GCE_METADATA_HOST")
                .unwrap_or(METADATA_HOST)
                .to_owned(),
        }
    }

    /// The token, made out to this server and role.
    pub(in crate::login) async fn identity(
        &self,
        client: &Client,
    ) -> Result<SecretText, LoginError> {
        let audience = format!("{}/vault/{}", client.settings().address, self.role);
        let query = crate::request::escape_query(&[
            ("audience".to_owned(), audience),
            ("format".to_owned(), "full".to_owned()),
        ]);
        let account = crate::request::escape_path(&self.service_account);
        let url = format!(
            "http://{}/computeMetadata/v1/instance/service-accounts/{account}/identity?{query}",
            self.host
        );
        let answer = Call::get("the instance's identity token", url)
            .header("metadata-flavor", "Google")
            .send(client, Roots::System)
            .await?;
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        Ok(SecretText::new(text))
    }
}
