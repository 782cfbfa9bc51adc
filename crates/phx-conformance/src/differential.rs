//! The official client and the core in the same scripts: every difference must be a documented deviation.
//!
//! A *script* (`script.rs`) is generated from a seed (`generator.rs`): users, a server, a network and time. It is run
//! three times: by the unchanged official client, by the official client with our deviations
//! (`js/differential/deviations.mjs`), and by the core (`world.rs`), which gets the inputs of the second run.
//! `compare.rs` defines what must be equal.

mod compare;

mod generator;
mod script;
mod shrink;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phx_proto::TransportKind;
use serde_json::json;

use self::compare::{Answer, Verdict};
use self::generator::Profile;
use self::script::{Line, Script};
use crate::official::{Error, Official};

/// Numbers of the deviations that can show in a script, as in docs/CONFORMANCE.md.
pub const RULES: [u8; 14] = [1, 2, 3, 4, 7, 9, 10, 11, 18, 19, 20, 22, 25, 26];

/// The numbers of the deviations that matter over long-poll: users of plain scripts, the transport, and joins that are called
/// before a session is there. The deadline of a join's call, 9, is marked in any run.
pub const LONG_POLL_RULES: [u8; 11] = [1, 7, 10, 28, 29, 30, 31, 32, 33, 34, 35];

/// Number of scripts that are generated and run together.
const CHUNK: u64 = 100;

/// Results of some runs.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Transport of all runs.
    pub transport: TransportKind,
    /// Number of scripts.
    pub runs: u64,
    /// Number of steps of all scripts.
    pub steps: u64,
    /// Number of frames that the core sent.
    pub frames: u64,
    /// Number of runs with an unexplained difference.
    pub unexplained: u64,
    /// Number of runs of plain scripts, in which no deviation can show.
    pub plain: u64,
    /// Number of runs without a deviation: equal to the unchanged official client.
    pub untouched: u64,
    /// Number of runs with a deviation that had no effect on the compared lines.
    pub no_effect: u64,
    /// Number of steps before the first deviation: equal to the unchanged official client.
    pub steps_untouched: u64,
    /// Number of runs and of occurrences, by deviation.
    pub deviations: BTreeMap<u8, (u64, u64)>,
    /// The first unexplained difference, with the script and both runs.
    pub report: Option<String>,
}

impl Summary {
    /// Returns the table and the last line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from("deviation      runs     times\n");
        for (number, (runs, times)) in &self.deviations {
            let _infallible = writeln!(text, "{number:>9} {runs:>9} {times:>9}");
        }
        let Summary { transport, runs, steps, frames, unexplained, .. } = self;
        let _infallible = writeln!(
            text,
            "equal to the official client as it is: {} runs without a deviation ({} of them plain), {} in which one had \
             no effect; {} of {steps} steps came before the first deviation\n\
             equal to the official client with the deviations: {} runs to their ends\n\
             differential over {transport}: runs={runs} steps={steps} frames={frames} unexplained={unexplained}",
            self.untouched,
            self.plain,
            self.no_effect,
            self.steps_untouched,
            runs - unexplained,
        );
        text
    }
}

/// Makes and compares `runs` runs with these deviations, [`RULES`] or [`LONG_POLL_RULES`] or fewer, over this transport.
/// Ends early after a difference that nothing explains. The same seed gives the same runs.
///
/// # Errors
///
/// If Node fails.
pub fn run(
    official: &mut Official,
    transport: TransportKind,
    runs: u64,
    seed: u64,
    rules: &[u8],
) -> Result<Summary, Error> {
    let long_poll = transport == TransportKind::LongPoll;
    let mut summary = Summary { transport, ..Summary::default() };
    let mut first = 0;
    while first < runs && summary.unexplained == 0 {
        let numbers = first..(first + CHUNK).min(runs);
        first = numbers.end;
        let scripts: Vec<(u64, Script)> = numbers
            .map(|run| {
                let seed = seed_of(seed, run);
                let script = if long_poll {
                    generator::long_poll_script(seed)
                } else {
                    generator::script(Profile::of(run), seed)
                };
                (run, script)
            })
            .collect();
        let questions = scripts.iter().map(|(_, script)| question(script, rules));
        let answers: Vec<Answer> = official.ask("differential", questions)?;
        for ((run, script), answer) in scripts.into_iter().zip(answers) {
            let plain = !long_poll && is_plain(run);
            let verdict = summary.count(plain, &script, &answer);
            if let Verdict::Unexplained(_) = verdict
                && summary.report.is_none()
            {
                let profile = (!long_poll).then(|| Profile::of(run));
                let about = format!("run {run} of seed {seed}, {transport}, {profile:?}");
                summary.report = Some(explain(official, script, rules, plain, &about)?);
            }
        }
    }
    Ok(summary)
}

