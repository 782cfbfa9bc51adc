//! Endpoints and the requests made of them.
use std::collections::BTreeMap;

use phx_proto::{Endpoint, EndpointError, ParamCause};
use serde_json::json;
use url::Url;

fn url_of(endpoint: &Endpoint) -> String {
    endpoint.request("2.0.0").url().to_string()
}

fn parsed(url: &str) -> String {
    url_of(&Endpoint::parse(url).unwrap())
}

fn query(endpoint: &Endpoint) -> String {
    endpoint.request("2.0.0").url().query().unwrap().to_string()
}

#[test]
fn the_four_schemes_become_two() {
    for (given, made) in [
        ("ws://h/s", "ws://h/s/websocket?vsn=2.0.0"),
        ("http://h/s", "ws://h/s/websocket?vsn=2.0.0"),
        ("wss://h/s", "wss://h/s/websocket?vsn=2.0.0"),
        ("HTTPS://h:443/s", "wss://h/s/websocket?vsn=2.0.0"),
        ("http://h:443/s", "ws://h:443/s/websocket?vsn=2.0.0"),
    ] {
        assert_eq!(parsed(given), made, "{given}");
    }
}

#[test]
fn the_transport_is_appended_once() {
    for path in ["/socket", "/socket/", "/socket//", "/socket/websocket", "/socket/websocket/"] {
        assert_eq!(parsed(&format!("ws://h{path}")), "ws://h/socket/websocket?vsn=2.0.0", "{path}");
    }
    assert_eq!(parsed("ws://h"), "ws://h/websocket?vsn=2.0.0");
    assert_eq!(parsed("ws://h/my-websocket"), "ws://h/my-websocket/websocket?vsn=2.0.0");
    let exact = Endpoint::parse("ws://h/socket").unwrap().with_exact_path("socket/ws").unwrap();
    assert_eq!(url_of(&exact), "ws://h/socket/ws?vsn=2.0.0");
}

#[test]
fn all_conversions_are_parse() {
    let text = "https://h:4001/socket?a=1";
    let endpoint = Endpoint::parse(text).unwrap();
    assert_eq!(text.parse::<Endpoint>().unwrap(), endpoint);
    assert_eq!(Endpoint::try_from(text).unwrap(), endpoint);
    assert_eq!(Endpoint::try_from(text.to_string()).unwrap(), endpoint);
    assert_eq!(Endpoint::try_from(Url::parse(text).unwrap()).unwrap(), endpoint);
}

#[test]
fn a_bad_url_names_its_bad_part() {
    for (url, error) in [
        ("", EndpointError::Scheme),
        ("/socket", EndpointError::Scheme),
        ("localhost:4000/socket", EndpointError::Scheme),
        ("ftp://h/socket", EndpointError::Scheme),
        ("mailto:ann@h", EndpointError::Scheme),
        ("ws://", EndpointError::Host),
        ("ws://a b/socket", EndpointError::Host),
        ("ws://[::1/socket", EndpointError::Host),
        ("ws://1.2.3.400/socket", EndpointError::Host),
        ("ws://h:99999/socket", EndpointError::Port),
        ("ws://h:0/socket", EndpointError::Port),
        ("ws://h:x/socket", EndpointError::Port),
        ("ws://ann@h/socket", EndpointError::UserInfo),
        ("ws://:pw@h/socket", EndpointError::UserInfo),
        ("ws://h/socket#part", EndpointError::Fragment),
        ("ws://h/socket#", EndpointError::Fragment),
    ] {
        assert_eq!(Endpoint::parse(url), Err(error), "{url}");
    }
}

#[test]
fn from_parts_takes_host_path_port_and_tls() {
    let made =
        |host, path, port, tls| url_of(&Endpoint::from_parts(host, path, port, tls).unwrap());
    assert_eq!(made("h", "/socket", Some(4000), false), "ws://h:4000/socket/websocket?vsn=2.0.0");
    assert_eq!(made("h", "socket", None, true), "wss://h/socket/websocket?vsn=2.0.0");
    assert_eq!(made("h", "", Some(80), false), "ws://h/websocket?vsn=2.0.0");
    assert_eq!(made("::1", "/s", Some(1), false), "ws://[::1]:1/s/websocket?vsn=2.0.0");
    assert_eq!(made("[::1]", "/s", Some(1), false), "ws://[::1]:1/s/websocket?vsn=2.0.0");
    assert_eq!(made("10.0.0.1", "/a b", None, false), "ws://10.0.0.1/a%20b/websocket?vsn=2.0.0");
    assert_eq!(url_of(&Endpoint::default()), "ws://localhost:4000/socket/websocket?vsn=2.0.0");
}

