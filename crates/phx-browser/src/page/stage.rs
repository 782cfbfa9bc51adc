//! The browser as a stage of the behaviour suite: clients here, servers in the program that started it.

use phx_testing::suite::{Answer, Order, ServerKind, Site, Stage};
use phx_web::{AdapterRuntime, Endpoint, Instant, Runtime as _, SocketBuilder, TransportKind};
use serde_json::json;

use super::host;

/// A page or a worker.
pub(crate) struct Browser;

/// A server in the other program, which ends it with the test.
pub(crate) struct Remote {
    number: u64,
    url: String,
}

impl Stage for Browser {
    const TRANSPORT: TransportKind = TransportKind::WebSocket;

    type Site = Remote;

    async fn start(server: ServerKind) -> Remote {
        let answer = host::ask("start", &json!(server).to_string()).await.expect("an answer");
        let (number, url) = serde_json::from_str(&answer).expect("a number and a URL");
        Remote { number, url }
    }

    fn socket(endpoint: Endpoint) -> SocketBuilder {
        phx_web::socket(endpoint)
    }

    fn now() -> Instant {
        AdapterRuntime::current().expect("a page or a worker").now()
    }
}

impl Site for Remote {
    fn url(&self) -> &str {
        &self.url
    }

    async fn order(&self, order: Order) -> Answer {
        let order = json!([self.number, order]).to_string();
        let answer = host::ask("order", &order).await.expect("an answer");
        serde_json::from_str(&answer).expect("the answer to an order")
    }
}
