//! What is never shown of a session.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::mpsc;

use crate::server::{Net, answer, with_status};

/// A server before Phoenix 1.8.10 reads the token in the URL. Whatever its polls are answered with, no log and no cause
/// shows it.
#[tokio::test(start_paused = true)]
async fn no_cause_and_no_log_shows_a_url_with_the_token() {
    let mut net = Net::pipes();
    let shown = Arc::new(Mutex::new(String::new()));
    let (logged, ended) = (Arc::clone(&shown), Arc::clone(&shown));
    let (sender, mut ends) = mpsc::unbounded_channel();
    let builder = net
        .builder()
        .param("key", "canary-1")
        .auth_token("canary-2")
        .logger(move |record| logged.lock().unwrap().push_str(&format!("{record:?}\n")))
        .on_close(move |closed| {
            let cause = &closed.cause;
            ended.lock().unwrap().push_str(&format!("{closed:?} {cause} {cause:#?}\n"));
            _ = sender.send(());
        });
    let socket = builder.spawn().unwrap();
    let unknown = json!({ "status": 410, "token": "canary-4", "messages": [] });
    let quoted = "no such page: /socket/longpoll?token=canary-3";
    for said in [
        answer("", &unknown),
        answer("", &json!({ "status": 418, "token": "canary-3" })),
        answer("x-quoted: canary-3\r\n", &json!(quoted)),
        with_status("404 Not Found", "", quoted),
        with_status("302 Found", "location: /socket/longpoll?token=canary-3\r\n", quoted),
        with_status("500 canary-3", "canary-3\r\n", quoted),
        "canary-3".into(),
        String::new(),
    ] {
        let mut polls = net.accept().await;
        let creation = polls.request().await;
        assert!(creation.line.contains("canary-1"));
        assert_eq!(creation.values("x-phoenix-authtoken"), ["canary-2"]);
        let body = json!({ "status": 410, "token": "canary-3", "messages": [] });
        polls.say(answer("set-cookie: a=canary-5\r\n", &body)).await;
        polls.request().await;
        polls.answer(&unknown).await;
        // Some are asked for again, on another connection.
        loop {
            assert!(polls.request().await.line.contains("&token=canary-3"));
            polls.say(&said).await;
            drop(polls);
            tokio::select! {
                biased;
                () = async { ends.recv().await.unwrap() } => break,
                conn = net.accept() => polls = conn,
            }
        }
    }
    let shown = format!("{} {socket:?}", shown.lock().unwrap());
    assert!(shown.lines().count() > 8 && !shown.contains("canary"), "{shown}");
}
