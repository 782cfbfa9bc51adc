//! URLs with secrets.

/// URLs of sockets, some of which are wrong.
pub(super) const URLS: &[&str] = &[
    "ws://hush:hush@127.0.0.1:1/socket",
    "ws://hush@127.0.0.1:1/socket",
    "ws://127.0.0.1:1/socket?token=hush",
    "ws://127.0.0.1:1/socket?hush",
    "ws://127.0.0.1:1/socket?vsn=hush&a=%68ush",
    "ws://127.0.0.1:1/socket#hush",
    "ws://127.0.0.1:hush/socket",
    "ws://127.0.0.1:99999/socket?token=hush",
    "ws://[hush]/socket",
    "wss://hush hush/socket",
    "hush://127.0.0.1/socket",
    "127.0.0.1:1/socket?token=hush",
    "hush:hush@127.0.0.1:1/socket#hush",
    "hush:hush",
    "hush",
];

/// URLs of proxies, and some that are wrong because a password isn't encoded.
pub(super) const PROXIES: &[&str] = &[
    "http://hush:hush@127.0.0.1:1",
    "hush:hush@127.0.0.1:1",
    "https://hush@127.0.0.1:1",
    "socks5://hush:hush@127.0.0.1:1",
    "http://hush:hu/sh@127.0.0.1:1",
    "http://hush:1#hush@127.0.0.1:1",
    "socks4://hush:hush@127.0.0.1:1",
    "hush:hush",
    "http://hush@",
    "http://hush:hush@",
    "http://hush@127.0.0.1:hush",
    "https://127.0.0.1:1/?hush#hush",
];
