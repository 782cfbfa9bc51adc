//! The presets: phoenix.js's timing and policies, and phoenix.cr's constants.

use crate::common::{Script, ms, secs};
use crate::reconnect::delays;
use phx_proto::{
    CloseCause, Config, ConnectionState, DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_TIMEOUT,
    UpgradeRejection,
};

#[test]
fn phoenix_js_reconnects_like_phoenix_js() {
    assert_eq!(
        delays(Config::phoenix_js(), 1, 12),
        [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000, 5000].map(ms)
    );
}

#[test]
fn phoenix_js_starts_over_as_soon_as_a_connection_opens() {
    let mut config = Config::phoenix_js();
    config.heartbeat_interval = None;
    let mut s = Script::new(config);
    s.connect();
    for _ in 0..3 {
        s.lost();
        s.wait(ms(100));
    }
    s.opened();
    assert_eq!(s.socket.poll_timeout(), None);
    s.lost();
    assert_eq!(s.next_timeout(), Some(ms(10)));
}

#[test]
fn phoenix_js_keeps_trying_what_refuses_it() {
    let mut s = Script::new(Config::phoenix_js());
    s.connect();
    s.closed(CloseCause::UpgradeRejected(UpgradeRejection::new(403)));
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
    s.wait(ms(10));
    s.opened();
    let a = s.channel("room:a");
    s.join(a);
    s.forget_lines();
    for delay in [1, 2, 5, 10, 10] {
        s.reply("phx_join room:a", "error", "{}");
        assert_eq!(
            s.events()[0],
            format!("room:a join failed: rejected error {{}}, retry in {delay}s")
        );
        s.wait(secs(delay));
    }
}

#[test]
fn phoenix_cr_has_its_constants() {
    assert_eq!(DEFAULT_TIMEOUT, secs(10));
    assert_eq!(DEFAULT_HEARTBEAT_INTERVAL, secs(30));
    assert_eq!(delays(Config::phoenix_cr(), 1, 6), [1, 2, 5, 10, 10, 10].map(secs));
    let config = Config::phoenix_cr();
    assert_eq!(
        (config.push_timeout, config.join_timeout, config.leave_timeout),
        (DEFAULT_TIMEOUT, DEFAULT_TIMEOUT, DEFAULT_TIMEOUT)
    );
    assert_eq!(config.heartbeat_interval, Some(DEFAULT_HEARTBEAT_INTERVAL));
}
