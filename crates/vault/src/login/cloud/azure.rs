//! Azure: the machine's metadata service, or the tenant's token service for a workload or application that
//! the environment describes, gives a token for a resource, and the server checks it.

use std::path::PathBuf;

use serde::Deserialize;

use super::Call;
use crate::client::Client;
use crate::login::{LoginError, sources::read_text};
use crate::settings::Roots;
use crate::token::SecretText;
use crate::variables::Variables;

/// Where the machine's metadata service is, unless `AZURE_POD_IDENTITY_AUTHORITY_HOST` names another.
const METADATA: &str = "http://169.254.169.254";
/// The version of the metadata service's answers; the first with identities.
const METADATA_VERSION: &str = "2018-02-01";
/// The version of the token service inside app services and container apps.
const APP_VERSION: &str = "2019-08-01";
/// Where tenants' tokens are issued, unless `AZURE_AUTHORITY_HOST` names another.
const AUTHORITY: &str = "https://login.microsoftonline.com";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const TOKEN: &str = "the identity's access token";

/// Settings of the login.
#[derive(Debug)]
pub(in crate::login) struct Azure {
    pub(in crate::login) role: String,
    pub(in crate::login) resource: String,
    pub(in crate::login) scope: String,
    pub(in crate::login) identity: Identity,
    pub(in crate::login) from_environment: bool,
    pub(in crate::login) variables: Variables,
}

/// Which of the machine's identities is meant.
#[derive(Debug)]
pub(in crate::login) enum Identity {
    /// The only one.
    Default,
    /// The one with this object id.
    Object(String),
    /// The one with this client id.
    Client(String),
}

/// What a login sends.
#[derive(Debug)]
pub(in crate::login) struct Shown {
    pub(in crate::login) token: SecretText,
    pub(in crate::login) machine: Machine,
}

/// What the metadata service says about the machine.
#[derive(Debug, Default, Deserialize)]
pub(in crate::login) struct Machine {
    #[serde(default)]
    pub(in crate::login) name: String,
    #[serde(default, rename = "resourceGroupName")]
    pub(in crate::login) resource_group: String,
    #[serde(default, rename = "subscriptionId")]
    pub(in crate::login) subscription: String,
    #[serde(default, rename = "vmScaleSetName")]
    pub(in crate::login) scale_set: String,
}

#[derive(Deserialize)]
struct Instance {
    compute: Machine,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
}

impl Azure {
    pub(in crate::login) async fn show(&self, client: &Client) -> Result<Shown, LoginError> {
        let machine = self.machine(client).await;
        let (token, machine) = if self.from_environment {
            // A workload's identity does not need the machine's, whose service pods often cannot reach.
            (
                self.environment_token(client).await?,
                machine.unwrap_or_default(),
            )
        } else {
            (self.machine_token(client).await?, machine?)
        };
        Ok(Shown { token, machine })
    }

    async fn machine(&self, client: &Client) -> Result<Machine, LoginError> {
        let url = format!(
            "{}/metadata/instance?api-version={METADATA_VERSION}",
            self.metadata()
        );
        let instance: Instance = Call::get("the description of the machine", url)
            .header("metadata", "true")
            .json(client, Roots::System)
            .await?;
        Ok(instance.compute)
    }

    async fn machine_token(&self, client: &Client) -> Result<SecretText, LoginError> {
        let query = self.query(METADATA_VERSION);
        let url = format!("{}/metadata/identity/oauth2/token?{query}", self.metadata());
        let call = Call::get(TOKEN, url).header("metadata", "true");
        issued(call, client).await
    }

    /// In the order of Azure's own programs: an application's secret, a workload's token, the platform's
    /// endpoint, the machine.
    async fn environment_token(&self, client: &Client) -> Result<SecretText, LoginError> {
        let get = |name| self.variables.get(name);
        let tenant = get("AZURE_TENANT_ID");
        let application = match &self.identity {
            Identity::Client(id) => Some(id.as_str()),
            _ => get("AZURE_CLIENT_ID"),
        };
        if let (Some(tenant), Some(application)) = (tenant, application) {
            if let Some(secret) = get("AZURE_CLIENT_SECRET") {
                let form = [
                    ("grant_type", "client_credentials"),
                    ("client_id", application),
                    ("scope", self.scope.as_str()),
                    ("client_secret", secret),
                ];
                return issued(self.authority_call(tenant, &form), client).await;
            }
            if let Some(file) = get("AZURE_FEDERATED_TOKEN_FILE") {
                let path = PathBuf::from(file);
                let token = read_text("the workload's identity token", &path)?.trimmed();
                let form = [
                    ("grant_type", "client_credentials"),
                    ("client_id", application),
                    ("scope", self.scope.as_str()),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", token.expose()),
                ];
                return issued(self.authority_call(tenant, &form), client).await;
            }
        }
        if get("AZURE_CLIENT_CERTIFICATE_PATH").is_some() {
            return Err(LoginError::NoCredentials {
                platform: "Azure",
                reason: "AZURE_CLIENT_CERTIFICATE_PATH is set, and a login by an application's \
                         certificate is not performed here; accepted are AZURE_CLIENT_SECRET and \
                         AZURE_FEDERATED_TOKEN_FILE, each with AZURE_TENANT_ID and AZURE_CLIENT_ID"
                    .to_owned(),
            });
        }
        if let (Some(endpoint), Some(header)) = (get("IDENTITY_ENDPOINT"), get("IDENTITY_HEADER")) {
            let query = self.query(APP_VERSION);
            let call = Call::get(TOKEN, format!("{endpoint}?{query}"));
            return issued(call.header("x-identity-header", header), client).await;
        }
        self.machine_token(client).await
    }

    fn authority_call(&self, tenant: &str, form: &[(&str, &str)]) -> Call<'static> {
        let authority = self.variables.get("AZURE_AUTHORITY_HOST");
        let authority = authority.unwrap_or(AUTHORITY).trim_end_matches('/');
        Call::form(
            TOKEN,
            format!("{authority}/{tenant}/oauth2/v2.0/token"),
            form,
        )
    }

    fn metadata(&self) -> &str {
        let named = self.variables.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        named.unwrap_or(METADATA).trim_end_matches('/')
    }

    fn query(&self, version: &str) -> String {
        let mut query = vec![
            ("api-version".to_owned(), version.to_owned()),
            ("resource".to_owned(), self.resource.clone()),
        ];
        match &self.identity {
            Identity::Default => {}
            Identity::Object(id) => query.push(("object_id".to_owned(), id.clone())),
            Identity::Client(id) => query.push(("client_id".to_owned(), id.clone())),
        }
        crate::request::escape_query(&query)
    }
}

async fn issued(call: Call<'_>, client: &Client) -> Result<SecretText, LoginError> {
    let issued: Issued = call.json(client, Roots::System).await?;
    Ok(SecretText::new(issued.access_token))
}
