//! Reports of inputs and outputs to the observer. Without the feature `observer` none of this is compiled.

/// Moves the clock, and reports an input. The expression is evaluated only for an observer.
macro_rules! input {
    ($socket:expr, $now:expr, $input:expr) => {
        let now = $now;
        $socket.advance(now);
        observe!($socket.cx, $input);
    };
}

/// Reports an input at the time of the context.
macro_rules! observe {
    ($cx:expr, $input:expr) => {
        #[cfg(feature = "observer")]
        {
            use crate::observer::Input;
            if let Some(observer) = &mut $cx.observer {
                let deadline = $cx.timers.next_at();
                observer.input($cx.now, deadline, $input);
            }
        }
    };
}

/// The value, reported as this kind of output.
macro_rules! output {
    ($socket:expr, $kind:ident, $value:expr) => {{
        let value = $value;
        #[cfg(feature = "observer")]
        if let Some(observer) = &mut $socket.cx.observer {
            observed::$kind(&mut **observer, &value);
        }
        value
    }};
}

#[cfg(feature = "observer")]
mod reports {
    use crate::observer::{Observer, Output};
    use crate::{Action, CallError, ChannelId, Event, PingId, PushError, RequestId};

    pub(in super::super) fn done(observer: &mut dyn Observer, done: &bool) {
        observer.output(Output::Done(*done));
    }

    pub(in super::super) fn channel(
        observer: &mut dyn Observer,
        made: &Result<ChannelId, CallError>,
    ) {
        observer.output(Output::Channel(made.as_ref().copied()));
    }

    pub(in super::super) fn request(
        observer: &mut dyn Observer,
        made: &Result<RequestId, CallError>,
    ) {
        observer.output(Output::Request(made.as_ref().copied()));
    }

    pub(in super::super) fn push(observer: &mut dyn Observer, made: &Result<RequestId, PushError>) {
        observer.output(Output::Request(made.as_ref().copied().map_err(|error| &error.reason)));
    }

    pub(in super::super) fn ping(observer: &mut dyn Observer, made: &Result<PingId, CallError>) {
        observer.output(Output::Ping(made.as_ref().copied()));
    }

    pub(in super::super) fn action(observer: &mut dyn Observer, action: &Option<Action>) {
        observer.output(Output::Action(action.as_ref()));
    }

    pub(in super::super) fn control(observer: &mut dyn Observer, action: &Option<Action>) {
        observer.output(Output::Control(action.as_ref()));
    }

    pub(in super::super) fn event(observer: &mut dyn Observer, event: &Option<Event>) {
        if let Some(event) = event {
            observer.output(Output::Event(event));
        }
    }
}

#[cfg(feature = "observer")]
pub(super) use reports::*;
