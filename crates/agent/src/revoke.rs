//! `leasehold-agent token revoke -self`: what the injector's preStop hook calls. The token is the one of the
//! environment, else the one that a sink has put into the token helper's file.

use std::path::PathBuf;

use leasehold_config::Server;
use leasehold_vault::{Client, Token};

use crate::{
    connection::{self, ConnectionFlags},
    environment::Environment,
    sentence,
};

/// Revokes the token, and with it all its leases.
///
/// # Errors
/// There is no token, or the server refuses, fails or cannot be reached.
pub async fn revoke_self(flags: &ConnectionFlags, environment: &Environment) -> Result<(), String> {
    let settings = connection::settings(flags, environment, &Server::default(), None)
        .map_err(|error| sentence::chain(&error))?;
    let client = Client::new(settings).map_err(|error| sentence::chain(&error))?;
    let token = token(environment)?;
    client
        .revoke_self(&token)
        .await
        .map_err(|error| format!("failed to revoke the token: {}", sentence::chain(&error)))
}

fn token(environment: &Environment) -> Result<Token, String> {
    let text = match environment.vault("TOKEN").filter(|token| !token.is_empty()) {
        Some(token) => token.to_owned(),
        None => {
            let home = environment
                .get("HOME")
                .filter(|home| !home.is_empty())
                .unwrap_or("/home/vault");
            let path = PathBuf::from(home).join(".vault-token");
            std::fs::read_to_string(&path).map_err(|error| {
                format!(
                    "there is no token to revoke: VAULT_TOKEN is not set, and `{}` cannot be read: {error}",
                    path.display()
                )
            })?
        }
    };
    Token::new(text.trim().to_owned()).map_err(|error| format!("the token cannot be used: {error}"))
}
