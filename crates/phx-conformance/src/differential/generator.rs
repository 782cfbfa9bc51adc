//! Generates scripts from seeds: likely and unlikely actions of users, servers and networks.

use std::collections::HashMap;

use fastrand::Rng;

use super::script::{Auto, Join, Patience, Script, Step};

/// Kind of script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Profile {
    /// Without anything in which a deviation can show: the core must be equal to the unchanged official client, to
    /// the end.
    Plain,
    /// A server that answers everything, and users who do anything.
    Orderly,
    /// A server that answers late or not at all.
    Silent,
    /// A server and a network that do anything, at any time.
    Wild,
    /// Mostly opened and closed connections.
    Connections,
    /// Mostly channels of few topics, joined, left and replaced.
    Channels,
}

impl Profile {
    pub(crate) const ALL: [Profile; 6] = [
        Profile::Plain,
        Profile::Orderly,
        Profile::Silent,
        Profile::Wild,
        Profile::Connections,
        Profile::Channels,
    ];

    /// Returns the profile of the run with this number.
    pub(crate) fn of(run: u64) -> Self {
        let index = usize::try_from(run % 6).unwrap_or_default();
        Self::ALL[index]
    }
}

/// Generates the script of a seed.
pub(crate) fn script(profile: Profile, seed: u64) -> Script {
    let mut rng = Rng::with_seed(seed);
    if profile == Profile::Plain {
        return plain(&mut rng);
    }
    let auto = match profile {
        Profile::Silent | Profile::Wild => some_answers(&mut rng),
        _ => all_answers(&mut rng),
    };
    let close_answers = (0..3).map(|_| close_answer(&mut rng)).collect();
    let weights = Weights::of(profile);
    let topics = rng.usize(1..=3);
    let mut steps = Vec::new();
    if rng.u8(0..4) > 0 {
        steps.extend([Step::Connect, wait(&mut rng), Step::Open]);
    }
    for _ in 0..rng.usize(5..40) {
        let step = weights.pick(&mut rng, topics);
        // A server that ends a channel whose join it hasn't answered.
        let end = match &step {
            Step::Join { topic, .. } if weights.impossible && rng.u8(0..5) == 0 => {
                Some(Weights::end_of(&mut rng, topic.clone(), Join::Latest))
            }
            _ => None,
        };
        steps.push(step);
        steps.extend(end);
        if rng.u8(0..3) > 0 {
            steps.push(wait(&mut rng));
        }
    }
    steps.push(Step::Wait { us: rng.u64(20_000_000..80_000_000) });
    Script { long_poll: false, close_answers, auto, heartbeat: patience(seed), steps }
}

/// Returns the heartbeat limits of half of the scripts, from a separate random source, so that the rest of the script
/// doesn't depend on them. In odd microseconds, so that nothing else happens at the same time.
fn patience(seed: u64) -> Option<Patience> {
    let mut rng = Rng::with_seed(seed.rotate_left(32));
    rng.bool().then(|| {
        let limit = if rng.bool() { 30_000_000 } else { rng.u64(5_000_000..45_000_000) | 1 };
        Patience { timeout: rng.u64(500_000..20_000_000) | 1, limit }
    })
}

fn all_answers(rng: &mut Rng) -> Auto {
    Auto {
        delay: rng.u64(1..900_000),
        joins: true,
        pushes: true,
        leaves: true,
        heartbeats: true,
        reject: if rng.u8(0..4) == 0 { rng.u8(..) } else { 0 },
        crash: if rng.u8(0..4) == 0 { rng.u8(..) } else { 0 },
    }
}

fn some_answers(rng: &mut Rng) -> Auto {
    Auto {
        delay: rng.u64(1..9_000_000),
        joins: rng.u8(0..3) > 0,
        pushes: rng.bool(),
        leaves: rng.bool(),
        heartbeats: rng.u8(0..4) > 0,
        reject: if rng.bool() { rng.u8(..) } else { 0 },
        crash: if rng.u8(0..4) == 0 { rng.u8(..) } else { 0 },
    }
}

