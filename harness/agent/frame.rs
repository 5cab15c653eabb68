//! Frames: `u32 length | u32 crc32c | JSON`, little endian.
//!
//! Both ends use this file, so they cannot disagree. Bytes from the other end are hostile: every
//! length is checked before memory is taken for it, and nothing here panics on any input. A frame
//! that is too long or fails its checksum leaves the stream without a next boundary, so the only
//! sound thing to do after such an error is to drop the channel.

use std::fmt;
use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::FRAME_LIMIT;

/// Bytes before the JSON.
pub const HEADER: usize = 8;

/// What can be wrong with a frame.
#[derive(Debug)]
pub enum FrameError {
    /// The channel failed.
    Io(io::Error),
    /// The channel ended within a frame.
    Truncated,
    /// More bytes than [`FRAME_LIMIT`] were announced or are to be sent.
    TooLong(usize),
    /// The bytes are not those that were sent.
    Checksum {
        /// In the header.
        announced: u32,
        /// Of the bytes that came.
        computed: u32,
    },
    /// Intact bytes that are not the JSON of the type expected.
    Json(serde_json::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Io(error) => write!(f, "agent channel: {error}"),
            FrameError::Truncated => write!(f, "agent channel: ended within a frame"),
            FrameError::TooLong(length) => {
                write!(f, "agent channel: frame of {length} bytes, limit is {FRAME_LIMIT}")
            }
            FrameError::Checksum { announced, computed } => {
                write!(f, "agent channel: checksum {computed:08x}, announced {announced:08x}")
            }
            FrameError::Json(error) => write!(f, "agent channel: not a known message: {error}"),
        }
    }
}

impl std::error::Error for FrameError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FrameError::Io(error) => Some(error),
            FrameError::Json(error) => Some(error),
            FrameError::Truncated | FrameError::TooLong(_) | FrameError::Checksum { .. } => None,
        }
    }
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> FrameError {
        FrameError::Io(error)
    }
}

/// Header and JSON of one message.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, message).map_err(FrameError::Json)?;
    let length = bytes.len() - HEADER;
    if length > FRAME_LIMIT {
        return Err(FrameError::TooLong(length));
    }
    let sum = crc32c::crc32c(&bytes[HEADER..]);
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[4..HEADER].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

/// Writes one message and flushes.
pub fn write<T: Serialize>(out: &mut impl Write, message: &T) -> Result<(), FrameError> {
    let bytes = encode(message)?;
    out.write_all(&bytes)?;
    out.flush()?;
    Ok(())
}

/// Reads the JSON bytes of one frame; `None` when the channel ended between frames.
pub fn read_bytes(input: &mut impl Read) -> Result<Option<Vec<u8>>, FrameError> {
    let mut header = [0; HEADER];
    let mut filled = 0;
    while filled < HEADER {
        match input.read(&mut header[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(FrameError::Truncated),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (length, announced) = split(header)?;
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => FrameError::Truncated,
        _ => FrameError::Io(error),
    })?;
    check(announced, &bytes)?;
    Ok(Some(bytes))
}

/// Reads one message; `None` when the channel ended between frames.
pub fn read<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<T>, FrameError> {
    read_bytes(input)?.map(|bytes| parse(&bytes)).transpose()
}

/// The message in the JSON bytes of a frame.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(bytes).map_err(FrameError::Json)
}

/// Collects bytes as a non-blocking channel delivers them and hands out whole frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Adds bytes. Call [`Decoder::next_frame`] until it gives `None` before adding more: memory
    /// is then bounded by one frame and one read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The JSON bytes of the next whole frame, if it is there.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let (length, announced) = split(*header)?;
        let Some(bytes) = self.buffer.get(HEADER..HEADER + length) else { return Ok(None) };
        check(announced, bytes)?;
        let bytes = bytes.to_vec();
        self.buffer.drain(..HEADER + length);
        Ok(Some(bytes))
    }
}

fn split(header: [u8; HEADER]) -> Result<(usize, u32), FrameError> {
    let [a, b, c, d, sum @ ..] = header;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > FRAME_LIMIT {
        return Err(FrameError::TooLong(length));
    }
    Ok((length, u32::from_le_bytes(sum)))
}

fn check(announced: u32, bytes: &[u8]) -> Result<(), FrameError> {
    let computed = crc32c::crc32c(bytes);
    if computed == announced {
        return Ok(());
    }
    Err(FrameError::Checksum { announced, computed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Body, Request};

    /// xorshift: the tests need bytes, not quality.
    fn noise(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    fn request(id: u64) -> Request {
        Request { id, epoch: 3, deadline_ms: 50, body: Body::Renew { lease_ms: id } }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        for id in 0..10 {
            write(&mut bytes, &request(id)).unwrap();
        }
        let mut input = bytes.as_slice();
        for id in 0..10 {
            assert_eq!(read::<Request>(&mut input).unwrap(), Some(request(id)));
        }
        assert!(read::<Request>(&mut input).unwrap().is_none());
    }

    #[test]
    fn the_decoder_does_not_care_how_bytes_arrive() {
        let mut bytes = Vec::new();
        for id in 0..50 {
            write(&mut bytes, &request(id)).unwrap();
        }
        let (mut state, mut decoder, mut next, mut at) = (7, Decoder::default(), 0, 0);
        while at < bytes.len() {
            let end = (at + 1 + noise(&mut state) as usize % 100).min(bytes.len());
            decoder.push(&bytes[at..end]);
            at = end;
            while let Some(frame) = decoder.next_frame().unwrap() {
                assert_eq!(parse::<Request>(&frame).unwrap(), request(next));
                next += 1;
            }
        }
        assert_eq!(next, 50);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = encode(&request(1)).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read_bytes(&mut bad.as_slice()).is_err(), "bit {bit} went unnoticed");
        }
    }

    #[test]
    fn random_bytes_never_panic_and_never_take_memory() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..20_000 {
            let length = noise(&mut state) as usize % 64;
            let mut bytes: Vec<u8> = (0..length).map(|_| noise(&mut state) as u8).collect();
            if bytes.len() >= HEADER && noise(&mut state).is_multiple_of(2) {
                // Half of them get past the header, so that the JSON reader is reached too.
                let body = bytes.len() - HEADER;
                bytes[..4].copy_from_slice(&(body as u32).to_le_bytes());
                let sum = crc32c::crc32c(&bytes[HEADER..]);
                bytes[4..HEADER].copy_from_slice(&sum.to_le_bytes());
            }
            let _ = read::<Request>(&mut bytes.as_slice()).is_ok();
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let _ = decoder.next_frame().is_ok();
        }
    }

    #[test]
    fn mutated_requests_never_panic() {
        let good = serde_json::to_vec(&request(5)).unwrap();
        let mut state = 99;
        for _ in 0..20_000 {
            let mut bad = good.clone();
            for _ in 0..1 + noise(&mut state) % 4 {
                let at = noise(&mut state) as usize % bad.len();
                bad[at] = noise(&mut state) as u8;
            }
            let _ = parse::<Request>(&bad).is_ok();
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_by_its_header() {
        let mut bytes = vec![0xff; HEADER];
        bytes.extend_from_slice(b"{}");
        assert!(matches!(read_bytes(&mut bytes.as_slice()), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn a_cut_off_frame_is_an_error_not_an_end() {
        let good = encode(&request(1)).unwrap();
        for length in 1..good.len() {
            let result = read_bytes(&mut &good[..length]);
            assert!(matches!(result, Err(FrameError::Truncated)), "cut at {length}");
        }
    }
}
