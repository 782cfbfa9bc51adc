//! A setting that can't work is an error with its name and range; a socket with such a setting neither panics nor hangs.

use std::time::Duration;

use phx_chaos::{Chaos, Options};
use phx_proto::{Backoff, Config, PresenceConfig};

const SHORTEST: Duration = Duration::from_millis(1);
const TOO_SHORT: Duration = Duration::from_micros(999);

/// A setting with a value that can't work and the range of those that can, and values at its ends.
struct Row {
    setting: &'static str,
    range: &'static str,
    bad: Vec<Config>,
    good: Vec<Config>,
}

fn with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// Rows of fields that have the same type and range.
macro_rules! rows {
    ($rows:ident, $range:literal, bad: $bad:expr, good: $good:expr, $($field:ident),* $(,)?) => {
        $rows.extend([$(Row {
            setting: stringify!($field),
            range: $range,
            bad: $bad.into_iter().map(|value| with(|config| config.$field = value)).collect(),
            good: $good.into_iter().map(|value| with(|config| config.$field = value)).collect(),
        }),*]);
    };
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows!(
        rows, "1 ms or more",
        bad: [Duration::ZERO, TOO_SHORT], good: [SHORTEST, Duration::MAX],
        push_timeout, join_timeout, heartbeat_timeout, connect_timeout,
    );
    rows!(
        rows, "1 ms or more",
        bad: [Some(Duration::ZERO), Some(TOO_SHORT)], good: [Some(SHORTEST), Some(Duration::MAX), None],
        heartbeat_interval,
    );
    rows!(
        rows, "any time",
        bad: [], good: [Duration::ZERO, Duration::MAX],
        heartbeat_limit, leave_timeout, close_timeout, stable_after, max_retry_after,
    );
    rows!(
        rows, "from 1 byte to 1 GiB",
        bad: [0, (1 << 30) + 1, usize::MAX], good: [1, 1 << 30],
        max_frame_size,
    );
    rows!(
        rows, "from 1 to 4,294,967,294",
        bad: [0, u32::MAX as usize, usize::MAX], good: [1, u32::MAX as usize - 1],
        max_channels,
    );
    rows!(
        rows, "1 or more",
        bad: [0], good: [1, usize::MAX],
        max_joins_in_flight, max_pushes, max_buffered_pushes, max_buffered_bytes, max_events, max_event_bytes, max_answer_bytes,
    );
    let second = Duration::from_secs(1);
    rows!(
        rows, "a schedule with a jitter of 100 percent at the most",
        bad: [Backoff::default().with_jitter_percent(101)],
        good: [Backoff::default().with_jitter_percent(100), Backoff::steps([]), Backoff::steps([Duration::MAX])],
        reconnect, rejoin,
    );
    rows!(
        rows, "a schedule with a factor of 1 or more",
        bad: [Backoff::exponential(second, 0, second)],
        good: [Backoff::exponential(second, 1, second), Backoff::exponential(second, u32::MAX, Duration::MAX)],
        reconnect, rejoin,
    );
    rows!(
        rows, "a schedule whose first delay is no longer than its longest",
        bad: [Backoff::exponential(second * 2, 2, second)], good: [Backoff::exponential(second, 2, second)],
        reconnect, rejoin,
    );
    rows
}

#[test]
fn each_setting_says_what_it_may_be() {
    for Row { setting, range, bad, good } in rows() {
        for config in bad {
            let error = config.validate().unwrap_err();
            assert_eq!((error.setting, error.range), (setting, range));
            assert_eq!(error.to_string(), format!("the setting `{setting}` must be {range}"));
        }
        for config in good {
            assert_eq!(config.validate(), Ok(()), "{setting}");
        }
    }
}

#[test]
fn all_fields_are_in_that_table_and_presets_work() {
    let source = include_str!("../../src/config.rs");
    let fields = source.split("pub struct Config {").nth(1).unwrap().split("\n}").next().unwrap();
    let names = fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'));
    let rows = rows();
    let mut count = 0;
    for (name, _) in names {
        count += 1;
        // Types of which every value works.
        let works =
            ["serializer", "reconnect_policy", "rejoin_policy", "close_policy", "push_overflow"]
                .contains(&name);
        assert!(works || rows.iter().any(|row| row.setting == name), "{name} isn't in the table");
    }
    assert!(count > 20, "the source is read wrongly");
    for preset in [Config::default(), Config::phoenix_js(), Config::phoenix_cr(), Config::small()] {
        assert_eq!(preset.validate(), Ok(()));
    }
}

#[test]
fn settings_of_a_presence_too() {
    let with = |change: fn(&mut PresenceConfig)| {
        let mut config = PresenceConfig::default();
        change(&mut config);
        config.validate().map_err(|error| error.to_string())
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|config| config.max_metas = usize::MAX), Ok(()));
    let errors = [
        with(|config| config.state_event = "".into()),
        with(|config| config.diff_event = "".into()),
        with(|config| config.diff_event = config.state_event.clone()),
        with(|config| config.max_pending_diffs = 0),
        with(|config| config.max_metas = 0),
        with(|config| config.max_bytes = 0),
    ];
    let errors: Vec<String> = errors.into_iter().map(Result::unwrap_err).collect();
    assert_eq!(
        errors,
        [
            "the setting `state_event` must be the name of an event",
            "the setting `diff_event` must be the name of an event other than `state_event`",
            "the setting `diff_event` must be the name of an event other than `state_event`",
            "the setting `max_pending_diffs` must be 1 or more",
            "the setting `max_metas` must be 1 or more",
            "the setting `max_bytes` must be 1 or more",
        ]
    );
}

#[test]
fn a_socket_with_settings_that_cannot_work_neither_panics_nor_hangs() {
    for (number, config) in (1..).zip(rows().into_iter().flat_map(|row| row.bad)) {
        Chaos::with_config(Options { drains: number % 2 == 0, ..Options::new(number) }, config)
            .run(500);
    }
}