fn close_answer(rng: &mut Rng) -> Option<u64> {
    match rng.u8(0..4) {
        0 => None,
        1 => Some(rng.u64(1_000..100_000)),
        2 => Some(rng.u64(100_000..2_000_000)),
        _ => Some(rng.u64(1_000_000..8_000_000)),
    }
}

/// Returns a wait from a moment to longer than any timeout, fine enough that nothing happens at the same time by
/// chance.
fn wait(rng: &mut Rng) -> Step {
    let us = match rng.u8(0..10) {
        0..=3 => rng.u64(1..60_000),
        4..=6 => rng.u64(60_000..1_500_000),
        7 | 8 => rng.u64(1_500_000..12_000_000),
        _ => rng.u64(12_000_000..65_000_000),
    };
    Step::Wait { us }
}

fn timeout(rng: &mut Rng) -> u64 {
    match rng.u8(0..4) {
        0 => rng.u64(1..500),
        1 => rng.u64(500..8_000),
        _ => 10_000,
    }
}

fn topic(rng: &mut Rng, topics: usize) -> String {
    format!("room:{}", rng.usize(0..topics))
}

/// Probability weight of each step.
struct Weights {
    connect: u32,
    disconnect: u32,
    join: u32,
    push: u32,
    leave: u32,
    open: u32,
    closed: u32,
    lost: u32,
    reply: u32,
    end: u32,
    message: u32,
    garbage: u32,
    ping: u32,
    /// True for lines that a Phoenix server never sends.
    impossible: bool,
}

impl Weights {
    fn of(profile: Profile) -> Self {
        let even = Weights {
            connect: 2,
            disconnect: 1,
            join: 6,
            push: 12,
            leave: 3,
            open: 6,
            closed: 1,
            lost: 2,
            reply: 6,
            end: 3,
            message: 6,
            garbage: 1,
            ping: 1,
            impossible: false,
        };
        match profile {
            Profile::Plain | Profile::Orderly | Profile::Silent => even,
            Profile::Wild => Weights { reply: 14, end: 8, garbage: 3, impossible: true, ..even },
            Profile::Connections => {
                Weights { connect: 8, disconnect: 5, open: 14, closed: 5, lost: 7, ..even }
            }
            Profile::Channels => Weights { join: 14, leave: 10, end: 8, ..even },
        }
    }

    fn pick(&self, rng: &mut Rng, topics: usize) -> Step {
        type Make = fn(&Weights, &mut Rng, usize) -> Step;
        let steps: [(u32, Make); 13] = [
            (self.connect, |_, _, _| Step::Connect),
            (self.disconnect, |_, _, _| Step::Disconnect),
            (self.join, |_, rng, topics| Step::Join {
                topic: topic(rng, topics),
                timeout: timeout(rng),
                replace: rng.u8(0..3) > 0,
            }),
            (self.push, |_, rng, _| Step::Push {
                channel: rng.usize(0..12),
                timeout: timeout(rng),
            }),
            (self.leave, |_, rng, _| Step::Leave {
                channel: rng.usize(0..12),
                timeout: timeout(rng),
            }),
            (self.open, |_, _, _| Step::Open),
            (self.closed, |_, rng, _| Step::Closed {
                code: pick(rng, &[1000, 1001, 1006, 1011, 1012, 4000]),
            }),
            (self.lost, |_, _, _| Step::Lost),
            (self.reply, |weights, rng, _| weights.reply(rng)),
            (self.end, Weights::end),
            (self.message, Weights::message),
            (self.garbage, |_, rng, topics| Step::Garbage { text: garbage(rng, topics) }),
            (self.ping, |_, _, _| Step::Ping),
        ];
        let mut left = rng.u32(0..steps.iter().map(|(weight, _)| weight).sum());
        let chosen = steps.iter().find(|(weight, _)| {
            let is_here = left < *weight;
            left = left.saturating_sub(*weight);
            is_here
        });
        chosen.map_or(Step::Ping, |(_, make)| make(self, rng, topics))
    }

