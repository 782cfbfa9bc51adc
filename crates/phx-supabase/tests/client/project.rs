//! URLs and keys: what can be used, and that neither is shown.

use phx_client::{ConnectCause, EndpointError, SocketBuilder};
use phx_supabase::{Client, ConnectError, ProjectError};

use crate::common::{KEY, Project, SECOND};

fn error(url: &str, key: &str) -> Option<ProjectError> {
    let project = Project::new();
    let link = project.link.clone();
    project.run(async move {
        match Client::builder(url, key).spawn(|_| link.socket()) {
            Ok(_) => None,
            Err(ConnectError::Project(error)) => Some(error),
            Err(other) => panic!("{other}"),
        }
    })
}

#[test]
fn only_servers_on_this_machine_may_do_without_encryption() {
    for url in [
        "https://abc.supabase.co",
        "wss://abc.supabase.co/",
        "http://localhost:54321",
        "http://api.localhost",
        "http://127.0.0.1:54321",
        "ws://[::1]:4000/realtime/v1",
    ] {
        assert_eq!(error(url, KEY), None, "{url}");
    }
    for url in ["http://abc.supabase.co", "ws://10.0.0.1", "http://localhost.example.com"] {
        assert_eq!(error(url, KEY), Some(ProjectError::NotEncrypted), "{url}");
    }
    for (url, wanted) in [
        ("ftp://abc.supabase.co", EndpointError::Scheme),
        ("https://ann:secret@abc.supabase.co", EndpointError::UserInfo),
    ] {
        assert_eq!(error(url, KEY), Some(ProjectError::Endpoint(wanted)), "{url}");
    }
    assert_eq!(error("https://abc.supabase.co", ""), Some(ProjectError::NoKey));
}

#[test]
fn the_path_of_realtime_is_added_once() {
    let project = Project::new();
    project.run(async {
        for (url, wanted) in [
            ("https://abc.supabase.co", "wss://abc.supabase.co/realtime/v1/websocket"),
            ("https://abc.supabase.co/", "wss://abc.supabase.co/realtime/v1/websocket"),
            ("https://abc.supabase.co/realtime/v1", "wss://abc.supabase.co/realtime/v1/websocket"),
            ("http://localhost:8000/proxy/", "ws://localhost:8000/proxy/realtime/v1/websocket"),
            (
                "wss://abc.supabase.co/realtime/v1/websocket",
                "wss://abc.supabase.co/realtime/v1/websocket",
            ),
        ] {
            let mut used = None;
            let _client = Client::builder(url, KEY).param("log_level", "info").spawn(|endpoint| {
                used = Some((endpoint.to_string(), endpoint.request("2.0.0").url().to_string()));
                project.link.socket()
            });
            let (shown, whole) = used.unwrap();
            assert_eq!(shown, wanted);
            assert_eq!(whole, format!("{wanted}?apikey=anon-key&log_level=info&vsn=2.0.0"));
        }
    });
}

#[test]
fn neither_key_nor_token_is_shown() {
    let project = Project::new();
    project.run(async {
        let builder = Project::builder().access_token("tok-secret");
        let mut shown = vec![format!("{builder:?}")];
        let client = project.spawn(builder);
        let room = client.channel("room").create().unwrap();
        shown.push(format!("{:?}", client.channel("other")));
        room.join().await.unwrap();
        shown.push(format!("{client:?} {room:?} {:?}", room.join()));
        shown.push(format!("{:?}", room.send("cursor", "payload-secret")));
        for text in shown {
            for secret in [KEY, "secret"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    });
}

#[test]
fn a_wrong_key_is_refused_for_good() {
    let project = Project::new();
    project.run(async {
        let client = project.spawn(Client::builder("http://localhost", "wrong-key"));
        let error = client.socket().wait_connected().await.unwrap_err();
        assert!(error.to_string().contains("401"), "{error}");
        let error = ConnectError::from(error);
        assert!(
            error.to_string().ends_with("HTTP status 401 (is this the project's key?)"),
            "{error}"
        );
        assert_eq!(format!("{error:?}"), error.to_string(), "as `main` shows it");
        assert!(!format!("{error}").contains("wrong-key"));
    });
}

#[test]
fn heartbeats_are_25_seconds_apart() {
    let project = Project::new();
    project.run(async {
        let client = project.client();
        client.socket().wait_connected().await.unwrap();
        for (seconds, sent) in [(24, 0), (2, 1), (24, 1), (1, 2)] {
            project.seconds(seconds).await;
            assert_eq!(client.socket().counters().frames_sent, sent, "{:?}", project.elapsed());
        }
    });
}

#[test]
fn a_connection_has_a_time_limit_if_it_is_asked_for() {
    let project = Project::new();
    project.run(async {
        project.link.set_latency(SECOND * 5);
        let (runtime, link) = (project.time.runtime(), project.link.clone());
        let builder = Project::builder().connect_with_timeout(
            |endpoint| SocketBuilder::new(endpoint).runtime(runtime).connector(link),
            SECOND * 3,
        );
        let error = builder.await.unwrap_err();
        let ConnectError::Socket(error) = error else { panic!("{error}") };
        assert!(matches!(error.cause, ConnectCause::TimedOut { .. }), "{error}");
        assert_eq!(project.elapsed(), SECOND * 3);
    });
}
