//! Times in a recording: exact, and short.

use std::time::Duration;

use phx_proto::Instant;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration, or a moment since the driver's epoch.
///
/// In a file it is the number of nanoseconds; one of 585 years or more is `"SECONDS.NANOSECONDS"`, since a JSON number
/// that large isn't read exactly everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Time(pub(crate) Duration);

impl From<Duration> for Time {
    fn from(duration: Duration) -> Self {
        Time(duration)
    }
}

impl From<Instant> for Time {
    fn from(at: Instant) -> Self {
        Time(at.since_epoch())
    }
}

impl From<Time> for Instant {
    fn from(Time(since_epoch): Time) -> Self {
        Instant::from_epoch(since_epoch)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(self.0.as_nanos()) {
            Ok(nanos) => serializer.serialize_u64(nanos),
            Err(_) => serializer.collect_str(&format_args!(
                "{}.{:09}",
                self.0.as_secs(),
                self.0.subsec_nanos()
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Nanos(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Nanos(nanos) => Ok(Time(Duration::from_nanos(nanos))),
            Form::Text(text) => {
                let parsed = text.split_once('.').and_then(|(secs, nanos)| {
                    let nanos: u32 = nanos.parse().ok().filter(|nanos| *nanos < 1_000_000_000)?;
                    Some(Duration::new(secs.parse().ok()?, nanos))
                });
                parsed.map(Time).ok_or_else(|| D::Error::custom("not a time"))
            }
        }
    }
}
