//! Texts and JSON with placeholders: `${name}` stands for the value of a variable, `$${` for `${`.

use std::sync::Arc;

use phx_tokio::{ByteString, Payload};

use super::variables::{Variable, Variables};

/// Bytes of a text or a payload whose placeholders are filled in.
pub(crate) const MAX_FILLED: usize = 16 << 20;

/// Bytes that are set aside for a value; larger ones make the text grow.
const VALUE_SIZE: usize = 20;

/// Characters of a variable's name.
pub(crate) const MAX_NAME: usize = 64;

/// Why a template can't be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfilled {
    /// The variable with this name has no value yet.
    NoValue(Arc<str>),
    /// The result would have more than [`MAX_FILLED`] bytes.
    TooLarge,
}

/// A placeholder that isn't one, at this byte of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) usize);

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text {
    /// The text as it was written; without placeholders, the text itself.
    source: ByteString,
    /// Empty if there are no placeholders.
    parts: Vec<Part>,
}

/// A JSON value with placeholders in its strings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Fixed(Payload),
    Parts(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Literal(Box<str>),
    /// The value as text, or as the JSON that it is.
    Value(Arc<str>),
    /// The value as a part of a JSON string.
    Within(Arc<str>),
}

/// A piece of a text: what comes before a placeholder, and its name.
type Piece<'a> = (&'a str, Option<&'a str>);

/// Splits a text at its placeholders. Each `$${` ends a piece after its first sign.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Malformed> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find("${")) {
        let at = from.saturating_add(found);
        let after = at.saturating_add(2);
        if text.get(..at).is_some_and(|before| before.ends_with('$')) {
            // The second sign and the brace are literal.
            pieces.push((text.get(start..at.saturating_sub(1)).unwrap_or_default(), None));
            (start, from) = (at, after);
            continue;
        }
        let rest = text.get(after..).unwrap_or_default();
        let name = rest.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        let name = name.ok_or(Malformed(at))?;
        pieces.push((text.get(start..at).unwrap_or_default(), Some(name)));
        start = after.saturating_add(name.len()).saturating_add(1);
        from = start;
    }
    pieces.push((text.get(start..).unwrap_or_default(), None));
    Ok(pieces)
}

/// Returns whether this can be the name of a variable: letters, digits, `_` and `.`.
pub(crate) fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(is_part)
}

impl Text {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let pieces = pieces(text)?;
        let mut parts = Vec::new();
        if pieces.len() > 1 {
            for (before, name) in pieces {
                push_literal(&mut parts, before);
                parts.extend(name.map(|name| Part::Value(name.into())));
            }
        }
        Ok(Text { source: text.into(), parts })
    }

    /// The text with its placeholders, which shows no value.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn fill(&self, variables: &Variables) -> Result<ByteString, Unfilled> {
        if self.parts.is_empty() {
            return Ok(self.source.clone());
        }
        Ok(fill(&self.parts, variables)?.into())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        names(&self.parts)
    }
}

impl Json {
    /// Parses JSON text, which must be valid. A string that is one placeholder stands for the value itself, as the JSON that
    /// it is; in a longer string, and in a name of a field, a placeholder stands for the value's text.
    pub(crate) fn parse(json: &str) -> Result<Self, Malformed> {
        if !json.contains("${") {
            let payload = Payload::from_json_text(json.to_owned());
            return payload.map(Json::Fixed).map_err(|_| Malformed(0));
        }
        let mut parts = Vec::new();
        let mut rest = json;
        let mut at = 0_usize;
        while let Some((outside, string, behind)) = next_string(rest) {
            let is_name = behind.trim_start().starts_with(':');
            let start = at.saturating_add(outside.len()).saturating_add(1);
            let pieces = pieces(string)
                .map_err(|Malformed(within)| Malformed(start.saturating_add(within)))?;
            push_literal(&mut parts, outside);
            match &*pieces {
                [("", Some(name)), ("", None)] if !is_name => {
                    parts.push(Part::Value((*name).into()));
                }
                pieces => {
                    push_literal(&mut parts, "\"");
                    for (before, name) in pieces {
                        push_literal(&mut parts, before);
                        parts.extend(name.map(|name| Part::Within(name.into())));
                    }
                    push_literal(&mut parts, "\"");
                }
            }
            at = start.saturating_add(string.len()).saturating_add(1);
            rest = behind;
        }
        push_literal(&mut parts, rest);
        Ok(Json::Parts(parts))
    }

    pub(crate) fn fill(&self, variables: &Variables) -> Result<Payload, Unfilled> {
        match self {
            Json::Fixed(payload) => Ok(payload.clone()),
            Json::Parts(parts) => {
                let mut json = String::with_capacity(expected_size(parts));
                for part in parts {
                    match part {
                        Part::Value(name) => value(variables, name)?.write_json(&mut json),
                        part => write(part, variables, &mut json)?,
                    }
                    limit(&json)?;
                }
                // Values are valid JSON, so it is one again.
                Payload::from_json_text(json).map_err(|_| Unfilled::TooLarge)
            }
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let parts: &[Part] = match self {
            Json::Fixed(_) => &[],
            Json::Parts(parts) => parts,
        };
        names(parts)
    }
}

/// Splits JSON at its next string: what comes before the first quote, the string, and what comes after the second.
fn next_string(json: &str) -> Option<(&str, &str, &str)> {
    let (outside, rest) = json.split_once('"')?;
    let mut is_escaped = false;
    let end = rest.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    let (string, behind) = rest.split_at_checked(end)?;
    Some((outside, string, behind.get(1..).unwrap_or_default()))
}

/// Appends a literal, to the last part if that is one.
fn push_literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Literal(last)) => *last = [&**last, text].concat().into(),
        _ => parts.push(Part::Literal(text.into())),
    }
}

