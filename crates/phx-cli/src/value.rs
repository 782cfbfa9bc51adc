//! The values of options: as they are given, or from a file, and never quoted by an error.
//!
//! One rule for all options, and for the URL: `@PATH` stands for what the file holds, without its last line end, so that
//! a secret needn't be in the list of processes; `@@..` is a literal `@..`. In `NAME=VALUE` and `NAME: VALUE` it is the
//! value that the rule is about. An option that takes a path names its file with and without the sign: nothing is read to get a
//! path.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, StdinLock};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};
use serde_json::value::{RawValue, to_raw_value};

use crate::terminal::shown;

/// Bytes of a file that a value is read from.
pub(crate) const MAX_FILE: usize = 64 << 10;

/// The value itself, or that of a file; the error says why there is none, without quoting it.
pub(crate) fn text(value: &str) -> Result<String, String> {
    match value.strip_prefix('@') {
        None => Ok(value.to_owned()),
        Some(literal) if literal.starts_with('@') => Ok(literal.to_owned()),
        Some(path) => from_file(path),
    }
}

/// A text that may come from standard input, as `-`.
pub(crate) fn text_or_stdin(value: &str) -> Result<String, String> {
    text(if value == "-" { "@-" } else { value })
}

/// The path of a file or directory: `@PATH` is `PATH`, and `@@..` is a literal `@..`.
pub(crate) fn path(value: &str) -> Result<String, String> {
    Ok(value.strip_prefix('@').unwrap_or(value).to_owned())
}

/// Standard input, for the one value or script that is read from it.
pub(crate) fn standard_input() -> Result<StdinLock<'static>, String> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    if IS_TAKEN.swap(true, Ordering::Relaxed) {
        return Err("standard input is named twice, and can be read once".to_owned());
    }
    Ok(io::stdin().lock())
}

pub(crate) fn time(value: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(&text(value)?);
    time.map_err(|_| "expected a time, such as 500ms, 10s or 2m".to_owned())
}

/// A whole number within these limits.
pub(crate) fn number<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(
    value: &str,
) -> Result<T, String> {
    let number = text(value)?.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("expected a whole number from {MIN} to {MAX}"))
}

/// So much a second.
pub(crate) fn rate(value: &str) -> Result<f64, String> {
    match text(value)?.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err("expected a number above 0, at most 1000000".to_owned()),
    }
}

pub(crate) fn address(value: &str) -> Result<IpAddr, String> {
    text(value)?.parse().map_err(|_| "expected an IP address".to_owned())
}

/// `NAME=VALUE`, as for params.
pub(crate) fn pair(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), text(value)?)),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// `NAME=VALUE` for a text, or `NAME:=JSON` for any JSON value, as for the params of joins.
pub(crate) fn json_pair(argument: &str) -> Result<(String, Box<RawValue>), String> {
    let Some((name, json)) = argument.split_once('=') else {
        return Err("expected NAME=VALUE or NAME:=JSON".to_owned());
    };
    let Some(name) = name.strip_suffix(':') else {
        let (name, value) = pair(argument)?;
        let value = to_raw_value(&value).map_err(|_| "the value can't be written as JSON")?;
        return Ok((name, value));
    };
    if name.is_empty() {
        return Err("expected NAME:=JSON".to_owned());
    }
    let value = RawValue::from_string(text(json)?)
        .map_err(|_| "expected JSON after :=, such as n:=3 or tags:='[\"a\"]'")?;
    Ok((name.to_owned(), value))
}

/// `NAME: VALUE`, as for headers.
pub(crate) fn header(argument: &str) -> Result<(String, String), String> {
    match argument.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), text(value.trim())?))
        }
        _ => Err("expected NAME: VALUE".to_owned()),
    }
}

/// One of some words. The parser of the words lists them in its errors.
#[derive(Clone, Debug)]
pub(crate) struct OneOf<P>(pub(crate) P);

