//! What can be pushed or joined with: anything that serialises, or a payload that is there already.

use phx_proto::{Payload, PayloadError};
use serde::Serialize;

/// What can be sent: a reference to anything that [`Serialize`]s, written as JSON at the call; or a
/// [`Payload`], taken as it is (raw JSON text, or [binary](Payload::binary)).
///
/// # Examples
///
/// ```no_run
/// use phx_client::{Channel, Payload};
/// use serde_json::json;
///
/// # async fn doc(room: Channel) -> Result<(), phx_client::PushError> {
/// room.push("typing", &json!({ "on": true })).acknowledged().await?;
/// room.push("photo", Payload::binary(vec![0xff, 0xd8])).acknowledged().await?;
/// # Ok(())
/// # }
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
