//! The private modes that a program has set in its terminal.

/// The private modes that are not as in a fresh terminal: a hidden cursor, bracketed paste, the
/// alternate screen.
pub(crate) fn private_modes(output: &str) -> Vec<&str> {
    let mut changed = Vec::new();
    for sequence in output.split("\x1b[?").skip(1) {
        let end = sequence.find(|c: char| !c.is_ascii_digit() && c != ';');
        let Some((modes, last)) = end.and_then(|end| sequence.split_at_checked(end)) else {
            continue;
        };
        let is_set = match last.chars().next() {
            Some('h') => true,
            Some('l') => false,
            _ => continue,
        };
        for mode in modes.split(';') {
            changed.retain(|other| *other != mode);
            if is_set != (mode == CURSOR) {
                changed.push(mode);
            }
        }
    }
    changed
}

/// The only mode that is set in a fresh terminal, of those that programs use: the cursor is shown.
const CURSOR: &str = "25";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_taken_back_is_reported() {
        assert_eq!(private_modes("plain \x1b[31mred"), [""; 0]);
        assert_eq!(private_modes("\x1b[?25l\x1b[?2004h..\x1b[?25h\x1b[?2004l"), [""; 0]);
        assert_eq!(private_modes("\x1b[?2004l\x1b[?2004hphx> "), ["2004"]);
        assert_eq!(private_modes("\x1b[?1049;25h\x1b[?25l"), ["1049", "25"]);
        assert_eq!(private_modes("cut off \x1b[?20"), [""; 0]);
    }
}
