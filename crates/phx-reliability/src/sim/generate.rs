//! Plans from seeds.

use fastrand::Rng;

use super::plan::{
    Damage, MAX_BACK, MAX_LATENCY, Op, Plan, Push, PushEvent, ROOMS, Refuse, Settings, Step, Stray,
};
use crate::ledger::room::{JoinIs, MAX_SLOW};

impl Plan {
    /// Generates the plan of a seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clients = rng.usize(1..=3);
        let mut steps = Vec::new();
        for client in 0..clients {
            steps.push(Step { after: 0, client, op: Op::Connect });
            for room in 0..ROOMS {
                if rng.bool() {
                    steps.push(Step { after: 0, client, op: Op::Join { room, timeout: None } });
                }
            }
        }
        let count = rng.usize(20..120);
        let mut back = 0;
        while steps.len() < count {
            let client = rng.usize(..clients);
            let step = Step { after: pause(&mut rng), client, op: any_op(&mut rng) };
            if let Op::ClockBack { by } = step.op {
                back += by;
                if u128::from(back) > MAX_BACK.as_millis() {
                    continue;
                }
            }
            match step.op {
                Op::Restart { .. } => restart(&mut steps, step, clients, &mut rng),
                Op::LateHeartbeats { .. } => load(&mut steps, step, &mut rng),
                Op::BlockSends => block(&mut steps, step, &mut rng),
                _ => steps.push(step),
            }
        }
        let mut settings = Settings::random(&mut rng);
        // Of separate dice, so that the other plans stay what they were.
        let mut rng = Rng::with_seed(seed.rotate_left(32));
        settings.long_poll = rng.u8(..3) == 0;
        if settings.long_poll {
            steps.iter_mut().for_each(|step| over_long_poll(&mut step.op, &mut rng));
        }
        Plan { settings, clients, steps }
    }
}

/// Puts a fault of long-poll in the place of one that it can't have: there is nothing between a frame and its answer
/// that could change it, and there are no heartbeats.
fn over_long_poll(op: &mut Op, rng: &mut Rng) {
    *op = match op {
        // Nor does a session read a POST twice.
        Op::DamageReceived { .. } | Op::DamageSent { .. } | Op::RepeatJoin { .. } => Op::FailPoll,
        Op::LateHeartbeats { by } => Op::SlowPosts { by: *by },
        Op::ForgetChannel { .. } | Op::HalfOpen if rng.bool() => Op::Busy { by: rng.u64(..8_000) },
        Op::ForgetChannel { .. } => Op::FailPoll,
        _ => return,
    };
}

/// Adds a restart, and the server's return.
fn restart(steps: &mut Vec<Step>, step: Step, clients: usize, rng: &mut Rng) {
    let down = rng.u64(..20_000);
    steps.push(step);
    let back_up = |client| {
        let after = if client == 0 { down } else { 0 };
        Step { after, client, op: Op::Online }
    };
    steps.extend((0..clients).map(back_up));
}

/// Adds a transport that takes nothing, the user's steps during that, often the end of the connection, and soon a
/// transport that takes frames again.
fn block(steps: &mut Vec<Step>, step: Step, rng: &mut Rng) {
    let client = step.client;
    steps.push(step);
    for _ in 0..rng.usize(1..4) {
        steps.push(Step { after: 0, client, op: user_op(rng) });
    }
    if rng.bool() {
        steps.push(Step { after: rng.u64(..500), client, op: Op::Cut });
    }
    steps.push(Step { after: rng.u64(..4_000), client, op: Op::UnblockSends });
}

/// Adds late replies to heartbeats while messages arrive all the time.
fn load(steps: &mut Vec<Step>, step: Step, rng: &mut Rng) {
    let client = step.client;
    steps.push(step);
    for _ in 0..rng.usize(10..40) {
        let op = Op::Broadcast { room: rng.usize(..ROOMS), binary: rng.bool() };
        steps.push(Step { after: rng.u64(100..1_500), client, op });
    }
    steps.push(Step { after: 0, client, op: Op::LateHeartbeats { by: 0 } });
}

impl Settings {
    fn random(rng: &mut Rng) -> Self {
        Settings {
            heartbeat_interval: rng.u64(2_000..30_000),
            heartbeat_timeout: rng.u64(1_000..10_000),
            connect_timeout: rng.u64(2_000..20_000),
            timeout: rng.u64(1_000..10_000),
            stable_after: if rng.bool() { 0 } else { 10_000 },
            quick_reconnect: rng.bool(),
            always_rejoin: rng.bool(),
            evict_oldest: rng.bool(),
            rejoin_closed: rng.bool(),
            join_again: rng.bool(),
            heartbeat_limit: rng.u64(..20_000),
            joins_in_flight: rng.usize(..=ROOMS),
            long_poll: false,
        }
    }
}

fn pause(rng: &mut Rng) -> u64 {
    match rng.u8(..10) {
        0..=3 => 0,
        4..=6 => rng.u64(..300),
        7 | 8 => rng.u64(..5_000),
        _ => rng.u64(..40_000),
    }
}

