//! The server's refusal of an upgrade: `Retry-After` and the beginning of the body.

use std::time::SystemTime;

use futures::AsyncRead;
use phx_proto::{Bytes, UpgradeRejection};

use super::WebSocketConfig;
use crate::http::{Body, Head, beginning};
use crate::runtime::Runtime;
use crate::turn::Metered;

/// Reads the body within the limits. The status is known, so no later failure changes it.
pub(super) async fn receive<S: AsyncRead + Unpin>(
    mut stream: Metered<S>,
    head: &Head,
    leftover: Vec<u8>,
    config: &WebSocketConfig,
    runtime: &dyn Runtime,
) -> UpgradeRejection {
    let turn = stream.turn().clone();
    let timer = runtime.timer(runtime.now() + config.refusal_timeout);
    let body = match Body::new(&mut stream, head, leftover) {
        Ok(mut body) => beginning(&mut body, head, config.max_refusal_body, &turn, timer).await,
        Err(_) => Bytes::new(),
    };
    UpgradeRejection::new(head.status)
        .with_retry_after(head.retry_after(SystemTime::now()))
        .with_headers(head.response_headers())
        .with_body(body)
}
