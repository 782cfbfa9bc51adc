//! Options of every command that connects, and the socket builder made from them.

use std::env::{self, VarError};
use std::ffi::OsString;
use std::net::IpAddr;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use futures::future::join_all;
use phx_tokio::StreamConnector;
use phx_tokio::dial::Dialer;
use phx_tokio::recorder::Recorder;
use phx_tokio::tls::rustls::ClientConfig;
use phx_tokio::websocket::{Compression, WebSocketConfig};
use phx_tokio::{
    Channel, CloseCause, CloseCode, Endpoint, Proxy, Reconnect, ReconnectPolicy, Socket,
    SocketBuilder, SocketError, TcpDialer, TransportKind, V1,
};

use crate::failure::Failure;
use crate::frames::{ShowFrames, Shown};
use crate::interrupt::Interrupt;
use crate::recording::Recording;
use crate::terminal::shown;
use crate::value;

mod source;
mod timing;
mod tls;

use source::{SourceDialer, Sources};
use timing::Timing;
use tls::Tls;

/// Time after which long-poll takes the place of a WebSocket; phoenix.js's docs use the same.
const FALLBACK_AFTER: Duration = Duration::from_millis(2_500);

/// Options of a connection.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// A param of the connection, for the server's `connect/3`. `NAME=@FILE` reads the value from a file.
    /// Repeatable; each line of the variable `PHX_PARAMS` is one as well.
    #[arg(long, short = 'p', value_name = "NAME=VALUE", value_parser = value::pair)]
    param: Vec<(String, String)>,

    /// A header of the upgrade request. `NAME: @FILE` reads the value from a file. Repeatable; each line of the
    /// variable `PHX_HEADER` is one as well.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = value::header)]
    header: Vec<(String, String)>,

    /// A token for `auth_token: true`, sent outside of the URL. `@FILE` keeps it out of the list of processes.
    #[arg(long, value_name = "TOKEN", env = "PHX_AUTH_TOKEN", hide_env_values = true, value_parser = value::text)]
    auth_token: Option<String>,

    /// Version of the serializer.
    #[arg(long, value_name = "VERSION", default_value = "2.0.0", value_parser = value::OneOf(PossibleValuesParser::new(["2.0.0", "1.0.0"])))]
    vsn: String,

    /// Transport: `auto` uses long-poll if no WebSocket works within 2.5 s.
    #[arg(long, value_name = "TRANSPORT", default_value = "websocket", value_parser = value::OneOf(PossibleValuesParser::new(["websocket", "longpoll", "auto"])))]
    transport: String,

    /// Offer to compress messages (permessage-deflate). Joins are never compressed. Without the option nothing is: who sees the
    /// lengths of compressed messages can guess secrets that stand beside known text.
    #[arg(long)]
    compress: bool,

    #[command(flatten)]
    tls: Tls,

    /// Connect through this proxy: `http://[USER:PASSWORD@]HOST:PORT`, `https://..` or `socks5://..` Without the option
    /// the variables `http_proxy` (for ws), `https_proxy` (for wss), `all_proxy` and `no_proxy` count.
    #[arg(long, value_name = "URL", env = "PHX_PROXY", hide_env_values = true, value_parser = proxy_url)]
    proxy: Option<String>,

    /// Connect directly to these hosts, whatever proxy there is: a list as in `no_proxy`, which it replaces; `*` for all.
    #[arg(long, value_name = "HOSTS", value_parser = value::text)]
    noproxy: Option<String>,

    #[command(flatten)]
    timing: Timing,

    /// Keep trying while no server answers. By default only a connection that was open is made again.
    #[arg(long, overrides_with = "no_reconnect")]
    reconnect: bool,

    /// End when the connection ends.
    #[arg(long)]
    no_reconnect: bool,

    /// Show the frames on standard error; twice for whole ones. Params, tokens, headers, and values with the
    /// names of secrets are masked.
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Mask nothing in what --verbose shows.
    #[arg(long, requires = "verbose")]
    show_secrets: bool,

    #[command(flatten)]
    recording: Recording,

    /// Addresses that connections begin at, in turns; empty for any.
    #[arg(skip)]
    sources: Sources,

    /// Values of the environment variables, once they are read.
    #[arg(skip)]
    environment: OnceLock<Result<Environment, String>>,

    /// TLS configuration, made when needed.
    #[arg(skip)]
    tls_config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// Settings of a connection that depend on its endpoint or the environment.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    config: WebSocketConfig,
    environment: &'a Environment,
    recorder: Option<Recorder>,
}

