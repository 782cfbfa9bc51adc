//! Compressed messages (RFC 7692, section 7.2): an inflater and a deflater, and the limits on their work.

use std::cell::Cell;
use std::thread::LocalKey;
use std::vec::Vec;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::Error;
use crate::message::Partial;

/// The end of each flush, which doesn't go over the wire.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// Bytes that are inflated at a time.
const PIECE: usize = 16 << 10;

/// Bytes that a call inflates at most.
const MAX_INFLATED: usize = 64 << 10;

/// Bytes that a call deflates at most.
const MAX_DEFLATED: usize = 32 << 10;

/// The largest ratio of a message to its bytes on the wire. Bandit ends a connection at about 25.
const MAX_RATIO: usize = 20;

/// Bits of the largest window.
const MAX_BITS: u8 = 15;

thread_local! {
    /// What connections of this thread were done with last. Between messages a connection without context takeover holds
    /// nothing, and to make a new state costs more than many a message.
    static SCRATCH: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
    static INFLATER: Cell<Option<Decompress>> = const { Cell::new(None) };
    static DEFLATER: Cell<Option<Compress>> = const { Cell::new(None) };
}

/// Takes what is spare on this thread. There is nothing while the thread ends.
fn take<T>(spare: &'static LocalKey<Cell<Option<T>>>) -> Option<T> {
    spare.try_with(Cell::take).ok().flatten()
}

fn put<T>(spare: &'static LocalKey<Cell<Option<T>>>, value: T) {
    let _ = spare.try_with(|spare| spare.set(Some(value)));
}

/// The server's stream of compressed messages.
pub(crate) struct Inflater {
    /// The state; with context takeover from the first message to the end, otherwise during a message.
    stream: Option<Decompress>,
    keeps_context: bool,
    bits: u8,
    /// Bytes that were inflated since they were last asked for.
    work: usize,
    /// True if the next bytes begin a block: no tail completes one. So it is before the first byte of a message, and after a
    /// final block.
    at_start: bool,
}

impl Inflater {
    pub(crate) fn new(keeps_context: bool, bits: u8) -> Self {
        Inflater { stream: None, keeps_context, bits, work: 0, at_start: true }
    }

    /// Returns the bytes that were inflated since the last call.
    pub(crate) fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    fn open(&self) -> Decompress {
        if self.keeps_context {
            Decompress::new_with_window_bits(false, window(self.bits))
        } else {
            take(&INFLATER).unwrap_or_else(|| Decompress::new_with_window_bits(false, MAX_BITS))
        }
    }

    /// Inflates bytes from the front of `input` into the message. Returns false if the work of a call is done, and more is left.
    pub(crate) fn inflate(
        &mut self,
        input: &mut &[u8],
        message: &mut Partial,
        max: usize,
    ) -> Result<bool, Error> {
        let mut stream = self.stream.take().unwrap_or_else(|| self.open());
        let mut scratch = take(&SCRATCH).unwrap_or_else(|| vec![0; PIECE]);
        let inflated = self.inflate_with(&mut stream, &mut scratch, input, message, max);
        put(&SCRATCH, scratch);
        self.stream = Some(stream);
        inflated
    }

    fn inflate_with(
        &mut self,
        stream: &mut Decompress,
        scratch: &mut [u8],
        input: &mut &[u8],
        message: &mut Partial,
        max: usize,
    ) -> Result<bool, Error> {
        let mut left = MAX_INFLATED;
        loop {
            let (taken, made, status) = inflate_once(stream, input, scratch)?;
            *input = input.split_at_checked(taken).unwrap_or_default().1;
            message.push_inflated(scratch.get(..made).unwrap_or_default(), max)?;
            self.work = self.work.saturating_add(made);
            let has_ended = status == Status::StreamEnd;
            self.at_start = has_ended || (self.at_start && taken == 0);
            if has_ended {
                // Some compressors end each message that way, and begin the next one without context.
                stream.reset(false);
            }
            // Space that is left over means that everything was written.
            if input.is_empty() && (has_ended || made < scratch.len()) {
                return Ok(true);
            }
            if taken == 0 && made == 0 && !has_ended {
                return Err(Error::BrokenDeflate);
            }
            // A final block of a few bits costs a reset.
            left = left.saturating_sub(made.max(PIECE >> 6));
            if left == 0 {
                return Ok(false);
            }
        }
    }

