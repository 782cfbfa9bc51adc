//! Makes scripts of seeds: what users, servers and networks do, likely or not.

use std::collections::HashMap;

use fastrand::Rng;

use super::script::{Auto, Join, Patience, Script, Step};

/// The kind of script that a seed makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Profile {
    /// Nothing in which a deviation could show: the core must be equal to the official client, to the
    /// end.
    Plain,
    /// A server that answers everything, users who do anything.
    Orderly,
    /// A server that answers some things, late or not at all.
    Silent,
    /// A server and a network that do anything at any time.
    Wild,
    /// Mostly connections that come and go.
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

    /// The profile of the run with this number.
    pub(crate) fn of(run: u64) -> Self {
        let index = usize::try_from(run % 6).unwrap_or_default();
        Self::ALL[index]
    }
}

/// The script of a seed.
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
    Script { close_answers, auto, heartbeat: patience(seed), steps }
}

/// Times that half of the scripts' clients wait for heartbeats, by separate dice: what else happens in a script
/// doesn't depend on it. In odd microseconds, so that nothing else happens at the same time.
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

/// From a moment to longer than any timeout, and fine enough that nothing happens at the same time by
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
    /// Lines that a Phoenix server would never send.
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

/// A server that answers at once, a user who waits for it, and connections that end between two pushes.
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
    Script { close_answers, auto, heartbeat: None, steps }
}

fn soon(rng: &mut Rng) -> Step {
    Step::Wait { us: rng.u64(10_000..200_000) }
}

/// The actions of a user of a plain script so far, so that it does nothing that a channel refuses.
#[derive(Default)]
struct PlainUser {
    channels: usize,
    /// Channels that the server has closed, as far as the script knows.
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
                // Never more than fit into the buffer, should the channel not be joined.
                if *pushes < 6 && !self.closed.contains(&channel) {
                    *pushes += 1;
                    // Nor is one on its way when its time is over.
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
                // A push that waits would have no outcome.
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
