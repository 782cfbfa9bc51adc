//! Histograms as text: the V2 encoding of `HdrHistogram`, compressed and in base64, as its logs have them.
//!
//! The `serialization` feature of the crate `hdrhistogram` isn't used: its reader takes the memory that the input's header asks for.
//! This one takes histograms with the bounds of [`histogram`] alone, and these have one size.

use std::fmt;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use hdrhistogram::Histogram;

use super::recorder::{LONGEST, histogram};

/// The bounds in the head of an encoded histogram, in microseconds, and its significant digits.
const LOWEST: u64 = 1;
const HIGHEST: u64 = LONGEST;
const DIGITS: u8 = 3;

/// log2 of the counts for each power of two: 1,024 keep three digits.
const HALF: u32 = 10;

/// Counts that a histogram of these bounds has: 2,048 for the first, 1,024 for each further power of two.
const COUNTS: u64 = 23 << HALF;

/// Cookies, the length, the offset, the digits, the bounds and the ratio.
const HEADER: usize = 40;
const PLAIN: u32 = 0x1c84_9313;
const COMPRESSED: u32 = 0x1c84_9314;

/// Bytes of an encoded histogram before it is compressed: nine for each count at most.
const MAX_PLAIN: usize = 212_008;

/// Largest sum of counts. Those of all logs of a run are added.
const MAX_TOTAL: u64 = 1 << 48;

/// The reason why a text isn't one of our histograms.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HdrError(&'static str);

impl fmt::Display for HdrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the histogram can't be used: {}", self.0)
    }
}

impl std::error::Error for HdrError {}

/// Encodes a histogram made by [`histogram`].
pub(super) fn encode(histogram: &Histogram<u64>) -> String {
    let mut counts = Vec::new();
    let mut next = 0;
    for recorded in histogram.iter_recorded() {
        let index = index_of(recorded.value_iterated_to());
        if index > next {
            // Counts of zero are written as their number, negative.
            push_varint(&mut counts, 2 * (index - next) - 1);
        }
        // Counts have 62 bits at most: nobody records for that long.
        push_varint(&mut counts, recorded.count_at_value().min(u64::MAX >> 2) << 1);
        next = index + 1;
    }
    let mut plain = Vec::with_capacity(HEADER + counts.len());
    plain.extend(PLAIN.to_be_bytes());
    plain.extend(u32::try_from(counts.len()).unwrap_or(u32::MAX).to_be_bytes());
    plain.extend(rest_of_header());
    plain.extend(counts);
    let mut encoded = [COMPRESSED.to_be_bytes(), [0; 4]].concat();
    let mut compressor = ZlibEncoder::new(&mut encoded, Compression::default());
    // Writing to a vector doesn't fail.
    let _ = compressor.write_all(&plain);
    let _ = compressor.finish();
    let length = u32::try_from(encoded.len().saturating_sub(8)).unwrap_or(u32::MAX);
    if let Some(place) = encoded.get_mut(4..8) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    STANDARD.encode(encoded)
}

/// Decodes a histogram of the same bounds. The text may be anything.
pub(super) fn decode(text: &str) -> Result<Histogram<u64>, HdrError> {
    let encoded = STANDARD.decode(text).map_err(|_| HdrError("it isn't base64"))?;
    let (cookie, rest) = word(&encoded).ok_or(HdrError("it is cut off"))?;
    let (length, compressed) = word(rest).ok_or(HdrError("it is cut off"))?;
    if cookie != COMPRESSED {
        return Err(HdrError("it isn't in the compressed encoding V2"));
    }
    if usize::try_from(length) != Ok(compressed.len()) {
        return Err(HdrError("its length is wrong"));
    }
    let mut plain = Vec::new();
    // One byte more shows that it goes on.
    let limit = u64::try_from(MAX_PLAIN + 1).unwrap_or(u64::MAX);
    let inflated = ZlibDecoder::new(compressed).take(limit).read_to_end(&mut plain);
    inflated.map_err(|_| HdrError("its compressed part is broken"))?;
    if plain.len() > MAX_PLAIN {
        return Err(HdrError("it is larger than such a histogram can be"));
    }
    let (cookie, rest) = word(&plain).ok_or(HdrError("it is cut off"))?;
    let (length, rest) = word(rest).ok_or(HdrError("it is cut off"))?;
    let counts = rest.strip_prefix(&rest_of_header()[..]).ok_or(HdrError(
        "its bounds aren't those of phx bench: microseconds from 1 to 3600000000 with 3 digits",
    ))?;
    if cookie != PLAIN || usize::try_from(length) != Ok(counts.len()) {
        return Err(HdrError("its head is wrong"));
    }
    counts_of(counts)
}

