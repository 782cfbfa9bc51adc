//! The two deflate streams of a connection, one message after the other.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// End of each message in the stream, which isn't on the wire.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

const CHUNK: usize = 4 * 1024;

/// A message that can't be inflated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Broken,
    /// It is over the limit; no more than the limit and a byte was inflated.
    TooLarge,
}

/// Stream from the client.
pub(super) struct Inflater {
    stream: Decompress,
    takeover: bool,
    /// A final block ended the stream: the messages behind it are read as empty.
    ended: bool,
}

impl Inflater {
    pub(super) fn new(bits: u8, takeover: bool) -> Self {
        // The largest window reads the streams of smaller ones; flate2 has none of 8 bits.
        let stream = Decompress::new_with_window_bits(false, bits.max(9));
        Inflater { stream, takeover, ended: false }
    }

    pub(super) fn message(&mut self, wire: &[u8], limit: usize) -> Result<Vec<u8>, Refused> {
        let mut message = Vec::new();
        for mut part in [wire, &TAIL] {
            while !self.ended {
                let mut chunk = [0; CHUNK];
                let (read, written) = (self.stream.total_in(), self.stream.total_out());
                let status = self.stream.decompress(part, &mut chunk, FlushDecompress::None);
                let status = status.map_err(|_| Refused::Broken)?;
                let (read, written) =
                    (since(read, self.stream.total_in()), since(written, self.stream.total_out()));
                message.extend_from_slice(chunk.get(..written).unwrap_or_default());
                part = part.get(read..).unwrap_or_default();
                self.ended = status == Status::StreamEnd;
                if message.len() > limit {
                    return Err(Refused::TooLarge);
                }
                // A full chunk may hide more of what was read already.
                if (part.is_empty() || read == 0) && written < CHUNK {
                    break;
                }
            }
        }
        if !self.takeover {
            self.stream.reset(false);
            self.ended = false;
        }
        Ok(message)
    }
}

/// Stream to the client.
pub(super) struct Deflater {
    stream: Compress,
    takeover: bool,
}

impl Deflater {
    pub(super) fn new(bits: u8, takeover: bool) -> Self {
        let stream = Compress::new_with_window_bits(Compression::default(), false, bits);
        Deflater { stream, takeover }
    }

    pub(super) fn message(&mut self, message: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        self.compress(message, FlushCompress::Sync, &mut wire);
        if wire.ends_with(&TAIL) {
            wire.truncate(wire.len().saturating_sub(TAIL.len()));
        }
        if wire.is_empty() {
            // An empty message: the first byte of an empty block, whose rest is the tail.
            wire.push(0);
        }
        if !self.takeover {
            self.stream.reset();
        }
        wire
    }

    /// Ends a message with a final block, and begins a new stream.
    pub(super) fn final_message(&mut self, message: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        self.compress(message, FlushCompress::Finish, &mut wire);
        self.stream.reset();
        // The final block ends within a byte, so what the client appends must begin with a block's header.
        wire.push(0);
        wire
    }

    fn compress(&mut self, mut input: &[u8], flush: FlushCompress, wire: &mut Vec<u8>) {
        loop {
            wire.reserve(CHUNK);
            let before = self.stream.total_in();
            // It fails in no state that this type can have.
            let status = self.stream.compress_vec(input, wire, flush);
            input = input.get(since(before, self.stream.total_in())..).unwrap_or_default();
            let is_done = input.is_empty() && wire.len() < wire.capacity();
            if is_done || !matches!(status, Ok(Status::Ok)) {
                return;
            }
        }
    }
}

/// Returns the blocks of a message of zeros.
pub(super) fn zeros(length: usize) -> Vec<u8> {
    const PART: usize = 1 << 20;
    let mut deflater = Compress::new(Compression::best(), false);
    let mut compressed = |length| {
        let mut blocks = Vec::with_capacity(length / 500 + 64);
        deflater.reset();
        // There is capacity for the whole part.
        let _ = deflater.compress_vec(&vec![0; length], &mut blocks, FlushCompress::Sync);
        blocks
    };
    let mut blocks = compressed(PART).repeat(length / PART);
    blocks.extend(compressed(length % PART));
    blocks.truncate(blocks.len().saturating_sub(TAIL.len()));
    blocks
}

fn since(before: u64, after: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}
