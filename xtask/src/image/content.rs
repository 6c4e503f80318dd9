//! What every image holds besides its program, and the revision that it is made of.

use std::fs;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::layer::Layer;
use crate::workspace;

/// The user that the programs run as: Vault's own in its image.
pub(super) const USER: u32 = 100;
/// The group that the programs run as.
pub(super) const GROUP: u32 = 1000;

/// The commit that an image is made of, and its time.
pub(super) struct Revision {
    /// The commit's name; absent outside of a clone.
    pub(super) commit: Option<String>,
    /// RFC 3339 in UTC. An image does not carry the time of its making, or no two would be equal.
    pub(super) time: String,
}

/// The revision of the workspace. Where git knows nothing the time is the epoch.
pub(super) fn revision() -> Revision {
    let git = |format: &str| {
        let mut command = std::process::Command::new("git");
        command
            .args(["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"])
            .arg(format!("--format={format}"))
            .env("TZ", "UTC")
            .current_dir(workspace::root());
        let text = workspace::output(&mut command).ok()?;
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    Revision {
        commit: git("%H"),
        time: git("%cd").unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned()),
    }
}

/// Users, name resolution, certificates and licence.
pub(super) fn base(layer: &mut Layer) -> Result<()> {
    let passwd = format!(
        "root:x:0:0:root:/:/sbin/nologin\n\
         vault:x:{USER}:{GROUP}:vault:/home/vault:/sbin/nologin\n"
    );
    layer.file("etc/passwd", 0o644, passwd.into_bytes());
    let group = format!("root:x:0:\nvault:x:{GROUP}:\n");
    layer.file("etc/group", 0o644, group.into_bytes());
    // The C library's own order asks DNS before /etc/hosts when this file is missing.
    let order = b"hosts: files dns\n".to_vec();
    layer.file("etc/nsswitch.conf", 0o644, order);
    layer.file(
        "etc/ssl/certs/ca-certificates.crt",
        0o644,
        certificates().into_bytes(),
    );
    layer.folder_of("tmp", 0o1777, 0, 0);
    let licence = workspace::root().join("LICENSE");
    let licence =
        fs::read(&licence).with_context(|| format!("failed to read {}", licence.display()))?;
    layer.file("usr/share/licenses/leasehold/LICENSE", 0o644, licence);
    Ok(())
}

/// The certificates of public authorities as PEM, as Mozilla keeps them.
fn certificates() -> String {
    let mut pem = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let text = STANDARD.encode(certificate.as_ref());
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_pem_with_short_lines() {
        let pem = certificates();
        assert!(pem.matches("-----BEGIN CERTIFICATE-----\n").count() > 50);
        assert!(pem.lines().all(|line| line.len() <= 64));
    }
}
