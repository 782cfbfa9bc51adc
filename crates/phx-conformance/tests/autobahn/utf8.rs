//! Case 6: texts that are UTF-8, and bytes that aren't.

use crate::case::{CONTINUATION, Case, End, FIN, MORE, TEXT, frame, head};

/// The Greek word that the suite's texts are made of, and another one with letters of several lengths.
const GREEK: &str = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}";
const LATIN: &str = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = fragmented();
    cases.extend(failing_fast());
    for (group, payloads) in (5..).zip(sequences()) {
        for (number, (is_valid, payload)) in (1..).zip(payloads) {
            let case = Case::new(format!("6.{group}.{number}"), [frame(FIN | TEXT, &payload)]);
            cases.push(match is_valid {
                true => case.answered(TEXT, &payload),
                false => case.ends(End::Failed(1007)),
            });
        }
    }
    cases
}

/// The frames of a text whose fragments are these.
fn frames(fragments: &[&[u8]]) -> Vec<Vec<u8>> {
    let last = fragments.len() - 1;
    let first = |number| if number == 0 { TEXT } else { CONTINUATION };
    let fin = |number| if number == last { FIN } else { MORE };
    let fragments = fragments.iter().enumerate();
    fragments.map(|(number, payload)| frame(fin(number) | first(number), payload)).collect()
}

fn fragmented() -> Vec<Case> {
    let echoed = |id: &str, fragments: &[&[u8]]| {
        Case::new(id, frames(fragments)).answered(TEXT, &fragments.concat())
    };
    let latin = LATIN.as_bytes();
    let octets: Vec<_> = latin.chunks(1).collect();
    let broken = [GREEK.as_bytes(), &wide(0xD800, 3), b"edited"].concat();
    let broken_octets: Vec<_> = broken.chunks(1).collect();
    let fails =
        |id: &str, fragments: &[&[u8]]| Case::new(id, frames(fragments)).ends(End::Failed(1007));
    vec![
        echoed("6.1.1", &[b""]),
        echoed("6.1.2", &[b"", b"", b""]),
        echoed("6.1.3", &[b"", b"middle frame payload", b""]),
        echoed("6.2.1", &[latin]),
        echoed("6.2.2", &[&latin[..11], &latin[11..]]),
        echoed("6.2.3", &octets),
        echoed("6.2.4", &GREEK.as_bytes().chunks(1).collect::<Vec<_>>()),
        fails("6.3.1", &[&broken]),
        fails("6.3.2", &broken_octets),
    ]
}

/// A text that can't become UTF-8 any more fails before it has come whole: in the second of three fragments, or of three pieces of
/// a frame.
fn failing_fast() -> Vec<Case> {
    let too_large = wide(0x11_0000, 4);
    let whole = [GREEK.as_bytes(), &too_large, b"edited"].concat();
    let second = GREEK.len() + too_large.len();
    // Its second byte is the one that no character has.
    let cuts = [(GREEK.len(), second), (GREEK.len() + 1, GREEK.len() + 2)];
    let mut cases = Vec::new();
    for (number, (first, second)) in (1..).zip(cuts) {
        let sent = frames(&[&whole[..first], &whole[first..second], &whole[second..]]);
        let case = Case::new(format!("6.4.{number}"), &sent[..2]).before(sent[2].clone());
        cases.push(case.ends(End::Failed(1007)));
        let begin = [&head(FIN | TEXT, whole.len())[..], &whole[..first]].concat();
        let case = Case::new(format!("6.4.{}", number + 2), [begin, whole[first..second].to_vec()]);
        cases.push(case.before(whole[second..].to_vec()).ends(End::Failed(1007)));
    }
    cases
}

/// Encodes a number in `len` bytes as UTF-8 did before RFC 3629: up to six bytes, also of numbers that need fewer.
fn wide(number: u32, len: usize) -> Vec<u8> {
    if len == 1 {
        return vec![u8::try_from(number).unwrap()];
    }
    let part = |index: usize| u8::try_from(number >> (6 * index) & 0x3F).unwrap();
    let lead = u8::try_from((0xFF00_u32 >> len) & 0xFF).unwrap();
    let first = lead | part(len - 1);
    [first].into_iter().chain((0..len - 1).rev().map(|index| 0x80 | part(index))).collect()
}

