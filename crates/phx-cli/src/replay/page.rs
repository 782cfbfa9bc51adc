//! A page with a picture of a recorded session: states over time, and what happened.

use std::time::Duration;

use phx_tokio::recorder::{About, Happening, State};

use super::clock::clock;
use crate::bench::chart::{Axis, Lane, Span, escaped, lanes};
use crate::bench::report::{document, section};

/// Most lanes of the picture, that of the connection among them.
const MAX_LANES: usize = 32;

/// Most rows of what happened.
const MAX_ROWS: usize = 2_000;

/// Columns of the picture: what comes within one of them is drawn together.
const COLUMNS: u16 = 780;

/// States of a column.
const UP: u8 = 1;
const PENDING: u8 = 2;
const WAITING: u8 = 4;
/// Entries of the recording are missing: the states may have been others.
const UNKNOWN: u8 = 8;

/// Marks of a column, beside its states.
const REQUEST: u8 = 16;
const FAILURE: u8 = 32;
const OTHER: u8 = 64;

/// One of the rows of spans that a lane has.
struct Row {
    /// The first of these bits that a column has gives its colour.
    colours: &'static [(u8, &'static str)],
    place: (f64, f64),
}

const ROWS: [Row; 2] = [
    Row {
        colours: &[(UNKNOWN, "gap"), (WAITING, "waiting"), (PENDING, "pending"), (UP, "up")],
        place: (0.0, 12.0),
    },
    Row {
        colours: &[(FAILURE, "waiting"), (REQUEST, "request"), (OTHER, "other")],
        place: (14.0, 6.0),
    },
];

/// A page in the making, of which every part is bounded.
pub(super) struct Page {
    end: Duration,
    connection: Track,
    channels: Vec<(u64, Track)>,
    /// The column since which entries are missing.
    gap: Option<u16>,
    /// Happenings of channels that have no lane.
    further: u64,
    rows: String,
    row_count: usize,
    rows_left_out: u64,
}

/// States and marks of a lane, column by column.
struct Track {
    name: String,
    state: u8,
    columns: Vec<u8>,
}

impl Track {
    fn new(name: String) -> Self {
        Track { name, state: 0, columns: Vec::new() }
    }

    /// Extends the current state up to a column, and adds bits to that.
    fn mark(&mut self, column: u16, bits: u8) {
        let len = usize::from(column).saturating_add(1);
        if self.columns.len() < len {
            self.columns.resize(len, self.state);
        }
        if let Some(last) = self.columns.get_mut(usize::from(column)) {
            *last |= bits;
        }
    }

    /// Adds bits to the columns from the first to the last.
    fn mark_all(&mut self, first: u16, last: u16, bits: u8) {
        self.mark(last, 0);
        for column in self.columns.iter_mut().take(usize::from(last) + 1).skip(first.into()) {
            *column |= bits;
        }
    }

    fn set(&mut self, column: u16, state: State) {
        self.mark(column, 0);
        self.state = match state {
            State::Up => UP,
            State::Pending => PENDING,
            State::Waiting => WAITING,
            _ => 0,
        };
        self.mark(column, self.state);
    }

    fn lane(mut self, end: f64) -> Lane {
        self.mark(COLUMNS - 1, 0);
        let mut spans = Vec::new();
        for Row { colours, place } in ROWS {
            let class = |bits: u8| colours.iter().find(|(bit, _)| bits & bit != 0);
            let mut column = 0;
            for run in self.columns.chunk_by(|a, b| class(*a) == class(*b)) {
                let from = column;
                column += run.len();
                if let Some((_, class)) = run.first().and_then(|bits| class(*bits)) {
                    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
                    let at = |column: usize| end * column as f64 / f64::from(COLUMNS);
                    spans.push(Span { from: at(from), to: at(column), class, place });
                }
            }
        }
        Lane { name: self.name, spans }
    }
}

impl Page {
    /// A page of a session that ends at this time.
    pub(super) fn new(end: Duration) -> Self {
        Page {
            end,
            connection: Track::new("connection".to_owned()),
            channels: Vec::new(),
            gap: None,
            further: 0,
            rows: String::new(),
            row_count: 0,
            rows_left_out: 0,
        }
    }

    /// Adds what happened next. `name` gives the name of a channel.
    pub(super) fn add(&mut self, happening: &Happening, name: impl Fn(u64) -> String) {
        self.row(happening);
        let column = self.column(happening.at);
        self.end_gap(column);
        let mark = if happening.is_failure { FAILURE } else { 0 };
        match happening.about {
            About::Connection => {
                self.connection.mark(column, mark);
                if let Some(state) = happening.state {
                    self.connection.set(column, state);
                    self.connection_is(column, state);
                }
            }
            About::Heartbeat | About::Message => self.connection.mark(column, mark.max(OTHER)),
            About::Channel(channel) => {
                if let Some(track) = self.track(channel, name) {
                    track.mark(column, mark);
                    if let Some(state) = happening.state {
                        track.set(column, state);
                    }
                }
            }
            About::Request(_, channel) => {
                if let Some(track) = self.track(channel, name) {
                    track.mark(column, mark.max(REQUEST));
                }
            }
            About::Recording if happening.is_failure => self.gap = Some(column),
            _ => {}
        }
    }

