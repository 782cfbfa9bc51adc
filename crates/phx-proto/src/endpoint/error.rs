//! Errors of endpoints.

use alloc::string::String;

#[cfg(feature = "url")]
use url::ParseError;

use crate::Escaped;

/// The part of an endpoint that is wrong, and the reason.
///
/// Neither `Debug` nor `Display` quotes what was given, since any of it may be a secret, except the
/// names of params that were set and of headers that are valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The scheme is missing, or isn't one of the four.
    #[error("the URL's scheme is missing, or isn't ws, wss, http or https")]
    Scheme,
    /// The host is missing, or neither a name nor an address.
    #[error("the host is missing, or neither a valid name nor an IP address")]
    Host,
    /// The port isn't a number from 1 to 65535.
    #[error("the port isn't a number from 1 to 65535")]
    Port,
    /// The path holds a `?` or `#`.
    #[error("the path holds a query or a fragment")]
    Path,
    /// The URL holds a user name or a password.
    #[error("the URL holds a user name or password: use a header, param or token")]
    UserInfo,
    /// The URL has a fragment.
    #[error("the URL has a fragment (#...), which WebSocket URLs can't have")]
    Fragment,
    /// The host of the URL is an IPv6 address with a zone, which URLs can't hold.
    #[error(
        "a URL can't hold an IPv6 zone (`%..`): make the endpoint from host and port (`Endpoint::from_parts`)"
    )]
    Zone,
    /// The query of the URL holds `vsn`.
    #[error(
        "the URL's query has `vsn`, which the serializer sets: use the setting `serializer` (`V1` for 1.0.0)"
    )]
    Vsn,
    /// The URL is wrong in another way.
    #[cfg(feature = "url")]
    #[error("the URL is invalid")]
    Url(#[source] ParseError),
    /// The header's name isn't an HTTP token.
    #[error("the header's name isn't a valid HTTP header name")]
    HeaderName,
    /// The header belongs to the WebSocket handshake, or to HTTP's framing.
    #[error("the header {} belongs to the WebSocket handshake", Escaped::new(name))]
    #[non_exhaustive]
    ReservedHeader {
        /// The header's name, as it was given.
        name: String,
    },
    /// The header's value holds a character that isn't allowed.
    #[error(
        "the value of the header {} holds a character other than visible ASCII, space, tab",
        Escaped::new(name)
    )]
    #[non_exhaustive]
    HeaderValue {
        /// The header's name, as it was given.
        name: String,
    },
    /// The params aren't a map or a struct, or they don't serialise. What the serialiser said is
    /// left out, since it may quote a value.
    #[error("the params aren't a map or struct that can be serialised")]
    Params,
    /// The form encoding can't express this param.
    #[error("the param `{}` can't be form-encoded: {kind}", Escaped::new(name))]
    #[non_exhaustive]
    Param {
        /// The name with its nesting, as in `user[name]`.
        name: String,
        /// The reason.
        kind: ParamCause,
    },
}

/// The reason why the form encoding can't express a param.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamCause {
    /// The name is empty.
    #[error("its name is empty")]
    EmptyName,
    /// The name holds a bracket, which the server would take for nesting.
    #[error("its name holds a bracket")]
    Bracket,
    /// It is a list that holds a list or a map.
    #[error("it is a list of lists or maps")]
    NestedList,
}

#[cfg(feature = "url")]
impl From<ParseError> for EndpointError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::RelativeUrlWithoutBase | ParseError::RelativeUrlWithCannotBeABaseBase => {
                EndpointError::Scheme
            }
            ParseError::EmptyHost
            | ParseError::IdnaError
            | ParseError::InvalidIpv4Address
            | ParseError::InvalidIpv6Address
            | ParseError::InvalidDomainCharacter => EndpointError::Host,
            ParseError::InvalidPort => EndpointError::Port,
            error => EndpointError::Url(error),
        }
    }
}
