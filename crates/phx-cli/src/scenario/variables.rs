//! The variables of one user of a scenario.

use std::fmt;
use std::sync::Arc;

use litemap::LiteMap;
use serde_json::Value;

/// Bytes of a variable's value.
pub(crate) const MAX_VALUE: usize = 64 << 10;

/// The value of a variable. `Debug` hides it, as it may be a secret.
#[derive(Clone, PartialEq)]
pub(crate) enum Variable {
    Text(Arc<str>),
    /// JSON that isn't a string.
    Json(Arc<str>),
    Number(u64),
}

/// A value that is larger than [`MAX_VALUE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Variable {
    /// The value of JSON text, which must be valid.
    pub(crate) fn from_json(json: &str) -> Result<Self, TooLarge> {
        let json = json.trim();
        if json.len() > MAX_VALUE {
            return Err(TooLarge);
        }
        match json.starts_with('"').then(|| serde_json::from_str::<String>(json)) {
            Some(Ok(text)) => Variable::from_text(&text),
            _ => Ok(Variable::Json(json.into())),
        }
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, TooLarge> {
        if text.len() > MAX_VALUE { Err(TooLarge) } else { Ok(Variable::Text(text.into())) }
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, TooLarge> {
        match value {
            Value::String(text) => Variable::from_text(text),
            value => Variable::from_json(&value.to_string()),
        }
    }

    /// Appends the value as text: a string without quotes, everything else as JSON.
    pub(crate) fn write_text(&self, to: &mut String) {
        match self {
            Variable::Text(text) | Variable::Json(text) => to.push_str(text),
            Variable::Number(number) => to.push_str(itoa(*number, &mut [0; 20])),
        }
    }

    /// Appends the value as JSON.
    pub(crate) fn write_json(&self, to: &mut String) {
        match self {
            Variable::Text(text) => to.push_str(&quoted(text)),
            other => other.write_text(to),
        }
    }

    /// Appends the value's text as a part of a JSON string.
    pub(crate) fn write_within(&self, to: &mut String) {
        match self {
            Variable::Text(text) | Variable::Json(text) => {
                let quoted = quoted(text);
                to.push_str(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
            }
            number @ Variable::Number(_) => number.write_text(to),
        }
    }
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// The digits of a number.
fn itoa(mut number: u64, buffer: &mut [u8; 20]) -> &str {
    let mut used = 0;
    for place in buffer.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let digits = buffer.get(20 - used..).unwrap_or_default();
    std::str::from_utf8(digits).unwrap_or_default()
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The variables that have a value. Each user of a load has some: so few that a `BTreeMap` would mostly hold empty places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(LiteMap<Arc<str>, Variable>);

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&Variable> {
        self.0.get(name)
    }

    pub(crate) fn set(&mut self, name: &Arc<str>, value: Variable) {
        match self.0.get_mut(name) {
            Some(old) => *old = value,
            None => {
                self.0.insert(Arc::clone(name), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_text_and_as_json() {
        let written = |value: &Variable| {
            let mut all = [String::new(), String::new(), String::new()];
            value.write_text(&mut all[0]);
            value.write_json(&mut all[1]);
            value.write_within(&mut all[2]);
            all
        };
        let text = Variable::from_json(r#""a\"b\n""#).unwrap();
        assert_eq!(written(&text), ["a\"b\n", r#""a\"b\n""#, r#"a\"b\n"#]);
        let list = Variable::from_json(r#" ["x",1.50] "#).unwrap();
        assert_eq!(written(&list), [r#"["x",1.50]"#, r#"["x",1.50]"#, r#"[\"x\",1.50]"#]);
        assert_eq!(written(&Variable::Number(0)), ["0", "0", "0"]);
        assert_eq!(written(&Variable::Number(u64::MAX))[0], u64::MAX.to_string());
        assert_eq!(format!("{text:?}"), "***");
    }

    #[test]
    fn a_value_is_limited_in_bytes() {
        let text = "x".repeat(MAX_VALUE);
        assert!(Variable::from_text(&text).is_ok());
        assert_eq!(Variable::from_text(&format!("{text}x")), Err(TooLarge));
        assert_eq!(Variable::from_json(&format!("\"{text}\"")), Err(TooLarge));
        assert_eq!(Variable::from_value(&Value::from(vec![text])), Err(TooLarge));
    }
}
