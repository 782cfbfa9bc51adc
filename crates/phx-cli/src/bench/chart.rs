//! Charts, as SVG text.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 36.0;

/// A drawing area. Each chart is drawn for both, and the page shows the one that suits the screen, so that text has its size.
#[derive(Clone, Copy)]
struct Frame {
    class: &'static str,
    width: f64,
    height: f64,
    /// The part of an axis's marks that fits.
    share: f64,
}

const FRAMES: [Frame; 2] = [
    Frame { class: "wide", width: WIDTH, height: HEIGHT, share: 1.0 },
    Frame { class: "narrow", width: 340.0, height: 220.0, share: 0.5 },
];

impl Frame {
    /// About half as many marks on a narrow axis.
    fn marks(self, wanted: u32) -> f64 {
        (f64::from(wanted) * self.share).max(2.0)
    }

    fn across(self, value: f64, max: f64) -> f64 {
        across(value, max, self.width)
    }

    fn base(self) -> f64 {
        self.height - BOTTOM
    }

    fn up(self, value: f64, max: f64) -> f64 {
        let share = (value / max.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        self.base() - (self.base() - TOP) * share
    }
}

/// One line of a chart.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    /// The CSS class that gives its colour.
    pub(super) class: &'a str,
    pub(super) points: Vec<(f64, f64)>,
    /// True to fill the area below it.
    pub(super) filled: bool,
}

/// A column of a bar chart.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) tip: String,
}

/// The labels of an axis.
pub(crate) struct Axis<'a> {
    pub(crate) title: &'a str,
    /// The approximate number of marks.
    pub(crate) ticks: u32,
    pub(crate) label: &'a dyn Fn(f64) -> String,
}

/// Lines over a common axis, which ends at `end`.
pub(super) fn lines(end: f64, x: &Axis<'_>, y: &Axis<'_>, series: &[Series<'_>]) -> String {
    FRAMES.map(|frame| lines_in(frame, end, x, y, series)).concat()
}

fn lines_in(frame: Frame, end: f64, x: &Axis<'_>, y: &Axis<'_>, series: &[Series<'_>]) -> String {
    let values = series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    let top = nice_max(values.fold(0.0, f64::max));
    let mut svg = open(frame, y, top, x.title);
    for tick in ticks(end, frame.marks(x.ticks)) {
        let at = frame.across(tick, end);
        // The last label would be cut by the edge.
        let anchor = if at > frame.width - 2.0 * RIGHT { "end" } else { "middle" };
        let at = if anchor == "end" { at + RIGHT } else { at };
        text(&mut svg, at, frame.base() + 16.0, anchor, &(x.label)(tick));
    }
    for line in series {
        let places: Vec<(f64, f64)> = line
            .points
            .iter()
            .map(|(px, py)| (frame.across(*px, end), frame.up(*py, top)))
            .collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { continue };
        let path: Vec<String> = places.iter().map(|(px, py)| format!("{px:.1},{py:.1}")).collect();
        let path = path.join(" L");
        if line.filled {
            let base = frame.base();
            let _infallible = write!(
                svg,
                r#"<path class="{} area" d="M{:.1},{base:.1} L{path} L{:.1},{base:.1} Z"/>"#,
                line.class, first.0, last.0
            );
        }
        let _infallible = write!(
            svg,
            r#"<path class="{} line" d="M{path}"><title>{}</title></path>"#,
            line.class,
            escaped(line.name)
        );
        // Points with tooltips.
        for ((px, py), (vx, vy)) in places.iter().zip(&line.points) {
            let tip = format!("{} at {}: {}", line.name, (x.label)(*vx), (y.label)(*vy));
            let _infallible = write!(
                svg,
                r#"<circle class="{} dot" cx="{px:.1}" cy="{py:.1}" r="4"><title>{}</title></circle>"#,
                line.class,
                escaped(&tip)
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Bars side by side.
pub(super) fn bars(y: &Axis<'_>, title: &str, bars: &[Bar]) -> String {
    FRAMES.map(|frame| bars_in(frame, y, title, bars)).concat()
}

fn bars_in(frame: Frame, y: &Axis<'_>, title: &str, bars: &[Bar]) -> String {
    let top = nice_max(bars.iter().map(|bar| bar.value).fold(0.0, f64::max));
    let mut svg = open(frame, y, top, title);
    let count = bars.len().max(1);
    #[expect(clippy::cast_precision_loss, reason = "there are some dozens")]
    let step = (frame.width - LEFT - RIGHT) / count as f64;
    // Labels that fit.
    let every = if frame.share < 1.0 { count.div_ceil(4) } else { count.div_ceil(10) };
    for (number, bar) in bars.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "there are some dozens")]
        let left = LEFT + step * number as f64;
        let y = frame.up(bar.value, top);
        let _infallible = write!(
            svg,
            r#"<rect class="bar" x="{:.1}" y="{y:.1}" width="{:.1}" height="{:.1}" rx="1.5"><title>{}</title></rect>"#,
            left + 0.5,
            (step - 1.0).max(0.5),
            frame.base() - y,
            escaped(&bar.tip)
        );
        if number % every == 0 {
            text(&mut svg, left + step / 2.0, frame.base() + 16.0, "middle", &bar.label);
        }
    }
    svg.push_str("</svg>");
    svg
}

/// One row of a chart of states: its name, with spans below it.
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) spans: Vec<Span>,
}

/// Something from one time to another.
pub(crate) struct Span {
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// The CSS class that gives its colour.
    pub(crate) class: &'static str,
    /// The distance from the top of the lane's bar, and the height.
    pub(crate) place: (f64, f64),
}

/// Height of a lane, and of its name.
const LANE: f64 = 40.0;
const NAME: f64 = 14.0;

/// Lanes over a common axis, which ends at `end`.
pub(crate) fn lanes(end: f64, x: &Axis<'_>, lanes: &[Lane]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "there are some dozens")]
    let bottom = TOP + LANE * lanes.len() as f64;
    let mut svg = format!(
        r#"<div class="lanes"><svg viewBox="0 0 {WIDTH} {:.1}" role="img" aria-label="{}">"#,
        bottom + BOTTOM,
        escaped(x.title)
    );
    for tick in ticks(end, f64::from(x.ticks)) {
        let at = across(tick, end, WIDTH);
        let _infallible = write!(
            svg,
            r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom:.1}"/>"#
        );
        // The last label would be cut by the edge.
        let anchor = if at > WIDTH - 3.0 * RIGHT { "end" } else { "middle" };
        text(&mut svg, at, bottom + 16.0, anchor, &(x.label)(tick));
    }
    for (number, lane) in lanes.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "there are some dozens")]
        let top = TOP + LANE * number as f64;
        text(&mut svg, LEFT, top + NAME - 3.0, "start", &lane.name);
        for span in &lane.spans {
            let (from, to) = (across(span.from, end, WIDTH), across(span.to, end, WIDTH));
            let (down, height) = span.place;
            let _infallible = write!(
                svg,
                r#"<rect class="{}" x="{from:.1}" y="{:.1}" width="{:.1}" height="{height}"/>"#,
                span.class,
                top + NAME + down,
                (to - from).max(1.0),
            );
        }
    }
    svg.push_str("</svg></div>");
    svg
}

