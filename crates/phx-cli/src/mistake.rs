//! Mistakes in the command line, reported without quoting it: it may hold secrets, and errors end up in logs.

use std::env;
use std::process::ExitCode;

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::secret::MASKED;

/// Prints the requested help, or the mistake, and returns the exit code.
pub(crate) fn report(mut error: Error) -> ExitCode {
    hide_values(&mut error);
    // Nothing can be done if standard error is closed.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Masks all arguments that aren't known names.
fn hide_values(error: &mut Error) {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidSubcommand] {
        // An empty one says that there is none.
        let is_given =
            matches!(error.get(kind), Some(ContextValue::String(value)) if !value.is_empty());
        if is_given && error.kind() != ErrorKind::MissingSubcommand {
            let typed = error.insert(kind, ContextValue::String(MASKED.to_owned()));
            if kind == ContextKind::InvalidSubcommand {
                say_where(error, typed);
            }
        }
    }
    if error.kind() == ErrorKind::UnknownArgument {
        let typed = error.insert(ContextKind::InvalidArg, ContextValue::String(MASKED.to_owned()));
        say_where(error, typed);
    }
}

/// Replaces clap's advice, which quotes the arguments, with the name of the argument.
fn say_where(error: &mut Error, typed: Option<ContextValue>) {
    error.remove(ContextKind::Suggested);
    let Some(ContextValue::String(typed)) = typed else { return };
    let is_it = |argument: &str| {
        let rest = argument.strip_prefix(&*typed);
        // One letter of an option may stand among others.
        let is_letter = typed.len() == 2 && typed.starts_with('-') && argument.starts_with('-');
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('=')) || is_letter
    };
    let at = env::args_os().position(|argument| is_it(&argument.to_string_lossy()));
    if let Some(at) = at.filter(|at| *at > 0) {
        let tip = StyledStr::from(format!("it is argument {at}, which may be a secret"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn nothing_that_was_typed_is_said() {
        let url = "ws://localhost/socket";
        for (arguments, said) in [
            (&["push", url, "a", "b", "--timeout", "hush"][..], "--timeout"),
            (&["push", url, "a", "b", "--timeout=hush"], "such as 500ms"),
            (&["push", url, "a", "b", "-p", "hush"], "NAME=VALUE"),
            (&["push", url, "a", "b", "--vsn", "hush"], "2.0.0"),
            (&["push", url, "a", "b", "--color", "hush"], "auto"),
            (&["push", url, "a", "b", "{}", "hush"], "unexpected argument"),
            (&["push", url, "a", "b", "--hush"], "unexpected argument"),
            (&["push", url, "a", "b", "--hush=hush"], "unexpected argument"),
            (&["push", url, "a", "b", "-zhush"], "unexpected argument"),
            (&["push", url, "a", "b", "--auth-tokem=hush"], "--auth-token"),
            (&["push", url, "a", "b", "--json=hush"], "--json"),
            (&["push", url, "a", "b", "hush", "--binary", "hush"], "cannot be used with"),
            (&["bench", url, "--sockets", "hush"], "from 1 to 100000"),
            (&["hush"], "unrecognized subcommand"),
            (&["ws://ann:hush@localhost/socket", "a"], "unrecognized subcommand"),
            (&["pushhush"], "unrecognized subcommand"),
            (&["completions", "hush"], "bash"),
            (&["push", "--proxy", "hush:hush", url, "a", "b"], "--proxy"),
        ] {
            let arguments = ["phx"].iter().chain(arguments);
            let mut error = Cli::try_parse_from(arguments.clone()).unwrap_err();
            hide_values(&mut error);
            let text = error.render().to_string();
            assert!(text.contains(said), "{arguments:?}: {text}");
            assert!(!text.contains("hush"), "{arguments:?}: {text}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
