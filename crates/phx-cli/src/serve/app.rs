//! Application of `phx serve`.

use phx_supabase::testing::RealtimeServer;
use phx_testing::{ChannelCrash, HttpServer, Server, ServerBuilder, UpgradeRejection, demo_server};
use phx_tokio::Escaped;
use tokio::sync::mpsc::Sender;

/// What is served.
#[derive(Clone)]
pub(super) enum Application {
    /// The demo server. With a token, it refuses every connection that doesn't have it.
    Demo { token: Option<String> },
    /// Supabase Realtime, of a project with this key.
    Supabase { key: String },
}

/// How it is served.
#[derive(Clone, Copy, Default)]
pub(super) struct Service {
    pub(super) http_server: HttpServer,
    pub(super) compresses: bool,
}

/// Returns the server of an application, with limits that suit `phx bench`. It sends a line to `log` for each channel
/// that crashes.
pub(super) fn server(application: Application, service: Service, log: Sender<String>) -> Server {
    builder(application)
        .http_server(service.http_server)
        .compress(service.compresses)
        .on_crash(move |crash| {
            // A standard error that takes no more, or a client that crashes channels without end, must not block the
            // server: lines over the capacity are dropped.
            let _ = log.try_send(line(crash));
        })
        .max_channels(65_536)
        .max_frame_size(64 << 20)
        .build()
}

fn builder(application: Application) -> ServerBuilder {
    match application {
        Application::Supabase { key } => RealtimeServer::new(key).builder(),
        Application::Demo { token } => demo_server().connect(move |info| match &token {
            Some(token) if ![info.auth_token(), info.param("token")].contains(&Some(token)) => {
                Err(UpgradeRejection::new(403).with_body("Forbidden"))
            }
            _ => Ok(None),
        }),
    }
}

fn line(crash: &ChannelCrash) -> String {
    let topic = Escaped::new(&crash.topic);
    match &crash.event {
        Some(event) => format!("the channel `{topic}` crashed at `{}`", Escaped::new(event)),
        None => format!("the channel `{topic}` crashed"),
    }
}