/// The frame, the lines across it, and what they mean.
fn open(frame: Frame, y: &Axis<'_>, top: f64, title: &str) -> String {
    let Frame { class, width, height, .. } = frame;
    let mut svg = format!(
        r#"<svg class="{class}" viewBox="0 0 {width} {height}" role="img" aria-label="{}">"#,
        escaped(y.title)
    );
    for tick in ticks(top, f64::from(y.ticks)) {
        let at = frame.up(tick, top);
        let _infallible = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{at:.1}" y2="{at:.1}"/>"#,
            width - RIGHT
        );
        text(&mut svg, LEFT - 8.0, at + 4.0, "end", &(y.label)(tick));
    }
    text(&mut svg, (LEFT + width - RIGHT) / 2.0, height - 4.0, "middle", title);
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, what: &str) {
    let _infallible = write!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
        escaped(what)
    );
}

fn across(value: f64, max: f64, width: f64) -> f64 {
    LEFT + (width - LEFT - RIGHT) * (value / max.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
}

/// Returns about `about` round numbers from 0 to `max`.
fn ticks(max: f64, about: f64) -> Vec<f64> {
    if max <= 0.0 || !max.is_finite() {
        return vec![0.0];
    }
    let step = nice(max / about);
    let count = (max / step + 1e-9).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a dozen or so")]
    let count = count as u32;
    (0..=count).map(|number| step * f64::from(number)).collect()
}

/// Returns the next of 1, 2, 2.5 and 5 times a power of ten.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= value * (1.0 - 1e-9));
    step.unwrap_or(10.0) * power
}

/// Returns a round number above `max`, so that nothing touches the top.
fn nice_max(max: f64) -> f64 {
    if max <= 0.0 || !max.is_finite() {
        return 1.0;
    }
    let step = nice(max / 4.0);
    (max / step).ceil() * step
}

/// Escapes text for HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(10.0, 5.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.0, 5.0), [0.0]);
        assert_eq!([nice_max(9_900.0), nice_max(0.0), nice_max(101.0)], [10_000.0, 1.0, 150.0]);
        assert!(ticks(f64::NAN, 3.0).len() == 1 && ticks(1e300, 3.0).len() < 10);
    }

    #[test]
    fn text_is_text() {
        assert_eq!(escaped("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
