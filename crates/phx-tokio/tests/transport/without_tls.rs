//! Without the feature `tls`, a `wss` request is an error that names TLS.

use phx_tokio::{CloseCause, Endpoint};

use crate::common::connect;

#[tokio::test]
async fn wss_is_unusable() {
    let endpoint = Endpoint::parse("wss://127.0.0.1:1/socket").unwrap();
    let cause = connect(&endpoint).await.unwrap_err();
    let text = "`wss` and `https` need TLS, and this program was built without it";
    assert_eq!(cause, CloseCause::invalid_request(text));
}