    fn reply(&self, rng: &mut Rng) -> Step {
        Step::Reply {
            back: rng.usize(0..4),
            any: self.impossible && rng.u8(0..4) == 0,
            status: pick(
                rng,
                &["ok", "ok", "ok", "ok", "error", "custom", "phoenix", "phoenix", "imitation"],
            ),
            named: !self.impossible || rng.u8(0..4) > 0,
            stale: self.impossible && rng.u8(0..6) == 0,
        }
    }

    fn end(&self, rng: &mut Rng, topics: usize) -> Step {
        let topic = topic(rng, topics);
        let join = self.join(rng, Join::Alive);
        Self::end_of(rng, topic, join)
    }

    fn end_of(rng: &mut Rng, topic: String, join: Join) -> Step {
        Step::End { topic, event: pick(rng, &["phx_error", "phx_close"]), join }
    }

    fn message(&self, rng: &mut Rng, topics: usize) -> Step {
        let likely = if rng.bool() { Join::Alive } else { Join::Broadcast };
        Step::Message {
            topic: topic(rng, topics),
            name: pick(rng, &["talk", "chat", "unheard"]),
            join: self.join(rng, likely),
        }
    }

    fn join(&self, rng: &mut Rng, likely: Join) -> Join {
        if self.impossible && rng.bool() {
            pick(rng, &[Join::Latest, Join::Null, Join::Stale])
        } else {
            likely
        }
    }
}

