//! What every command that connects can be told, and the socket made of it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use phx_tokio::dial::Dialer;
use phx_tokio::websocket::{WebSocketConfig, WebSocketConnector};
use phx_tokio::{Backoff, Builder, Endpoint, Reconnect, ReconnectPolicy, Socket, TcpDialer, V1};

use crate::failure::Failure;
use crate::frames::{ShowFrames, Shown};
use crate::payload;

mod proxy;
mod tls;

use proxy::Proxy;

/// Where to connect, and how.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// A param of the connection, for the server's `connect/3`; as often as needed.
    #[arg(long, short = 'p', value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,

    /// A header of the upgrade request; as often as needed.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,

    /// A token for `auth_token: true`, outside of the URL; `@FILE` keeps it out of the list of
    /// processes, too.
    #[arg(long, value_name = "TOKEN|@FILE", env = "PHX_AUTH_TOKEN", hide_env_values = true)]
    auth_token: Option<String>,

    /// The version of the serializer.
    #[arg(long, value_name = "VERSION", default_value = "2.0.0", value_parser = ["2.0.0", "1.0.0"])]
    vsn: String,

    /// Trust these roots (PEM) instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<String>,

    /// Show the server this certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<String>,

    /// The private key for --cert (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<String>,

    /// Trust every certificate: whoever is in between can read and change everything.
    #[arg(long)]
    insecure: bool,

    /// Connect through a proxy: `http://[USER:PASSWORD@]HOST:PORT`, or `socks5://..`
    #[arg(long, value_name = "URL")]
    proxy: Option<Proxy>,

    /// Give up if there is no connection by then.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    connect_timeout: Duration,

    /// Wait for a server that isn't there yet, too. By default only a connection that was open once
    /// is made again.
    #[arg(long, overrides_with = "no_reconnect")]
    reconnect: bool,

    /// End when the connection ends.
    #[arg(long)]
    no_reconnect: bool,

    /// Show the frames as they go over the wire on standard error; twice for whole ones. Params, tokens,
    /// headers, and what is named like a secret are masked.
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Mask nothing in what --verbose shows.
    #[arg(long, requires = "verbose")]
    show_secrets: bool,
}

impl Connect {
    /// A socket in the making for `url`.
    pub(crate) fn builder(&self, url: &str) -> Result<Builder, Failure> {
        let unusable = |error| Failure::Usage(format!("`{url}` can't be used: {error}"));
        let endpoint = Endpoint::parse(url).map_err(unusable)?;
        let mut config = WebSocketConfig::default();
        if let Some(tls) = tls::config(self, endpoint.request("").is_tls())? {
            config.tls = Arc::new(tls);
        }
        let dialer = TcpDialer::new();
        let builder = phx_tokio::socket(endpoint);
        let builder = match &self.proxy {
            None => self.through(builder, dialer, config),
            Some(Proxy::Http(proxy)) => self.through(builder, proxy.http(dialer), config),
            Some(Proxy::Socks5(proxy)) => self.through(builder, proxy.socks5(dialer), config),
        };
        let mut builder = builder
            .connect_timeout(self.connect_timeout)
            .close_timeout(Duration::from_secs(2))
            .reconnect_policy(self.policy())
            .reconnect(backoff());
        if self.vsn == "1.0.0" {
            builder = builder.serializer(V1);
        }
        for (name, value) in &self.param {
            builder = builder.param(name, value);
        }
        for (name, value) in &self.header {
            builder = builder.header(name, value);
        }
        if let Some(token) = self.token()? {
            builder = builder.auth_token(&token);
        }
        Ok(builder)
    }

    /// Connects what [`builder`](Self::builder) made.
    pub(crate) async fn open(&self, builder: Builder, url: &str) -> Result<Socket, Failure> {
        let connected = if self.reconnect {
            builder.connect().await
        } else {
            builder.connect_within(self.connect_timeout).await
        };
        connected.map_err(|failed| Failure::connect(without_query(url), &failed))
    }

    fn through<D: Dialer>(&self, builder: Builder, dialer: D, config: WebSocketConfig) -> Builder {
        let connector = WebSocketConnector::new(dialer).with_config(config);
        match self.verbose {
            0 => builder.connector(connector),
            verbose => {
                let shown = Shown { whole: verbose > 1, secrets: self.show_secrets };
                builder.connector(ShowFrames::new(connector, shown))
            }
        }
    }

    fn policy(&self) -> ReconnectPolicy {
        if self.reconnect {
            return ReconnectPolicy::default();
        }
        let again = !self.no_reconnect;
        ReconnectPolicy::function(move |_, was_open| {
            if again && was_open { Reconnect::Backoff } else { Reconnect::Stop }
        })
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let Some(token) = &self.auth_token else { return Ok(None) };
        let Some(path) = token.strip_prefix('@') else { return Ok(Some(token.clone())) };
        let text = String::from_utf8(payload::read(path)?);
        let text = text.map_err(|_| Failure::usage(format!("{path} isn't text")))?;
        Ok(Some(text.trim().to_owned()))
    }
}

/// Somebody looks at it, so the first attempts are soon.
fn backoff() -> Backoff {
    Backoff::exponential(Duration::from_millis(250), 2, Duration::from_secs(5))
        .with_jitter_percent(25)
}

/// A URL without its params, which may be secrets.
pub(crate) fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(before, _)| before)
}

/// `NAME=VALUE`, as for params.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected NAME: VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_headers() {
        assert_eq!(pair("user[id]=a=b"), Ok(("user[id]".into(), "a=b".into())));
        assert!(pair("=x").is_err() && pair("x").is_err());
        assert_eq!(header("X-App:  a:b "), Ok(("X-App".into(), "a:b".into())));
        assert!(header(": x").is_err() && header("x").is_err());
    }

    #[test]
    fn params_of_a_url_are_not_shown() {
        assert_eq!(without_query("ws://h/socket?token=x"), "ws://h/socket");
    }
}