#[test]
fn from_parts_lets_no_part_hold_another() {
    for host in ["", "h/other", "h:80", "ann@h", "h?x", "h#x", "a b", "::1::2", "[h]", "h\r\n"] {
        assert_eq!(
            Endpoint::from_parts(host, "/socket", None, false),
            Err(EndpointError::Host),
            "{host:?}"
        );
    }
    for path in ["/socket?a=1", "/socket#a"] {
        assert_eq!(Endpoint::from_parts("h", path, None, false), Err(EndpointError::Path));
        assert_eq!(Endpoint::default().with_exact_path(path), Err(EndpointError::Path));
    }
    assert_eq!(Endpoint::from_parts("h", "/s", Some(0), false), Err(EndpointError::Port));
}

#[test]
fn queries_are_those_of_the_recorded_javascript_client() {
    let made = |params: &[(&str, &str)]| {
        let endpoint = params
            .iter()
            .fold(Endpoint::default(), |endpoint, (key, value)| endpoint.with_param(key, value));
        let url = url_of(&endpoint);
        url.strip_prefix("ws://localhost:4000").unwrap().to_string()
    };
    assert_eq!(made(&[]), "/socket/websocket?vsn=2.0.0");
    assert_eq!(
        made(&[("user_id", "7"), ("color", "a b&c")]),
        "/socket/websocket?user_id=7&color=a%20b%26c&vsn=2.0.0"
    );
    assert_eq!(
        made(&[("name", "Zoë ✓ & ?=+%")]),
        "/socket/websocket?name=Zo%C3%AB%20%E2%9C%93%20%26%20%3F%3D%2B%25&vsn=2.0.0"
    );
}

#[test]
fn a_vsn_in_the_url_is_refused_and_its_setting_named() {
    for url in ["ws://h/s?vsn=1.0.0", "ws://h/s?a=1&v%73n=hush", "ws://h/s?vsn", "ws://h/s?vsn[]=2"]
    {
        let error = Endpoint::parse(url).unwrap_err();
        assert_eq!(error, EndpointError::Vsn, "{url}");
        assert!(error.to_string().contains("use the setting `serializer`"), "{error}");
    }
    assert!(Endpoint::parse("ws://h/s?vsn2=1&avsn=2").is_ok());
}

#[test]
fn a_zone_is_for_dialing_only() {
    for host in ["fe80::1%eth0", "[fe80::1%eth0]"] {
        let endpoint = Endpoint::from_parts(host, "/socket", Some(4000), true).unwrap();
        let request = endpoint.request("2.0.0");
        assert_eq!(request.url().as_str(), "wss://[fe80::1]:4000/socket/websocket?vsn=2.0.0");
        assert_eq!((request.host(), request.dial_host()), ("fe80::1", "fe80::1%eth0"));
        let other = Endpoint::from_parts("fe80::1", "/socket", Some(4000), true).unwrap();
        assert_ne!(endpoint, other);
        assert_eq!(other.request("2.0.0").dial_host(), "fe80::1");
        let exact = endpoint.with_exact_path("/x").unwrap().request("2.0.0");
        assert_eq!(exact.dial_host(), "fe80::1%eth0");
    }
    let long = format!("fe80::1%{}", "x".repeat(256));
    for host in
        ["fe80::1%", "fe80::1%a b", "fe80::1%a\r\nX: y", "fe80::1%a/b", "fe80::1%\u{202e}", &long]
    {
        let made = Endpoint::from_parts(host, "/socket", None, false);
        assert_eq!(made, Err(EndpointError::Host), "{host:?}");
    }
    for url in ["ws://[fe80::1%25eth0]/socket", "wss://[fe80::1%eth0]:4000/s?a=b"] {
        let error = Endpoint::parse(url).unwrap_err();
        assert_eq!(error, EndpointError::Zone, "{url}");
        assert!(error.to_string().contains("Endpoint::from_parts"), "{error}");
    }
    assert_eq!(Endpoint::parse("ws://[hush%25eth0]/s"), Err(EndpointError::Host));
}

#[test]
fn params_of_the_url_come_first_and_vsn_last() {
    let endpoint = Endpoint::parse("ws://h/s?b=1+2&a=%26&flag").unwrap();
    let endpoint = endpoint.with_param("c", "3").with_param("vsn", "8").with_param("vsn[x]", "7");
    assert_eq!(query(&endpoint), "b=1%202&a=%26&flag=&c=3&vsn=2.0.0");
}

