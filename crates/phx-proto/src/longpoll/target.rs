//! The targets and headers of a session's requests.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::exchange::Headers;
use super::token::{Place, Token};
use crate::{CloseCause, Request};

const TOKEN_HEADER: &str = "x-phoenix-longpoll-token";
const AUTH_HEADER: &str = "x-phoenix-authtoken";

/// What has a meaning in a query is encoded.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where a session's requests go.
pub(super) struct Target {
    /// Path and query without a token.
    target: String,
    extra: Arc<[(String, String)]>,
    auth_token: Option<Arc<str>>,
}

impl Target {
    /// The target of the long-poll transport beside the WebSocket that `request` is for.
    pub(super) fn new(request: &Request) -> Result<Self, CloseCause> {
        let auth_token = request.auth_token();
        if auth_token.is_some_and(|token| !is_header_value(token)) {
            return Err(CloseCause::invalid_request("the auth token doesn't fit into a header"));
        }
        let target = request.long_poll_target();
        // A header of this name would win over the session's token, wherever that is.
        let is_ours = |name: &str| {
            name.eq_ignore_ascii_case(TOKEN_HEADER)
                || name.eq_ignore_ascii_case("content-type")
                || (auth_token.is_some() && name.eq_ignore_ascii_case(AUTH_HEADER))
        };
        let extra = request.headers().iter().filter(|(name, _)| !is_ours(name)).cloned();
        Ok(Target { target, extra: extra.collect(), auth_token: auth_token.map(Into::into) })
    }

    /// The request for a session.
    pub(super) fn creation(&self) -> (String, Headers) {
        let token = self.auth_token.clone().map(|token| (AUTH_HEADER, token));
        let headers = Headers { extra: self.extra.clone(), token, content_type: None };
        (self.target.clone(), headers)
    }

    /// A request to the session with this token.
    pub(super) fn of_session(
        &self,
        token: &Token,
        content_type: Option<&'static str>,
    ) -> (String, Headers) {
        let extra = self.extra.clone();
        match token.place() {
            Place::Header => {
                let token = Some((TOKEN_HEADER, token.text().clone()));
                (self.target.clone(), Headers { extra, token, content_type })
            }
            // The last: of an application's param of this name and ours, Plug takes the last.
            Place::Query => {
                let token = utf8_percent_encode(token.text(), QUERY_VALUE);
                let target = format!("{}&token={token}", self.target);
                (target, Headers { extra, token: None, content_type })
            }
        }
    }
}

/// Returns `true` if the text is the value of an HTTP header as it is.
pub(super) fn is_header_value(text: &str) -> bool {
    let is_padded = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    !text.is_empty() && !is_padded && text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}