impl<P: TypedValueParser> TypedValueParser for OneOf<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<P::Value, clap::Error> {
        let word = StringValueParser::new().try_map(|value| text(&value));
        let word = word.parse_ref(command, arg, value)?;
        self.0.parse_ref(command, arg, OsStr::new(&word))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

/// The bytes of a file, `-` being standard input, and its name; an error if there are more than this.
pub(crate) fn read(path: &str, max: usize) -> Result<(Vec<u8>, String), String> {
    let mut bytes = Vec::new();
    // One byte more shows that a file is beyond the limit.
    let limit = u64::try_from(max.saturating_add(1)).unwrap_or(u64::MAX);
    let (name, read) = if path == "-" {
        let input = standard_input()?;
        ("standard input".to_owned(), input.take(limit).read_to_end(&mut bytes))
    } else {
        let file = File::open(path);
        (shown(path), file.and_then(|file| file.take(limit).read_to_end(&mut bytes)))
    };
    read.map_err(|error| format!("can't read {name}: {error}"))?;
    if bytes.len() > max {
        let size = if max < 1 << 20 { (max >> 10, "KiB") } else { (max >> 20, "MiB") };
        return Err(format!("{name} holds more than {} {}", size.0, size.1));
    }
    Ok((bytes, name))
}

fn from_file(path: &str) -> Result<String, String> {
    let (bytes, name) = read(path, MAX_FILE)?;
    let mut text = String::from_utf8(bytes).map_err(|_| format!("{name} isn't UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use allocation_counter::measure;

    use super::*;

    #[test]
    fn a_value_comes_from_a_file_without_its_last_line_end() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("value");
        let at = format!("@{}", path.display());
        for (held, value) in [
            ("s3cret", "s3cret"),
            ("s3cret\n", "s3cret"),
            ("s3cret\r\n", "s3cret"),
            ("\n s3cret \n\n", "\n s3cret \n"),
            ("@s3cret", "@s3cret"),
            ("", ""),
        ] {
            fs::write(&path, held).unwrap();
            assert_eq!(text(&at).as_deref(), Ok(value), "{held:?}");
        }
        fs::write(&path, "x".repeat(MAX_FILE)).unwrap();
        assert_eq!(text(&at).unwrap().len(), MAX_FILE);
        for (held, why) in
            [(vec![b'x'; MAX_FILE + 1], "holds more than 64 KiB"), (vec![0xff], "isn't UTF-8")]
        {
            fs::write(&path, held).unwrap();
            assert_eq!(text(&at), Err(format!("{} {why}", path.display())));
        }
        let mut endless = String::new();
        let used = measure(|| endless = text("@/dev/zero").unwrap_err());
        assert!(cfg!(not(unix)) || endless.contains("64 KiB"), "{endless}");
        // A buffer that doubles is there twice while it is copied.
        assert!(used.bytes_max < 4 * MAX_FILE as u64, "{used:?}");
        let missing = text("@no/such\u{1b}file").unwrap_err();
        assert!(missing.starts_with("can't read no/such\\u{1b}file: "), "{missing}");
    }

    #[test]
    fn two_signs_are_a_literal_one() {
        assert_eq!(text("@@home").as_deref(), Ok("@home"));
        assert_eq!(text("ann@home").as_deref(), Ok("ann@home"));
        assert_eq!(path("@a/key.pem").as_deref(), Ok("a/key.pem"));
        assert_eq!(path("@@a").as_deref(), Ok("@a"));
        assert_eq!(pair("@me=@@home"), Ok(("@me".into(), "@home".into())));
        assert_eq!(header("X-App: @@home"), Ok(("X-App".into(), "@home".into())));
    }

    #[test]
    fn pairs_and_headers() {
        assert_eq!(pair("user[id]=a=b"), Ok(("user[id]".into(), "a=b".into())));
        assert!(pair("=x").is_err() && pair("x").is_err());
        for (argument, json) in [
            ("n=3", "\"3\""),
            ("n:=3", "3"),
            ("n:={\"b\":1.50}", "{\"b\":1.50}"),
            ("n=a:=b", "\"a:=b\""),
        ] {
            let (name, value) = json_pair(argument).unwrap();
            assert_eq!((&*name, value.get()), ("n", json));
        }
        for argument in [":=3", "=3", "n", "n:=hush", "n:=", "n:=1 2"] {
            assert!(json_pair(argument).is_err_and(|why| !why.contains("hush")), "{argument}");
        }
        assert_eq!(header("X-App:  a:b "), Ok(("X-App".into(), "a:b".into())));
        assert!(header(": x").is_err() && header("x").is_err());
        assert!(pair("x=@no/such").unwrap_err().contains("no/such"));
        assert!(header("x: @no/such").unwrap_err().contains("no/such"));
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!(rate("0.5"), Ok(0.5));
        assert!(["0", "-1", "NaN", "inf", "1e7", ""].into_iter().all(|text| rate(text).is_err()));
        assert_eq!(number::<u16, 1, 70_000>("7"), Ok(7));
        for wrong in ["0", "70000", "70001", "-1", "s3cret", ""] {
            let why = number::<u16, 1, 70_000>(wrong).unwrap_err();
            assert_eq!(why, "expected a whole number from 1 to 70000");
        }
        assert_eq!(time("1m 5s"), Ok(Duration::from_secs(65)));
        assert!(!time("5s3cret").unwrap_err().contains("s3cret"));
    }
}