/// Values from the environment, read once, since a file may be a pipe.
#[derive(Debug)]
struct Environment {
    params: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl Environment {
    fn read() -> Result<Self, String> {
        let params = lines("PHX_PARAMS", value::pair)?;
        Ok(Environment { params, headers: lines("PHX_HEADER", value::header)? })
    }
}

impl Connect {
    /// Makes a socket builder for `url`. `warn_of` gets warnings that no outcome reports.
    pub(crate) fn builder(
        &self,
        url: &str,
        warn_of: impl Fn(&str) + Clone + Send + Sync + 'static,
    ) -> Result<SocketBuilder, Failure> {
        let endpoint = parsed(url)?;
        let settings = self.settings(&endpoint)?;
        Ok(self.builder_to(endpoint, settings, warn_of))
    }

    /// Makes what a connection to this endpoint needs and may fail.
    pub(crate) fn settings(&self, endpoint: &Endpoint) -> Result<Settings<'_>, Failure> {
        let mut config = WebSocketConfig::default();
        if endpoint.request("").is_tls() || self.tls.is_said() {
            let tls = self.tls_config.get_or_init(|| self.tls.config().map(Arc::new));
            config.tls = tls.clone().map_err(Failure::usage)?;
        }
        if PROXY_VARIABLES.iter().any(|name| self.is_https_proxy(name)) {
            config.proxy_tls = Arc::new(tls::system_roots().with_no_client_auth());
        }
        let environment = self.environment.get_or_init(Environment::read);
        let environment = environment.as_ref().map_err(|why| Failure::usage(&**why))?;
        let recorder = self.recording.recorder().map_err(Failure::usage)?;
        Ok(Settings { config, environment, recorder })
    }

    /// Makes a socket builder for an endpoint, with its settings.
    pub(crate) fn builder_to(
        &self,
        endpoint: Endpoint,
        settings: Settings<'_>,
        warn_of: impl Fn(&str) + Clone + Send + Sync + 'static,
    ) -> SocketBuilder {
        let Settings { config, environment, recorder } = settings;
        let builder = phx_tokio::socket(endpoint).proxy_from_variables(|name| self.variable(name));
        let builder = match self.sources.is_empty() {
            true => self.through(builder, TcpDialer::new(), config),
            false => self.through(builder, SourceDialer::new(self.sources.clone()), config),
        };
        let mut builder = self.timing.apply(warn(builder, warn_of)).reconnect_policy(self.policy());
        if self.is_v1() {
            builder = builder.serializer(V1);
        }
        builder = match &*self.transport {
            "longpoll" => builder.transport(TransportKind::LongPoll),
            "auto" => builder.long_poll_fallback(FALLBACK_AFTER.min(self.connect_timeout() / 2)),
            _ => builder,
        };
        if let Some(recorder) = recorder {
            builder = builder.recorder(recorder);
        }
        if self.compress {
            builder = builder.compression(Compression::new());
        }
        // An option replaces a line of the same name.
        for (name, value) in environment.params.iter().chain(&self.param) {
            builder = builder.param(name, value);
        }
        for (name, value) in environment.headers.iter().chain(&self.header) {
            builder = builder.header(name, value);
        }
        if let Some(token) = &self.auth_token {
            builder = builder.auth_token(token);
        }
        builder
    }

    /// Makes connections begin at these addresses, in turns.
    pub(crate) fn set_sources(&mut self, addresses: &[IpAddr]) {
        self.sources = Sources::new(addresses);
    }

    /// Returns an environment variable for proxies; options replace them.
    fn variable(&self, name: &str) -> Option<OsString> {
        match (name, &self.noproxy, &self.proxy) {
            ("no_proxy", Some(hosts), _) => Some(hosts.into()),
            ("NO_PROXY", Some(_), _) => None,
            // The option's proxy is for all hosts.
            ("no_proxy" | "NO_PROXY", None, Some(_)) => None,
            (_, _, Some(proxy)) => Some(proxy.into()),
            (_, _, None) => env::var_os(name),
        }
    }

    fn is_https_proxy(&self, name: &str) -> bool {
        let value = self.variable(name);
        value.is_some_and(|value| value.to_string_lossy().to_lowercase().starts_with("https:"))
    }

    pub(crate) fn is_v1(&self) -> bool {
        self.vsn == "1.0.0"
    }

    /// Connects a builder from [`builder`](Self::builder).
    pub(crate) async fn open(&self, builder: SocketBuilder) -> Result<Socket, Failure> {
        let socket = builder.spawn()?;
        self.opened(&socket).await?;
        Ok(socket)
    }

    /// Waits until a socket is connected, within the limits of [`open`](Self::open).
    pub(crate) async fn opened(&self, socket: &Socket) -> Result<(), Failure> {
        let connected = socket.wait_connected();
        Ok(match self.reconnect {
            true => connected.await,
            false => connected.with_timeout(self.timing.connect_timeout).await,
        }?)
    }

