//! What is printed, and how the text of others is kept from doing anything to the terminal.

/// Prints a line of the program.
pub(crate) fn notice(text: &str) {
    println!("* {text}");
}

/// Text that came from somebody else, with everything in it that a terminal would act upon written
/// out: escape sequences, line ends, and what reverses the direction of writing.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_directional(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_directional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
