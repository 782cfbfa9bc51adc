//! Two plots as one SVG: CPU over the size of messages, and over the number of channels.

use std::fmt::Write as _;

use super::rounds::Medians;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 50.0;

/// One colour for each client, and its name.
const CLIENTS: [(&str, &str); 5] = [
    ("none", "#999999"),
    ("task", "#333333"),
    ("phx-tokio", "#c2410c"),
    ("phx-async-std", "#0369a1"),
    ("phx-smol", "#15803d"),
];

/// Draws both.
pub(super) fn svg(medians: &Medians) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n",
        2.0 * WIDTH
    );
    plot(&mut text, medians, "flood-", "bytes of text in a message", 0.0);
    plot(&mut text, medians, "chans-", "channels on one socket", WIDTH);
    text + "</svg>\n"
}

/// One plot of the scenarios whose names are `prefix` and a number, both axes logarithmic.
fn plot(text: &mut String, medians: &Medians, prefix: &str, title: &str, left: f64) {
    let number = |scenario: &str| scenario.strip_prefix(prefix)?.parse::<f64>().ok();
    let points = |client: &str| -> Vec<(f64, f64)> {
        let rows = medians.rows().iter().filter(|cost| cost.client == client);
        let mut points: Vec<_> =
            rows.filter_map(|cost| Some((number(&cost.scenario)?, cost.cpu_us))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let all: Vec<(f64, f64)> = CLIENTS.iter().flat_map(|(client, _)| points(client)).collect();
    let Some((low, high)) = bounds(&all) else {
        return;
    };
    let part = |value: f64, low: f64, high: f64| (value / low).ln() / (high / low).ln().max(1e-9);
    let x = |value: f64| left + MARGIN + part(value, low.0, high.0) * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - part(value, low.1, high.1) * (HEIGHT - 2.0 * MARGIN);
    // Writing to a `String` can't fail.
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{title}</text>\n\
         <text x=\"{}\" y=\"{}\">CPU us a message</text>",
        left + WIDTH / 2.0,
        HEIGHT - 12.0,
        left + 6.0,
        MARGIN - 30.0
    );
    let mut ticks: Vec<f64> = all.iter().map(|point| point.0).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    for tick in ticks {
        let (x, y) = (x(tick), HEIGHT - MARGIN + 16.0);
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{tick}</text>");
    }
    for tick in [low.1, (low.1 * high.1).sqrt(), high.1] {
        let (x, y) = (left + MARGIN - 6.0, y(tick));
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{tick:.2}</text>");
    }
    for (place, (client, colour)) in CLIENTS.iter().enumerate() {
        let points = points(client);
        if points.is_empty() {
            continue;
        }
        let line: Vec<String> =
            points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let (label_x, label_y) = (left + MARGIN + 6.0, MARGIN - 14.0 + 14.0 * place as f64);
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{label_x}\" y=\"{label_y}\" fill=\"{colour}\">{client}</text>",
            line.join(" ")
        );
    }
}

fn bounds(points: &[(f64, f64)]) -> Option<((f64, f64), (f64, f64))> {
    let mut points = points.iter().copied();
    let first = points.next()?;
    Some(points.fold((first, first), |(low, high), point| {
        ((low.0.min(point.0), low.1.min(point.1)), (high.0.max(point.0), high.1.max(point.1)))
    }))
}