    /// Limit for an attempt to connect.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.timing.connect_timeout
    }

    /// Leaves the channels and disconnects. A second interrupt ends the wait at once.
    pub(crate) async fn close(
        &self,
        socket: &Socket,
        channels: &[Channel],
        interrupt: &mut Interrupt,
    ) {
        let patience = self.timing.close_timeout;
        let goodbye = async {
            if socket.is_connected() {
                // The outcome of the leaves makes no difference at the end.
                let leave = |channel: &Channel| channel.leave_with_timeout(patience);
                let _ = join_all(channels.iter().map(leave)).await;
            }
            socket.disconnect().await;
        };
        tokio::select! {
            () = goodbye => {}
            _ = interrupt.next() => {}
        }
    }

    fn through<D: Dialer>(
        &self,
        builder: SocketBuilder,
        dialer: D,
        config: WebSocketConfig,
    ) -> SocketBuilder {
        let connector = StreamConnector::new(dialer).with_config(config);
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
}

/// Warns once, however many connections there are.
fn warn(
    builder: SocketBuilder,
    warn_of: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> SocketBuilder {
    static TOKEN: Once = Once::new();
    static SIZE: Once = Once::new();
    let warn = warn_of.clone();
    let builder = builder.on_error(move |error| {
        if let SocketError::TokenIgnored = error {
            TOKEN.call_once(|| warn(&error.to_string()));
        }
    });
    builder.on_close(move |closed| {
        if matches!(closed.cause, CloseCause::Frame { code: CloseCode::TOO_BIG, .. }) {
            let text =
                "the connection was closed with 1009: a frame was larger than the other side takes";
            SIZE.call_once(|| warn_of(text));
        }
    })
}

/// Parses a URL. The error doesn't quote it: any part of a malformed one may be a secret.
pub(crate) fn parsed(url: &str) -> Result<Endpoint, Failure> {
    Endpoint::parse(url)
        .map_err(|error| Failure::usage(format!("the URL can't be used: {error}{}", hint(url))))
}

/// Returns the URL that was probably meant by `HOST:PORT/PATH`. Anything else may be a secret, and gets no hint.
fn hint(url: &str) -> String {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let authority = address.split('/').next().unwrap_or_default();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let scheme = if authority.ends_with(":443") { "wss" } else { "ws" };
    let meant = format!("{scheme}://{address}");
    match has_port && Endpoint::parse(&meant).is_ok() {
        true => format!("; did you mean {}?", shown(&meant)),
        false => String::new(),
    }
}

/// The part of a URL that may be shown: everything before its params, or nothing if it can't be parsed.
pub(crate) fn shown_url(url: &str) -> &str {
    match Endpoint::parse(url) {
        Ok(_) => url.split_once('?').map_or(url, |(before, _)| before),
        Err(_) => "the server",
    }
}

/// Variables that name a proxy.
const PROXY_VARIABLES: [&str; 5] =
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// The value of `--proxy`: a URL with its scheme, since text without one could be anything, such as a password.
fn proxy_url(value: &str) -> Result<String, String> {
    let url = value::text(value)?;
    match Proxy::parse(&url) {
        Ok(_) if url.contains("://") => Ok(url),
        Ok(_) => Err("its scheme isn't one of http, https and socks5".to_owned()),
        Err(error) => Err(format!("it must be {}", error.range)),
    }
}

/// The lines of an environment variable; empty ones are left out.
fn lines<T>(variable: &str, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let text = match env::var(variable) {
        Ok(text) => text,
        Err(VarError::NotPresent) => return Ok(Vec::new()),
        Err(VarError::NotUnicode(_)) => {
            return Err(format!("{variable} isn't UTF-8"));
        }
    };
    let lines = text.lines().zip(1_u32..).filter(|(line, _)| !line.trim().is_empty());
    let unusable = |why, number| format!("{variable}, line {number}: {why}");
    lines.map(|(line, number)| parse(line).map_err(|why| unusable(why, number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_of_a_url_is_shown() {
        assert_eq!(shown_url("ws://h/socket?token=hush"), "ws://h/socket");
        for url in ["ws://ann:hush@h/socket", "ws://h/socket#hush", "hush", "hush://h"] {
            assert_eq!(shown_url(url), "the server");
        }
    }
    #[test]
    fn a_missing_scheme_is_hinted_at_without_secrets() {
        let hint_of = |url: &str| hint(url);
        assert_eq!(hint_of("127.0.0.1:4000/socket"), "; did you mean ws://127.0.0.1:4000/socket?");
        assert_eq!(
            hint_of("localhost:4000/socket?token=hush#hush"),
            "; did you mean ws://localhost:4000/socket?"
        );
        assert_eq!(hint_of("example.com:443/a?b"), "; did you mean wss://example.com:443/a?");
        for url in ["hush", "ann:hush@h:4000/socket", "hush:4000000/", "hush.hush/x", "hush:hush"] {
            assert_eq!(hint_of(url), "", "{url}");
        }
    }
}
