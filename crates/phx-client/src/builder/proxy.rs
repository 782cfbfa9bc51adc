//! The builder's proxy, from URLs.

use std::ffi::OsString;

use super::SocketBuilder;
use crate::proxy::{self, Proxy};

/// Proxies.
impl SocketBuilder {
    /// Connects through the proxy at `url`, see [`Proxy::parse`]. Default: no proxy. Each of the three methods
    /// about proxies replaces the setting of the others.
    ///
    /// A custom connector finds it in [`Attempt::proxy`](crate::Attempt::proxy).
    pub fn proxy(mut self, url: &str) -> Self {
        self.proxy = Proxy::parse(url).map(Some);
        self
    }

    /// Connects through the environment's proxy, if its variables name one.
    ///
    /// The variables are curl's: `http_proxy` for `ws://`, `https_proxy` or `HTTPS_PROXY` for `wss://`, and for
    /// both `all_proxy` or `ALL_PROXY`; the values are those of [`Proxy::parse`]. `no_proxy` or `NO_PROXY` lists
    /// the servers to connect to directly: `*`, names that include all names below them, IP addresses and networks
    /// (`10.0.0.0/8`), each with an optional port. This call reads the variables. If a variable that applies can't
    /// be read, [`connect`](Self::connect) and [`spawn`](Self::spawn) fail with an error that names the variable
    /// and not its value.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use phx_client::SocketBuilder;
    /// # async fn doc(builder: SocketBuilder) -> Result<(), phx_client::ConnectError> {
    /// let socket = builder.proxy_from_env().connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy_from_env(self) -> Self {
        self.proxy_from_variables(|name| std::env::var_os(name))
    }

    /// As [`proxy_from_env`](Self::proxy_from_env), but `read` returns the value of a variable by its name: for
    /// programs with a different source of variables, or that change some.
    pub fn proxy_from_variables(mut self, read: impl Fn(&str) -> Option<OsString>) -> Self {
        // A wrong endpoint is a separate error.
        if let Ok(endpoint) = &self.endpoint {
            let request = endpoint.request("");
            self.proxy = proxy::choose(read, request.is_tls(), request.host(), request.port());
        }
        self
    }
}