/// Payloads of the groups 6.5 to 6.23, and whether each is UTF-8.
fn sequences() -> Vec<Vec<(bool, Vec<u8>)>> {
    let all = |is_valid: bool, payloads: Vec<Vec<u8>>| -> Vec<(bool, Vec<u8>)> {
        payloads.into_iter().map(|payload| (is_valid, payload)).collect()
    };
    let wides = |numbers: &[(u32, usize)]| -> Vec<Vec<u8>> {
        numbers.iter().map(|&(number, len)| wide(number, len)).collect()
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let greek = GREEK.as_bytes();
    let prefixes =
        (1..=greek.len()).map(|end| (GREEK.is_char_boundary(end), greek[..end].to_vec())).collect();
    let continuations = |count: usize| [0x80, 0xBF].into_iter().cycle().take(count).collect();
    // Each but the last of a range of first bytes, with a space behind it.
    let lonely = |from: u8, to: u8| (from..to).flat_map(|byte| [byte, b' ']).collect::<Vec<_>>();
    let without_last: Vec<Vec<u8>> = (2..=6)
        .map(|len| (0, len))
        .chain([(0x7FF, 2), (0xFFFF, 3), (0x1F_FFFF, 4), (0x3FF_FFFF, 5), (0x7FFF_FFFF, 6)])
        .map(|(number, len)| wide(number, len)[..len - 1].to_vec())
        .collect();
    let largest = [(0x7F, 2), (0x7FF, 3), (0xFFFF, 4), (0x1F_FFFF, 5), (0x3FF_FFFF, 6)];
    let surrogates = |numbers: &[u32]| -> Vec<u8> {
        numbers.iter().flat_map(|&number| wide(number, 3)).collect()
    };
    // The last two numbers of each plane are no characters, but UTF-8 has them.
    let planes = (1..=16_u32).flat_map(|plane| [plane << 16 | 0xFFFE, plane << 16 | 0xFFFF]);
    let last_of_planes = [0xFFFE, 0xFFFF]
        .into_iter()
        .chain(planes)
        .map(|number| wide(number, if number <= 0xFFFF { 3 } else { 4 }));
    let high = [0xD800, 0xDB7F, 0xDB80, 0xDBFF];
    let paired = high.into_iter().flat_map(|high| [[high, 0xDC00], [high, 0xDFFF]]);
    vec![
        all(
            true,
            texts(&[
                "hello$world",
                "hello\u{a2}world",
                "hello\u{20ac}world",
                "hello\u{24b62}world",
                GREEK,
            ]),
        ),
        prefixes,
        all(true, texts(&["\0", "\u{80}", "\u{800}", "\u{10000}"])),
        all(false, wides(&[(0x20_0000, 5), (0x400_0000, 6)])),
        all(true, texts(&["\u{7f}", "\u{7ff}", "\u{ffff}", "\u{10ffff}"])),
        all(false, wides(&[(0x1F_FFFF, 4), (0x3FF_FFFF, 5), (0x7FFF_FFFF, 6)])),
        [
            all(true, texts(&["\u{d7ff}", "\u{e000}", "\u{fffd}", "\u{10ffff}"])),
            all(false, wides(&[(0x11_0000, 4)])),
        ]
        .concat(),
        all(
            false,
            [vec![0x80], vec![0xBF]]
                .into_iter()
                .chain((2..=6).map(continuations))
                .chain([(0x80..0xBF).collect()])
                .collect(),
        ),
        all(
            false,
            vec![
                lonely(0xC0, 0xDF),
                lonely(0xE0, 0xEF),
                lonely(0xF0, 0xF7),
                lonely(0xF8, 0xFB),
                lonely(0xFC, 0xFD),
            ],
        ),
        all(false, without_last.clone()),
        all(false, vec![without_last.concat()]),
        all(false, vec![vec![0xFE], vec![0xFF], vec![0xFE, 0xFE, 0xFF, 0xFF]]),
        all(false, (2..=6).map(|len| wide(u32::from(b'/'), len)).collect()),
        all(false, wides(&largest)),
        all(false, (2..=6).map(|len| wide(0, len)).collect()),
        all(
            false,
            [0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF]
                .map(|number| surrogates(&[number]))
                .to_vec(),
        ),
        all(false, paired.map(|pair| surrogates(&pair)).collect()),
        all(true, last_of_planes.collect()),
        all(true, (0xFFF9..=0xFFFF).map(|number| wide(number, 3)).collect()),
    ]
}