fn counts_of(mut counts: &[u8]) -> Result<Histogram<u64>, HdrError> {
    let mut histogram = histogram();
    let (mut index, mut total) = (0_u64, 0_u64);
    while !counts.is_empty() {
        let (number, rest) = varint(counts).ok_or(HdrError("it is cut off"))?;
        counts = rest;
        if number & 1 == 1 {
            index = index.saturating_add((number >> 1).saturating_add(1));
            continue;
        }
        let count = number >> 1;
        if index >= COUNTS {
            return Err(HdrError("it has too many counts"));
        }
        if count > 0 {
            total = total.saturating_add(count);
            let recorded = histogram.record_n(value_of(index), count);
            recorded.map_err(|_| HdrError("it has too many counts"))?;
        }
        index += 1;
    }
    if total > MAX_TOTAL {
        return Err(HdrError("its counts are larger than any run's"));
    }
    Ok(histogram)
}

/// The part of the header that is the same for all histograms of these bounds.
fn rest_of_header() -> [u8; HEADER - 8] {
    let mut header = [0; HEADER - 8];
    // The offset is 0 and the ratio 1.
    let parts: [(usize, &[u8]); 4] = [
        (4, &u32::from(DIGITS).to_be_bytes()),
        (8, &LOWEST.to_be_bytes()),
        (16, &HIGHEST.to_be_bytes()),
        (24, &1_f64.to_be_bytes()),
    ];
    for (at, bytes) in parts {
        if let Some(place) = header.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    header
}

/// The place of a value's count.
fn index_of(value: u64) -> u64 {
    let shift = value.checked_ilog2().unwrap_or(0).saturating_sub(HALF);
    (u64::from(shift) << HALF) + (value >> shift)
}

/// The least value that is counted at this place, which must be below [`COUNTS`].
fn value_of(index: u64) -> u64 {
    let shift = (index >> HALF).saturating_sub(1);
    (index - (shift << HALF)) << shift
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(word, rest)| (u32::from_be_bytes(*word), rest))
}

