//! Costs of a recorder: over a socket beside none, and a million messages in a file and its replay.

use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use phx_proto::{Action, Config, Frame, Message, Payload, Serializer, Socket, V2Server};
use phx_tokio::SocketBuilder;
use phx_tokio::recorder::{
    Payloads, Recorder, RecordingFile, RecordingOptions, Ring, RingLimits, replay,
};

/// Messages in the file.
const MESSAGES: u64 = 1_000_000;

/// Topics of these messages.
const TOPICS: u64 = 4;

/// Messages after which the file is waited for: the thread that writes would lose some otherwise.
const BATCH: u64 = 4_000;

/// Ways of recording, beside `off`: by the name of the option.
pub(crate) const MODES: [&str; 4] = ["off", "ring", "hashed", "file"];

static MODE: OnceLock<&str> = OnceLock::new();

/// Makes the sockets of this process record.
pub(crate) fn set(mode: &str) -> anyhow::Result<()> {
    let known = MODES.into_iter().find(|known| *known == mode);
    let mode = known.with_context(|| format!("a recorder can be {}", MODES.join(", ")))?;
    MODE.set(mode).map_err(|_| anyhow::anyhow!("the mode is set"))
}

/// Returns the name of the client in the figures, which ends with the way of recording.
pub(crate) fn client() -> &'static str {
    match MODE.get() {
        None => "phx-tokio",
        Some(&"ring") => "phx-tokio ring",
        Some(&"hashed") => "phx-tokio hashed",
        Some(&"file") => "phx-tokio file",
        Some(_) => "phx-tokio off",
    }
}

/// Adds the recorder to a socket that was asked for.
pub(crate) fn on(builder: SocketBuilder) -> anyhow::Result<SocketBuilder> {
    let ring = || Recorder::from(Ring::new(RingLimits::default()));
    Ok(match MODE.get().copied().unwrap_or_default() {
        "ring" => builder.recorder(ring()),
        "hashed" => {
            let options = RecordingOptions::default().payloads(Payloads::Hashed);
            builder.recorder(ring().options(options))
        }
        "file" => {
            let path = path("flood");
            let file = RecordingFile::create_with(&path, u64::MAX)?;
            // It stays open, and nothing is left behind.
            fs::remove_file(&path)?;
            builder.recorder(Recorder::from(file))
        }
        _ => builder,
    })
}

/// Writes a million messages to a file, and replays it.
pub(crate) fn million() -> anyhow::Result<()> {
    let path = path("million");
    let measured = write_and_replay(&path);
    fs::remove_file(&path)?;
    measured
}

fn path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("phx-bench-{name}-{}.jsonl", std::process::id()))
}

fn write_and_replay(path: &Path) -> anyhow::Result<()> {
    let file = RecordingFile::create_with(path, u64::MAX)?;
    let started = Instant::now();
    let mut socket = Recorder::from(file.clone()).socket(Config::default(), 1);
    receive(&mut socket, &file)?;
    drop(socket);
    file.flush()?;
    let written = started.elapsed();
    ensure!(file.lost() == 0, "{} entries were lost", file.lost());
    let bytes = fs::metadata(path)?.len();
    let started = Instant::now();
    let replayed = replay(BufReader::new(File::open(path)?))?;
    let read = started.elapsed();
    ensure!(replayed.is_complete && replayed.outputs > MESSAGES, "{replayed:?}");
    writeln!(
        std::io::stdout(),
        "{MESSAGES} messages on {TOPICS} topics: {:.1} MB, received and written in {:.2} s, replayed in {:.2} s",
        bytes as f64 / 1e6,
        written.as_secs_f64(),
        read.as_secs_f64()
    )?;
    Ok(())
}

fn receive(socket: &mut Socket, file: &RecordingFile) -> anyhow::Result<()> {
    let started = Instant::now();
    let now = || phx_proto::Instant::EPOCH + started.elapsed();
    socket.connect(now());
    let Some(Action::Connect { transport, .. }) = socket.poll_action() else {
        bail!("no connection is asked for")
    };
    socket.handle_opened(now(), transport);
    for topic in 0..TOPICS {
        let channel = socket.channel(format!("room:{topic}"), Payload::empty())?;
        socket.join(now(), channel, None)?;
        let Some(Action::Send { frame, .. }) = socket.poll_action() else { bail!("no join") };
        let join = V2Server.decode(frame)?;
        let reply =
            Message::reply(join.topic, join.reference, phx_proto::Status::Ok, Payload::empty());
        let reply = V2Server.encode(&reply.with_join_ref(join.join_ref))?;
        socket.handle_frame(now(), transport, reply);
    }
    while socket.poll_event().is_some() {}
    let pad = "x".repeat(80);
    for number in 0..MESSAGES {
        let topic = number % TOPICS;
        let text = format!(r#"[null,null,"room:{topic}","msg",{{"i":{number},"pad":"{pad}"}}]"#);
        socket.handle_frame(now(), transport, Frame::text(text));
        socket.poll_event().context("the message isn't delivered")?;
        if number % BATCH == 0 {
            file.flush()?;
        }
    }
    Ok(())
}
