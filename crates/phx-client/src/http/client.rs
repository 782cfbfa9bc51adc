//! Single HTTP requests, over the connector of a socket.

use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use phx_proto::longpoll::Unanswered;
use phx_proto::{Bytes, CloseCause, Endpoint, EndpointError, Escaped, ResponseHeaders};
use url::Url;

use super::{Connection, Limits, Message, host_and_port, request_head};
use crate::connector::{Attempt, Connector};
use crate::proxy::Proxy;
use crate::runtime::Runtime;
use crate::turn::Turn;

/// Bytes kept of the body of an answer that isn't 2xx.
const MAX_REFUSAL: usize = 16 << 10;

/// Time for the body of such an answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Client for single HTTP requests beside a socket: over the socket's connector, with its TLS settings, and through its
/// proxy. Made by [`SocketBuilder::http_client`](crate::SocketBuilder::http_client).
///
/// Each request has a connection, which is closed behind the answer. No redirect is followed and no cookie kept.
///
/// # Examples
///
/// ```no_run
/// use phx_client::{HttpRequest, SocketBuilder};
///
/// # async fn doc(builder: SocketBuilder) -> Result<(), Box<dyn std::error::Error>> {
/// let client = builder.http_client()?;
/// let request = HttpRequest::post("https://example.com/api", r#"{"n":1}"#)?
///     .with_header("content-type", "application/json")?;
/// assert_eq!(client.send(request).await?.status, 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpClient {
    connector: Arc<dyn Connector>,
    runtime: Arc<dyn Runtime>,
    proxy: Option<Proxy>,
    timeout: Duration,
    max_body: usize,
}

impl HttpClient {
    pub(crate) fn new(
        connector: Arc<dyn Connector>,
        runtime: Arc<dyn Runtime>,
        proxy: Option<Proxy>,
    ) -> Self {
        let (timeout, max_body) = (Duration::from_secs(10), 1 << 20);
        HttpClient { connector, runtime, proxy, timeout, max_body }
    }

    /// Sets the time for a whole exchange: connection, TLS, request and answer. Default: 10 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the largest body of an answer 2xx in bytes; a larger one is an error. Of another answer's body the first
    /// 16 KiB are kept, as far as they come within 2 s. Default: 1 MiB.
    #[must_use]
    pub fn with_max_body(mut self, max: usize) -> Self {
        self.max_body = max;
        self
    }

    /// Sends a request, and returns the answer, whatever its status. Dropping the future gives the exchange up; the
    /// server may have read the request then.
    ///
    /// # Errors
    ///
    /// [`HttpError`] without an answer.
    pub fn send(
        &self,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpAnswer, HttpError>> + Send + use<> {
        let client = self.clone();
        async move { client.exchange(request).await }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        let (message, target) = request.into_message()?;
        let timer = self.runtime.timer(self.runtime.now() + self.timeout);
        let mut attempt = Attempt::new(target, Arc::clone(&self.runtime));
        attempt.proxy.clone_from(&self.proxy);
        let late = || CloseCause::io("no answer in time");
        let (stream, timer) = match select(self.connector.open_stream(attempt), timer).await {
            Either::Left((opened, timer)) => (opened.map_err(HttpError::unsent)?, timer),
            Either::Right(_) => return Err(HttpError::unsent(late())),
        };
        let limits = Arc::new(Limits {
            max_body: self.max_body,
            too_long: |max| CloseCause::io(format!("the answer's body has more than {max} bytes")),
            max_refusal_body: MAX_REFUSAL,
            refusal_timeout: REFUSAL_TIMEOUT,
            runtime: Arc::clone(&self.runtime),
        });
        let turn = Turn::new();
        let exchange = pin!(Connection::new(turn.clone(), stream).exchange(message, limits));
        let answered = match select(pin!(turn.run(exchange)), timer).await {
            Either::Left(((answered, _), _)) => answered,
            Either::Right(_) => Err(Unanswered::Unknown(late())),
        };
        match answered {
            Ok(answer) => Ok(HttpAnswer {
                status: answer.head.status,
                headers: answer.head.response_headers(),
                body: answer.body,
            }),
            Err(Unanswered::NotRead(cause)) => Err(HttpError::unsent(cause)),
            Err(Unanswered::Unknown(cause)) => Err(HttpError { cause, may_have_arrived: true }),
        }
    }
}

/// HTTP request. `Debug` shows scheme, host, port, the names of its headers, and the body's length.
#[derive(Clone)]
pub struct HttpRequest {
    method: &'static str,
    /// Host, port, TLS and headers.
    endpoint: Endpoint,
    /// Path and query.
    target: String,
    body: Bytes,
}

impl HttpRequest {
    /// Creates a GET of `url`, with the scheme `http` or `https`.
    ///
    /// # Errors
    ///
    /// [`CloseCause::InvalidRequest`] for another URL, or one with a user or a password.
    pub fn get(url: &str) -> Result<Self, HttpError> {
        HttpRequest::new("GET", url, Bytes::new())
    }

