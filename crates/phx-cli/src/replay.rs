//! `phx replay`: what happened in a recorded session, and whether this build does the same.

use std::io::{BufReader, Write as _};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use phx_tokio::recorder::{About, Happening, ReplayError, Timeline};

use crate::failure::{Code, Failure};
use crate::plain_file;
use crate::terminal::{BAD, DIM, NOTE, shown, styled};
use crate::value;

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

    /// Show only the result of the replay.
    #[arg(long, conflicts_with = "explain")]
    quiet: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let file = plain_file::open(&options.file).map_err(Failure::usage)?;
    let unusable = |error: &dyn std::error::Error| {
        Failure::usage(format!("{}: {error}", shown(&options.file)))
    };
    let timeline = Timeline::new(BufReader::new(file)).map_err(|error| unusable(&error))?;
    let mut timeline = match timeline.serializer() {
        "SupabaseV1" => timeline.with_serializer(Arc::new(phx_supabase::V1)),
        "SupabaseV2" => timeline.with_serializer(Arc::new(phx_supabase::V2)),
        _ => timeline,
    };
    let mut out = anstream::stdout().lock();
    let mut story = options.explain.map(Story::new);
    let mut has_parted = false;
    while let Some(happening) = timeline.next_happening().map_err(|error| unusable(&error))? {
        if options.until.is_some_and(|until| happening.at > until) {
            break;
        }
        let is_shown = match &mut story {
            Some(story) => story.has(&happening),
            None => !options.quiet,
        };
        if is_shown {
            writeln!(out, "{}", line(&happening))?;
        }
        if !has_parted && let Some(ReplayError::Parted { .. }) = timeline.parted() {
            has_parted = true;
            if !options.quiet {
                writeln!(out, "{}", styled(BAD, "this build does something else from here on"))?;
            }
        }
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
    let replayed = timeline.replayed().map_err(|error| match error {
        ReplayError::Parted { .. } => {
            Failure::Error(Code::OutputsDiffer, format!("{}: {error}", shown(&options.file)))
        }
        error => unusable(&error),
    })?;
    let end = match (options.until, replayed.is_complete) {
        (_, true) => "",
        (Some(_), false) => ", up to here",
        (None, false) => ", up to where the recording was cut",
    };
    writeln!(out, "same outputs: {} in {} lines{end}", replayed.outputs, replayed.lines)?;
    out.flush()?;
    Ok(())
}

fn line(happening: &Happening) -> String {
    let style = match happening.about {
        About::Heartbeat => DIM,
        About::Connection | About::Recording => NOTE,
        _ => anstyle::Style::new(),
    };
    format!("{}  {}", styled(DIM, clock(happening.at)), styled(style, shown(&happening.words)))
}

/// Hours, minutes, seconds and milliseconds.
fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    let (minutes, millis) = (seconds / 60, at.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}", minutes / 60, minutes % 60, seconds % 60)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_since_the_beginning() {
        assert_eq!(clock(Duration::ZERO), "00:00:00.000");
        assert_eq!(clock(Duration::from_millis(90_061_007)), "25:01:01.007");
    }
}
