//! HTTP answers to the upgrade, put to the default policy.

use phx_proto::{Action, CloseCause, Config, Event, Instant, Socket, UpgradeRejection};

use crate::Check;

/// A socket that never was open gives up on an answer that no retry can mend, and tries again
/// otherwise; it reports either exactly once. 101 opens it.
pub(crate) fn check_default_policy(answer: &UpgradeRejection) -> Check {
    let mut socket = Socket::new(Config::default(), 0);
    let now = Instant::EPOCH;
    socket.connect(now);
    let Some(Action::Connect { transport, .. }) = socket.poll_action() else {
        return Err("connect doesn't connect".to_owned());
    };
    let retries = match answer.status {
        101 => {
            socket.handle_opened(now, transport);
            let opened = matches!(socket.poll_event(), Some(Event::Opened { .. }));
            return if opened { Ok(()) } else { Err("not opened".to_owned()) };
        }
        400 | 403 | 404 => false,
        500 => true,
        status => return Err(format!("a status that isn't in the recordings' list: {status}")),
    };
    socket.handle_closed(now, transport, CloseCause::UpgradeRejected(answer.clone()));
    match (socket.poll_event(), socket.poll_event()) {
        (Some(Event::Closed { was_open: false, cause, retry_in, .. }), None)
            if cause == CloseCause::UpgradeRejected(answer.clone())
                && retry_in.is_some() == retries
                && socket.poll_timeout().is_some() == retries =>
        {
            Ok(())
        }
        reported => Err(format!("status {}: reported {reported:?}", answer.status)),
    }
}

/// The status and body of an HTTP answer, from its text.
pub(crate) fn parse(answer: &str) -> Check<UpgradeRejection> {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Ok(UpgradeRejection::new(status.ok_or("no status")?).with_body(body.unwrap_or_default()))
}