fn any_op(rng: &mut Rng) -> Op {
    match rng.u8(..20) {
        0..=9 => user_op(rng),
        10..=13 => server_op(rng),
        14..=18 => network_op(rng),
        _ => machine_op(rng),
    }
}

fn user_op(rng: &mut Rng) -> Op {
    let room = rng.usize(..ROOMS);
    match rng.u8(..40) {
        0..=4 => Op::Connect,
        5 => Op::Disconnect,
        6 => Op::ReconnectNow,
        7 => Op::Ping,
        8..=15 => Op::Join { room, timeout: any_timeout(rng) },
        16..=32 => {
            let (event, binary) = (any_push_event(rng), rng.bool());
            Op::Push(Push { room, event, binary, timeout: any_timeout(rng) })
        }
        33 | 34 => Op::Burst { room, count: rng.usize(2..30) },
        35 => Op::Leave { room },
        36 => Op::Remove { room },
        37 => Op::Replace { room },
        _ => Op::Cancel { back: rng.usize(..4) },
    }
}

fn any_timeout(rng: &mut Rng) -> Option<u64> {
    (rng.u8(..4) == 0).then(|| rng.u64(..20_000))
}

fn any_push_event(rng: &mut Rng) -> PushEvent {
    use PushEvent as E;
    let rare = [E::Crash, E::ReplyAndCrash, E::Stop, E::StopReply];
    let usual = [
        E::Echo,
        E::Echo,
        E::Echo,
        E::Refuse,
        E::OtherStatus,
        E::Silent,
        E::Late,
        E::Double,
        E::Slow,
        E::PushBack,
    ];
    if rng.u8(..12) == 0 { pick(rng, &rare) } else { pick(rng, &usual) }
}

fn server_op(rng: &mut Rng) -> Op {
    let room = rng.usize(..ROOMS);
    match rng.u8(..22) {
        0..=5 => Op::Broadcast { room, binary: rng.bool() },
        6..=10 => Op::ServerPush { room, binary: rng.bool() },
        11 | 12 => Op::CrashChannel { room },
        13 => Op::StopChannel { room },
        14 => Op::CloseConnection { code: pick(rng, &[1000, 1001, 1011, 1012, 4000]) },
        15 => Op::Restart { code: pick(rng, &[None, Some(1000), Some(1001), Some(1012)]) },
        16 | 17 => Op::NextJoin { is: any_join(rng) },
        18 => Op::Stray { room, is: any_stray(rng) },
        19 => Op::RepeatJoin { room },
        _ => Op::ForgetChannel { room },
    }
}

fn any_join(rng: &mut Rng) -> JoinIs {
    match rng.u8(..8) {
        0 => JoinIs::Rejected,
        1 => JoinIs::Crashed,
        2 | 3 => JoinIs::WithoutParams,
        _ => {
            let longest = u64::try_from(MAX_SLOW.as_millis()).unwrap_or(u64::MAX);
            JoinIs::Slow { by: rng.u64(..longest) }
        }
    }
}

fn any_stray(rng: &mut Rng) -> Stray {
    let all = [
        Stray::StaleClose,
        Stray::StaleError,
        Stray::StalePush,
        Stray::StaleReply,
        Stray::UnknownReply,
        Stray::UnknownTopic,
        Stray::Garbage,
        Stray::BinaryGarbage,
    ];
    pick(rng, &all)
}

fn network_op(rng: &mut Rng) -> Op {
    // Latency and jitter together stay below the largest latency.
    let longest = u64::try_from(MAX_LATENCY.as_millis() / 2).unwrap_or(u64::MAX);
    let up_to = if rng.bool() { rng.u64(..100) } else { rng.u64(..longest) };
    match rng.u8(..35) {
        34 => Op::LateHeartbeats { by: rng.u64(1_000..25_000) },
        0..=4 => Op::Latency { up_to },
        5..=8 => Op::Jitter { up_to },
        9..=11 => Op::Cut,
        12 | 13 => Op::CutAfter { frames: rng.u32(..8) },
        14 | 15 => Op::HalfOpen,
        16 => Op::Stall,
        17 | 18 => Op::Resume,
        19 => Op::Offline,
        20 => Op::Silent,
        21..=24 => Op::Online,
        25 => {
            let status = pick(rng, &[403, 429, 500, 503, 503, 503]);
            Op::Refuse(Refuse { status, retry_after: rng.bool().then(|| rng.u64(..30)) })
        }
        26 | 27 => Op::DamageReceived { how: any_damage(rng) },
        28 | 29 => Op::BlockSends,
        30 | 31 => Op::UnblockSends,
        _ => Op::DamageSent { how: any_damage(rng) },
    }
}

fn any_damage(rng: &mut Rng) -> Damage {
    let percent = rng.u8(..100);
    if rng.bool() { Damage::Cut { percent } } else { Damage::Garble { percent } }
}

fn machine_op(rng: &mut Rng) -> Op {
    match rng.u8(..8) {
        0 | 1 => Op::Suspend,
        2..=5 => Op::Wake,
        6 => Op::ClockAhead { by: rng.u64(..100_000) },
        _ => Op::ClockBack { by: rng.u64(..3_000) },
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}
