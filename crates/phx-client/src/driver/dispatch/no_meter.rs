//! What stands in for the meter without the feature `metrics`, and costs nothing.

use phx_proto::{Action, Counters, Event, Instant};

#[derive(Default)]
pub(super) struct Meter;

#[expect(clippy::unused_self, reason = "the same calls as of the meter")]
impl Meter {
    #[inline(always)]
    pub(super) fn action(&mut self, _: Instant, _: &Action) {}

    #[inline(always)]
    pub(super) fn event(&mut self, _: Instant, _: &Event) {}

    #[inline(always)]
    pub(super) fn count(&mut self, _: &Counters) {}

    #[inline(always)]
    pub(super) fn report(&mut self) {}
}