fn garbage(rng: &mut Rng, topics: usize) -> String {
    let topic = topic(rng, topics);
    match rng.u8(0..8) {
        0 => String::new(),
        1 => "{".to_owned(),
        2 => "[1,2".to_owned(),
        3 => "null".to_owned(),
        4 => r#"[null,"77777","room:0","phx_reply",{"status":"ok","response":{}}]"#.to_owned(),
        5 => format!(r#"["88888","88888","{topic}","phx_close",{{}}]"#),
        6 => format!(r#"[null,null,"nowhere:{topic}","talk",{{}}]"#),
        _ => r#"[null,"99999","phoenix","phx_reply",{"status":"ok","response":{}}]"#.to_owned(),
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())]
}

/// Generates a script with a server that answers at once, a user who waits for it, and connections that end between
/// two pushes.
fn plain(rng: &mut Rng) -> Script {
    let auto = Auto {
        // Soon enough that nothing else happens in between.
        delay: rng.u64(1..4),
        joins: true,
        pushes: true,
        leaves: true,
        heartbeats: true,
        reject: if rng.u8(0..3) == 0 { rng.u8(..) } else { 0 },
        crash: 0,
    };
    let close_answers = (0..3).map(|_| Some(rng.u64(1_000..1_400_000))).collect();
    let mut user = PlainUser::default();
    let mut steps = vec![Step::Connect, soon(rng)];
    if rng.bool() {
        steps.push(user.join());
    }
    steps.extend([Step::Open, soon(rng)]);
    for _ in 0..rng.usize(5..40) {
        user.act(rng, &mut steps);
        // Long enough for the answers to all frames under way.
        steps.push(soon(rng));
        if rng.bool() {
            steps.push(wait(rng));
        }
    }
    steps.push(Step::Wait { us: rng.u64(20_000_000..80_000_000) });
    Script { long_poll: false, close_answers, auto, heartbeat: None, steps }
}

/// The script of a seed over long-poll: the user of a plain one, and a server and a network that fail in the ways of
/// long-poll, one at a time.
pub(crate) fn long_poll_script(seed: u64) -> Script {
    let mut rng = Rng::with_seed(seed);
    let rng = &mut rng;
    let mut script = plain(rng);
    let harmless = rng.u8(0..4) == 0;
    // Separate sources, so that the rest of the script doesn't depend on them.
    let mut pings = Rng::with_seed(seed.rotate_left(32));
    let mut extras = Rng::with_seed(seed.rotate_left(16));
    let mut steps = Vec::new();
    let mut rest = script.steps.into_iter();
    if !harmless && extras.bool() {
        late_join(&mut extras, &mut rest, &mut steps);
    }
    for step in rest {
        let (acts, forgets) =
            (!matches!(step, Step::Wait { .. } | Step::Open), matches!(step, Step::Closed { .. }));
        steps.push(step);
        if acts && !harmless && rng.u8(0..4) == 0 {
            steps.push(soon(rng));
            long_poll_trouble(rng, &mut pings, &mut steps);
        }
        if acts && (forgets || !harmless) {
            settle(rng, &mut steps);
        }
    }
    if !harmless && extras.u8(0..4) == 0 {
        joins_in_one_answer(&mut extras, &mut steps);
    }
    if !harmless && extras.u8(0..4) == 0 {
        disconnect_while_posting(&mut extras, &mut steps);
    }
    script.steps = steps;
    script.long_poll = true;
    script
}

/// A join called before the session is there, if the script begins with one, whose POST is answered too late: its call and
/// its attempt have separate deadlines.
fn late_join(rng: &mut Rng, rest: &mut impl Iterator<Item = Step>, steps: &mut Vec<Step>) {
    steps.extend(rest.take(3));
    if let Some(Step::Join { .. }) = steps.last() {
        steps.extend([soon(rng), Step::Harm { method: "POST", status: 408, us: None }]);
        steps.extend(rest.take(1));
        settle(rng, steps);
    }
}

/// Two channels that join in the answer to one poll, with pushes that waited in the other order.
fn joins_in_one_answer(rng: &mut Rng, steps: &mut Vec<Step>) {
    settle(rng, steps);
    let first = steps.iter().filter(|step| matches!(step, Step::Join { .. })).count();
    for topic in ["room:late", "room:later"] {
        let join = Step::Join { topic: topic.to_owned(), timeout: 10_000, replace: true };
        steps.extend([join, soon(rng)]);
    }
    steps.extend([Step::Disconnect, soon(rng)]);
    for channel in [first + 1, first, first + 1] {
        steps.extend([Step::Push { channel, timeout: 100_000_000 }, soon(rng)]);
    }
    steps.extend([Step::Connect, soon(rng), Step::Open]);
    settle(rng, steps);
}

/// A disconnect while pushes wait for the answer to a POST: they are sent before the end, or after the next join if there is
/// no answer in time, or the user connects again before it.
fn disconnect_while_posting(rng: &mut Rng, steps: &mut Vec<Step>) {
    settle(rng, steps);
    let channel = steps.iter().filter(|step| matches!(step, Step::Join { .. })).count();
    let join = Step::Join { topic: "room:last".to_owned(), timeout: 10_000, replace: true };
    steps.extend([join, soon(rng)]);
    let answers_in = rng.u64(1_000_000..7_500_000);
    steps.push(Step::Harm { method: "POST", status: 200, us: Some(answers_in) });
    if rng.bool() {
        let status = pick(rng, &[200, 410, 500, 502, 0]);
        steps.push(Step::Harm { method: "POST", status, us: Some(rng.u64(1_000..500_000)) });
    }
    for _ in 0..rng.usize(1..5) {
        steps.extend([Step::Push { channel, timeout: 100_000_000 }, soon(rng)]);
    }
    steps.extend([Step::Disconnect, Step::Wait { us: rng.u64(100_000..9_000_000) }]);
    steps.extend([Step::Connect, soon(rng), Step::Open]);
    settle(rng, steps);
}

/// Something of long-poll that goes wrong.
fn long_poll_trouble(rng: &mut Rng, pings: &mut Rng, steps: &mut Vec<Step>) {
    let harm = |method, status, us| Step::Harm { method, status, us };
    match rng.u8(0..8) {
        0 | 1 => steps.push(harm("GET", pick(rng, &[500, 502, 0]), None)),
        2 | 3 => {
            steps.push(harm("POST", pick(rng, &[500, 502, 0, 408, 410]), None));
            steps.extend([Step::Ping, soon(rng)]);
        }
        4 | 5 => {
            // Frames that wait for a POST to be over go out together, or stay with their channels.
            let status = pick(rng, &[200, 200, 500, 502, 0]);
            steps.push(harm("POST", status, Some(rng.u64(1_000..5_000))));
            for _ in 0..rng.usize(1..4) {
                steps.push(Step::Push { channel: 0, timeout: 100_000_000 });
            }
            if pings.bool() {
                steps.push(Step::Ping);
            }
        }
        6 => {
            steps.extend([Step::Lost, Step::Wait { us: rng.u64(6_000_000..7_000_000) }]);
            steps.extend([Step::Refuse, Step::Closed { code: 1000 }]);
        }
        _ => steps.push(Step::Lost),
    }
}

/// The time until it is over: a poll waits for 10 s, and a session that is asked for is made.
fn settle(rng: &mut Rng, steps: &mut Vec<Step>) {
    for _ in 0..3 {
        steps.extend([Step::Wait { us: rng.u64(10_500_000..12_000_000) }, Step::Open]);
    }
}

fn soon(rng: &mut Rng) -> Step {
    Step::Wait { us: rng.u64(10_000..200_000) }
}

/// Actions of a plain script's user so far, to avoid calls that a channel refuses.
#[derive(Default)]
struct PlainUser {
    channels: usize,
    /// Channels that the server has closed by the script.
    closed: Vec<usize>,
    /// Number of pushes of each channel.
    pushes: HashMap<usize, usize>,
}

impl PlainUser {
    fn join(&mut self) -> Step {
        let topic = format!("room:{}", self.channels);
        self.channels += 1;
        Step::Join { topic, timeout: 10_000, replace: true }
    }

    fn act(&mut self, rng: &mut Rng, steps: &mut Vec<Step>) {
        let topics = self.channels.max(1);
        match rng.u8(0..16) {
            0 | 1 if self.channels < 6 => steps.push(self.join()),
            2..=6 if self.channels > 0 => {
                let channel = rng.usize(0..self.channels);
                let pushes = self.pushes.entry(channel).or_default();
                // No more than the buffer takes, since the channel may not be joined.
                if *pushes < 6 && !self.closed.contains(&channel) {
                    *pushes += 1;
                    // The timeout is far away, so that no push is on its way when it ends.
                    steps.push(Step::Push { channel, timeout: 100_000_000 });
                }
            }
            7 => {
                steps.push(Step::Lost);
                for _ in 0..rng.usize(0..12) {
                    steps.extend([Step::Wait { us: rng.u64(6_000_000..9_000_000) }, Step::Lost]);
                }
                steps.extend([Step::Wait { us: 6_000_000 + rng.u64(..1_000_000) }, Step::Open]);
            }
            8 => {
                let code = pick(rng, &[1000, 1001, 1011, 1012]);
                steps.extend([Step::Closed { code }, Step::Wait { us: rng.u64(10_001..900_000) }]);
                steps.push(Step::Open);
            }
            9 => {
                steps.extend([Step::Disconnect, Step::Wait { us: rng.u64(2_000_000..9_000_000) }]);
                steps.extend([Step::Connect, soon(rng), Step::Open]);
            }
            10 => steps.push(Step::End {
                topic: topic(rng, topics),
                event: "phx_error",
                join: Join::Alive,
            }),
            11 if self.channels > 0 => {
                let channel = rng.usize(0..self.channels);
                // A waiting push would have no outcome.
                if !self.pushes.contains_key(&channel) {
                    self.closed.push(channel);
                    let topic = format!("room:{channel}");
                    steps.push(Step::End { topic, event: "phx_close", join: Join::Alive });
                }
            }
            12 => steps.push(Step::Garbage { text: garbage(rng, topics) }),
            13 => steps.push(Step::Ping),
            _ => steps.push(Step::Message {
                topic: topic(rng, topics),
                name: pick(rng, &["talk", "chat"]),
                join: pick(rng, &[Join::Alive, Join::Broadcast]),
            }),
        }
    }
}
