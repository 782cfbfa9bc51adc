//! The params of a connection, form-encoded as Plug decodes them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

#[cfg(any(test, not(feature = "url")))]
use percent_encoding::percent_decode_str;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use super::{EndpointError, ParamCause};

/// The characters that JavaScript's `encodeURIComponent` encodes, and the quote, which the URL
/// standard encodes in a query anyway.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'(')
    .remove(b')');

/// Decoded pairs, in order. Names are nested as in `a[b]`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    #[cfg(feature = "url")]
    pub(super) fn from_query(url: &url::Url) -> Self {
        let pairs = url.query_pairs();
        Params(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }

    /// The pairs of a query, decoded as the URL standard decodes a form.
    #[cfg(any(test, not(feature = "url")))]
    pub(super) fn from_form(query: &str) -> Self {
        let decoded = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        });
        Params(pairs.collect())
    }

    pub(super) fn set(&mut self, key: &str, value: &str) {
        if !key.ends_with("[]") {
            self.0.retain(|(known, _)| known != key);
        }
        self.0.push((key.to_string(), value.to_string()));
    }

    pub(super) fn set_all<T: Serialize + ?Sized>(
        &mut self,
        params: &T,
    ) -> Result<(), EndpointError> {
        let Ok(Value::Object(fields)) = serde_json::to_value(params) else {
            return Err(EndpointError::Params);
        };
        let mut pairs = Vec::new();
        for (name, value) in &fields {
            flatten(&mut pairs, check_name(name, name)?.to_string(), value)?;
        }
        self.0.retain(|(known, _)| !fields.contains_key(root(known)));
        self.0.append(&mut pairs);
        Ok(())
    }

    pub(super) fn to_query(&self, vsn: &str) -> String {
        let mut query = String::new();
        // The setters take any name, but the version must be the serializer's.
        for (key, value) in self.0.iter().filter(|(key, _)| root(key) != "vsn") {
            write_pair(&mut query, key, value);
        }
        write_pair(&mut query, "vsn", vsn);
        query
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| root(key) == name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// `a` of `a[b][]`.
fn root(key: &str) -> &str {
    key.split_once('[').map_or(key, |(root, _)| root)
}

fn write_pair(query: &mut String, key: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    // A space becomes `%20` and not `+`, as in phoenix.js.
    query.extend(utf8_percent_encode(key, COMPONENT));
    query.push('=');
    query.extend(utf8_percent_encode(value, COMPONENT));
}

fn flatten(
    pairs: &mut Vec<(String, String)>,
    name: String,
    value: &Value,
) -> Result<(), EndpointError> {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let nested = format!("{name}[{key}]");
                check_name(key, &nested)?;
                flatten(pairs, nested, value)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                // Plug makes one map of each `a[][b]=c`, and has no lists in lists.
                if item.is_object() || item.is_array() {
                    return Err(param_error(name, ParamCause::NestedList));
                }
                if let Some(text) = scalar(item) {
                    pairs.push((format!("{name}[]"), text));
                }
            }
        }
        value => {
            if let Some(text) = scalar(value) {
                pairs.push((name, text));
            }
        }
    }
    Ok(())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn check_name<'a>(key: &'a str, full: &str) -> Result<&'a str, EndpointError> {
    let kind = match key {
        "" => ParamCause::EmptyName,
        key if key.contains(['[', ']']) => ParamCause::Bracket,
        key => return Ok(key),
    };
    Err(param_error(full.to_string(), kind))
}

fn param_error(name: String, kind: ParamCause) -> EndpointError {
    EndpointError::Param { name, kind }
}
