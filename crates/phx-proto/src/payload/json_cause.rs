//! Why JSON failed: errors of `serde_json`, made safe to display.

use alloc::string::ToString as _;
use core::error::Error;
use core::fmt;

use crate::Escaped;

/// Why JSON can't be written or read, in the words of `serde_json` or of your own type.
///
/// `Display` may quote the value that had the wrong type; what it shows is [`Escaped`]. `Debug` quotes nothing: it shows
/// the kind of the error, the line and the column.
pub struct JsonCause(serde_json::Error);

impl JsonCause {
    /// The error itself. Its own `Display` isn't escaped.
    #[must_use]
    pub fn inner(&self) -> &serde_json::Error {
        &self.0
    }
}

impl From<serde_json::Error> for JsonCause {
    fn from(error: serde_json::Error) -> Self {
        JsonCause(error)
    }
}

impl fmt::Display for JsonCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::new(&self.0.to_string()).fmt(f)
    }
}

impl fmt::Debug for JsonCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonCause")
            .field("category", &self.0.classify())
            .field("line", &self.0.line())
            .field("column", &self.0.column())
            .finish()
    }
}

impl Error for JsonCause {}
