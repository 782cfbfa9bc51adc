//! Replays a whole recording.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use phx_proto::{CloseCause, Instant};

use crate::Check;
use crate::client::Client;
use crate::notes::{self, Note};
use crate::recording::{Fact, Line, Recording, Request};
use crate::table::{Rule, Settings};
use crate::wire::ClientFrame;
use crate::{refusals, requests};

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Frames of the client that the core sent too.
    pub(crate) frames: usize,
    /// Frames of the client that the core never sends; the table says why.
    pub(crate) left_out: usize,
    /// Frames of the client that a rule of the table keeps the core from sending.
    pub(crate) ruled_out: usize,
    /// Frames of the server that were fed to the core.
    pub(crate) server_frames: usize,
    pub(crate) notes: usize,
    /// Requests to upgrade that an endpoint makes too.
    pub(crate) requests: usize,
    /// HTTP answers for which the default policy was asked.
    pub(crate) refusals: usize,
    /// Notes that aren't compared, by the reason.
    pub(crate) remarks: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.frames += other.frames;
        self.left_out += other.left_out;
        self.ruled_out += other.ruled_out;
        self.server_frames += other.server_frames;
        self.notes += other.notes;
        self.requests += other.requests;
        self.refusals += other.refusals;
        for (why, count) in other.remarks {
            *self.remarks.entry(why).or_default() += count;
        }
    }
}

struct Replay<'a> {
    recording: &'a Recording,
    settings: Settings,
    clients: Vec<Client>,
    tally: Tally,
    notes: Vec<(Instant, Note)>,
    client_frames: usize,
}

/// Replays a recording; an error says what the core did differently.
pub(crate) fn replay(recording: &Recording, settings: Settings) -> Check<Tally> {
    let mut replay = Replay {
        recording,
        settings,
        clients: Vec::new(),
        tally: Tally::default(),
        notes: Vec::new(),
        client_frames: 0,
    };
    for line in &recording.lines {
        replay.line(line).map_err(|why| format!("at {:?}: {why}", line.at))?;
    }
    replay.finish()
}

impl Replay<'_> {
    fn line(&mut self, line: &Line) -> Check {
        for client in &mut self.clients {
            client.advance(line.at)?;
        }
        match &line.fact {
            Fact::Opened { conn, request } => {
                self.request(request)?;
                self.client_at(*conn, line.at)?.opened(*conn)
            }
            Fact::Refused { conn, request, refusal } => {
                self.request(request)?;
                self.tally.refusals += 1;
                refusals::check_default_policy(refusal)?;
                self.client_at(*conn, line.at)?.refused_upgrade(*conn, refusal)
            }
            Fact::Failed { conn, request, error } => {
                self.request(request)?;
                let cause = CloseCause::lost(error.as_str());
                self.client_at(*conn, line.at)?.not_opened(*conn, cause)
            }
            Fact::ClientFrame { conn, frame } => {
                self.client_frames += 1;
                let number = self.client_frames;
                if self.settings.left_out(number).is_some() {
                    self.tally.left_out += 1;
                }
                self.client(*conn)?.client_frame(number, frame.as_ref())
            }
            Fact::ServerFrame { conn, frame } => {
                self.tally.server_frames += 1;
                self.client(*conn)?.server_frame(*conn, frame)
            }
            Fact::ClientClose { conn, code, reason, echo } => {
                self.client(*conn)?.client_close(*conn, *code, reason, *echo)
            }
            Fact::ServerClose { conn, code, reason } => {
                self.client(*conn)?.server_close(*conn, *code, reason)
            }
            Fact::Note(text) => self.note(line.at, text),
            Fact::HttpAnswer(refusal) => {
                self.tally.refusals += 1;
                refusals::check_default_policy(refusal)
            }
            Fact::PingOrPong | Fact::HttpRequest => Ok(()),
        }
    }

    fn request(&mut self, request: &Request) -> Check {
        if requests::check(request)? {
            self.tally.requests += 1;
        }
        Ok(())
    }

    fn note(&mut self, at: Instant, text: &str) -> Check {
        for note in Note::parse(text)? {
            if let Note::Remark(why) = note {
                *self.tally.remarks.entry(why).or_default() += 1;
                continue;
            }
            self.tally.notes += 1;
            if !notes::check_now(&note, &self.clients)? {
                self.notes.push((at, note));
            }
        }
        Ok(())
    }

    fn client(&mut self, conn: u32) -> Check<&mut Client> {
        let index = self.settings.client_of(conn);
        self.clients.get_mut(index).ok_or_else(|| format!("connection {conn} has no client"))
    }

    /// The client of a connection that begins, made with the first one.
    fn client_at(&mut self, conn: u32, now: Instant) -> Check<&mut Client> {
        let index = self.settings.client_of(conn);
        while self.clients.len() <= index {
            let mut client = Client::new(self.settings);
            self.prepare(&mut client, self.clients.len())?;
            self.clients.push(client);
        }
        let client = self.client(conn)?;
        client.now = client.now.max(now);
        Ok(client)
    }

    /// Looks ahead: the params of joins to come, and what the user called before connecting.
    fn prepare(&self, client: &mut Client, index: usize) -> Check {
        let frames = self.recording.client_frames().filter(|(number, conn, _)| {
            self.settings.client_of(*conn) == index && self.settings.left_out(*number).is_none()
        });
        for (_, _, frame) in frames {
            let frame = ClientFrame::parse(frame.ok_or("a frame that no call sends")?)?;
            if frame.event == "phx_join" {
                let params: &mut VecDeque<_> =
                    client.params.entry(frame.topic.clone()).or_default();
                params.push_back(frame.payload.clone());
            }
            if self.settings.early {
                client.issue(&frame)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Check<Tally> {
        for client in &mut self.clients {
            client.finish().map_err(|why| format!("at the end: {why}"))?;
            self.tally.frames += client.frames_compared;
            self.tally.ruled_out += client.frames_ruled_out;
        }
        let Tally { frames, left_out, ruled_out, .. } = self.tally;
        if frames + left_out + ruled_out != self.client_frames {
            return Err(format!(
                "{frames} compared, {left_out} left out and {ruled_out} ruled out of {}",
                self.client_frames
            ));
        }
        notes::compare(&self.notes, &mut self.clients)?;
        let used: BTreeSet<Rule> =
            self.clients.iter().flat_map(|client| client.rules.iter().copied()).collect();
        let declared: BTreeSet<Rule> = self.settings.rules.iter().copied().collect();
        if used != declared {
            return Err(format!("the table says {declared:?}, and {used:?} was needed"));
        }
        Ok(self.tally)
    }
}
