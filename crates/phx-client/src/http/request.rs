//! The head of an HTTP request.

use phx_proto::CloseCause;

use super::USER_AGENT;

/// The request line and the headers: `own`, a `User-Agent` unless there is one, and those of `extra` whose names aren't
/// among `own`, and aren't given again.
///
/// # Errors
///
/// [`CloseCause::InvalidRequest`] if a head can't carry one of them.
pub(crate) fn request_head(
    method: &str,
    target: &str,
    host: &str,
    own: &[(&str, &str)],
    extra: &[(&str, &str)],
) -> Result<Vec<u8>, CloseCause> {
    let is_in = |list: &[(&str, &str)], name: &str| {
        list.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    let is_target = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
    let mut is_valid = is_target;
    let mut add = |name: &str, value: &str| {
        is_valid &= !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid &= value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 127));
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    };
    add("Host", host);
    own.iter().for_each(|(name, value)| add(name, value));
    if !is_in(own, "User-Agent") && !is_in(extra, "User-Agent") {
        add("User-Agent", USER_AGENT);
    }
    for (index, (name, value)) in extra.iter().enumerate() {
        let later = extra.get(index + 1..).unwrap_or_default();
        if !is_in(own, name) && !is_in(later, name) {
            add(name, value);
        }
    }
    if !is_valid {
        // Without the text, which may be a secret.
        return Err(CloseCause::invalid_request("HTTP can't carry the URL or a header"));
    }
    head.push_str("\r\n");
    Ok(head.into_bytes())
}
