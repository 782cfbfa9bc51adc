//! Compares the frames and reports of two clients in one script.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::script::Line;

/// A run of the official client: its lines, the moments at which a deviation changed something, and its inputs if the
/// core needs them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) lines: Vec<Line>,
    pub(crate) marks: Vec<Mark>,
    #[serde(default)]
    pub(crate) arrivals: Vec<Arrival>,
}

/// An input of the client.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Arrival {
    pub(crate) step: usize,
    pub(crate) us: u64,
    /// The number of its connection or session, from 1.
    pub(crate) socket: usize,
    #[serde(flatten)]
    pub(crate) what: What,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum What {
    Open,
    Lost,
    Closed {
        code: u16,
    },
    /// A text frame with any content.
    Text {
        text: String,
    },
    /// A message with the official client's refs.
    Message {
        message: Vec<Value>,
    },
    /// The answer to a session's request.
    Answer {
        method: Method,
        body: Body,
    },
    /// The answer of a server that raised, or of a proxy, to a session's request.
    Http {
        method: Method,
        status: u16,
        text: String,
    },
    /// A session's request has no answer: its connection ended.
    Failed {
        method: Method,
    },
    /// The official client gave a request up.
    Late,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    Get,
    Post,
}

/// Body of a long-poll answer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Body {
    pub(crate) status: u16,
    pub(crate) token: Option<String>,
    /// Texts and messages.
    #[serde(default)]
    pub(crate) messages: Vec<What>,
}

/// Moment from which a deviation makes a difference.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Mark {
    pub(crate) number: u8,
    pub(crate) step: usize,
    pub(crate) us: u64,
}

/// Runs of the official client in a script.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answer {
    /// Run of the unchanged phoenix.js.
    pub(crate) official: Run,
    /// Run of phoenix.js with our deviations.
    pub(crate) deviating: Run,
}

/// The result of comparing one run.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The core is equal to the unchanged official client, to the end.
    Equal,
    /// Exactly these deviations make the difference. The runs are equal up to `until`.
    Explained { until: usize },
    /// The runs differ in another way.
    Unexplained(Difference),
}

/// First difference of two runs, in one of the ordered streams.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) what: &'static str,
    pub(crate) left: &'static str,
    pub(crate) subject: String,
    pub(crate) expected: Option<Line>,
    pub(crate) found: Option<Line>,
}

/// Compares a run of the core with the two of the official client.
///
/// 1. The official client with our deviations must be equal to the core, to the end: the deviations are complete.
/// 2. The unchanged official client must be equal to the core up to the first moment that a deviation marks; to the
///    end if none does.
///
/// In a `plain` script no deviation may mark anything.
pub(crate) fn compare(answer: &Answer, core: &[Line], plain: bool) -> Verdict {
    let core = Streams::of(core);
    let deviating = Streams::of(&answer.deviating.lines);
    if let Some(difference) = deviating.first_difference(&core, u64::MAX) {
        let what = "the core isn't the official client with our deviations";
        return Verdict::Unexplained(difference.named(what, "official+"));
    }
    let official = Streams::of(&answer.official.lines);
    let first = answer.deviating.marks.first();
    let until = first.map_or(u64::MAX, |mark| mark.us);
    if let Some(difference) = official.first_difference(&core, until) {
        let what = "no deviation explains why the core isn't the official client";
        return Verdict::Unexplained(difference.named(what, "official"));
    }
    match first {
        None => Verdict::Equal,
        Some(mark) if plain => Verdict::Unexplained(Difference {
            what: "a deviation in a script in which there should be none",
            left: "official+",
            subject: format!("deviation {}", mark.number),
            expected: None,
            found: None,
        }),
        Some(mark) => {
            if official.first_difference(&core, u64::MAX).is_none() {
                Verdict::Equal
            } else {
                Verdict::Explained { until: mark.step }
            }
        }
    }
}

/// Lines of a run by their subject, with refs replaced by the order of their first appearance.
#[derive(Debug)]
struct Streams(BTreeMap<String, Vec<Line>>);

impl Streams {
    fn of(lines: &[Line]) -> Self {
        let mut refs = Refs::default();
        let mut streams: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for line in lines {
            let mut line = line.clone();
            if line.subject == "frames" {
                line.text = refs.rename(&line.text);
            }
            streams.entry(line.subject.clone()).or_default().push(line);
        }
        Streams(streams)
    }

    /// Returns the earliest difference before this moment.
    fn first_difference(&self, found: &Streams, before: u64) -> Option<Difference> {
        let subjects = self.0.keys().chain(found.0.keys());
        let differences = subjects.filter_map(|subject| {
            let earlier = |streams: &Streams| -> Vec<Line> {
                let lines = streams.0.get(subject).map_or(&[][..], Vec::as_slice);
                lines.iter().filter(|line| line.us < before).cloned().collect()
            };
            let (expected, found) = (earlier(self), earlier(found));
            let at = (0..expected.len().max(found.len()))
                .find(|&index| expected.get(index) != found.get(index))?;
            Some(Difference {
                what: "",
                left: "",
                subject: subject.clone(),
                expected: expected.get(at).cloned(),
                found: found.get(at).cloned(),
            })
        });
        differences.min_by_key(Difference::moment)
    }
}

impl Difference {
    fn named(mut self, what: &'static str, left: &'static str) -> Self {
        self.what = what;
        self.left = left;
        self
    }

    fn moment(&self) -> u64 {
        let lines = self.expected.iter().chain(&self.found);
        lines.map(|line| line.us).min().unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { what, left, subject, expected, found } = self;
        write!(f, "{what}, in {subject}:\n  {left}: {expected:?}\n  core: {found:?}")
    }
}

