//! Counts over time: as lines of text, and as a drawing.

use std::fmt::Write as _;
use std::time::Duration;

// The drawing, in pixels.
const HEIGHT: u64 = 300;
const BOTTOM: u64 = 340;
const LEFT: usize = 60;
const BAR: usize = 6;

/// Counts over time, one for each slice of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    slice: Duration,
    counts: Vec<u64>,
}

impl Histogram {
    /// An empty one.
    #[must_use]
    pub fn new(slice: Duration) -> Self {
        Histogram { slice, counts: Vec::new() }
    }

    /// Adds the next slice's count.
    pub fn push(&mut self, count: u64) {
        self.counts.push(count);
    }

    /// The highest count.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.counts.iter().copied().max().unwrap_or_default()
    }

    /// The highest count of the slices from this time on.
    #[must_use]
    pub fn peak_from(&self, from: Duration) -> u64 {
        let late = self.moments().filter(|(at, _)| *at >= from);
        late.map(|(_, count)| count).max().unwrap_or_default()
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// A line for each slice in which there was something: when it began, a bar, and the count.
    #[must_use]
    pub fn lines(&self) -> String {
        let (peak, mut text) = (self.peak().max(1), String::new());
        for (at, count) in self.moments().filter(|(_, count)| *count > 0) {
            let stars = usize::try_from(count * 60 / peak).unwrap_or_default().max(1);
            let bar = "#".repeat(stars);
            let _infallible = writeln!(text, "{:>6.1} s  {bar:<60} {count}", at.as_secs_f64());
        }
        text
    }

    /// A bar chart.
    #[must_use]
    pub fn svg(&self, title: &str) -> String {
        let peak = self.peak().max(1);
        let width = LEFT + self.counts.len() * BAR + 20;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"380\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"20\">{title}, per {} ms</text>\n\
             <text x=\"10\" y=\"45\">{peak}</text>\n<text x=\"10\" y=\"{BOTTOM}\">0</text>\n",
            self.slice.as_millis(),
        );
        for (number, (at, count)) in self.moments().enumerate() {
            let (x, height) = (LEFT + number * BAR, count * HEIGHT / peak);
            let y = BOTTOM - height;
            let _infallible = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"5\" height=\"{height}\" fill=\"#b5541c\"/>"
            );
            if at.as_millis().is_multiple_of(5000) {
                let _infallible =
                    writeln!(svg, "<text x=\"{x}\" y=\"360\">{} s</text>", at.as_secs());
            }
        }
        svg + "</svg>\n"
    }

    fn moments(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let starts = (0_u32..).map(|number| self.slice * number);
        starts.zip(self.counts.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_when_there_was_how_much() {
        let mut histogram = Histogram::new(Duration::from_millis(500));
        [0, 2, 4].into_iter().for_each(|count| histogram.push(count));
        let (half, full) = ("#".repeat(30), "#".repeat(60));
        assert_eq!(histogram.lines(), format!("   0.5 s  {half:<60} 2\n   1.0 s  {full} 4\n"));
        assert_eq!((histogram.peak(), histogram.total()), (4, 6));
        let from = |ms| histogram.peak_from(Duration::from_millis(ms));
        assert_eq!((from(1_000), from(1_001)), (4, 0));
        let svg = histogram.svg("attempts");
        assert_eq!(svg.matches("<rect x=").count(), 3, "{svg}");
        assert!(svg.contains("y=\"190\" width=\"5\" height=\"150\""), "{svg}");
    }
}
