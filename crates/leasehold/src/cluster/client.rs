//! The way to the API server: the pod's service account, or a kubeconfig file outside a cluster.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Why there is no way to the API server. The first words are those of the established injector.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Not in a cluster and no kubeconfig given.
    #[error(
        "Error loading in-cluster K8S config: unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and \
         KUBERNETES_SERVICE_PORT must be defined"
    )]
    Outside,
    /// In a cluster, but the service account's files cannot be used.
    #[error("Error loading in-cluster K8S config: the pod's service account cannot be used")]
    InCluster(#[source] kube::config::InClusterError),
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

/// Finds the way to the API server. An empty `kubeconfig` means the pod's service account; `own_namespace` is the
/// variable `NAMESPACE`, which the established chart sets.
///
/// # Errors
/// When there is none.
pub async fn connect(
    kubeconfig: &str,
    in_cluster: InCluster,
    own_namespace: Option<String>,
) -> Result<Cluster, ClusterError> {
    let mut config = if kubeconfig.is_empty() {
        if in_cluster == InCluster::No {
            return Err(ClusterError::Outside);
        }
        Config::incluster().map_err(ClusterError::InCluster)?
    } else {
        let failed = |source| ClusterError::Kubeconfig {
            path: kubeconfig.to_owned(),
            source,
        };
        let file = Kubeconfig::read_from(Path::new(kubeconfig)).map_err(failed)?;
        Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .map_err(failed)?
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    let namespace = own_namespace
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(ClusterError::Client)?;
    Ok(Cluster { client, namespace })
}

/// Whether the process runs in a pod, told by the variables that every pod has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InCluster {
    /// The variables are set.
    Yes,
    /// They are not.
    No,
}

impl InCluster {
    /// Told from the environment.
    #[must_use]
    pub fn tell(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
        if set("KUBERNETES_SERVICE_HOST") && set("KUBERNETES_SERVICE_PORT") {
            Self::Yes
        } else {
            Self::No
        }
    }
}