fn names(parts: &[Part]) -> impl Iterator<Item = &Arc<str>> {
    parts.iter().filter_map(|part| match part {
        Part::Literal(_) => None,
        Part::Value(name) | Part::Within(name) => Some(name),
    })
}

fn fill(parts: &[Part], variables: &Variables) -> Result<String, Unfilled> {
    let mut text = String::with_capacity(expected_size(parts));
    for part in parts {
        write(part, variables, &mut text)?;
        limit(&text)?;
    }
    Ok(text)
}

/// The bytes of a filled template if its values are as short as most are, so that filling it allocates once.
fn expected_size(parts: &[Part]) -> usize {
    parts.iter().fold(0, |sum, part| {
        sum.saturating_add(match part {
            Part::Literal(literal) => literal.len(),
            Part::Value(_) | Part::Within(_) => VALUE_SIZE,
        })
    })
}

fn write(part: &Part, variables: &Variables, to: &mut String) -> Result<(), Unfilled> {
    match part {
        Part::Literal(literal) => to.push_str(literal),
        Part::Value(name) => value(variables, name)?.write_text(to),
        Part::Within(name) => value(variables, name)?.write_within(to),
    }
    Ok(())
}

fn value<'a>(variables: &'a Variables, name: &Arc<str>) -> Result<&'a Variable, Unfilled> {
    variables.get(name).ok_or_else(|| Unfilled::NoValue(Arc::clone(name)))
}

fn limit(text: &str) -> Result<(), Unfilled> {
    if text.len() > MAX_FILLED { Err(Unfilled::TooLarge) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::super::variables::MAX_VALUE;
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set(&"n".into(), Variable::from_json("7").unwrap());
        variables.set(&"who".into(), Variable::from_text("a\"b").unwrap());
        variables.set(&"list".into(), Variable::from_json("[1,\"x\"]").unwrap());
        variables
    }

    #[test]
    fn texts_are_filled_in() {
        for (text, filled) in [
            ("room:a", "room:a"),
            ("room:${n}", "room:7"),
            ("${who}${n}!", "a\"b7!"),
            ("$${n} costs $5 {n} ${list}", "${n} costs $5 {n} [1,\"x\"]"),
            ("$$${n}", "$${n}"),
            ("", ""),
        ] {
            assert_eq!(&*Text::parse(text).unwrap().fill(&variables()).unwrap(), filled, "{text}");
        }
        let unset = Text::parse("a${b}").unwrap().fill(&variables());
        assert_eq!(unset, Err(Unfilled::NoValue("b".into())));
    }

    #[test]
    fn json_is_filled_in_with_values_or_with_text() {
        for (json, filled) in [
            (r#"{"a":1.50}"#, r#"{"a":1.50}"#),
            (r#"{"a":"${n}","b":"n=${n}"}"#, r#"{"a":7,"b":"n=7"}"#),
            (r#"["${list}","${who}","<${who}>"]"#, r#"[[1,"x"],"a\"b","<a\"b>"]"#),
            (r#"{"${n}" : "\"${list}\\"}"#, r#"{"7" : "\"[1,\"x\"]\\"}"#),
            (r#""$${n}""#, r#""${n}""#),
        ] {
            let filled = filled.replace(r#"\"[1,"x"]"#, r#"\"[1,\"x\"]"#);
            let payload = Json::parse(json).unwrap().fill(&variables()).unwrap();
            assert_eq!(payload.as_json(), Some(&*filled), "{json}");
        }
    }

    #[test]
    fn a_placeholder_that_is_none_is_found_with_its_place() {
        assert_eq!(Text::parse("ab${"), Err(Malformed(2)));
        assert_eq!(Text::parse("${a b}"), Err(Malformed(0)));
        assert_eq!(Text::parse(&format!("${{{}}}", "x".repeat(MAX_NAME + 1))), Err(Malformed(0)));
        assert_eq!(Json::parse(r#"{"a":"x${}"}"#), Err(Malformed(7)));
    }

    #[test]
    fn what_is_filled_in_is_limited_in_bytes() {
        let mut variables = Variables::default();
        variables.set(&"v".into(), Variable::from_text(&"x".repeat(MAX_VALUE)).unwrap());
        let many = "${v}".repeat(1_000);
        let used = measure(|| {
            assert_eq!(Text::parse(&many).unwrap().fill(&variables), Err(Unfilled::TooLarge));
            let json = format!("[\"-{many}\"]");
            assert_eq!(Json::parse(&json).unwrap().fill(&variables), Err(Unfilled::TooLarge));
        });
        assert!(used.bytes_max < 4 * MAX_FILLED as u64, "{used:?}");
    }
}