#[test]
fn a_later_param_replaces_an_earlier_one() {
    let endpoint = Endpoint::parse("ws://h/s?t=old&u[a]=1&u[b]=2&l[]=1").unwrap();
    let one =
        endpoint.clone().with_param("t", "new").with_param("u[a]", "3").with_param("l[]", "2");
    assert_eq!(query(&one), "u%5Bb%5D=2&l%5B%5D=1&t=new&u%5Ba%5D=3&l%5B%5D=2&vsn=2.0.0");
    let all = endpoint.with_params(&json!({"u": {"c": 1}, "l": [], "t": null})).unwrap();
    assert_eq!(query(&all), "u%5Bc%5D=1&vsn=2.0.0");
}

#[test]
fn params_are_nested_as_plug_reads_them() {
    #[derive(serde::Serialize)]
    struct Params {
        admin: bool,
        big: u64,
        half: f64,
        kind: Kind,
        list: Vec<&'static str>,
        map: BTreeMap<&'static str, BTreeMap<&'static str, Vec<i8>>>,
        none: Option<u8>,
    }
    #[derive(serde::Serialize)]
    enum Kind {
        Guest,
    }
    let params = Params {
        admin: true,
        big: u64::MAX,
        half: 0.5,
        kind: Kind::Guest,
        list: vec!["a&b", ""],
        map: BTreeMap::from([("x y", BTreeMap::from([("z", vec![-1, 2])]))]),
        none: None,
    };
    let request = Endpoint::default().with_params(&params).unwrap().request("2.0.0");
    let pairs: BTreeMap<_, Vec<_>> =
        request.url().query_pairs().fold(BTreeMap::new(), |mut pairs, (key, value)| {
            pairs.entry(key.into_owned()).or_insert_with(Vec::new).push(value.into_owned());
            pairs
        });
    let expected: BTreeMap<String, Vec<String>> = serde_json::from_value(json!({
        "admin": ["true"], "big": ["18446744073709551615"], "half": ["0.5"], "kind": ["Guest"],
        "list[]": ["a&b", ""], "map[x y][z][]": ["-1", "2"], "vsn": ["2.0.0"],
    }))
    .unwrap();
    assert_eq!(pairs, expected);
}

#[test]
fn params_that_cannot_be_expressed_are_named() {
    for (params, name, kind) in [
        (json!({"a": {"b": [[1]]}}), "a[b]", ParamCause::NestedList),
        (json!({"a": [{"b": 1}]}), "a", ParamCause::NestedList),
        (json!({"a": {"": 1}}), "a[]", ParamCause::EmptyName),
        (json!({"": 1}), "", ParamCause::EmptyName),
        (json!({"a]": 1}), "a]", ParamCause::Bracket),
        (json!({"a": {"b[c": 1}}), "a[b[c]", ParamCause::Bracket),
    ] {
        match Endpoint::default().with_params(&params) {
            Err(EndpointError::Param { name: found, kind: why, .. }) => {
                assert_eq!((found.as_str(), why), (name, kind), "{params}");
            }
            other => panic!("{params}: {other:?}"),
        }
    }
    for params in [json!([1]), json!("a=b"), json!(null)] {
        assert_eq!(Endpoint::default().with_params(&params), Err(EndpointError::Params));
    }
    let keys = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(Endpoint::default().with_params(&keys), Err(EndpointError::Params));
}

#[test]
fn headers_are_checked_and_replaced() {
    let endpoint = Endpoint::default()
        .with_header("X-Id", "1")
        .and_then(|endpoint| endpoint.with_header("Origin", "https://h"))
        .and_then(|endpoint| endpoint.with_header("x-id", "2\t~"))
        .unwrap();
    let expected =
        [("Origin".to_string(), "https://h".to_string()), ("x-id".to_string(), "2\t~".to_string())];
    assert_eq!(endpoint.request("2.0.0").headers(), expected);
    assert!(Endpoint::default().request("2.0.0").headers().is_empty());

    for name in ["", "a b", "a:", "a\r\nb", "ä", "a\0"] {
        assert_eq!(Endpoint::default().with_header(name, "v"), Err(EndpointError::HeaderName));
    }
    for name in ["Host", "CONNECTION", "upgrade", "Sec-WebSocket-Key", "sec-websocket-protocol"] {
        assert!(
            matches!(
                Endpoint::default().with_header(name, "v"),
                Err(EndpointError::ReservedHeader { name: found, .. }) if found == name
            ),
            "{name}"
        );
    }
    for value in ["a\rb", "a\nb", "\0", "\x7f", "ä"] {
        assert!(
            matches!(
                Endpoint::default().with_header("X-Id", value),
                Err(EndpointError::HeaderValue { name, .. }) if name == "X-Id"
            ),
            "{value:?}"
        );
    }
}

