//! Proxies of the environment: any values of the variables, for any server.
//!
//! The input is lines. The first letter of each says what it sets: `u` the URL of the server (`ws://a.test/` without
//! such a line), `v` the value of the variable that names the proxy, `n` that of `no_proxy`. The last line of a kind
//! counts.
//!
//! Checks: the proxy is the one that the value names, unless a model of `no_proxy` says that the server is
//! reached directly; a value that isn't a proxy is an error that names the variable; and neither values nor
//! passwords show in any output.

use std::ffi::OsString;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use phx_client::{
    Attempt, BoxFuture, CloseCause, Connector, Proxy, Runtime, SocketBuilder, Transport,
};
use phx_proto::{Endpoint, Instant};
use url::Host;

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let Ok(input) = str::from_utf8(input) else {
        return;
    };
    let (mut url, mut value, mut list) = ("ws://a.test/", "", "");
    for line in input.split('\n') {
        let Some(kind) = line.chars().next() else { continue };
        let rest = line.get(kind.len_utf8()..).unwrap_or_default();
        match kind {
            'u' => url = rest,
            'v' => value = rest,
            'n' => list = rest,
            _ => {}
        }
    }
    let Ok(endpoint) = Endpoint::parse(url) else {
        return;
    };
    let request = endpoint.request("2.0.0");
    let variable = if request.is_tls() { "https_proxy" } else { "http_proxy" };
    let named = Proxy::parse(value);
    if let Ok(proxy) = &named {
        // The rest of the URL is host and port, which have no `@`.
        assert!(!format!("{proxy} {proxy:?}").contains('@'));
    }
    let is_direct = value.is_empty()
        || (!list.is_empty() && is_exception(list, request.host(), request.port()));

    let chosen = chosen(endpoint, variable, value, list);
    match (chosen, named) {
        (Ok(None), _) if is_direct => {}
        (Ok(Some(chosen)), Ok(named)) if !is_direct => assert_eq!(chosen, named),
        // No part of the text depends on the value.
        (Err(shown), Err(_)) if !is_direct => {
            assert!(shown.contains(variable), "{shown}");
            let other = self::chosen(Endpoint::default(), "http_proxy", "other://", "");
            assert_eq!(shown.replace("https_proxy", "http_proxy"), other.unwrap_err());
        }
        (chosen, named) => panic!("{chosen:?}, but {named:?}, direct: {is_direct}"),
    }
}

/// The proxy that a socket's first attempt to connect gets; the text of the error otherwise.
fn chosen(
    endpoint: Endpoint,
    variable: &str,
    value: &str,
    list: &str,
) -> Result<Option<Proxy>, String> {
    let read = |name: &str| match name {
        name if name == variable => Some(OsString::from(value)),
        "no_proxy" => Some(OsString::from(list)),
        _ => None,
    };
    let (tasks, attempts) = (Tasks::default(), Attempts::default());
    let builder = SocketBuilder::new(endpoint).runtime(tasks.clone()).connector(attempts.clone());
    let socket = builder.proxy_from_variables(read).spawn();
    let _socket = socket.map_err(|error| error.cause.to_string())?;
    let mut driver = tasks.0.lock().unwrap().take().expect("a socket has a task");
    // It waits for the connector, which never answers.
    assert!(driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    Ok(attempts.0.lock().unwrap().take().expect("the socket connects at once"))
}

/// Connector that keeps the proxy of the last attempt.
#[derive(Clone, Debug, Default)]
struct Attempts(Arc<Mutex<Option<Option<Proxy>>>>);

impl Connector for Attempts {
    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        *self.0.lock().unwrap() = Some(attempt.proxy);
        Box::pin(std::future::pending())
    }
}

/// Runtime on which no time passes and the caller polls the only task.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<Option<BoxFuture<()>>>>);

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tasks")
    }
}

impl Runtime for Tasks {
    fn now(&self) -> Instant {
        Instant::EPOCH
    }

    fn timer(&self, _: Instant) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, task: BoxFuture<()>) {
        *self.0.lock().unwrap() = Some(task);
    }
}

/// The model: labels are compared one by one, and addresses as numbers without the bits behind the network's.
fn is_exception(list: &str, host: &str, port: u16) -> bool {
    let mut entries = list.split(|c: char| c == ',' || c.is_whitespace());
    entries.any(|entry| {
        let (name, only_port) = match port_of(entry) {
            Some((name, port)) => (name, Some(port)),
            None => (entry, None),
        };
        let is_named = name == "*"
            || match host.parse() {
                Ok(address) => is_address(name, address),
                Err(_) => is_name(name, host),
            };
        is_named && only_port.is_none_or(|only| only == port)
    })
}

/// The entry before its port, and the port. An IPv6 address has a port only behind brackets.
fn port_of(entry: &str) -> Option<(&str, u16)> {
    let at = entry.rfind(':')?;
    let (name, port) = (&entry[..at], &entry[at + 1..]);
    let is_single = entry.matches(':').count() == 1;
    (is_single || name.ends_with(']')).then_some((name, port.parse().ok()?))
}

fn is_name(entry: &str, host: &str) -> bool {
    let entry = if entry.starts_with("*.") { &entry[1..] } else { entry };
    let entry = entry.strip_prefix('.').unwrap_or(entry).trim_end_matches('.');
    let entry = match entry.is_ascii() {
        true => entry.to_owned(),
        false => Host::parse(entry).map(|host| host.to_string()).unwrap_or_default(),
    };
    let (entry, host) = (entry.to_ascii_lowercase(), host.to_ascii_lowercase());
    let labels = |name: &str| -> Vec<String> {
        name.trim_end_matches('.').rsplit('.').map(str::to_owned).collect()
    };
    !entry.is_empty() && labels(&host).starts_with(&labels(&entry))
}

fn is_address(entry: &str, address: IpAddr) -> bool {
    let inner = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']'));
    let entry = inner.unwrap_or(entry);
    let (network, bits) = match entry.find('/') {
        Some(at) => (&entry[..at], Some(&entry[at + 1..])),
        None => (entry, None),
    };
    let Ok(network) = network.parse::<IpAddr>() else {
        return false;
    };
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((network, width), (address, other_width)) = (number(network), number(address));
    let Ok(bits) = bits.map_or(Ok(width), str::parse::<u32>) else {
        return false;
    };
    let without_rest = |number: u128| number.checked_shr(width.saturating_sub(bits)).unwrap_or(0);
    width == other_width && bits <= width && without_rest(network) == without_rest(address)
}