/// Seven bits a byte, the lowest first; the ninth byte holds eight.
fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    for _ in 0..8 {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
    let [low, ..] = number.to_le_bytes();
    bytes.push(low);
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        let is_last = at == 8 || byte & 0x80 == 0;
        let bits = if at == 8 { *byte } else { byte & 0x7f };
        number |= u64::from(bits) << (7 * at);
        if is_last {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    fn filled(values: impl IntoIterator<Item = (u64, u64)>) -> Histogram<u64> {
        let mut filled = histogram();
        for (value, count) in values {
            filled.record_n(value, count).unwrap();
        }
        filled
    }

    #[test]
    fn places_are_those_of_the_crate() {
        assert_eq!(MAX_PLAIN as u64, HEADER as u64 + 9 * COUNTS);
        let histogram = Histogram::<u64>::new_with_bounds(LOWEST, HIGHEST, DIGITS).unwrap();
        assert_eq!(histogram.distinct_values() as u64, COUNTS);
        for index in 0..COUNTS {
            let value = value_of(index);
            assert_eq!(index_of(value), index);
            assert_eq!(histogram.lowest_equivalent(value), value);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let many = (0..5_000_u64).map(|n| (n * n * 140 + 1, n % 7 + 1));
        for histogram in [
            filled([]),
            filled([(1, 1)]),
            filled([(0, 3), (1, 1), (HIGHEST, MAX_TOTAL / 2)]),
            filled(many),
            filled((0..COUNTS).map(|index| (value_of(index), index + 1))),
        ] {
            let decoded = decode(&encode(&histogram)).unwrap();
            assert_eq!(decoded, histogram);
            assert_eq!(decoded.mean(), histogram.mean());
            assert_eq!((decoded.min(), decoded.max()), (histogram.min(), histogram.max()));
        }
    }

    /// Written by the official implementations in Java's format: hdrh 0.10 of Python.
    #[test]
    fn what_others_encode_is_decoded() {
        let theirs = include_str!("hdr_of_others.txt");
        for line in theirs.lines() {
            let (values, text) = line.split_once(' ').unwrap();
            let values = values.split(',').map(|pair| {
                let (value, count) = pair.split_once('x').unwrap();
                (value.parse().unwrap(), count.parse().unwrap())
            });
            assert_eq!(decode(text).unwrap(), filled(values), "{line}");
        }
        assert!(theirs.lines().count() >= 3);
    }

    /// The encoding of these bytes before compression.
    fn compressed(plain: &[u8]) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        let bytes = encoder.finish().unwrap();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        STANDARD.encode([&COMPRESSED.to_be_bytes(), &length[..], &bytes].concat())
    }

    fn with_counts(counts: &[u8]) -> String {
        let length = u32::try_from(counts.len()).unwrap().to_be_bytes();
        let header = rest_of_header();
        compressed(&[&PLAIN.to_be_bytes(), &length[..], &header, counts].concat())
    }

    #[test]
    fn hostile_histograms_are_refused() {
        let mut other_bounds = rest_of_header();
        other_bounds[7] = 5;
        let other = [&PLAIN.to_be_bytes()[..], &[0; 4], &other_bounds].concat();
        let claims_much = [&PLAIN.to_be_bytes()[..], &[0xff; 4], &rest_of_header()].concat();
        let beyond = [vec![0xff; 8], vec![0x7f, 2]].concat();
        let mut huge = Vec::new();
        push_varint(&mut huge, (MAX_TOTAL + 1) << 1);
        let cases: [(String, &str); 14] = [
            (String::new(), "cut off"),
            ("hush!".to_owned(), "base64"),
            ("HISTFAAA".to_owned(), "cut off"),
            (STANDARD.encode([0; 48]), "encoding"),
            (STANDARD.encode([&COMPRESSED.to_be_bytes()[..], &[0xff; 8]].concat()), "length"),
            (
                STANDARD
                    .encode([&COMPRESSED.to_be_bytes()[..], &[0, 0, 0, 4, 1, 2, 3, 4]].concat()),
                "broken",
            ),
            (compressed(&[]), "cut off"),
            (compressed(&other), "bounds"),
            (compressed(&claims_much), "head"),
            (compressed(&vec![0; 100_000_000]), "larger"),
            (with_counts(&vec![2; 23 << HALF]), ""),
            (with_counts(&vec![2; (23 << HALF) + 1]), "too many"),
            (with_counts(&beyond), "too many"),
            (with_counts(&huge), "larger than any run's"),
        ];
        for (text, why) in cases {
            let mut outcome = Ok(histogram());
            let used = measure(|| outcome = decode(&text));
            // The buffer doubles while it grows, the histogram is 184 KiB, and the inflater has its window.
            assert!(used.bytes_max < 2_000_000 + 2 * text.len() as u64, "{why}: {used:?}");
            match outcome {
                Ok(_) => assert_eq!(why, "", "{text:.40}"),
                Err(error) => {
                    assert!(!why.is_empty() && error.to_string().contains(why), "{error}");
                }
            }
        }
        for cut in 1..12 {
            assert!(decode(&with_counts(&vec![0xff; cut])).is_err() || cut == 9);
        }
    }
}
