//! Guarantee 2: an input about an old connection changes nothing, and each timer belongs to one connection, channel or
//! push.

use crate::common::{Script, secs};
use phx_chaos::{Chaos, Options};
use phx_proto::{CloseCause, Config, ReconnectPolicy, TimeoutReason};

#[test]
fn a_session_strewn_with_old_facts_goes_as_if_they_had_not_come() {
    for seed in 0..40 {
        let run = |stale_inputs| {
            let options = Options { stale_inputs, logs: true, drains: true, ..Options::new(seed) };
            let mut chaos = Chaos::new(options);
            chaos.run(500);
            let mut counters = *chaos.socket.counters();
            let stale = std::mem::take(&mut counters.stale_inputs);
            chaos.end();
            (chaos.log, counters, stale)
        };
        let (log, counters, stale) = run(false);
        let (strewn_log, strewn_counters, strewn_stale) = run(true);
        assert_eq!(log, strewn_log, "seed {seed}");
        assert_eq!(counters, strewn_counters, "seed {seed}");
        assert!(strewn_stale > stale + 50, "seed {seed}: {strewn_stale} stale facts");
    }
}

/// Creates a socket with every kind of timer: heartbeat or its reply, stability of the connection and a channel, a join
/// attempt, a rejoin, params, pushes, a leave.
fn with_all_timers(answer_heartbeat: bool) -> Script {
    let mut config = Config::default();
    config.reconnect_policy = ReconnectPolicy::never();
    config.heartbeat_interval = Some(secs(2));
    let mut s = Script::open(config);
    s.join_ok("joined");
    s.join_ok("crashed");
    s.server_push("crashed", "phx_error");
    let leaving = s.join_ok("leaving");
    s.leave(leaving);
    let joining = s.channel("joining");
    s.join(joining);
    let asking = s.asking_channel("asking");
    s.join(asking);
    assert!(s.ping().is_ok());
    s.wait(secs(2));
    if answer_heartbeat {
        s.reply("heartbeat phoenix", "ok", "{}");
    }
    assert!(s.next_timeout().is_some());
    s
}

#[test]
fn no_timer_of_a_connection_outlives_it() {
    let ends: [fn(&mut Script); 2] = [Script::lost, |s| {
        s.disconnect();
        s.closed(CloseCause::io(""));
    }];
    for end in ends {
        for answer_heartbeat in [true, false] {
            let mut s = with_all_timers(answer_heartbeat);
            end(&mut s);
            // The deadlines that remain are those of the waiting calls: the two joins.
            while let Some(reason) = s.socket.timeout_reason() {
                assert!(matches!(reason, TimeoutReason::Push(_)), "{reason:?}");
                s.wait_for_timeout();
            }
            let outcomes = s.events();
            assert_eq!(
                outcomes.iter().filter(|line| line.ends_with("timed out")).count(),
                2,
                "{outcomes:?}"
            );
        }
    }
}

#[test]
fn no_timer_of_a_channel_outlives_it() {
    let mut s = with_all_timers(true);
    for topic in ["joined", "crashed", "joining", "asking"] {
        let channel = s.socket.channel_of(topic).unwrap();
        s.remove(channel);
    }
    s.wait(secs(1));
    for topic in ["joined", "joining", "leaving"] {
        s.reply(&format!("phx_leave {topic}"), "ok", "{}");
    }
    let reasons: Vec<_> = (0..2)
        .map(|_| {
            let reason = s.socket.timeout_reason();
            s.wait_for_timeout();
            if reason == Some(TimeoutReason::Heartbeat) {
                s.reply("heartbeat phoenix", "ok", "{}");
            }
            reason
        })
        .collect();
    assert!(
        reasons.iter().all(|reason| {
            matches!(reason, Some(TimeoutReason::Heartbeat | TimeoutReason::Stable))
        }),
        "only the connection's are left: {reasons:?}"
    );
}

/// A leave and a heartbeat that the transport never took.
#[test]
fn nothing_that_waited_for_an_old_connection_is_sent_on_the_next() {
    let mut s = Script::open(Config::phoenix_cr());
    let a = s.join_ok("room:a");
    s.stuck = true;
    s.leave(a);
    s.wait(secs(30));
    s.lost();
    s.stuck = false;
    s.wait(secs(2));
    s.opened();
    assert_eq!(s.actions(), ["connect 2, attempt 2"]);
}
