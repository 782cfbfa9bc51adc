//! `phx replay`: what happened in a recorded session, and whether this build does the same.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use phx_tokio::recorder::{About, Happening, ReplayError, Timeline};
use tokio::sync::oneshot;

use crate::failure::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::plain_file;
use crate::terminal::{BAD, DIM, NOTE, shown, styled};
use crate::value;

mod clock;
mod page;
mod steps;

use clock::clock;
use page::Page;
use steps::Steps;

/// Show what happened in a recorded session, and replay it.
///
/// Prints each thing that happened, with the time since the beginning, and runs the recording into the core of this
/// build. The exit code is 8 where that does something else than the recorded one, and 2 for a recording that is damaged
/// or can't be replayed, because its beginning is missing for one: what it has is shown all the same.
///
/// Recordings are made by --record, and by programs with the library's recorder.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The recording.
    #[arg(value_name = "FILE", value_parser = value::path)]
    file: String,

    /// Stop at this time since the beginning.
    #[arg(long, value_name = "TIME", value_parser = value::time)]
    until: Option<Duration>,

    /// Show only the story of this push, join or leave: the number after `#` in the timeline.
    #[arg(long, value_name = "NUMBER", value_parser = value::number::<u64, 0, { u64::MAX }>)]
    explain: Option<u64>,

    /// Wait for Enter before each thing that happened; `q` and Enter end it. From a file or a pipe each line is an Enter.
    #[arg(long, conflicts_with_all = ["quiet", "html"])]
    step: bool,

    /// Show each thing as long after the beginning as it happened, instead of at once.
    #[arg(long, conflicts_with_all = ["quiet", "html", "step"])]
    in_time: bool,

    /// Show only the result of the replay.
    #[arg(long, conflicts_with = "explain")]
    quiet: bool,

    /// Write the timeline to this new file, a page with a picture, instead of printing it.
    #[arg(long, value_name = "FILE", conflicts_with = "explain", value_parser = value::path)]
    html: Option<String>,
}

impl Options {
    fn open(&self) -> Result<Timeline<BufReader<File>>, Failure> {
        let file = plain_file::open(&self.file).map_err(Failure::usage)?;
        let timeline =
            Timeline::new(BufReader::new(file)).map_err(|error| self.unusable(&error))?;
        Ok(match timeline.serializer() {
            "SupabaseV1" => timeline.with_serializer(Arc::new(phx_supabase::V1)),
            "SupabaseV2" => timeline.with_serializer(Arc::new(phx_supabase::V2)),
            _ => timeline,
        })
    }

    /// What happens next, up to the time at which it stops.
    fn next(&self, timeline: &mut Timeline<BufReader<File>>) -> Result<Option<Happening>, Failure> {
        let next = timeline.next_happening().map_err(|error| self.unusable(&error))?;
        Ok(next.filter(|next| self.until.is_none_or(|until| next.at <= until)))
    }

    fn unusable(&self, error: &dyn std::error::Error) -> Failure {
        Failure::usage(format!("{}: {error}", shown(&self.file)))
    }

    /// The result of the replay, in words.
    fn result(
        &self,
        timeline: Timeline<BufReader<File>>,
        is_stopped: bool,
    ) -> Result<String, ReplayError> {
        let replayed = timeline.replayed()?;
        let end = match (is_stopped || self.until.is_some(), replayed.is_complete) {
            (_, true) => "",
            (true, false) => ", up to here",
            (false, false) => ", up to where the recording was cut",
        };
        Ok(format!("same outputs: {} in {} lines{end}", replayed.outputs, replayed.lines))
    }
}

/// Signals end it at any time: the replay of a long recording, and the wait for a step, are on a thread apart.
pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let (done, result) = oneshot::channel();
    thread::spawn(move || done.send(replay(&options)));
    let result = async { result.await.unwrap_or_else(|_| Err(Failure::failed("it panicked"))) };
    interrupt.guard(result).await
}