    /// Draws the time in which entries are missing, up to a column.
    fn end_gap(&mut self, column: u16) {
        if let Some(first) = self.gap.take() {
            let tracks = self.channels.iter_mut().map(|(_, track)| track);
            for track in tracks.chain([&mut self.connection]) {
                track.mark_all(first, column, UNKNOWN);
            }
        }
    }

    /// A channel can't be joined longer than the connection.
    fn connection_is(&mut self, column: u16, state: State) {
        if state == State::Up {
            return;
        }
        for (_, track) in &mut self.channels {
            if track.state == UP || track.state == PENDING {
                track.set(column, State::Waiting);
            }
        }
    }

    fn track(&mut self, channel: u64, name: impl Fn(u64) -> String) -> Option<&mut Track> {
        let known = self.channels.iter().position(|(known, _)| *known == channel);
        let index = match known {
            Some(index) => index,
            None if self.channels.len() < MAX_LANES - 1 => {
                self.channels.push((channel, Track::new(name(channel))));
                self.channels.len() - 1
            }
            None => {
                self.further = self.further.saturating_add(1);
                return None;
            }
        };
        self.channels.get_mut(index).map(|(_, track)| track)
    }

    fn column(&self, at: Duration) -> u16 {
        let share = at.as_secs_f64() / self.end.as_secs_f64().max(f64::MIN_POSITIVE);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let column = (share.clamp(0.0, 1.0) * f64::from(COLUMNS)) as u16;
        column.min(COLUMNS - 1)
    }

    fn row(&mut self, happening: &Happening) {
        if self.row_count == MAX_ROWS {
            self.rows_left_out = self.rows_left_out.saturating_add(1);
            return;
        }
        self.row_count += 1;
        let class = if happening.is_failure { " class=\"bad\"" } else { "" };
        self.rows.push_str(&format!(
            "<tr{class}><td>{}</td><td>{}</td></tr>\n",
            clock(happening.at),
            escaped(&happening.words)
        ));
    }