    /// Ends a message whose bytes have all been inflated.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        let mut stream = self.stream.take().unwrap_or_else(|| self.open());
        if !std::mem::replace(&mut self.at_start, true) {
            // In a stream that is whole the tail ends an empty block. Otherwise it is taken for data.
            let (taken, made, status) = inflate_once(&mut stream, &TAIL, &mut [0])?;
            if (taken, made, status) != (TAIL.len(), 0, Status::Ok) {
                return Err(Error::BrokenDeflate);
            }
        }
        if self.keeps_context {
            self.stream = Some(stream);
        } else {
            stream.reset(false);
            put(&INFLATER, stream);
        }
        Ok(())
    }
}

/// Returns the number of bytes taken and made.
fn inflate_once(
    stream: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
) -> Result<(usize, usize, Status), Error> {
    let (taken, made) = (stream.total_in(), stream.total_out());
    let status = stream
        .decompress(input, output, FlushDecompress::Sync)
        .map_err(|_| Error::BrokenDeflate)?;
    let count = |now: u64, before: u64| usize::try_from(now.wrapping_sub(before)).unwrap_or(0);
    Ok((count(stream.total_in(), taken), count(stream.total_out(), made), status))
}

/// The client's stream of compressed messages.
pub(crate) struct Deflater {
    stream: Option<Compress>,
    keeps_context: bool,
    bits: u8,
    /// Shortest message that is compressed, in bytes.
    threshold: usize,
}

impl Deflater {
    pub(crate) fn new(keeps_context: bool, bits: u8, threshold: usize) -> Self {
        Deflater { stream: None, keeps_context, bits, threshold: threshold.max(1) }
    }

    /// Begins to compress a message; `None` if it is too short for that.
    pub(crate) fn begin(&mut self, data: &Bytes) -> Option<Deflating> {
        if data.len() < self.threshold {
            return None;
        }
        let kept = if self.uses_spare() { take(&DEFLATER) } else { self.stream.take() };
        let stream = kept.unwrap_or_else(|| {
            Compress::new_with_window_bits(Compression::default(), false, window(self.bits))
        });
        Some(Deflating { stream, data: data.clone(), fed: 0, output: Vec::new() })
    }

    /// Without context takeover the state is shared by the connections of a thread, if its window has the usual size.
    fn uses_spare(&self) -> bool {
        !self.keeps_context && self.bits == MAX_BITS
    }

    /// Ends a message. Returns its bytes on the wire; `None` if it must be sent uncompressed.
    pub(crate) fn finish(&mut self, deflating: Deflating) -> Option<Vec<u8>> {
        let Deflating { mut stream, data, mut output, .. } = deflating;
        let len = output.len().checked_sub(TAIL.len())?;
        if output.split_at_checked(len)?.1 != TAIL {
            // The stream is dropped: the next message begins another one, which the server can follow.
            return None;
        }
        // Each empty block is a byte of its head and the tail.
        while output.len().saturating_sub(TAIL.len()).saturating_mul(MAX_RATIO) < data.len() {
            output.push(0);
            output.extend_from_slice(&TAIL);
        }
        output.truncate(output.len().saturating_sub(TAIL.len()));
        if self.keeps_context {
            self.stream = Some(stream);
            return Some(output);
        }
        if self.uses_spare() {
            stream.reset();
            put(&DEFLATER, stream);
        }
        (output.len() < data.len()).then_some(output)
    }
}

/// A message that is being compressed.
pub(crate) struct Deflating {
    stream: Compress,
    data: Bytes,
    /// Bytes of the message that were compressed.
    fed: usize,
    output: Vec<u8>,
}

impl Deflating {
    pub(crate) fn data(&self) -> &Bytes {
        &self.data
    }

    /// Compresses the next bytes. Returns true at the end of the message, and if it can't be compressed.
    pub(crate) fn step(&mut self) -> bool {
        let end = self.fed.saturating_add(MAX_DEFLATED).min(self.data.len());
        let is_last = end == self.data.len();
        let flush = if is_last { FlushCompress::Sync } else { FlushCompress::None };
        loop {
            let input = self.data.get(self.fed..end).unwrap_or_default();
            // Enough for what a flush writes in any case, so that it isn't repeated.
            self.output.reserve((input.len() >> 2).max(64));
            let before = self.stream.total_in();
            if self.stream.compress_vec(input, &mut self.output, flush).is_err() {
                self.output.clear();
                return true;
            }
            let taken = self.stream.total_in().wrapping_sub(before);
            self.fed = self.fed.saturating_add(usize::try_from(taken).unwrap_or(0)).min(end);
            if self.fed == end && self.output.len() < self.output.capacity() {
                return is_last;
            }
        }
    }
}

/// Returns the bits to make a window with. A deflater of 9 bits keeps to distances of 250 bytes, which fit in a window of
/// 8 bits, the smallest that RFC 7692 has and the library doesn't.
fn window(bits: u8) -> u8 {
    bits.clamp(9, MAX_BITS)
}
