//! Where a frame begins and ends, and whether it is what was written; nothing of records.
//!
//! In version 2 a frame starts with its length as a varint and is checked by the *running* CRC32C:
//! of the header page and of every length and body so far. A length in one byte is followed by the
//! lower half of it, a longer one by all of it. At one event a frame, that is three bytes where
//! version 1 took eight, and a flaw that one half lets pass (one in 65,536) is found by the next
//! frame: what follows differs, too. [`END`](super::tag::END) always comes with the whole.

/// Room before a body in which its head is written: at most four bytes of length and four of
/// checksum.
pub(super) const HEAD_ROOM: usize = 8;
/// What is looked at of one frame; the encoder writes none that is as large.
pub(super) const FRAME_LIMIT: usize = 1 << 28;

/// The running checksum, as writer and reader of version 2 know it after every frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chain(u32);

impl Chain {
    /// `page` is the checksum in the header page.
    pub(super) fn after_header(page: u32) -> Chain {
        Chain(page)
    }

    fn then(self, length: &[u8], body: &[u8]) -> Chain {
        Chain(crc32c::crc32c_append(crc32c::crc32c_append(self.0, length), body))
    }

    /// Writes the head of the body that starts at [`HEAD_ROOM`] right before it, with the `whole`
    /// checksum or what its length calls for. Returns where the frame starts and the checksum
    /// after it.
    pub(super) fn close(self, frame: &mut [u8], whole: bool) -> (usize, Chain) {
        let (room, body) = frame.split_at_mut(HEAD_ROOM);
        let (mut head, mut width, mut rest) = ([0; HEAD_ROOM], 0, body.len());
        while rest >= 0x80 || (whole && width == 0) {
            head[width] = rest as u8 | 0x80;
            (width, rest) = (width + 1, rest >> 7);
        }
        head[width] = rest as u8;
        width += 1;
        let after = self.then(&head[..width], body);
        let end = width + sum_width(width);
        head[width..end].copy_from_slice(&after.0.to_le_bytes()[..end - width]);
        let start = HEAD_ROOM - end;
        room[start..].copy_from_slice(&head[..end]);
        (start, after)
    }
}

fn sum_width(length_bytes: usize) -> usize {
    if length_bytes == 1 { 2 } else { 4 }
}

/// How the frames of one file are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// Version 1: length and CRC32C of the body, four bytes each.
    Apart,
    /// Version 2.
    Chained(Chain),
}

/// What stands at the start of some bytes.
#[derive(Debug)]
pub(super) enum Frame<'b> {
    /// An intact frame.
    Body {
        /// Its records.
        body: &'b [u8],
        /// Where they start.
        head: usize,
        /// How the next frame is to be read.
        next: Framing,
    },
    /// No bytes. Zeros to the end are space reserved ahead by a recorder that never came to use
    /// it.
    Reserve,
    Damaged(String),
}

impl Framing {
    /// Bytes of head and body as the head at the start of `bytes` says; as many as a head can have
    /// where it says nothing.
    pub(super) fn wanted(self, bytes: &[u8]) -> usize {
        self.head(bytes).map_or(HEAD_ROOM, |head| head.bytes + head.length.min(FRAME_LIMIT))
    }

    pub(super) fn frame_at(self, bytes: &[u8]) -> Frame<'_> {
        let head = match self.head(bytes) {
            Some(head) if head.length == 0 => return Frame::Reserve,
            Some(head) => head,
            None if bytes.iter().all(|byte| *byte == 0) => return Frame::Reserve,
            None if bytes.len() >= HEAD_ROOM => {
                return Frame::Damaged("no frame has a length of more than four bytes".to_owned());
            }
            None => {
                let message = format!("{} bytes are too few for a frame", bytes.len());
                return Frame::Damaged(message);
            }
        };
        let (length, left) = (head.length, bytes.len() - head.bytes);
        let Some(body) = bytes[head.bytes..].get(..length) else {
            let message = format!("a frame of {length} bytes, but the file has {left} left");
            return Frame::Damaged(message);
        };
        let (sum, next) = match self {
            Framing::Apart => (crc32c::crc32c(body), Framing::Apart),
            Framing::Chained(chain) => {
                let after = chain.then(&bytes[..head.length_bytes], body);
                (after.0, Framing::Chained(after))
            }
        };
        if sum.to_le_bytes()[..head.sum.len()] != *head.sum {
            let message = format!("the checksum of a frame of {length} bytes is wrong");
            return Frame::Damaged(message);
        }
        Frame::Body { body, head: head.bytes, next }
    }

    fn head(self, bytes: &[u8]) -> Option<Head<'_>> {
        let (length, length_bytes) = match self {
            Framing::Apart => {
                (bytes.first_chunk().map(|length| u32::from_le_bytes(*length) as usize)?, 4)
            }
            Framing::Chained(_) => length(bytes)?,
        };
        let bytes_of_sum = sum_width(length_bytes);
        let sum = bytes.get(length_bytes..length_bytes + bytes_of_sum)?;
        Some(Head { length, length_bytes, bytes: length_bytes + bytes_of_sum, sum })
    }
}

#[derive(Debug)]
struct Head<'b> {
    /// Of the body.
    length: usize,
    /// Bytes in which it is written.
    length_bytes: usize,
    /// Of the whole head.
    bytes: usize,
    sum: &'b [u8],
}

/// A varint of at most four bytes, and how many it takes.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Some((value, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Chain, Frame, Framing, HEAD_ROOM};

    const START: Chain = Chain(0x1234_5678);

    fn framed(body: &[u8], whole: bool) -> Vec<u8> {
        let mut frame = vec![0; HEAD_ROOM];
        frame.extend_from_slice(body);
        let (start, _) = START.close(&mut frame, whole);
        frame.split_off(start)
    }

    #[test]
    fn heads_are_as_short_as_they_may_be() {
        for (length, whole, head) in
            [(1, false, 3), (127, false, 3), (128, false, 6), (20_000, false, 7), (9, true, 6)]
        {
            let body = vec![7; length];
            let frame = framed(&body, whole);
            assert_eq!(frame.len(), head + length, "{length} bytes");
            let framing = Framing::Chained(START);
            assert_eq!(framing.wanted(&frame), frame.len());
            match framing.frame_at(&frame) {
                Frame::Body { body: read, head: start, .. } => {
                    assert_eq!((read, start), (&body[..], head));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Half a checksum misses one error in 65,536, but none of body and checksum that is
    /// within eight bits.
    #[test]
    fn what_is_within_eight_bits_of_a_short_frame_is_noticed() {
        let body: Vec<u8> = (0..127_u8).map(|at| at.wrapping_mul(37)).collect();
        let frame = framed(&body, false);
        for bit in 8..(frame.len() - 1) * 8 {
            for burst in (1..=0xff_u16).step_by(2) {
                let mut damaged = frame.clone();
                for (at, byte) in (burst << (bit % 8)).to_le_bytes().iter().enumerate() {
                    damaged[bit / 8 + at] ^= byte;
                }
                let read = Framing::Chained(START).frame_at(&damaged);
                assert!(!matches!(read, Frame::Body { .. }), "{burst:#x} at bit {bit}");
            }
        }
    }

    /// Two frames are exchanged, or one is missing: each is intact by itself.
    #[test]
    fn frames_know_what_came_before_them() {
        let frame = framed(b"first", false);
        let elsewhere = Framing::Chained(Chain(START.0 + 1));
        assert!(matches!(elsewhere.frame_at(&frame), Frame::Damaged(_)));
    }
}
