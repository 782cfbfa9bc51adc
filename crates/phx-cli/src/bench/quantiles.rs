//! Quantiles of latencies.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The usual quantiles, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Quantiles {
    pub(super) min: u64,
    pub(super) mean: f64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

impl Quantiles {
    /// `None` if there are no latencies.
    pub(super) fn of(latencies: &Histogram<u64>) -> Option<Self> {
        (!latencies.is_empty()).then(|| Quantiles {
            min: latencies.min(),
            mean: latencies.mean(),
            p50: latencies.value_at_quantile(0.5),
            p90: latencies.value_at_quantile(0.9),
            p99: latencies.value_at_quantile(0.99),
            p999: latencies.value_at_quantile(0.999),
            max: latencies.max(),
        })
    }
}
