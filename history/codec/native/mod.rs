//! The native log, `history.log`: append-only, framed, checksummed, nothing lost.
//!
//! A header page, then frames; a frame is a length, a checksum and records. The writer is a pure
//! encoder ([`FrameEncoder`]): it owns no file, so that the recorder decides when bytes are
//! written and synced. The reader ([`read_log`]) keeps everything before the first damaged frame.
//! `docs/history-format.md` is the specification.

mod encoder;
mod fields;
mod frames;
mod header;
mod parts;
mod reader;
mod spread;
mod times;
mod wire;

pub use encoder::FrameEncoder;
pub use header::{HEADER_LEN, LogHeader, MAJOR, MINOR};
pub(in crate::codec) use reader::read_window;
pub use reader::{Late, LogFile, Torn, read_log};
pub use spread::Spread;

/// First bytes of every native log.
pub const MAGIC: &[u8; 8] = b"TRIBHIST";

/// Largest record, in bytes. A larger one is refused by the encoder and by the reader.
pub const RECORD_LIMIT: usize = 16 << 20;

/// Events after which the dictionary and the time base start afresh.
pub const SEGMENT_EVENTS: u32 = 1 << 16;

/// Longer strings are not worth a dictionary entry, and a short file must not name a long string
/// a million times.
const INTERN_LENGTH: usize = 64;

/// Dictionary entries per segment; later strings are written in full.
const INTERN_COUNT: usize = 1 << 15;

/// Record tags. Below 0x80 a record is essential: a reader that does not know it must refuse the
/// file, for skipping an operation would change verdicts. From 0x80 on it is advisory and carries
/// its length, so that an older reader skips what a newer minor version added.
mod tag {
    pub(super) const INTERN: u8 = 0x01;
    pub(super) const SEGMENT: u8 = 0x02;
    /// Events are ranked as given, not by time. Stands before every event.
    pub(super) const GIVEN_ORDER: u8 = 0x03;
    /// The same, and the order tells nothing between sessions. Stands before every event.
    pub(super) const PER_SESSION: u8 = 0x04;
    /// Where processes are that do not say it.
    pub(super) const SPREAD: u8 = 0x05;
    /// Bit 0: session follows. Bit 1: node follows. Bits 2-4: the number of a [`crate::F`], or
    /// [`super::WIDE_F`].
    pub(super) const INVOKE: u8 = 0x20;
    /// Bits 0-1: outcome. Bit 2: error class follows. Bits 3-4: a [`super::form`].
    pub(super) const COMPLETE: u8 = 0x40;
    /// The same, and its times are packed.
    pub(super) const COMPLETE_PACKED: u8 = 0x60;
    pub(super) const ADVISORY: u8 = 0x80;
    pub(super) const META: u8 = 0x80;
    pub(super) const NOTE: u8 = 0x81;
    pub(super) const SAMPLE: u8 = 0x82;
    pub(super) const FAULT: u8 = 0x83;
    pub(super) const MARK: u8 = 0x84;
    pub(super) const LATE: u8 = 0x85;
    pub(super) const END: u8 = 0x86;
}

/// In the tag of an invocation: the number of the operation is the byte before its arguments.
const WIDE_F: u8 = 7;

/// What a completion observed.
mod form {
    /// Nothing is written.
    pub(super) const NONE: u8 = 0;
    /// One result.
    pub(super) const RESULT: u8 = 1;
    /// A counted list of results.
    pub(super) const RESULTS: u8 = 2;
}
