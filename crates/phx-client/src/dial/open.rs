//! From a dialer to an open stream to the server: dial or tunnel, then TLS.

#[cfg(feature = "tls")]
use std::pin::pin;
use std::sync::Arc;

use futures::{AsyncRead, AsyncWrite};
use phx_proto::{CloseCause, Request};

#[cfg(feature = "http")]
use super::ByteStream;
use super::{Dialer, through_proxy};
use crate::connector::Attempt;
use crate::turn::Turn;
use crate::websocket::WebSocketConfig;

/// Use of an open stream, whose type depends on the dialer, the proxy and TLS.
pub(crate) trait OverStream: Send {
    type Output;

    /// Called with the stream to the server, and the connection's turn, which meters what is below TLS.
    fn run<S>(
        self,
        turn: Turn,
        stream: S,
    ) -> impl Future<Output = Result<Self::Output, CloseCause>> + Send
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static;
}

/// The stream as it is, with its type erased.
#[cfg(feature = "http")]
pub(crate) struct Untyped;

#[cfg(feature = "http")]
impl OverStream for Untyped {
    type Output = (Turn, ByteStream);

    async fn run<S>(self, turn: Turn, stream: S) -> Result<Self::Output, CloseCause>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Ok((turn, ByteStream::new(stream)))
    }
}

/// Opens a stream to the host of the attempt's request: through its proxy if it has one, with TLS if the request asks
/// for it.
///
/// # Errors
///
/// Those of the dialer and of the proxy and, for `wss`, those of `tls::connect`. Without the feature `tls`, `wss` is
/// [`CloseCause::InvalidRequest`].
pub(crate) async fn open<D: Dialer, O: OverStream>(
    dialer: &Arc<D>,
    attempt: &Attempt,
    config: &Arc<WebSocketConfig>,
    over: O,
) -> Result<O::Output, CloseCause> {
    // Checked first, so that no useless connection is made.
    check_tls(&attempt.request)?;
    let (host, port) = (attempt.request.host(), attempt.request.port());
    match &attempt.proxy {
        None => {
            let stream = dialer.dial(attempt.request.dial_host(), port).await?;
            secure(stream, attempt, config, over).await
        }
        Some(proxy) => {
            let tunnel = through_proxy::dial(dialer, proxy, config, host, port).await?;
            secure(tunnel, attempt, config, over).await
        }
    }
}

/// Does the TLS handshake if the request asks for it.
#[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "they are about TLS"))]
async fn secure<S, O>(
    stream: S,
    attempt: &Attempt,
    config: &WebSocketConfig,
    over: O,
) -> Result<O::Output, CloseCause>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    O: OverStream,
{
    let turn = Turn::new();
    #[cfg(feature = "tls")]
    if attempt.request.is_tls() {
        // TLS is below the frames, and loops over records as they do over bytes.
        let stream = turn.metered(stream);
        let connecting = crate::tls::connect(stream, attempt.request.host(), config.tls.clone());
        let stream = turn.run(pin!(connecting)).await?;
        return over.run(turn, stream).await;
    }
    over.run(turn, stream).await
}

/// Checks that this build has the TLS that `request` may need.
fn check_tls(request: &Request) -> Result<(), CloseCause> {
    if cfg!(feature = "tls") || !request.is_tls() {
        return Ok(());
    }
    Err(CloseCause::invalid_request(
        "`wss` and `https` need TLS, and this program was built without it",
    ))
}