/// Returns the seed of a run.
fn seed_of(seed: u64, run: u64) -> u64 {
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(run)
}

fn is_plain(run: u64) -> bool {
    Profile::of(run) == Profile::Plain
}

fn question(script: &Script, rules: &[u8]) -> serde_json::Value {
    json!({ "script": script, "rules": rules })
}

impl Summary {
    fn count(&mut self, plain: bool, script: &Script, answer: &Answer) -> Verdict {
        let core = world::run(script, &answer.deviating);
        let steps = script.steps.len() as u64;
        self.runs += 1;
        self.plain += u64::from(plain);
        self.steps += steps;
        self.frames += core.iter().filter(|line| line.subject == "frames").count() as u64;
        let verdict = compare::compare(answer, &core, plain);
        let marks = &answer.deviating.marks;
        match &verdict {
            Verdict::Unexplained(_) => self.unexplained += 1,
            Verdict::Equal if marks.is_empty() => {
                self.untouched += 1;
                self.steps_untouched += steps;
            }
            Verdict::Equal => {
                self.no_effect += 1;
                self.steps_untouched += steps;
            }
            Verdict::Explained { until } => self.steps_untouched += *until as u64,
        }
        let mut times: BTreeMap<u8, u64> = BTreeMap::new();
        for mark in marks {
            *times.entry(mark.number).or_default() += 1;
        }
        for (number, count) in times {
            let (runs, total) = self.deviations.entry(number).or_default();
            *runs += 1;
            *total += count;
        }
        verdict
    }
}

/// Shrinks a script that has a difference, and shows it.
fn explain(
    official: &mut Official,
    script: Script,
    rules: &[u8],
    plain: bool,
    about: &str,
) -> Result<String, Error> {
    let mut verdict = |script: &Script| -> Result<(Answer, Vec<Line>, Verdict), Error> {
        let mut answers = official.ask("differential", [question(script, rules)])?;
        let answer: Answer = answers.pop().ok_or("no answer")?;
        let core = world::run(script, &answer.deviating);
        let verdict = compare::compare(&answer, &core, plain);
        Ok((answer, core, verdict))
    };
    let mut text = format!("unexplained, {about}\n");
    if let Verdict::Unexplained(difference) = verdict(&script)?.2 {
        let _infallible = writeln!(text, "before the script was made shorter, {difference}");
    }
    let script =
        shrink::shrink(script, |script| Ok(matches!(verdict(script)?.2, Verdict::Unexplained(_))))?;
    let (answer, core, verdict) = verdict(&script)?;
    let _infallible = writeln!(text, "close answers {:?}, {:?}", script.close_answers, script.auto);
    for (index, step) in script.steps.iter().enumerate() {
        let _infallible = writeln!(text, "{index:>4} {step:?}");
    }
    if let Verdict::Unexplained(difference) = verdict {
        let _infallible = writeln!(text, "{difference}");
    }
    let _infallible = writeln!(text, "deviations: {:?}", answer.deviating.marks);
    for (name, lines) in [
        ("official", &answer.official.lines),
        ("official with deviations", &answer.deviating.lines),
        ("core", &core),
    ] {
        let _infallible = writeln!(text, "{name}:");
        for line in lines {
            let Line { step, us, subject, text: what } = line;
            let _infallible = writeln!(text, "  {step:>3} {us:>10} {subject:<10} {what}");
        }
    }
    Ok(text)
}
