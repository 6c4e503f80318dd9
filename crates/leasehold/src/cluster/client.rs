//! The way to the API server: the pod's service account, or a kubeconfig file outside a cluster.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Why there is no way to the API server. The first words are those of the established injector.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Not in a cluster and no kubeconfig given.
    #[error(
        "Error loading in-cluster K8S config: unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and \
         KUBERNETES_SERVICE_PORT must be defined"
    )]
    Outside,
    /// In a cluster, but a file of the service account cannot be used.
    #[error("Error loading in-cluster K8S config: failed to read `{path}`")]
    ServiceAccount {
        /// The file.
        path: &'static str,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// In a cluster, but the API server's authority cannot be parsed.
    #[error("Error loading in-cluster K8S config: `{path}` holds no certificate")]
    Authority {
        /// The file.
        path: &'static str,
    },
    /// In a cluster, but the variables name no address.
    #[error("Error loading in-cluster K8S config: {0:?} is no address of an API server")]
    Address(String),
    /// The kubeconfig file cannot be used.
    #[error("failed to use the kubeconfig file `{path}`")]
    Kubeconfig {
        /// The file.
        path: String,
        /// The reason.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// The client cannot be built.
    #[error("failed to build the client of the API server")]
    Client(#[source] kube::Error),
}

/// Longest wait for an answer that is no watch.
const READ_TIMEOUT: Duration = Duration::from_secs(295);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The client, and the namespace that the server itself is in.
#[derive(Clone)]
pub struct Cluster {
    /// Speaks to the API server.
    pub client: Client,
    /// The namespace of the server's own objects.
    pub namespace: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// Where the way to the API server is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The pod's service account, and the address in its variables.
    ServiceAccount(String),
    /// A kubeconfig file.
    Kubeconfig(String),
}

impl Access {
    /// Told from the flag and the variables that every pod has.
    ///
    /// # Errors
    /// When there is none.
    pub fn tell(
        kubeconfig: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ClusterError> {
        if !kubeconfig.is_empty() {
            return Ok(Self::Kubeconfig(kubeconfig.to_owned()));
        }
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let host = set("KUBERNETES_SERVICE_HOST").ok_or(ClusterError::Outside)?;
        let port = set("KUBERNETES_SERVICE_PORT").ok_or(ClusterError::Outside)?;
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        Ok(Self::ServiceAccount(format!("https://{host}:{port}")))
    }

    /// Builds the client; nothing is asked of the API server yet. `own_namespace` is the variable `NAMESPACE`, which
    /// the established chart sets.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub async fn connect(self, own_namespace: Option<String>) -> Result<Cluster, ClusterError> {
        let mut config = match self {
            Self::ServiceAccount(address) => service_account(&address)?,
            Self::Kubeconfig(path) => {
                let failed = |source| ClusterError::Kubeconfig {
                    path: path.clone(),
                    source,
                };
                let file = Kubeconfig::read_from(Path::new(&path)).map_err(failed)?;
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                    .await
                    .map_err(failed)?
            }
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        let namespace = own_namespace
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(ClusterError::Client)?;
        Ok(Cluster { client, namespace })
    }
}

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

fn service_account(address: &str) -> Result<Config, ClusterError> {
    let url = address
        .parse()
        .map_err(|_| ClusterError::Address(address.to_owned()))?;
    let unreadable = |path| move |source| ClusterError::ServiceAccount { path, source };
    // The token is read again by the client whenever the kubelet has renewed it.
    fs::metadata(TOKEN).map_err(unreadable(TOKEN))?;
    let authority = fs::read(AUTHORITY).map_err(unreadable(AUTHORITY))?;
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&authority)
        .filter_map(Result::ok)
        .map(|certificate| certificate.to_vec())
        .collect();
    if certificates.is_empty() {
        return Err(ClusterError::Authority { path: AUTHORITY });
    }
    let mut config = Config::new(url);
    config.root_cert = Some(certificates);
    config.auth_info.token_file = Some(TOKEN.to_owned());
    // Without the file the established injector assumes the same.
    config.default_namespace = fs::read_to_string(NAMESPACE)
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|_| "default".to_owned());
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(kubeconfig: &str, variables: &[(&str, &str)]) -> Result<Access, ClusterError> {
        Access::tell(kubeconfig, &|name| {
            variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_pods_variables_or_a_kubeconfig_lead_to_the_api_server() {
        let variables = [
            ("KUBERNETES_SERVICE_HOST", "fd00::1"),
            ("KUBERNETES_SERVICE_PORT", "443"),
        ];
        assert_eq!(
            tell("", &variables).unwrap(),
            Access::ServiceAccount("https://[fd00::1]:443".to_owned())
        );
        assert_eq!(
            tell("/k", &variables).unwrap(),
            Access::Kubeconfig("/k".to_owned())
        );
        assert!(matches!(
            tell("", &variables[..1]),
            Err(ClusterError::Outside)
        ));
        assert!(matches!(tell("", &[]), Err(ClusterError::Outside)));
    }
}
