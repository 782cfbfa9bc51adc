//! Report: one page with plots, readable in any browser.

use std::time::SystemTime;

use hdrhistogram::Histogram;

use super::chart::{Axis, Bar, Series, bars, escaped, lines};
use super::measure::{Measured, Sample};
use super::numbers::{grouped, time};
use super::quantiles::Quantiles;
use super::summary::Summary;
use crate::terminal::shown;

const STYLE: &str = include_str!("report.css");

/// Columns of the histogram.
const BUCKETS: u32 = 48;

/// Renders the page.
pub(super) fn page(summary: &Summary<'_>) -> String {
    let measured = summary.measured;
    let title = format!("phx bench: {}", summary.url());
    let mut body = format!(
        "<h1>{}</h1><p class=\"sub\">{}<br>{}{}, with phx {}</p>",
        escaped(&title),
        escaped(&summary.plan.words),
        summary.plan.pushes.as_ref().map_or(String::new(), |pushes| escaped(&pushes.event) + ", "),
        humantime::format_rfc3339_seconds(SystemTime::now()),
        env!("CARGO_PKG_VERSION"),
    );
    let part = summary.part().map(|part| ("bad", part));
    let notes = summary.notes.iter().map(|note| ("note", format!("Doubtful: {note}")));
    let verdicts = summary.verdicts.iter().map(|verdict| {
        let text = format!("{}: {}", shown(&verdict.threshold().to_string()), verdict.measured());
        match verdict.is_met() {
            true => ("kept", format!("Threshold met: {text}")),
            false => ("bad", format!("Threshold missed: {text}")),
        }
    });
    for (class, text) in part.into_iter().chain(notes).chain(verdicts) {
        body.push_str(&format!("<p class=\"{class}\">{}</p>", escaped(&text)));
    }
    body.push_str(&cards(summary));
    let end = summary.measured.took.as_secs_f64();
    body.push_str(&stages(summary, end));
    let legend = if summary.failures() > 0 {
        "<span class=\"rate\">replies a second</span><span class=\"p99\">errors a second</span>"
    } else {
        "replies a second"
    };
    body.push_str(&section("Throughput", legend, &throughput(&measured.samples, end)));
    if summary.latency.is_some() {
        let legend = "<span class=\"p50\">p50</span><span class=\"p90\">p90</span><span class=\"p99\">p99</span>";
        body.push_str(&section("Latency over time", legend, &latency(&measured.samples, end)));
        body.push_str(&section("Distribution", "replies by latency", &distribution(measured)));
        body.push_str(&section(
            "Percentiles",
            "the share of replies that were at least as fast",
            &percentiles(&[("latency", "p90", &measured.total.latencies)]),
        ));
    }
    body.push_str(&steps(summary));
    body.push_str(&table(summary));
    document(&title, &body)
}

/// A whole page that needs nothing from elsewhere, with HTML as its body.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escaped(title)
    )
}

pub(crate) fn section(title: &str, about: &str, chart: &str) -> String {
    format!("<section><h2>{title} <small>{about}</small></h2>{chart}</section>\n")
}