/// Refs in the order of their first appearance: a bijection between those of two runs whose frames are
/// equal after renaming.
#[derive(Debug, Default)]
struct Refs(HashMap<String, usize>);

impl Refs {
    /// Renames the refs of a line such as `1 ["4","7",...]`: a connection's number and a frame.
    fn rename(&mut self, text: &str) -> String {
        let parsed = text.split_once(' ').and_then(|(connection, frame)| {
            Some((connection, serde_json::from_str::<Value>(frame).ok()?))
        });
        let Some((connection, mut frame)) = parsed else { return text.to_owned() };
        if let Some(parts) = frame.as_array_mut() {
            for reference in parts.iter_mut().take(2) {
                if let Some(text) = reference.as_str() {
                    let next = self.0.len();
                    let number = self.0.entry(text.to_owned()).or_insert(next);
                    *reference = Value::String(format!("ref {number}"));
                }
            }
        }
        format!("{connection} {frame}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::generator::{self, Profile};
    use crate::differential::{RULES, question, world};
    use crate::official::Official;

    /// Returns equal runs with a line of each kind.
    fn equal() -> (Answer, Vec<Line>) {
        let script = generator::script(Profile::Plain, 7);
        let mut official = Official::start().unwrap();
        let answers = official.ask("differential", [question(&script, &RULES)]).unwrap();
        let answer: Answer = answers.into_iter().next().unwrap();
        let core = world::run(&script, &answer.deviating);
        let frames = core.iter().filter(|line| line.subject == "frames").count();
        assert!(frames > 5, "{core:#?}");
        (answer, core)
    }

    fn mark(number: u8, line: &Line) -> Mark {
        Mark { number, step: line.step, us: line.us }
    }

    #[track_caller]
    fn assert_unexplained(answer: &Answer, core: &[Line]) {
        let verdict = compare(answer, core, false);
        assert!(matches!(verdict, Verdict::Unexplained(_)), "{verdict:?}");
    }

    #[test]
    fn refs_may_have_other_numbers_but_must_be_used_alike() {
        let (mut answer, core) = equal();
        for run in [&mut answer.official, &mut answer.deviating] {
            for line in run.lines.iter_mut().filter(|line| line.subject == "frames") {
                line.text = line.text.replace("[\"", "[\"9").replace("\",\"", "\",\"9");
                line.text =
                    line.text.replace("[null,\"", "[null,\"9").replacen("\"9room", "\"room", 1);
                line.text = line.text.replace("\"9phx_", "\"phx_").replace("\"9say", "\"say");
                line.text = line.text.replace("\"9phoenix", "\"phoenix");
                line.text = line.text.replace("\"9heartbeat", "\"heartbeat");
            }
        }
        assert!(
            matches!(compare(&answer, &core, false), Verdict::Equal),
            "{:?}",
            compare(&answer, &core, false)
        );
        let (answer, mut core) = equal();
        let push = core.iter_mut().rfind(|line| line.text.contains("\"say\"")).unwrap();
        let join_ref = push.text.split('"').nth(1).unwrap().to_owned();
        push.text = push.text.replacen(&format!("\"{join_ref}\""), "\"4711\"", 1);
        assert_unexplained(&answer, &core);
    }

    /// For each line: if the core omits it, repeats it, moves it in time or changes it, the checker finds that.
    #[test]
    fn a_log_that_was_tampered_with_is_unexplained() {
        let (answer, core) = equal();
        assert!(matches!(compare(&answer, &core, false), Verdict::Equal));
        for index in 0..core.len() {
            let mut dropped = core.clone();
            dropped.remove(index);
            assert_unexplained(&answer, &dropped);
            let mut twice = core.clone();
            twice.insert(index, core[index].clone());
            assert_unexplained(&answer, &twice);
            let mut late = core.clone();
            late[index].us += 1;
            assert_unexplained(&answer, &late);
            let mut other = core.clone();
            other[index].text = match other[index].text.strip_suffix('}') {
                Some(text) => format!("{text},\"more\":1}}"),
                None => format!("{}!", other[index].text),
            };
            assert_unexplained(&answer, &other);
        }
    }

    #[test]
    fn the_order_of_frames_counts() {
        let (answer, mut core) = equal();
        let frames: Vec<usize> =
            (0..core.len()).filter(|&index| core[index].subject == "frames").collect();
        let (first, second) = (frames[0], frames[frames.len() - 1]);
        let text = core[first].text.clone();
        core[first].text = core[second].text.clone();
        core[second].text = text;
        assert_unexplained(&answer, &core);
    }

    /// A deviation explains differences after its mark only.
    #[test]
    fn a_deviation_explains_from_its_moment_on() {
        let (mut answer, mut core) = equal();
        let index = core.len() - 2;
        core[index].text = "push 0: disconnected".to_owned();
        answer.deviating.lines = core.clone();
        assert_unexplained(&answer, &core);
        answer.deviating.marks = vec![mark(7, &core[index])];
        assert!(matches!(compare(&answer, &core, false), Verdict::Explained { .. }));
        assert!(matches!(compare(&answer, &core, true), Verdict::Unexplained(_)), "a plain script");
        let mut later = core[index].clone();
        later.us += 1;
        answer.deviating.marks = vec![mark(7, &later)];
        assert_unexplained(&answer, &core);
    }

    /// A deviation that predicts a difference which the core doesn't show is wrong, marked or not.
    #[test]
    fn a_deviation_where_it_does_not_hold_is_unexplained() {
        let (mut answer, core) = equal();
        let index = core.len() - 2;
        answer.deviating.lines[index].text = "push 0: disconnected".to_owned();
        assert_unexplained(&answer, &core);
        answer.deviating.marks = vec![mark(7, &core[index])];
        assert_unexplained(&answer, &core);
    }
}
