//! A client's offers, and the answer: as Bandit and Cowboy have it.

use crate::{HttpServer, UpgradeRejection};

const EXTENSION: &str = "permessage-deflate";

/// Smallest window that the server's streams can have: zlib makes no raw stream with 8 bits.
const MIN_SERVER_BITS: u8 = 9;

/// Compression that client and server agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Agreement {
    pub(super) server: HttpServer,
    pub(super) server_takeover: bool,
    pub(super) client_takeover: bool,
    /// Bits of the server's window, if they were offered.
    pub(super) server_bits: Option<u8>,
    /// Bits of the client's window, if they were offered.
    pub(super) client_bits: Option<u8>,
}

/// Chooses the first offer that is acceptable; `values` are those of the headers `sec-websocket-extensions`. `None` means
/// no compression.
pub(in super::super) fn negotiate<'a>(
    server: HttpServer,
    values: impl Iterator<Item = &'a str>,
) -> Result<Option<Agreement>, UpgradeRejection> {
    let mut agreed = None;
    for value in values {
        if value.trim().is_empty() && server.refuses_empty_extensions() {
            return Err(UpgradeRejection::new(400));
        }
        let mut offers = value.split(',').map(|offer| Agreement::new(server, offer));
        agreed = agreed.or_else(|| offers.find_map(|agreement| agreement));
    }
    Ok(agreed)
}

impl Agreement {
    /// Reads an offer; `None` if it isn't acceptable.
    fn new(server: HttpServer, offer: &str) -> Option<Self> {
        let mut words = offer.split(';').map(str::trim);
        if words.next() != Some(EXTENSION) {
            return None;
        }
        let (mut server_takeover, mut client_takeover) = (true, true);
        let (mut server_bits, mut client_bits) = (None, None);
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (word, None),
            };
            let is_new = match (name, value) {
                ("server_no_context_takeover", None) => {
                    std::mem::replace(&mut server_takeover, false)
                }
                ("client_no_context_takeover", None) => {
                    std::mem::replace(&mut client_takeover, false)
                }
                ("server_max_window_bits", Some(value)) => {
                    let bits = bits(server, value).filter(|bits| *bits >= MIN_SERVER_BITS)?;
                    server_bits.replace(bits).is_none()
                }
                ("client_max_window_bits", value) => {
                    let bits = value.map_or(Some(15), |value| bits(server, value))?;
                    client_bits.replace(bits).is_none()
                }
                _ => return None,
            };
            if !is_new {
                return None;
            }
        }
        Some(Agreement { server, server_takeover, client_takeover, server_bits, client_bits })
    }

    /// Returns the value of the answer's header.
    pub(in super::super) fn answer(&self) -> String {
        let bits = |name, bits: Option<u8>| bits.map(|bits| format!("{name}={bits}"));
        let flag = |name: &str, takeover: bool| (!takeover).then(|| name.to_owned());
        let params = [
            flag("server_no_context_takeover", self.server_takeover),
            bits("server_max_window_bits", self.server_bits),
            flag("client_no_context_takeover", self.client_takeover),
            bits("client_max_window_bits", self.client_bits),
        ];
        let words = std::iter::once(EXTENSION.to_owned()).chain(params.into_iter().flatten());
        words.collect::<Vec<_>>().join(self.server.extension_separator())
    }
}

fn bits(server: HttpServer, value: &str) -> Option<u8> {
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let value = match unquoted {
        Some(value) if server.takes_quoted_values() => value,
        Some(_) => return None,
        None => value,
    };
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|bits| is_number && (8..=15).contains(bits))
}
