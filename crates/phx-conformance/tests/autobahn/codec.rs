//! Cases 1 to 7 against the client's codec, in three kinds of pieces: all parts at once, part by part, and byte by byte.

use phx_websocket::{Codec, Error, Event};

use crate::case::{Answer, CLOSE, Case, End, FIN, close, code, take_frame};
use crate::cases;

const MAX: usize = 16 << 20;

/// What the codec answered, and how it ended.
fn run(case: &Case, pieces: &[&[u8]]) -> (Vec<Answer>, End) {
    let mut masks = 0_u32;
    let mut codec = Codec::new(MAX, || {
        masks = masks.wrapping_add(0x9E37_79B9);
        masks.to_ne_bytes()
    });
    let failed = pieces.iter().find_map(|piece| echo(&mut codec, piece).err());
    let mut output = codec.output().to_vec();
    let mut answers: Vec<_> = std::iter::from_fn(|| take_frame(&mut output)).collect();
    assert!(output.is_empty(), "{}: only whole frames", case.id);
    let closed = answers.pop_if(|(first, _)| *first == FIN | CLOSE);
    let closed = closed.map(|(_, payload)| code(&payload));
    let end = match (failed, closed) {
        (None, None) => End::Open,
        (None, Some(code)) => End::Closed(code),
        (Some(error), Some(code)) => {
            assert_eq!(code, Some(error.close_code()), "{}", case.id);
            End::Failed(error.close_code())
        }
        (Some(error), None) => panic!("{}: {error} isn't reported to the server", case.id),
    };
    if end == End::Open {
        let count = codec.output().len();
        codec.advance(count);
        echo(&mut codec, &close(1000, b"")).unwrap();
        let (_, payload) = take_frame(&mut codec.output().to_vec()).unwrap();
        assert_eq!(code(&payload), Some(1000), "{}: the codec is in order at the end", case.id);
    }
    (answers, end)
}

/// Receives a piece, and sends each message back.
fn echo(codec: &mut Codec<impl FnMut() -> [u8; 4]>, mut piece: &[u8]) -> Result<(), Error> {
    while let Some(event) = codec.receive(&mut piece)? {
        if let Event::Message(message) = event {
            codec.send(message, false).unwrap();
        }
    }
    assert!(piece.is_empty() || codec.is_congested());
    Ok(())
}

#[test]
fn the_codec_passes_cases_1_to_7() {
    let cases = cases();
    for case in &cases {
        let whole = case.parts.concat();
        let parts: Vec<_> = case.parts.iter().map(Vec::as_slice).collect();
        for pieces in [vec![&whole[..]], parts, whole.chunks(1).collect()] {
            let found = run(case, &pieces);
            let pieces = pieces.len();
            assert!(
                found == (case.answers.clone(), case.end),
                "{} in {pieces} pieces: {:?} instead of {:?}",
                case.id,
                shown(&found),
                shown(&(case.answers.clone(), case.end)),
            );
        }
    }
}

/// A text isn't refused before the part that can't be one.
#[test]
fn what_may_become_a_text_is_accepted() {
    for case in cases().iter().filter(|case| !case.rest.is_empty()) {
        let parts: Vec<_> = case.parts.iter().map(Vec::as_slice).collect();
        let (_, before) = parts.split_last().unwrap();
        let mut codec = Codec::new(MAX, || [0; 4]);
        assert!(before.iter().all(|part| echo(&mut codec, part).is_ok()), "{}", case.id);
    }
}

/// The first bytes and lengths of answers, and the end.
fn shown((answers, end): &(Vec<Answer>, End)) -> (Vec<(u8, usize)>, End) {
    (answers.iter().map(|(first, payload)| (*first, payload.len())).collect(), *end)
}
