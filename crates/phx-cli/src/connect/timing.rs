//! Timeouts, heartbeats and the delays between attempts.

use std::time::Duration;

use clap::Args;
use phx_tokio::{Backoff, ClosePolicy, SocketBuilder};

use crate::value;

/// Steps of a schedule, at most.
const MAX_STEPS: usize = 100;

#[derive(Args, Debug)]
pub(super) struct Timing {
    /// Limit for each attempt to connect and, without --reconnect, for the first connection.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    pub(super) connect_timeout: Duration,

    /// Limit at the end for leaving channels, and then for the closing handshake.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = value::time)]
    pub(super) close_timeout: Duration,

    /// Time between heartbeats; `off` sends none.
    #[arg(long, value_name = "TIME|off", default_value = "30s", value_parser = interval)]
    heartbeat_interval: Interval,

    /// Limit for anything to arrive after a heartbeat; then the connection counts as dead.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    heartbeat_timeout: Duration,

    /// Delays between attempts to connect. The last one repeats; each varies by a quarter.
    #[arg(long, value_name = "TIME,..", default_value = "250ms,500ms,1s,2s,4s,5s", value_parser = delays)]
    reconnect_delays: Delays,

    /// Delays between attempts to join again, like those of --reconnect-delays.
    #[arg(long, value_name = "TIME,..", default_value = "1s,2s,5s,10s", value_parser = delays)]
    rejoin_delays: Delays,

    /// Join again after the server closed a channel. By default that is its end.
    #[arg(long)]
    rejoin_closed: bool,
}

/// Time between heartbeats, if there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval(Option<Duration>);

/// Delays of a retry schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Delays(Vec<Duration>);

impl Timing {
    pub(super) fn apply(&self, builder: SocketBuilder) -> SocketBuilder {
        let builder = builder
            .connect_timeout(self.connect_timeout)
            .close_timeout(self.close_timeout)
            .heartbeat_interval(self.heartbeat_interval.0)
            .heartbeat_timeout(self.heartbeat_timeout)
            .reconnect(self.reconnect_delays.backoff())
            .rejoin(self.rejoin_delays.backoff());
        match self.rejoin_closed {
            true => builder.close_policy(ClosePolicy::always()),
            false => builder,
        }
    }
}

impl Delays {
    fn backoff(&self) -> Backoff {
        Backoff::steps(self.0.as_slice()).with_jitter_percent(25)
    }
}

fn interval(value: &str) -> Result<Interval, String> {
    match &*value::text(value)? {
        "off" => Ok(Interval(None)),
        text => match humantime::parse_duration(text) {
            Ok(time) => Ok(Interval(Some(time))),
            Err(_) => Err("expected a time, such as 15s, or off".to_owned()),
        },
    }
}

fn delays(value: &str) -> Result<Delays, String> {
    let text = value::text(value)?;
    let delays: Result<Vec<_>, _> =
        text.split(',').map(|delay| humantime::parse_duration(delay.trim())).collect();
    match delays {
        Ok(delays) if delays.len() <= MAX_STEPS => Ok(Delays(delays)),
        Ok(_) => Err(format!("expected at most {MAX_STEPS} delays")),
        Err(_) => Err("expected times, such as 250ms,1s,5s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_and_intervals() {
        let seconds = Duration::from_secs;
        assert_eq!(delays("1s, 2s,1m"), Ok(Delays(vec![seconds(1), seconds(2), seconds(60)])));
        assert!(delays("").is_err() && delays("1s,,2s").is_err() && delays("1").is_err());
        assert!(delays(&"1s,".repeat(MAX_STEPS)).is_err());
        assert!(delays(&["1s"; MAX_STEPS + 1].join(",")).unwrap_err().contains("at most 100"));
        assert_eq!(interval("off"), Ok(Interval(None)));
        assert_eq!(interval("15s"), Ok(Interval(Some(seconds(15)))));
        assert!(interval("hush").is_err_and(|why| !why.contains("hush")));
    }
}