fn cards(summary: &Summary<'_>) -> String {
    let of = |pick: fn(&Quantiles) -> u64| {
        summary.latency.as_ref().map_or("–".to_owned(), |l| time(pick(l)))
    };
    let errors = summary.failures();
    let bad = |count| if count > 0 { "bad" } else { "" };
    let cards = [
        ("replies a second", format!("{:.0}", summary.per_second), ""),
        ("p50", of(|latency| latency.p50), ""),
        ("p99", of(|latency| latency.p99), ""),
        ("max", of(|latency| latency.max), ""),
        ("errors", grouped(errors), bad(errors)),
        ("reconnects", grouped(summary.reconnects), bad(summary.reconnects)),
    ];
    let cards = cards.map(|(name, value, class)| {
        format!("<div class=\"card {class}\"><b>{value}</b><span>{name}</span></div>")
    });
    format!("<div class=\"cards\">{}</div>\n", cards.concat())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds")]
fn micros(value: f64) -> String {
    time(value.max(0.0) as u64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn count(value: f64) -> String {
    grouped(value.max(0.0) as u64)
}

/// Draws the numbers that the stages wanted, if there are stages.
fn stages(summary: &Summary<'_>, end: f64) -> String {
    let Some(shape) = &summary.plan.stages else { return String::new() };
    let about = if shape.is_open { "users that arrive in a second" } else { "users" };
    let series = [Series { name: about, class: "wanted", points: shape.until(end), filled: true }];
    let chart = lines(
        end,
        &Axis { title: "seconds since the start", ticks: 8, label: &seconds_short },
        &Axis { title: "stages", ticks: 4, label: &count },
        &series,
    );
    section("Stages", &format!("{about}, as wanted"), &chart)
}

/// A row for each step that was performed, if there are several.
fn steps(summary: &Summary<'_>) -> String {
    let performed = summary.measured.steps.iter();
    let performed =
        performed.filter(|(_, window)| !window.latencies.is_empty() || window.failures() > 0);
    if summary.measured.steps.len() < 2 {
        return String::new();
    }
    let rows = performed.map(|(step, window)| {
        let latency = Quantiles::of(&window.latencies);
        let of = |pick: fn(&Quantiles) -> u64| {
            latency.as_ref().map_or("–".to_owned(), |latency| time(pick(latency)))
        };
        let failures = window.failures();
        let class = if failures > 0 { " class=\"bad\"" } else { "" };
        format!(
            "<tr><th>{}</th><td>{}</td><td{class}>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&shown(&step.name)),
            grouped(window.latencies.len()),
            grouped(failures),
            of(|latency| latency.p50),
            of(|latency| latency.p99),
        )
    });
    let head = "<tr><th></th><td>count</td><td>errors</td><td>p50</td><td>p99</td></tr>";
    let table = format!("<table class=\"steps\">{head}{}</table>", rows.collect::<String>());
    section("Steps", "", &table)
}

fn throughput(samples: &[Sample], end: f64) -> String {
    let points: Vec<(f64, f64)> =
        samples.iter().map(|sample| (sample.at.as_secs_f64(), sample.per_second)).collect();
    let mut series = vec![Series { name: "replies a second", class: "rate", points, filled: true }];
    if samples.iter().any(|sample| sample.errors > 0) {
        let mut before = 0.0;
        #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
        let points = samples.iter().map(|sample| {
            let at = sample.at.as_secs_f64();
            let seconds = (at - std::mem::replace(&mut before, at)).max(1e-3);
            (at, sample.errors as f64 / seconds)
        });
        let points = points.collect();
        series.push(Series { name: "errors a second", class: "errors", points, filled: false });
    }
    lines(
        end,
        &Axis { title: "seconds since the start", ticks: 8, label: &seconds_short },
        &Axis { title: "replies a second over time", ticks: 4, label: &count },
        &series,
    )
}

fn latency(samples: &[Sample], end: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    let line = |name, pick: fn(&Quantiles) -> u64| {
        let known = samples.iter().filter_map(|sample| {
            let latency = sample.latency.as_ref()?;
            Some((sample.at.as_secs_f64(), pick(latency) as f64))
        });
        Series { name, class: name, points: known.collect(), filled: false }
    };
    let series = [
        line("p99", |latency| latency.p99),
        line("p90", |latency| latency.p90),
        line("p50", |latency| latency.p50),
    ];
    lines(
        end,
        &Axis { title: "seconds since the start", ticks: 8, label: &seconds_short },
        &Axis { title: "latency over time", ticks: 4, label: &micros },
        &series,
    )
}

fn seconds_short(value: f64) -> String {
    format!("{} s", (value * 100.0).round() / 100.0)
}

/// Draws columns whose widths grow with the latency, so that both fast and slow replies are visible.
#[expect(clippy::cast_precision_loss, reason = "it is drawn")]
fn distribution(measured: &Measured) -> String {
    let latencies = &measured.total.latencies;
    let (low, high) = ((latencies.min().max(1)) as f64, (latencies.max().max(2)) as f64 * 1.001);
    let growth = (high / low).max(1.01).powf(1.0 / f64::from(BUCKETS));
    let mut columns: Vec<Bar> = (0..BUCKETS)
        .map(|number| {
            let from = low * growth.powi(number.cast_signed());
            let label = micros(from);
            let tip = format!("{} to {}", label, micros(from * growth));
            Bar { label, value: 0.0, tip }
        })
        .collect();
    for recorded in latencies.iter_recorded() {
        let value = recorded.value_iterated_to() as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let at = ((value / low).max(1.0).ln() / growth.ln()) as usize;
        let last = columns.len().saturating_sub(1);
        if let Some(column) = columns.get_mut(at.min(last)) {
            column.value += recorded.count_since_last_iteration() as f64;
        }
    }
    for column in &mut columns {
        column.tip = format!("{}: {}", column.tip, count(column.value));
    }
    bars(&Axis { title: "replies by latency", ticks: 4, label: &count }, "latency", &columns)
}

/// Draws the percentiles on a scale that gives each further nine as much width as the one before.
///
/// Each curve has a name, a class and its latencies.
pub(super) fn percentiles(curves: &[(&str, &str, &Histogram<u64>)]) -> String {
    let most = curves.iter().map(|(_, _, latencies)| latencies.len()).max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    let nines = (most.max(10) as f64).log10().min(6.0);
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    let points = |latencies: &Histogram<u64>| {
        let points = (0..=120_i32).map(|step| {
            let at = nines * f64::from(step) / 120.0;
            (at, latencies.value_at_quantile(1.0 - 10_f64.powf(-at)) as f64)
        });
        points.collect()
    };
    let series = curves.iter().map(|(name, class, latencies)| {
        let filled = curves.len() == 1;
        Series { name, class, points: points(latencies), filled }
    });
    let series: Vec<Series<'_>> = series.collect();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "6 at the most")]
    let wholes = nines.ceil() as u32;
    let label = |at: f64| {
        let share = 100.0 * (1.0 - 10_f64.powf(-at));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few digits")]
        let digits = (at - 2.0 + 0.99).max(0.0) as usize;
        format!("{share:.digits$} %")
    };
    lines(
        nines,
        &Axis { title: "share of the replies", ticks: wholes, label: &label },
        &Axis { title: "latency by percentile", ticks: 4, label: &micros },
        &series,
    )
}

fn table(summary: &Summary<'_>) -> String {
    let mut rows = vec![
        ("replies", grouped(summary.replies)),
        ("measured for", format!("{:.1} s", summary.measured.took.as_secs_f64())),
        ("sent", summary.rate_of(summary.traffic.sent)),
        ("received", summary.rate_of(summary.traffic.received)),
    ];
    if let Some((connecting, joining)) = summary.before {
        rows.push(("connected in", micros(connecting.as_secs_f64() * 1e6)));
        rows.push(("joined in", micros(joining.as_secs_f64() * 1e6)));
    }
    if let Some(latency) = &summary.latency {
        rows.extend([
            ("latency, least", time(latency.min)),
            ("mean", micros(latency.mean)),
            ("p50", time(latency.p50)),
            ("p90", time(latency.p90)),
            ("p99", time(latency.p99)),
            ("p99.9", time(latency.p999)),
            ("most", time(latency.max)),
        ]);
    }
    if let Some(generator) = &summary.generator {
        rows.push(("generator, timers late p99", time(generator.lag_p99_us)));
        if let Some(percent) = generator.cpu_percent() {
            rows.push(("generator, CPU", format!("{percent:.0}% of {} cores", generator.cores)));
        }
    }
    let mut html: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{value}</td></tr>"))
        .collect();
    for (name, count) in &summary.measured.total.errors {
        html.push_str(&format!(
            "<tr class=\"bad\"><th>error: {}</th><td>{}</td></tr>",
            escaped(name),
            grouped(*count)
        ));
    }
    format!("<section><h2>Numbers</h2><table>{html}</table></section>")
}
