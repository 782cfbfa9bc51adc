//! The driver around the core: its actions become commands and bytes for the modem, and the modem's bytes its inputs.

use alloc::boxed::Box;
use alloc::string::ToString as _;
use core::mem;
use core::time::Duration;

use phx_proto::{
    Action, CloseCause, CloseCode, Config, Endpoint, Event, Frame, Instant, Socket, TransportId,
};
use phx_websocket::{Codec, Masks, Message};

use crate::modem::{Modem, Signal};
use crate::upgrade::Upgrade;
use crate::{Board, Entropy};

/// Time that the server has to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that are read before the core gets its turn again.
const MAX_READ: usize = 256;

/// A socket over a modem, on a board.
///
/// One message at a time is on its way out: while its bytes wait for the line, further ones wait in the core, which can still
/// time them out.
pub struct Client<'a, B> {
    /// The machine.
    pub board: &'a mut B,
    /// The core, for calls; [`next_event`](Self::next_event) carries out what they ask for.
    pub socket: Socket,
    endpoint: Endpoint,
    entropy: Entropy,
    modem: Modem,
    /// The transport that the modem works for.
    link: Option<Link>,
    /// The transport to dial for as soon as the modem is idle.
    next: Option<TransportId>,
}

struct Link {
    transport: TransportId,
    phase: Phase,
    /// The reason why it ends, if that is known before it has ended.
    cause: Option<CloseCause>,
}

/// What a phase works with is boxed: each move from phase to phase would take its size twice of the stack.
enum Phase {
    Dialing(Box<Upgrade>),
    Upgrading(Box<Upgrade>),
    Open(Box<Codec<RandomMasks>>),
    /// A close frame was queued, and the server's is awaited.
    Closing {
        codec: Box<Codec<RandomMasks>>,
        until: Duration,
    },
    HangingUp,
}

struct RandomMasks(Entropy);

impl Masks for RandomMasks {
    fn next_mask(&mut self) -> [u8; 4] {
        random(self.0)
    }
}

fn random<const N: usize>(entropy: Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy(&mut bytes);
    bytes
}

impl<'a, B: Board> Client<'a, B> {
    /// Creates a client that isn't connected. TLS is the modem's, so the endpoint's scheme is of no importance.
    pub fn new(board: &'a mut B, endpoint: Endpoint, config: Config, entropy: Entropy) -> Self {
        let seed = u64::from_le_bytes(random(entropy));
        Client {
            board,
            socket: Socket::new(config, seed),
            endpoint,
            entropy,
            modem: Modem::new(),
            link: None,
            next: None,
        }
    }

    /// Returns the time, for calls of the socket.
    pub fn now(&mut self) -> Instant {
        Instant::from_epoch(self.board.uptime())
    }

    /// Works until the socket has an event, and returns it.
    pub fn next_event(&mut self) -> Event {
        loop {
            if let Some(event) = self.socket.poll_event() {
                return event;
            }
            if !self.work() {
                self.sleep();
            }
        }
    }

    /// Does what can be done now. Returns false if that was nothing, so that only bytes or the time bring more.
    fn work(&mut self) -> bool {
        let read = self.read();
        let due = self.time();
        // After the time, which may ask for actions.
        let acted = self.act();
        let wrote = self.write();
        read || due || acted || wrote
    }

    /// Sleeps until the earliest deadline of the core, the modem and a close.
    fn sleep(&mut self) {
        let until = self.deadlines().into_iter().flatten().min();
        self.board.sleep(until.unwrap_or(Duration::MAX));
    }

    fn deadlines(&self) -> [Option<Duration>; 3] {
        let closing = match &self.link {
            Some(Link { phase: Phase::Closing { until, .. }, .. }) => Some(*until),
            _ => None,
        };
        [self.socket.poll_timeout().map(Instant::since_epoch), self.modem.deadline(), closing]
    }

    /// Switches the modem off, when it has hung up. Without an answer it returns all the same.
    pub fn power_off(&mut self) {
        self.until_idle();
        self.modem.power_off(self.board.uptime());
        self.until_idle();
    }

    fn until_idle(&mut self) {
        while !self.modem.is_idle() {
            if !self.work() {
                self.sleep();
            }
        }
    }

