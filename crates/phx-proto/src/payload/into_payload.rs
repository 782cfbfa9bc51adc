//! Values that make payloads.

use serde::Serialize;

use super::{Payload, PayloadError};

/// A value to send: a reference to anything that [`Serialize`]s, written as JSON at the call; or a
/// [`Payload`], taken as it is (raw JSON text, or [binary](Payload::binary)).
///
/// # Examples
///
/// ```
/// use phx_proto::{IntoPayload, Payload};
///
/// let typing = (&[("on", true)]).into_payload()?;
/// assert_eq!(typing.as_json(), Some(r#"[["on",true]]"#));
/// let photo = Payload::binary(vec![0xff, 0xd8]).into_payload()?;
/// assert!(photo.is_binary());
/// # Ok::<(), phx_proto::PayloadError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be sent as a payload",
    label = "neither a reference nor a `Payload`",
    note = "pass a reference to a value that serialises: `&json!({{ .. }})`, `&message`"
)]
pub trait IntoPayload {
    /// The payload.
    ///
    /// # Errors
    ///
    /// [`PayloadError::Serialize`] if the value can't be written as JSON.
    fn into_payload(self) -> Result<Payload, PayloadError>;
}

impl<T: Serialize + ?Sized> IntoPayload for &T {
    fn into_payload(self) -> Result<Payload, PayloadError> {
        Payload::json(self)
    }
}

impl IntoPayload for Payload {
    fn into_payload(self) -> Result<Payload, PayloadError> {
        Ok(self)
    }
}