fn replay(options: &Options) -> Result<(), Failure> {
    let mut timeline = options.open()?;
    let page = options.html.as_deref().map(plain_file::create_new).transpose();
    let page = page.map_err(Failure::usage)?;
    let is_quiet = options.quiet || page.is_some();
    let mut out = anstream::stdout().lock();
    let mut steps = options.step.then(Steps::of_input);
    if let Some(steps) = &mut steps {
        steps.begin(&mut out)?;
    }
    let mut story = options.explain.map(Story::new);
    let mut has_parted = false;
    let mut is_stopped = false;
    let mut end = Duration::ZERO;
    let start = Instant::now();
    while let Some(happening) = options.next(&mut timeline)? {
        end = end.max(happening.at);
        let is_shown = match &mut story {
            Some(story) => story.has(&happening),
            None => !is_quiet,
        };
        let mut lines = Vec::new();
        if is_shown {
            lines.push(line(&happening));
        }
        if !has_parted && let Some(ReplayError::Parted { .. }) = timeline.parted() {
            has_parted = true;
            if !is_quiet {
                lines.push(styled(BAD, "this build does something else from here on"));
            }
        }
        if lines.is_empty() {
            continue;
        }
        if options.in_time {
            out.flush()?;
            wait(happening.at.saturating_sub(start.elapsed()));
        }
        match &mut steps {
            None => writeln!(out, "{}", lines.join("\n"))?,
            Some(steps) => {
                if !steps.wait(&mut out)? {
                    is_stopped = true;
                    break;
                }
                steps.show(&mut out, &lines.join("\n"))?;
            }
        }
    }
    if let Some(steps) = steps {
        steps.end(&mut out)?;
    }
    match story {
        Some(Story { stage: Stage::Before, number }) => {
            return Err(Failure::usage(format!(
                "the recording has no request #{number} up to here"
            )));
        }
        Some(Story { stage: Stage::Within(_), number }) => {
            writeln!(out, "#{number} had no outcome up to here")?;
        }
        _ => {}
    }
    let result = options.result(timeline, is_stopped);
    if let Some(mut file) = page {
        let words = match &result {
            Ok(words) => words.clone(),
            Err(error) => error.to_string(),
        };
        file.write_all(drawn(options, end, &words)?.as_bytes())?;
    }
    let result = result.map_err(|error| match error {
        ReplayError::Parted { .. } => {
            Failure::Error(Code::OutputsDiffer, format!("{}: {error}", shown(&options.file)))
        }
        error => options.unusable(&error),
    })?;
    writeln!(out, "{result}")?;
    out.flush()?;
    Ok(())
}

/// Blocks this thread alone: the main one handles signals.
#[expect(clippy::disallowed_methods, reason = "nothing but the time is waited for")]
fn wait(time: Duration) {
    thread::sleep(time);
}

/// Reads the recording once more, since a picture needs its end first.
fn drawn(options: &Options, end: Duration, result: &str) -> Result<String, Failure> {
    let mut timeline = options.open()?;
    let mut page = Page::new(end);
    while let Some(happening) = options.next(&mut timeline)? {
        page.add(&happening, |channel| timeline.channel(channel));
    }
    Ok(page.html(&shown(&options.file), result))
}

fn line(happening: &Happening) -> String {
    let style = match happening.about {
        About::Heartbeat => DIM,
        About::Connection | About::Recording => NOTE,
        _ => anstyle::Style::new(),
    };
    format!("{}  {}", styled(DIM, clock(happening.at)), styled(style, shown(&happening.words)))
}

/// The story of a request: what happened to it, and to its channel and the connection meanwhile.
struct Story {
    number: u64,
    stage: Stage,
}

enum Stage {
    Before,
    /// It is under way, in this channel.
    Within(u64),
    After,
}

impl Story {
    fn new(number: u64) -> Self {
        Story { number, stage: Stage::Before }
    }

    fn has(&mut self, happening: &Happening) -> bool {
        match (&self.stage, happening.about) {
            (Stage::Before, About::Request(number, channel)) if number == self.number => {
                self.stage = Stage::Within(channel);
                true
            }
            (Stage::Within(_), About::Request(number, _)) if number == self.number => {
                if happening.is_outcome {
                    self.stage = Stage::After;
                }
                true
            }
            (Stage::Within(own), About::Channel(channel)) => *own == channel,
            (Stage::Within(_), About::Connection | About::Recording | About::Heartbeat) => true,
            _ => false,
        }
    }
}
