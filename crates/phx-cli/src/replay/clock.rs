//! Times since the beginning of a recording.

use std::time::Duration;

/// Hours, minutes, seconds and milliseconds.
pub(super) fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    let (minutes, millis) = (seconds / 60, at.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}", minutes / 60, minutes % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_since_the_beginning() {
        assert_eq!(clock(Duration::ZERO), "00:00:00.000");
        assert_eq!(clock(Duration::from_millis(90_061_007)), "25:01:01.007");
    }
}
