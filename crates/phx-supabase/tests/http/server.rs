//! A server that gives each request the same answer.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Answering {
    pub(crate) url: String,
    posts: Arc<Mutex<Vec<String>>>,
}

impl Answering {
    /// Starts it; an empty answer is none.
    pub(crate) async fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let posts: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&posts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer, Arc::clone(&seen)));
            }
        });
        Answering { url, posts }
    }

    /// The posts so far, head and body. Upgrades of sockets aren't among them.
    pub(crate) fn posts(&self) -> Vec<String> {
        self.posts.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: &'static [u8], posts: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    let request = loop {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let len = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if body.len() >= len.unwrap_or(0) {
            break text;
        }
    };
    if !request.starts_with("POST ") {
        return;
    }
    posts.lock().unwrap().push(request);
    let _ = stream.write_all(answer).await;
    // Until the client closes.
    while stream.read(&mut [0; 256]).await.is_ok_and(|len| len > 0) {}
}
