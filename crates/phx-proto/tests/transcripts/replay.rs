//! Replays a whole recording.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use phx_conformance::recordings::{Fact, Line, Recording, Request, Side};
use phx_proto::{CloseCause, Instant, UpgradeRejection};

use crate::Check;
use crate::client::Client;
use crate::notes::{self, Note};
use crate::table::{Rule, Settings};
use crate::wire::Parts;
use crate::{refusals, requests};

/// Counts of what was compared.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Frames of the client that the core sent as well.
    pub(crate) frames: usize,
    /// Frames of the client that the core never sends; the table says why.
    pub(crate) left_out: usize,
    /// Frames of the client that a rule of the table keeps the core from sending.
    pub(crate) ruled_out: usize,
    /// Frames of the server that were fed to the core.
    pub(crate) server_frames: usize,
    pub(crate) notes: usize,
    /// Upgrade requests that an endpoint makes as well.
    pub(crate) requests: usize,
    /// HTTP answers that were checked with the default policy.
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

/// Returns true if the recording has a WebSocket connection.
pub(crate) fn has_connections(recording: &Recording) -> bool {
    recording.lines.iter().any(|line| line.conn > 0)
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
        let (at, conn) = (line.at, line.conn);
        match &line.fact {
            Fact::Open(upgrade) => {
                self.request(&upgrade.request)?;
                self.client_at(conn, at)?.opened(conn)
            }
            Fact::Reject(upgrade) => {
                self.request(&upgrade.request)?;
                let refusal = upgrade.answer.refusal();
                self.answer(&refusal)?;
                self.client_at(conn, at)?.not_opened(conn, CloseCause::UpgradeRejected(refusal))
            }
            Fact::UpstreamError { request, error } => {
                self.request(request)?;
                self.client_at(conn, at)?.not_opened(conn, CloseCause::io(error.as_str()))
            }
            Fact::Text(_) | Fact::Binary(_) => {
                let frame = line.frame().ok_or("no frame")?;
                if line.from == Side::Server {
                    self.tally.server_frames += 1;
                    return self.client(conn)?.server_frame(conn, &frame);
                }
                self.client_frames += 1;
                let number = self.client_frames;
                if self.settings.left_out(number).is_some() {
                    self.tally.left_out += 1;
                }
                self.client(conn)?.client_frame(number, &frame)
            }
            Fact::Close { code, reason, echo } if line.from == Side::Client => {
                self.client(conn)?.client_close(conn, *code, reason, *echo)
            }
            Fact::Close { code, reason, .. } => {
                self.client(conn)?.server_close(conn, *code, reason)
            }
            Fact::Note { text } => self.note(at, text),
            Fact::HttpRes { answer, .. } => self.answer(&answer.refusal()),
            Fact::RawHandshake { res, .. } => self.answer(&refusals::parse(res)?),
            Fact::Ping
            | Fact::Pong
            | Fact::HttpReq { .. }
            | Fact::HttpAbort { .. }
            | Fact::HttpError { .. } => Ok(()),
        }
    }

    fn answer(&mut self, answer: &UpgradeRejection) -> Check {
        self.tally.refusals += 1;
        refusals::check_default_policy(answer)
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

    /// Returns the client of a connection that begins; the first one creates it.
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

    /// Looks ahead for the params of later joins, and for calls before the connection.
    fn prepare(&self, client: &mut Client, index: usize) -> Check {
        let sent = self.recording.lines.iter().filter(|line| line.from == Side::Client);
        let sent = sent.filter_map(|line| line.frame().map(|frame| (line.conn, frame)));
        for (number, (conn, frame)) in (1..).zip(sent) {
            if self.settings.client_of(conn) != index || self.settings.left_out(number).is_some() {
                continue;
            }
            let frame = Parts::of_client(&frame)?;
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
