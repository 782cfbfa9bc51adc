//! Application of `phx serve`.

use phx_testing::{Server, UpgradeRejection, demo_server};

/// Returns the demo server with limits that suit `phx bench`. With a token, it refuses every connection that
/// doesn't have it.
pub(super) fn server(token: Option<String>) -> Server {
    demo_server()
        .max_channels(65_536)
        .max_frame_size(64 << 20)
        .connect(move |info| match &token {
            Some(token) if ![info.auth_token(), info.param("token")].contains(&Some(token)) => {
                Err(UpgradeRejection::new(403).with_body("Forbidden"))
            }
            _ => Ok(None),
        })
        .build()
}
