//! Shrinks a script that shows a difference.

use super::script::Script;
use crate::official::Error;

/// Returns the shortest script found for which `fails` still holds, by removing steps.
pub(crate) fn shrink(
    script: Script,
    mut fails: impl FnMut(&Script) -> Result<bool, Error>,
) -> Result<Script, Error> {
    let mut shortest = script;
    let mut piece = shortest.steps.len() / 2;
    while piece > 0 {
        let mut shorter = false;
        let mut at = 0;
        while at < shortest.steps.len() {
            let mut candidate = shortest.clone();
            candidate.steps.drain(at..(at + piece).min(candidate.steps.len()));
            if fails(&candidate)? {
                shortest = candidate;
                shorter = true;
            } else {
                at += piece;
            }
        }
        if !shorter {
            piece /= 2;
        }
    }
    Ok(shortest)
}
