//! A channel that was joined rejoins: at once when a connection opens, by its schedule while the connection stays open.

use crate::common::{NOTHING, Script, ms, quiet, secs};
use phx_proto::ChannelState;

#[test]
fn a_crashed_channel_rejoins_by_the_schedule() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    for delay in [1, 2, 5, 10, 10] {
        s.server_push("room:a", "phx_error");
        assert_eq!(s.events(), [format!("room:a errored: crashed {{}}, retry in {delay}s")]);
        assert_eq!(s.socket.channel_state(a), Some(ChannelState::Errored));
        s.wait(secs(delay));
        assert_eq!(s.actions(), ["send phx_join room:a"]);
        s.reply("phx_join room:a", "ok", "{}");
        assert_eq!(s.events(), ["room:a rejoined {}"]);
        s.wait(ms(9_999));
    }
    s.wait(ms(1));
    s.server_push("room:a", "phx_error");
    assert_eq!(
        s.events(),
        ["room:a errored: crashed {}, retry in 1s"],
        "it had been joined for 10 s"
    );
}

#[test]
fn the_schedule_has_its_own_seeded_jitter() {
    let delays = |seed| {
        let mut config = quiet();
        config.rejoin = config.rejoin.with_jitter_percent(25);
        let mut s = Script::with_seed(config, seed);
        s.connect();
        s.opened();
        s.join_ok("room:a");
        (0..20)
            .map(|_| {
                s.server_push("room:a", "phx_error");
                let wait = s.next_timeout().unwrap();
                s.wait(secs(13));
                s.reply("phx_join room:a", "ok", "{}");
                wait
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
}

#[test]
fn an_open_connection_ends_the_wait_for_the_schedule() {
    let (mut s, _) = Script::joined(quiet(), "room:a");
    s.server_push("room:a", "phx_error");
    s.reconnect_now();
    s.opened();
    s.forget_lines();
    assert_eq!(s.latest("phx_join room:a").join_ref, s.latest("phx_join room:a").reference);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a rejoined {}"]);
    s.wait(secs(60));
    assert_eq!(s.actions(), NOTHING, "joined once on this connection");
}

#[test]
fn all_channels_rejoin_in_the_order_they_were_made() {
    let mut s = Script::open(quiet());
    for topic in ["room:c", "room:a", "room:b"] {
        s.join_ok(topic);
    }
    s.channel("room:never_joined");
    s.lost();
    s.wait(secs(1));
    s.forget_lines();
    s.opened();
    assert_eq!(
        s.actions(),
        ["send phx_join room:c", "send phx_join room:a", "send phx_join room:b"]
    );
}
