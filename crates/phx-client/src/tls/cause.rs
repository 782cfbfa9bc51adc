//! Causes of TLS failures, in words for people.

use std::fmt::Write as _;
use std::io;

use phx_proto::{CloseCause, Escaped, TlsCauseKind};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// Names of a certificate that an error lists; of more it gives the number.
const MAX_NAMES: usize = 3;

/// Characters of such a name.
const MAX_NAME: usize = 64;

/// The cause of a stream that failed, if it is TLS that failed and not the connection below.
pub(crate) fn failure(error: &io::Error) -> Option<CloseCause> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(error) => certificate_failure(error),
        Error::AlertReceived(alert) => alert_failure(*alert),
        // The first byte of a record is its content type: what comes over plain HTTP has none.
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => CloseCause::tls(
            TlsCauseKind::Protocol,
            "the answer isn't TLS: does the server speak `ws://` at this port?",
        ),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerIncompatible(_) => CloseCause::tls(TlsCauseKind::Protocol, error.to_string()),
        error => CloseCause::tls(TlsCauseKind::Other, error.to_string()),
    })
}

fn certificate_failure(error: &CertificateError) -> CloseCause {
    let (kind, text) = match error {
        CertificateError::UnknownIssuer => (
            TlsCauseKind::UnknownIssuer,
            "the certificate isn't trusted: none of the trusted roots has signed it".to_owned(),
        ),
        error if is_ca_as_end_entity(error) => (
            TlsCauseKind::UnknownIssuer,
            "the certificate isn't trusted: it is a CA's own (CA:TRUE, often self-signed), which \
             counts only if it was itself given as a root"
                .to_owned(),
        ),
        CertificateError::NotValidForName => {
            (TlsCauseKind::WrongName, "the certificate is for another name".to_owned())
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let (presented, expected) = (names(presented), expected.to_str());
            let text = format!("the certificate is for {presented}, not for `{expected}`");
            (TlsCauseKind::WrongName, text)
        }
        CertificateError::Expired => {
            (TlsCauseKind::Expired, "the certificate has expired".to_owned())
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            (TlsCauseKind::Expired, format!("the certificate expired on {}", date(*not_after)))
        }
        CertificateError::NotValidYet => {
            (TlsCauseKind::NotYetValid, "the certificate isn't valid yet".to_owned())
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let (begins, today) = (date(*not_before), date(*time));
            let text =
                format!("the certificate isn't valid before {begins}; the clock here says {today}");
            (TlsCauseKind::NotYetValid, text)
        }
        CertificateError::Revoked => {
            (TlsCauseKind::Revoked, "the certificate has been revoked".to_owned())
        }
        CertificateError::BadEncoding => {
            (TlsCauseKind::BadCertificate, "the certificate is malformed".to_owned())
        }
        CertificateError::BadSignature => (
            TlsCauseKind::BadCertificate,
            "a signature of the certificate, or by it, is wrong".to_owned(),
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            TlsCauseKind::BadCertificate,
            "the certificate isn't one for servers (extended key usage)".to_owned(),
        ),
        // The library's text for the rest holds no more than the name of its error.
        error => (
            TlsCauseKind::BadCertificate,
            format!("the certificate isn't accepted: {}", in_words(error)),
        ),
    };
    CloseCause::tls(kind, text)
}

/// Returns true for webpki's refusal of a CA certificate as an end-entity certificate, for which rustls has no
/// variant. Only the text identifies it; if webpki changes it, nothing more is trusted than before.
pub(super) fn is_ca_as_end_entity(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity")
}

/// `UnsupportedCertVersion` of a webpki error as `unsupported cert version`; other texts as they are.
fn in_words(error: &CertificateError) -> String {
    let CertificateError::Other(other) = error else {
        return error.to_string();
    };
    let name = other.0.to_string();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return name;
    }
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// The names that a certificate is for. webpki gives them as `DnsName("example.com")`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all (it has no subjectAltName)".to_owned();
    }
    let mut text = String::new();
    for name in presented.iter().take(MAX_NAMES) {
        let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        let name = inside.unwrap_or(name).trim_matches('"');
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}`{}`", Escaped::short(name, MAX_NAME));
    }
    if presented.len() > MAX_NAMES {
        let _ = write!(text, " and {} more", presented.len() - MAX_NAMES);
    }
    text
}

/// The day of `time` in UTC, as `2001-01-31`.
fn date(time: UnixTime) -> String {
    // Days since 0000-03-01, in eras of 400 years, so that a leap day is the last day of a year
    // (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let days = time.as_secs() / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{}-{month:02}-{day:02}", era * 400 + year_of_era + next_year)
}

/// The cause for an alert. Those about certificates that a server sends are about the client's.
fn alert_failure(alert: AlertDescription) -> CloseCause {
    match alert {
        AlertDescription::CertificateRequired => CloseCause::tls(
            TlsCauseKind::ClientCertificateRequired,
            "the server demands a client certificate",
        ),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::DecryptError => CloseCause::tls(
            TlsCauseKind::ClientCertificateRefused,
            format!("the server refused the client's certificate with the alert {alert:?}"),
        ),
        AlertDescription::ProtocolVersion => CloseCause::tls(
            TlsCauseKind::Protocol,
            "the server supports none of the client's versions of TLS",
        ),
        alert => CloseCause::tls(
            TlsCauseKind::Refused,
            format!("the server refused with the alert {alert:?}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::OtherError;

    use super::*;

    fn text(error: CertificateError) -> String {
        let error = io::Error::other(Error::InvalidCertificate(error));
        failure(&error).unwrap().to_string()
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (978_307_199, "2000-12-31"),
            (4_107_542_400, "2100-03-01"),
            (253_402_300_799, "9999-12-31"),
            (253_402_300_800, "10000-01-01"),
        ] {
            assert_eq!(date(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), expected);
        }
        assert!(!date(UnixTime::since_unix_epoch(Duration::MAX)).is_empty());
    }

    #[test]
    fn names_of_a_hostile_certificate_are_escaped_few_and_short() {
        let mut presented = vec!["DnsName(\"a\u{1b}[2J\")".to_owned(); 1_000];
        presented[1] = format!("DnsName(\"{}\")", "x".repeat(10_000));
        presented[2] = "Unsupported(0x00)".to_owned();
        let shown = names(&presented);
        assert!(shown.starts_with("`a\\u{1b}[2J`, `xxx"), "{shown}");
        assert!(shown.ends_with("`0x00` and 997 more"), "{shown}");
        assert!(shown.len() < 300, "{shown}");
        assert!(names(&[]).contains("no name"));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("UnsupportedCertVersion")]
    struct Unsupported;

    #[test]
    fn names_of_errors_become_words() {
        let other = OtherError(std::sync::Arc::new(Unsupported));
        assert_eq!(
            text(CertificateError::Other(other)),
            "TLS: the certificate isn't accepted: unsupported cert version"
        );
    }
}
