//! Cookies of one session.

use serde_json::{Value, json};

use crate::server::{Net, answer, reply};

#[test]
fn cookies_of_a_session_are_sent_back_in_it_alone() {
    Net::both(|mut net| async move {
        let headers =
            "set-cookie: AWSALB=a1; Path=/\r\nset-cookie: s=secret; Secure\r\nset-cookie: b=2\r\n";
        for _ in 0..2 {
            let builder = net.builder().header("cookie", "own=1");
            let (socket, (mut polls, creation)) = tokio::join!(builder.connect(), async {
                let mut polls = net.accept().await;
                let creation = polls.create(headers).await;
                (polls, creation)
            });
            assert_eq!(creation.values("cookie"), ["own=1"]);
            assert_eq!(polls.poll().await.values("cookie"), ["own=1; AWSALB=a1; b=2"]);
            let socket = socket.unwrap();
            let room = socket.channel("room:a").create().unwrap();
            let _joining = room.join();
            let mut posts = net.accept().await;
            let post = posts.request().await;
            assert_eq!(post.values("cookie"), ["own=1; AWSALB=a1; b=2"]);
            let join = post.messages().remove(0);
            // A later answer changes one of them.
            posts.say(answer("set-cookie: b=3\r\n", &json!({ "status": 200 }))).await;
            let _push = room.push::<Value>("echo", &json!({}));
            polls.messages(&[reply(&join, &json!({}))]).await;
            assert_eq!(posts.request().await.values("cookie"), ["own=1; AWSALB=a1; b=3"]);
            posts.answer(&json!({ "status": 200 })).await;
            socket.disconnect().await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_transport_shows_no_secret() {
    let mut net = Net::pipes();
    let (transport, polls) =
        tokio::join!(net.attempt("ws://server.test/socket?key=canary-1"), async {
            let mut polls = net.accept().await;
            let creation = polls.request().await;
            assert!(creation.line.contains("canary-1"));
            let body = json!({ "status": 410, "token": "canary-2", "messages": [] });
            polls.say(answer("set-cookie: a=canary-3\r\n", &body)).await;
            polls
        });
    let transport = transport.unwrap();
    let shown = format!("{transport:?} {transport:#?} {:?}", transport.response_headers());
    assert!(shown.contains("set-cookie") && !shown.contains("canary"), "{shown}");
    drop(polls);
}