/// The first two are recorded with a server, which read the tokens `secret.tok-1` and `~~~`.
#[test]
fn the_token_is_standard_base64_without_padding() {
    for (token, encoded) in
        [("secret.tok-1", "c2VjcmV0LnRvay0x"), ("~~~", "fn5+"), ("a", "YQ"), ("ë?", "w6s/")]
    {
        let request = Endpoint::default().with_auth_token(token).request("2.0.0");
        let bearer = format!("base64url.bearer.phx.{encoded}");
        assert_eq!(request.protocols(), ["phoenix", bearer.as_str()]);
    }
    let none = Endpoint::default().with_auth_token("token").with_auth_token("");
    assert!(none.request("2.0.0").protocols().is_empty(), "an empty one counts as none");
    assert!(Endpoint::default().request("2.0.0").protocols().is_empty());
}

#[test]
fn requests_say_where_to_connect() {
    let of = |url| Endpoint::parse(url).unwrap().request("1.0.0");
    let request = of("wss://[2001:db8::1]/s");
    assert_eq!((request.host(), request.port(), request.is_tls()), ("2001:db8::1", 443, true));
    let request = of("http://example.com/s");
    assert_eq!((request.host(), request.port(), request.is_tls()), ("example.com", 80, false));
    assert_eq!(of("ws://h:4000").port(), 4000);
    assert_eq!(of("ws://h").url().query(), Some("vsn=1.0.0"));
}

#[test]
fn nothing_shown_holds_a_secret() {
    const SECRET: &str = "s3cr3t";
    let endpoint = Endpoint::parse("ws://h/s?token=s3cr3t&s3cr3t")
        .unwrap()
        .with_param("a", SECRET)
        .with_params(&json!({"b": {"c": [SECRET]}}))
        .and_then(|endpoint| endpoint.with_header("X-Key", SECRET))
        .unwrap()
        .with_auth_token(SECRET);
    let request = endpoint.request("2.0.0");
    assert!(request.url().as_str().contains(SECRET), "the check below would prove nothing");

    let encoded = request.protocols()[1].rsplit_once('.').unwrap().1;
    let mut shown = vec![
        format!("{endpoint}"),
        format!("{endpoint:?}"),
        format!("{endpoint:#?}"),
        format!("{request}"),
        format!("{request:?}"),
    ];
    assert_eq!(shown[0], "ws://h/s/websocket");
    assert_eq!(shown[3], "ws://h/s/websocket");
    for error in [
        Endpoint::parse("ws://ann:s3cr3t@h/s"),
        Endpoint::parse("ws://s3cr3t@h/s"),
        Endpoint::parse("ws://h/s#s3cr3t"),
        Endpoint::parse("s3cr3t:h"),
        Endpoint::parse("ws://h:s3cr3t/s"),
        Endpoint::parse("ws://a b/?token=s3cr3t"),
        Endpoint::from_parts("s3cr3t@h", "/", None, false),
        Endpoint::from_parts("h", "/?s3cr3t", None, false),
        Endpoint::default().with_header("X s3cr3t", "v"),
        Endpoint::default().with_header("X-Key", "s3cr3t\n"),
        Endpoint::default().with_header("Host", SECRET),
        Endpoint::default().with_params(&json!({"a": [[SECRET]]})),
        Endpoint::default().with_params(SECRET),
    ] {
        let error = error.unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    for text in shown {
        assert!(!text.contains(SECRET) && !text.contains(encoded), "{text}");
    }
}

#[test]
fn what_the_parser_says_of_other_faults_is_kept() {
    let error = EndpointError::from(url::ParseError::Overflow);
    assert_eq!(error, EndpointError::Url(url::ParseError::Overflow));
}

#[test]
fn the_target_of_a_request_is_that_of_its_url() {
    for url in ["ws://a/socket", "wss://[::1]:9/a%20b/?x=1&y=%26", "http://a"] {
        let endpoint = Endpoint::parse(url).unwrap().with_param("name", "a b&\u{e9}");
        for endpoint in [endpoint.clone(), endpoint.with_exact_path("/exact path").unwrap()] {
            let request = endpoint.request("2.0.0");
            let of_url = format!("{}?{}", request.url().path(), request.url().query().unwrap());
            assert_eq!(request.target(), of_url);
        }
    }
}