    /// Creates a POST of `body` to `url`, with the scheme `http` or `https`.
    ///
    /// # Errors
    ///
    /// [`CloseCause::InvalidRequest`] for another URL, or one with a user or a password.
    pub fn post(url: &str, body: impl Into<Bytes>) -> Result<Self, HttpError> {
        HttpRequest::new("POST", url, body.into())
    }

    fn new(method: &'static str, url: &str, body: Bytes) -> Result<Self, HttpError> {
        // Their texts would quote the URL, which may hold a secret.
        let invalid = || HttpError::unsent(CloseCause::invalid_request("the URL can't be used"));
        let url = Url::parse(url).map_err(|_| invalid())?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let (Some(host), "http" | "https", false) = (url.host_str(), url.scheme(), has_user) else {
            return Err(invalid());
        };
        let endpoint = Endpoint::from_parts(host, "/", url.port(), url.scheme() == "https");
        let endpoint = endpoint.map_err(|_| invalid())?;
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(HttpRequest { method, endpoint, target, body })
    }

    /// Sets a header. Those that frame the message, such as `Host` and `Content-Length`, are set by the client.
    ///
    /// # Errors
    ///
    /// [`CloseCause::InvalidRequest`] if HTTP can't carry it, or the client sets it.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, HttpError> {
        let invalid = |error: EndpointError| {
            HttpError::unsent(CloseCause::invalid_request(error.to_string()))
        };
        self.endpoint = self.endpoint.with_header(name, value).map_err(invalid)?;
        Ok(self)
    }

    /// The bytes to send, and the server to send them to.
    fn into_message(self) -> Result<(Message, phx_proto::Request), HttpError> {
        let request = self.endpoint.request("");
        let len = self.body.len().to_string();
        let mut own = vec![("Connection", "close")];
        if self.method == "POST" {
            own.push(("Content-Length", &len));
        }
        let extra: Vec<_> =
            request.headers().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let host = host_and_port(&request);
        let head = request_head(self.method, &self.target, &host, &own, &extra);
        let head = head.map_err(HttpError::unsent)?;
        Ok((Message { head, body: self.body }, request))
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("endpoint", &self.endpoint)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// HTTP answer. `Debug` shows the status, the names of the headers, and the body's length.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// The status, from 100 to 999; a redirect is an answer as any other.
    pub status: u16,
    /// The headers.
    pub headers: ResponseHeaders,
    /// The body, without chunks.
    pub body: Bytes,
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// Error of an HTTP request that has no answer. It shows no part of the URL but the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpError {
    /// The cause.
    pub cause: CloseCause,
    /// True if the server may have read the request; false if it certainly hasn't, so that sending it again can't do
    /// anything twice.
    pub may_have_arrived: bool,
}

impl HttpError {
    fn unsent(cause: CloseCause) -> Self {
        HttpError { cause, may_have_arrived: false }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            // No connection was lost that the caller knows of.
            CloseCause::Io { error, .. } if !error.is_empty() => Escaped::new(error).fmt(f),
            cause => cause.fmt(f),
        }
    }
}

impl Error for HttpError {}
