//! From the session's exchanges to HTTP requests: what all of them have.

use phx_proto::CloseCause;
use phx_proto::longpoll::{Exchange, ExchangeKind};

use super::cookies::Cookies;
use crate::http::{Message, host_and_port, request_head};

/// Makes the requests of a session.
pub(super) struct Requests {
    host: String,
    pub(super) cookies: Cookies,
}

impl Requests {
    /// For a session that `request` asks for.
    pub(super) fn new(request: &phx_proto::Request) -> Self {
        // A cookie's path is that of the directory, in which the transports are neighbours.
        let path = request.url().path();
        let cookies = Cookies::new(request.host(), path, request.is_tls());
        Requests { host: host_and_port(request), cookies }
    }

    pub(super) fn request(&self, exchange: &Exchange) -> Result<Message, CloseCause> {
        let extra: Vec<_> = exchange.headers().collect();
        let len = exchange.body().len().to_string();
        let cookies = self.cookies.header(&extra);
        // The caller's `Accept-Encoding` may name others.
        let mut own = vec![("Accept-Encoding", "gzip")];
        own.extend(cookies.as_deref().map(|cookies| ("Cookie", cookies)));
        if exchange.kind() == ExchangeKind::Post {
            own.push(("Content-Length", &len));
        }
        let head = request_head(exchange.method(), exchange.target(), &self.host, &own, &extra)?;
        Ok(Message { head, body: exchange.body().clone() })
    }
}
