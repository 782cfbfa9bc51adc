//! What the caller's policies and schedules decided: noted while recording, given again in a replay.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phx_proto::{
    Backoff, ClosePolicy, Config, PolicyKind, Reconnect, ReconnectPolicy, Rejoin, RejoinPolicy,
    Schedule,
};

use crate::entry::{Again, Decided};
use crate::time::Time;

/// A queue that the functions of a configuration share with the recorder or the replay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions(Arc<Mutex<VecDeque<Decided>>>);

impl Decisions {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Decided>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, decided: Decided) {
        self.lock().push_back(decided);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The oldest decision.
    pub(crate) fn take(&self) -> Option<Decided> {
        self.lock().pop_front()
    }

    /// Puts functions around those of the caller that note what they return. Returns `false` if there are none.
    pub(crate) fn note(&self, config: &mut Config) -> bool {
        if config.reconnect_policy.kind() == PolicyKind::Function {
            let (noted, policy) = (self.clone(), config.reconnect_policy.clone());
            config.reconnect_policy = ReconnectPolicy::function(move |cause, was_open| {
                let decided = policy.decide(cause, was_open);
                noted.add(Decided::Reconnect(match decided {
                    Reconnect::After(delay) => Again::After(Time(delay)),
                    Reconnect::Stop => Again::Stop,
                    _ => Again::Backoff,
                }));
                decided
            });
        }
        if config.rejoin_policy.kind() == PolicyKind::Function {
            let (noted, policy) = (self.clone(), config.rejoin_policy.clone());
            config.rejoin_policy = RejoinPolicy::by_topic(move |topic, rejection| {
                let decided = policy.decide(topic, rejection);
                noted.add(Decided::Rejoin(again(decided)));
                decided
            });
        }
        if config.close_policy.kind() == PolicyKind::Function {
            let (noted, policy) = (self.clone(), config.close_policy.clone());
            config.close_policy = ClosePolicy::by_topic(move |topic, payload| {
                let decided = policy.decide(topic, payload);
                noted.add(Decided::Close(again(decided)));
                decided
            });
        }
        self.note_delays(&mut config.reconnect, Decided::ReconnectDelay);
        self.note_delays(&mut config.rejoin, Decided::RejoinDelay);
        // Each function has a clone.
        Arc::strong_count(&self.0) > 1
    }

    fn note_delays(&self, backoff: &mut Backoff, decided: fn(Time) -> Decided) {
        if backoff.schedule() != Schedule::Function {
            return;
        }
        let (noted, schedule) = (self.clone(), backoff.clone());
        *backoff = Backoff::function(move |tries| {
            let delay = schedule.base_delay(tries);
            noted.add(decided(Time(delay)));
            delay
        })
        .with_jitter_percent(backoff.jitter_percent());
    }

    /// The next decision if `wanted` takes it. In a replay that has parted from its recording there may be none.
    fn next<T>(&self, wanted: impl FnOnce(Decided) -> Option<T>) -> Option<T> {
        let mut queue = self.lock();
        let found = wanted(*queue.front()?);
        if found.is_some() {
            queue.pop_front();
        }
        found
    }

    pub(crate) fn next_reconnect(&self) -> Reconnect {
        let decided = self.next(|decided| match decided {
            Decided::Reconnect(again) => Some(again),
            _ => None,
        });
        match decided {
            Some(Again::After(Time(delay))) => Reconnect::After(delay),
            Some(Again::Stop) => Reconnect::Stop,
            Some(Again::Backoff) | None => Reconnect::Backoff,
        }
    }

    pub(crate) fn next_rejoin(&self) -> Rejoin {
        rejoin(self.next(|decided| match decided {
            Decided::Rejoin(again) => Some(again),
            _ => None,
        }))
    }

    pub(crate) fn next_close(&self) -> Rejoin {
        rejoin(self.next(|decided| match decided {
            Decided::Close(again) => Some(again),
            _ => None,
        }))
    }

    pub(crate) fn next_reconnect_delay(&self) -> Duration {
        let delay = self.next(|decided| match decided {
            Decided::ReconnectDelay(Time(delay)) => Some(delay),
            _ => None,
        });
        delay.unwrap_or_default()
    }

    pub(crate) fn next_rejoin_delay(&self) -> Duration {
        let delay = self.next(|decided| match decided {
            Decided::RejoinDelay(Time(delay)) => Some(delay),
            _ => None,
        });
        delay.unwrap_or_default()
    }
}

fn again(decided: Rejoin) -> Again {
    match decided {
        Rejoin::After(delay) => Again::After(Time(delay)),
        Rejoin::Stop => Again::Stop,
        _ => Again::Backoff,
    }
}

fn rejoin(decided: Option<Again>) -> Rejoin {
    match decided {
        Some(Again::After(Time(delay))) => Rejoin::After(delay),
        Some(Again::Stop) => Rejoin::Stop,
        Some(Again::Backoff) | None => Rejoin::Backoff,
    }
}
