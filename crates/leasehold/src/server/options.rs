//! The settings of the server itself, read from the flags. Those of the injection are in `settings`.

use std::path::PathBuf;
use std::time::Duration;

use crate::flags::{Parsed, Program, go};
use crate::server::files::CertificateFiles;

/// How the server runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the listener.
    pub listen: String,
    /// Path of the metrics; empty for none.
    pub telemetry_path: String,
    /// Where the serving certificate comes from.
    pub certificates: Certificates,
    /// Text of `--tls-min-version`.
    pub tls_min_version: String,
    /// Text of `--tls-cipher-suites`.
    pub tls_cipher_suites: String,
    /// Authority of clients whose certificates are required.
    pub client_authority: Option<PathBuf>,
    /// Whether annotations of Namespaces are read.
    pub namespace_defaults: bool,
    /// Path of a kubeconfig file; empty for the pod's service account.
    pub kubeconfig: String,
    /// How long connections are still taken after the signal.
    pub shutdown_delay: Duration,
    /// How long reviews under way may take to end after that.
    pub shutdown_timeout: Duration,
}

/// Where the serving certificate comes from.
#[derive(Debug, Clone)]
pub enum Certificates {
    /// From files that somebody else keeps.
    Files {
        /// The files.
        files: CertificateFiles,
        /// The authority to write to the webhook, if that is wanted.
        bundle: Option<FileBundle>,
    },
    /// Made by the server.
    SelfMade(Plan),
}

/// An authority from a file, to be written to webhook configurations.
#[derive(Debug, Clone)]
pub struct FileBundle {
    /// The authority's certificates, PEM.
    pub file: PathBuf,
    /// Where they go.
    pub webhooks: Webhooks,
}

/// Names of the webhook configurations whose caBundle is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// The MutatingWebhookConfiguration; empty for none.
    pub mutating: String,
    /// The ValidatingWebhookConfiguration; empty for none.
    pub validating: String,
}

/// How self-made certificates are made and shared.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Names and addresses in the serving certificate.
    pub hosts: Vec<String>,
    /// Whose caBundle is kept.
    pub webhooks: Webhooks,
    /// Through which Secret replicas share the authority.
    pub sharing: Sharing,
    /// Lifetime of an authority.
    pub authority_lifetime: Duration,
    /// Lifetime of a serving certificate.
    pub serving_lifetime: Duration,
    /// How long a new authority is in the caBundle before it signs.
    pub settle: Duration,
}

/// Whether and how replicas share an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sharing {
    /// The authority lives in memory: one replica, and no right to read Secrets.
    Alone,
    /// Through a Secret; a Lease lets one replica at a time rotate.
    Secret {
        /// Name of the Secret.
        secret: String,
        /// Name of the Lease.
        lease: String,
    },
}

/// Why the server's flags cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// One of certificate and key alone.
    #[error("--tls-cert-file and --tls-key-file belong together: {missing} is missing")]
    HalfAPair {
        /// The flag that is missing.
        missing: &'static str,
    },
    /// A self-made certificate for nobody.
    #[error(
        "--tls-auto-hosts is missing: a self-made certificate needs the names of the webhook's Service, such as \
         leasehold.vault.svc; or give --tls-cert-file and --tls-key-file"
    )]
    NoHosts,
    /// A duration that cannot be used.
    #[error("invalid value {} for -{name}: {reason}", go::quoted(.text))]
    Duration {
        /// The flag's name.
        name: &'static str,
        /// The value as given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Options {
    /// Reads the flags.
    ///
    /// # Errors
    /// Flags that do not go together.
    pub fn read(parsed: &Parsed) -> Result<Self, OptionsError> {
        let text = |name: &str| parsed.text(name).to_owned();
        Ok(Self {
            listen: text("listen"),
            telemetry_path: text("telemetry-path"),
            certificates: certificates(parsed)?,
            tls_min_version: text("tls-min-version"),
            tls_cipher_suites: text("tls-cipher-suites"),
            client_authority: path(parsed, "tls-client-ca-file"),
            namespace_defaults: parsed.switch("namespace-defaults"),
            kubeconfig: text("kubeconfig"),
            shutdown_delay: duration(parsed, "shutdown-delay", Duration::ZERO)?,
            shutdown_timeout: duration(parsed, "shutdown-timeout", Duration::ZERO)?,
        })
    }
}

fn certificates(parsed: &Parsed) -> Result<Certificates, OptionsError> {
    let webhooks = Webhooks {
        mutating: parsed.text("tls-auto").to_owned(),
        validating: parsed.text("tls-auto-validating").to_owned(),
    };
    match (path(parsed, "tls-cert-file"), path(parsed, "tls-key-file")) {
        (Some(certificate), Some(key)) => {
            let bundle = path(parsed, "tls-ca-cert-file")
                .filter(|_| webhooks != Webhooks::default())
                .map(|file| FileBundle { file, webhooks });
            Ok(Certificates::Files {
                files: CertificateFiles { certificate, key },
                bundle,
            })
        }
        (None, None) => {
            let hosts = parsed.list("tls-auto-hosts");
            if hosts.is_empty() && parsed.program() == Program::Serve {
                return Err(OptionsError::NoHosts);
            }
            let shared = parsed.program() == Program::Serve || parsed.switch("use-leader-elector");
            let sharing = if shared {
                Sharing::Secret {
                    secret: parsed.text("tls-auto-secret").to_owned(),
                    lease: parsed.text("tls-auto-lease").to_owned(),
                }
            } else {
                Sharing::Alone
            };
            Ok(Certificates::SelfMade(Plan {
                hosts,
                webhooks,
                sharing,
                authority_lifetime: duration(
                    parsed,
                    "tls-auto-ca-lifetime",
                    Duration::from_secs(1),
                )?,
                serving_lifetime: duration(
                    parsed,
                    "tls-auto-serving-lifetime",
                    Duration::from_secs(1),
                )?,
                settle: duration(parsed, "tls-auto-settle", Duration::ZERO)?,
            }))
        }
        (Some(_), None) => Err(OptionsError::HalfAPair {
            missing: "--tls-key-file",
        }),
        (None, Some(_)) => Err(OptionsError::HalfAPair {
            missing: "--tls-cert-file",
        }),
    }
}

fn path(parsed: &Parsed, name: &str) -> Option<PathBuf> {
    Some(parsed.text(name))
        .filter(|text| !text.is_empty())
        .map(PathBuf::from)
}

fn duration(
    parsed: &Parsed,
    name: &'static str,
    least: Duration,
) -> Result<Duration, OptionsError> {
    let text = parsed.text(name);
    let wrong = |reason: String| OptionsError::Duration {
        name,
        text: text.to_owned(),
        reason,
    };
    let duration = go::duration(text).map_err(|error| wrong(error.to_string()))?;
    if duration < least {
        return Err(wrong(format!(
            "accepted are durations from {} s",
            least.as_secs()
        )));
    }
    Ok(duration)
}