    /// Completes the page, with the file's name and the result of the replay.
    pub(super) fn html(mut self, file: &str, result: &str) -> String {
        self.end_gap(COLUMNS - 1);
        let end = self.end.as_secs_f64();
        let tracks = self.channels.into_iter().map(|(_, track)| track);
        let all: Vec<Lane> =
            std::iter::once(self.connection).chain(tracks).map(|track| track.lane(end)).collect();
        let label = |at: f64| clock(Duration::try_from_secs_f64(at).unwrap_or_default());
        let axis = Axis { title: "time since the beginning", ticks: 6, label: &label };
        let legend = "<span class=\"up\">connected, joined</span><span class=\"pending\">under way</span>\
             <span class=\"waiting\">waiting, failed</span><span class=\"request\">pushes</span><span class=\"other\">messages, heartbeats</span>\
             <span class=\"gap\">not recorded</span>";
        let mut body = format!(
            "<h1>{}</h1><p class=\"sub\">{}</p>",
            escaped(&format!("phx replay: {file}")),
            escaped(result)
        );
        body.push_str(&section("Connection and channels", legend, &lanes(end, &axis, &all)));
        let mut what = format!("<table class=\"what\">{}</table>", self.rows);
        for (count, of) in [
            (self.rows_left_out, "happened after that"),
            (self.further, "happened in channels without a lane"),
        ] {
            if count > 0 {
                what.push_str(&format!("<p class=\"note\">{count} more {of}.</p>"));
            }
        }
        body.push_str(&section("What happened", "", &what));
        document("phx replay", &body)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use phx_tokio::recorder::Timeline;

    use super::*;

    /// A recording with this many channels, which are joined in a storm of reconnects.
    fn storm(channels: u64, reconnects: u64) -> Vec<u8> {
        use phx_tokio::recorder::{Recorder, Ring, RingLimits};

        let ring = Ring::new(RingLimits::default());
        drop(Recorder::from(ring.clone()).socket(phx_tokio::proto::Config::default(), 1));
        let dump = String::from_utf8(ring.dump()).unwrap();
        let mut text = format!("{}\n", dump.lines().next().unwrap());
        text += "{\"name\":[1,\"<script>alert(1)</script>\"]}\n{\"name\":[3,\"<i>event\"]}\n{\"at\":0}\n";
        text += "{\"broadcast\":[1,3,5,20]}\n{\"closed\":[1,{\"frame\":[1012,\"<b>reason\"]}]}\n";
        for channel in 0..channels {
            text += &format!("{{\"channel\":[1,2]}}\n{{\"returned\":{{\"channel\":{channel}}}}}\n");
        }
        for time in 0..reconnects {
            text += &format!("{{\"at\":{}}}\n", (time + 1) * 1_000_000_000);
            text += "{\"action\":{\"connect\":[1,1]}}\n{\"event\":{\"opened\":1}}\n";
            for channel in 0..channels {
                text += &format!("{{\"event\":{{\"joined\":[{channel},2,false]}}}}\n");
            }
            text += "{\"event\":{\"closed\":[1,true,null,5000000000]}}\n";
        }
        text.into_bytes()
    }

    fn page(recording: &[u8], end: Duration) -> String {
        let mut timeline = Timeline::new(Cursor::new(recording)).unwrap();
        let mut page = Page::new(end);
        while let Some(happening) = timeline.next_happening().unwrap() {
            page.add(&happening, |channel| timeline.channel(channel));
        }
        page.html("night <b>", "same <i>")
    }

    #[test]
    fn nothing_recorded_becomes_part_of_the_page() {
        let page = page(&storm(2, 2), Duration::from_secs(3));
        assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"));
        assert!(page.contains("joined `&lt;script&gt;alert(1)&lt;/script&gt;`"), "{page}");
        assert!(page.contains("&lt;i&gt;event") && page.contains("&lt;b&gt;reason"), "{page}");
        for markup in ["<script", "<b>", "<i>", "http:", "https:", "src=", "<link", "url("] {
            assert!(!page.contains(markup), "{markup} in {page}");
        }
    }

    #[test]
    fn states_are_drawn_from_one_to_the_next() {
        let seconds = |count: u64| Duration::from_millis(count * 1_000 + 500);
        let mut page = Page::new(Duration::from_secs(COLUMNS.into()));
        page.connection.set(page.column(seconds(100)), State::Pending);
        page.connection.set(page.column(seconds(200)), State::Up);
        page.connection.set(page.column(seconds(300)), State::Waiting);
        page.connection.set(page.column(seconds(400)), State::Down);
        let spans = page.connection.lane(780.0).spans;
        let drawn: Vec<_> = spans.iter().map(|it| (it.class, it.from, it.to)).collect();
        // What ends in a column is drawn in it, unless what begins there is worse.
        assert_eq!(
            drawn,
            [("pending", 100.0, 201.0), ("up", 201.0, 300.0), ("waiting", 300.0, 401.0),]
        );
    }

    #[test]
    fn a_gap_lasts_until_the_next_entry_in_all_lanes() {
        let recording = storm(1, 2);
        let text = String::from_utf8(recording).unwrap();
        let at = |second: u64| format!("{{\"at\":{}}}\n", second * 1_000_000_000);
        let text = text.replace(&at(2), &format!("{{\"gap\":7}}\n{}", at(2)));
        let gaps = |page: &str| page.matches("<rect class=\"gap\"").count();
        let drawn = page(text.as_bytes(), Duration::from_secs(3));
        assert_eq!(gaps(&drawn), 2, "one in each lane: {drawn}");
        assert!(drawn.contains("7 entries of the recording are missing here"));
        // So does one that nothing follows.
        let (cut, _) = text.split_once(&at(2)).unwrap();
        assert_eq!(gaps(&page(cut.as_bytes(), Duration::from_secs(3))), 2);

        let mut track = Track::new(String::new());
        track.set(0, State::Up);
        track.mark_all(100, 199, UNKNOWN);
        let spans = track.lane(780.0).spans;
        let drawn: Vec<_> = spans.iter().map(|it| (it.class, it.from, it.to)).collect();
        assert_eq!(drawn, [("up", 0.0, 100.0), ("gap", 100.0, 200.0), ("up", 200.0, 780.0)]);
    }

    #[test]
    fn a_page_is_bounded() {
        let recording = storm(200, 300);
        let mut drawn = String::new();
        let used = allocation_counter::measure(|| {
            drawn = page(&recording, Duration::from_secs(300));
        });
        let page = drawn;
        assert!(page.len() < 2 << 20, "{}", page.len());
        // Strings exist twice while they grow, and spans beside their text.
        assert!(used.bytes_max < 8 << 20, "{used:?}");
        assert_eq!(page.matches("<tr").count(), MAX_ROWS);
        assert_eq!(page.matches("text-anchor=\"start\"").count(), MAX_LANES);
        assert!(page.contains(" more happened after that."), "{page}");
        assert!(page.contains(" more happened in channels without a lane."), "{page}");
        assert!(page.contains("<rect class=\"waiting\""), "no storm in {page}");
    }
}