    /// Carries out the core's actions. Frames wait there while bytes wait here. Returns true if there were any.
    fn act(&mut self) -> bool {
        let mut acted = false;
        loop {
            let is_free = self.output().is_none();
            let action =
                if is_free { self.socket.poll_action() } else { self.socket.poll_control() };
            match action {
                Some(Action::Connect { transport, .. }) => self.next = Some(transport),
                Some(Action::Send { transport, frame, .. }) => self.send(transport, frame),
                Some(Action::Close { transport, code, reason, .. }) => {
                    self.close(transport, code, &reason);
                }
                Some(_) => {}
                None => break,
            }
            acted = true;
        }
        if let Some(transport) = self.next.take_if(|_| self.modem.is_idle()) {
            let request = self.endpoint.request(self.socket.config().serializer.vsn());
            self.modem.dial(request.dial_host(), request.port());
            let upgrade = Box::new(Upgrade::new(&request, random(self.entropy)));
            self.link = Some(Link { transport, phase: Phase::Dialing(upgrade), cause: None });
            acted = true;
        }
        acted
    }

    fn send(&mut self, transport: TransportId, frame: Frame) {
        let is_text = frame.is_text();
        let data = frame.into_bytes();
        if let Some(Link { transport: current, phase: Phase::Open(codec), .. }) = &mut self.link
            && *current == transport
        {
            let message = if is_text { Message::Text(data) } else { Message::Binary(data) };
            // The core's text is UTF-8, and it sends nothing after it closed.
            let _ = codec.send(message, false);
        }
    }

    fn close(&mut self, transport: TransportId, code: CloseCode, reason: &str) {
        let now = self.board.uptime();
        if self.next.take_if(|next| *next == transport).is_some() {
            self.ended(transport, CloseCause::Disconnected);
        }
        let Some(link) = self.link.as_mut().filter(|link| link.transport == transport) else {
            return;
        };
        match mem::replace(&mut link.phase, Phase::HangingUp) {
            Phase::Open(mut codec) => {
                codec.close(Some(code.as_u16()), reason);
                let until = now.saturating_add(CLOSE_TIMEOUT);
                link.phase = Phase::Closing { codec, until };
            }
            closing @ Phase::Closing { .. } => link.phase = closing,
            Phase::Dialing(_) | Phase::Upgrading(_) | Phase::HangingUp => self.modem.hang_up(now),
        }
    }

    /// Returns the next byte for the modem: of a command, or of the link.
    fn output(&self) -> Option<u8> {
        self.modem.output().or_else(|| match &self.link.as_ref()?.phase {
            Phase::Upgrading(upgrade) => upgrade.output(),
            Phase::Open(codec) | Phase::Closing { codec, .. } => codec.output().first().copied(),
            Phase::Dialing(_) | Phase::HangingUp => None,
        })
    }

    /// Writes what the line takes. Returns true if that was something.
    fn write(&mut self) -> bool {
        let mut wrote = false;
        while let Some(byte) = self.output() {
            if !self.board.write(byte) {
                break;
            }
            wrote = true;
            if self.modem.output().is_some() {
                self.modem.advance();
                continue;
            }
            match self.link.as_mut().map(|link| &mut link.phase) {
                Some(Phase::Upgrading(upgrade)) => upgrade.advance(),
                Some(Phase::Open(codec) | Phase::Closing { codec, .. }) => codec.advance(1),
                _ => {}
            }
        }
        wrote
    }

    /// Takes what the line has. Returns true if that was something.
    fn read(&mut self) -> bool {
        let mut read = false;
        for _ in 0..MAX_READ {
            let Some(byte) = self.board.read() else { break };
            read = true;
            let now = self.board.uptime();
            if let Some(signal) = self.modem.receive(now, byte) {
                self.signal(now, signal);
            }
        }
        read
    }

    /// Acts on deadlines that have come, after what had been received by then. Returns true if there were any.
    fn time(&mut self) -> bool {
        let now = self.board.uptime();
        if !self.deadlines().into_iter().flatten().any(|deadline| deadline <= now) {
            return false;
        }
        if let Some(signal) = self.modem.timeout(now) {
            self.signal(now, signal);
        }
        if let Some(link) = &mut self.link
            && let Phase::Closing { until, .. } = &link.phase
            && *until <= now
        {
            link.phase = Phase::HangingUp;
            self.modem.hang_up(now);
        }
        self.socket.handle_timeout(Instant::from_epoch(now));
        true
    }

