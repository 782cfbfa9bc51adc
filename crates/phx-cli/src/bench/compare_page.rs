//! The page of `phx bench compare`.

use hdrhistogram::Histogram;

use super::chart::escaped;
use super::comparison::{Compared, Comparison};
use super::report::{document, percentiles, section};

/// Renders the page.
pub(super) fn page(comparison: &Comparison<'_>) -> String {
    let mut body = "<h1>phx bench: two runs</h1><p class=\"sub\">".to_owned();
    for (when, (name, run)) in ["before", "after"].iter().zip(&comparison.runs) {
        let (name, url, load) = (escaped(name), escaped(&run.plan.url), escaped(&run.plan.words));
        body.push_str(&format!("{when}: {name}, {url}, {load}<br>"));
    }
    body.push_str("</p>");
    let problems =
        comparison.problems.iter().map(|text| ("bad", format!("A part of a run: {text}")));
    let notes = comparison.notes.iter().map(|note| ("note", format!("Doubtful: {note}")));
    let passed = comparison.outcomes.iter().map(|outcome| {
        let text = format!("{}: {}", outcome.limit(), outcome.measured());
        match outcome.is_kept() {
            true => ("kept", format!("Within its limit: {text}")),
            false => ("bad", format!("Beyond its limit: {text}")),
        }
    });
    for (class, text) in problems.chain(notes).chain(passed) {
        body.push_str(&format!("<p class=\"{class}\">{}</p>", escaped(&text)));
    }
    body.extend(comparison.steps.iter().map(step));
    document("phx bench: two runs", &body)
}

fn step(step: &Compared) -> String {
    let rows = step.rows.iter().map(|row| {
        let [before, after] = row.shown();
        let (name, change) = (row.figure.name(), row.change());
        format!("<tr><th>{name}</th><td>{before}</td><td>{after}</td><td>{change}</td></tr>")
    });
    let head = "<tr><th></th><td>before</td><td>after</td><td>change</td></tr>";
    let table = format!("<table class=\"two\">{head}{}</table>", rows.collect::<String>());
    let runs = [("before", "p50"), ("after", "p99")].into_iter().zip(&step.windows);
    let curves: Vec<(&str, &str, &Histogram<u64>)> = runs
        .filter_map(|((name, class), window)| Some((name, class, &window.as_ref()?.latencies)))
        .filter(|(_, _, latencies)| !latencies.is_empty())
        .collect();
    let chart = if curves.is_empty() { String::new() } else { percentiles(&curves) };
    let legend = "<span class=\"p50\">before</span><span class=\"p99\">after</span>";
    section(&escaped(&step.name), legend, &format!("{table}{chart}"))
}
