//! Certificates that a template has issued: kept from their destination while they are good, issued anew in time.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use leasehold_vault::{Asked, Client, FetchError, LeaseId, Token};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use super::{Content, Got, Unanswered};
use crate::{
    certificate,
    core::{failure::FailureKind, lifetime::Lifetime},
};

/// A certificate found in its destination is kept when more than this part of its life is left.
const KEPT_REST: f64 = 0.1;

/// Has a certificate issued, unless its destination holds one that is good for a while yet.
pub(super) async fn certify(
    client: &Client,
    token: &Token,
    path: &str,
    data: &[(String, String)],
    destination: Option<&str>,
    now: SystemTime,
) -> Result<Got, Unanswered> {
    if let Some(kept) = destination.and_then(|destination| in_place(Path::new(destination), now)) {
        return Ok(kept);
    }
    let asked = || Asked::PkiCert {
        path: path.to_owned(),
        destination: destination.unwrap_or_default().to_owned(),
    };
    let secret = match client.issue(token, path, data).await {
        Ok(secret) => secret,
        Err(error) => {
            let hint = leasehold_vault::read_hint(path, &error);
            return Err(Unanswered::of(
                &FetchError::Failed {
                    asked: asked(),
                    error,
                },
                hint,
            ));
        }
    };
    #[derive(Deserialize)]
    struct Issued {
        certificate: String,
        #[serde(default)]
        private_key: String,
        #[serde(default)]
        issuing_ca: String,
        #[serde(default)]
        ca_chain: Vec<String>,
    }
    let Ok(mut issued) = secret.data_as::<Issued>() else {
        let text = format!("{}: the answer has no certificate", asked());
        return Err(Unanswered {
            text,
            hint: None,
            kind: FailureKind::Definite(200),
        });
    };
    let line = |text: &str| {
        let text = text.trim();
        if text.is_empty() {
            String::new()
        } else {
            format!("{text}\n")
        }
    };
    let certificate = line(&issued.certificate);
    let after = rest_of_life(&certificate, now).unwrap_or_default();
    let key = line(&issued.private_key);
    issued.private_key.zeroize();
    Ok(Got {
        content: Content::Certificate {
            key,
            ca: line(&issued.issuing_ca),
            ca_chain: issued.ca_chain.iter().map(|one| line(one)).collect(),
            certificate,
        },
        lease: LeaseId::default(),
        lifetime: Lifetime::Ends {
            after,
            with_token: false,
        },
        warnings: secret.warnings,
    })
}

/// The rest of the life of a certificate that was issued just now. By a clock that is behind it would live longer
/// than it does; by one that is ahead it may have ended on arrival, and would be issued anew without end. Neither
/// is believed.
pub(super) fn rest_of_life(certificate: &str, now: SystemTime) -> Option<Duration> {
    let block = certificate::pem_blocks(certificate).into_iter().next()?;
    let facts = certificate::facts(&block.der)?;
    let whole = facts.not_after.duration_since(facts.not_before).ok()?;
    let rest = facts.not_after.duration_since(now).unwrap_or_default();
    Some(if rest < whole / 100 {
        whole
    } else {
        rest.min(whole)
    })
}

/// The certificate that the destination already holds, when it is good for a while yet.
fn in_place(destination: &Path, now: SystemTime) -> Option<Got> {
    let text = Zeroizing::new(std::fs::read_to_string(destination).ok()?);
    let blocks = certificate::pem_blocks(&text);
    let key = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"))?;
    let certificates = blocks.iter().filter(|block| block.label == "CERTIFICATE");
    let known: Vec<_> = certificates
        .filter_map(|block| Some((block, certificate::facts(&block.der)?)))
        .collect();
    let (leaf, facts) = known.iter().find(|(_, facts)| !facts.is_authority)?;
    let whole = facts.not_after.duration_since(facts.not_before).ok()?;
    let left = facts.not_after.duration_since(now).ok()?;
    if left <= whole.mul_f64(KEPT_REST) {
        return None;
    }
    let authorities: Vec<String> = known
        .iter()
        .filter(|(_, facts)| facts.is_authority)
        .map(|(block, _)| block.text.clone())
        .collect();
    Some(Got {
        content: Content::Certificate {
            certificate: leaf.text.clone(),
            key: key.text.clone(),
            ca: authorities.first().cloned().unwrap_or_default(),
            ca_chain: authorities,
        },
        lease: LeaseId::default(),
        lifetime: Lifetime::Ends {
            after: left,
            with_token: false,
        },
        warnings: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_a_day_off_replaces_certificates_early_or_late_and_never_at_once_again() {
        const HOUR: u64 = 3600;
        let mut params = rcgen::CertificateParams::new(vec!["web".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 10);
        params.not_after = rcgen::date_time_ymd(2026, 1, 13);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let issued = SystemTime::UNIX_EPOCH + Duration::from_secs((20_454 + 9) * 24 * HOUR);
        let rest = |now| rest_of_life(&certificate, now).map(|rest| rest.as_secs() / HOUR);
        let day = Duration::from_secs(24 * HOUR);
        assert_eq!(rest(issued), Some(72));
        assert_eq!(rest(issued + day), Some(48), "ahead: replaced early");
        assert_eq!(rest(issued - day), Some(72), "behind: not after its end");
        assert_eq!(rest(issued + 3 * day), Some(72), "ended on arrival");
        assert_eq!(rest(issued + 30 * day), Some(72));
    }

    #[test]
    fn keeps_a_certificate_in_its_destination_while_it_is_good() {
        let mut params = rcgen::CertificateParams::new(vec!["web".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.pem");
        std::fs::write(
            &path,
            format!("{}{}", certificate.pem(), key.serialize_pem()),
        )
        .unwrap();
        let day =
            |day: u64| SystemTime::UNIX_EPOCH + Duration::from_secs((20_454 + day - 1) * 86_400);
        let kept = in_place(&path, day(10)).unwrap();
        assert_eq!(
            kept.lifetime,
            Lifetime::Ends {
                after: Duration::from_secs(21 * 86_400),
                with_token: false
            }
        );
        assert!(
            in_place(&path, day(29)).is_none(),
            "less than a tenth of its life is left"
        );
        assert!(in_place(&path, day(40)).is_none(), "it has ended");
        assert!(in_place(&folder.path().join("none"), day(10)).is_none());
    }
}