    fn signal(&mut self, now: Duration, signal: Signal) {
        let Some(mut link) = self.link.take() else { return };
        let transport = link.transport;
        match (signal, link.phase) {
            (Signal::Connected, Phase::Dialing(upgrade)) => link.phase = Phase::Upgrading(upgrade),
            (Signal::Byte(byte), Phase::Upgrading(mut upgrade)) => {
                link.phase = match upgrade.receive(byte) {
                    None => Phase::Upgrading(upgrade),
                    Some(Ok(())) => {
                        self.modem.understood();
                        self.socket.handle_opened(Instant::from_epoch(now), transport);
                        let max = self.socket.config().max_frame_size;
                        Phase::Open(Box::new(Codec::new(max, RandomMasks(self.entropy))))
                    }
                    Some(Err(cause)) => {
                        self.modem.hang_up(now);
                        link.cause = Some(cause);
                        Phase::HangingUp
                    }
                };
            }
            (Signal::Byte(byte), Phase::Open(mut codec)) => {
                let mut bytes = &[byte][..];
                match codec.receive(&mut bytes) {
                    Ok(None) => link.phase = Phase::Open(codec),
                    Ok(Some(event)) => {
                        self.modem.understood();
                        link.phase = self.received(now, transport, codec, event, &mut link.cause);
                    }
                    // Where a frame should begin, the modem reports a cut.
                    Err(_) if self.modem.may_be_cut() => {
                        self.modem.hang_up(now);
                        link.phase = Phase::HangingUp;
                    }
                    Err(error) => {
                        link.cause = Some(CloseCause::io(error.to_string()));
                        let until = now.saturating_add(CLOSE_TIMEOUT);
                        link.phase = Phase::Closing { codec, until };
                    }
                }
            }
            (Signal::Byte(byte), Phase::Closing { mut codec, until }) => {
                let mut bytes = &[byte][..];
                let answered =
                    matches!(codec.receive(&mut bytes), Ok(Some(phx_websocket::Event::Close(_))));
                // Once the close frames have been exchanged there is nothing to wait for.
                let until = if answered { now } else { until };
                link.phase = Phase::Closing { codec, until };
            }
            (Signal::Refused, _) => {
                return self.ended(transport, CloseCause::connect_failed("the dial failed"));
            }
            (Signal::Cut, _) => {
                let cause = link.cause.unwrap_or_else(|| CloseCause::io("the modem was cut"));
                return self.ended(transport, cause);
            }
            (Signal::HungUp, _) => {
                let cause = link.cause.unwrap_or_else(|| CloseCause::io("the modem hung up"));
                return self.ended(transport, cause);
            }
            (Signal::Connected | Signal::Byte(_), phase) => link.phase = phase,
        }
        self.link = Some(link);
    }

    /// Hands what the server sent to the core, and returns the phase after it.
    fn received(
        &mut self,
        now: Duration,
        transport: TransportId,
        codec: Box<Codec<RandomMasks>>,
        event: phx_websocket::Event,
        cause: &mut Option<CloseCause>,
    ) -> Phase {
        let frame = match event {
            phx_websocket::Event::Message(Message::Text(text)) => Frame::text(text),
            phx_websocket::Event::Message(Message::Binary(data)) => Frame::binary(data),
            phx_websocket::Event::Close(frame) => {
                let code = frame.code.map_or(CloseCode::NO_STATUS, CloseCode::from_u16);
                *cause = Some(CloseCause::frame(code, frame.reason));
                // Its answer is in the output, and is written first.
                return Phase::Closing { codec, until: now.saturating_add(CLOSE_TIMEOUT) };
            }
            // Pings are answered by the codec.
            _ => return Phase::Open(codec),
        };
        self.socket.handle_frame(Instant::from_epoch(now), transport, frame);
        Phase::Open(codec)
    }

    fn ended(&mut self, transport: TransportId, cause: CloseCause) {
        let now = self.now();
        self.socket.handle_closed(now, transport, cause);
    }
}

impl<B: core::fmt::Debug> core::fmt::Debug for Client<'_, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The socket hides what is secret.
        f.debug_struct("Client").field("board", &self.board).field("socket", &self.socket).finish()
    }
}
