//! The header page: what file this is, of which version, of which run.

use super::MAGIC;
use super::frames::{Chain, Framing};
use crate::codec::CodecError;

/// Size of the header page in bytes. The first frame starts here.
pub const HEADER_LEN: usize = 4096;
/// A reader refuses files of a newer major version; it reads every older one. 2 made the heads of
/// frames smaller.
pub const MAJOR: u16 = 2;
/// A newer minor version adds advisory records, which older readers skip, and operations and
/// essential records, which they refuse by number. 1.1 added every family but registers and
/// transactions; 1.2 added histories without real time; 2.1 added packed times and
/// nodes that need not be said.
pub const MINOR: u16 = 1;

/// Longest run or boot id, in bytes.
const ID_LIMIT: usize = 255;
const CRC_AT: usize = HEADER_LEN - 4;

/// What identifies a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogHeader {
    /// Name of the run; cut at 255 bytes.
    pub run_id: String,
    /// Wall clock at time 0 of the history, nanoseconds since the Unix epoch. For display only.
    pub wall_start_ns: u64,
    /// The controller's boot id, or empty; cut at 255 bytes.
    pub boot_id: String,
}

impl LogHeader {
    /// The page and its checksum.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let mut page = Vec::with_capacity(HEADER_LEN);
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&MAJOR.to_le_bytes());
        page.extend_from_slice(&MINOR.to_le_bytes());
        page.extend_from_slice(&(HEADER_LEN as u32).to_le_bytes());
        page.extend_from_slice(&self.wall_start_ns.to_le_bytes());
        for id in [&self.run_id, &self.boot_id] {
            let id = cut(id, ID_LIMIT);
            page.push(id.len() as u8);
            page.extend_from_slice(id.as_bytes());
        }
        page.resize(CRC_AT, 0);
        let crc = crc32c::crc32c(&page);
        page.extend_from_slice(&crc.to_le_bytes());
        (page, crc)
    }

    /// The header, where the frames start and how they are written.
    pub(super) fn decode(bytes: &[u8]) -> Result<(LogHeader, usize, Framing), CodecError> {
        if !bytes.starts_with(MAGIC) {
            let message = "not a tribunal history log: it does not start with TRIBHIST";
            return Err(CodecError::native(0, message));
        }
        let short = || {
            let have = bytes.len();
            CodecError::native(have, format!("the file ends inside its header, {have} bytes long"))
        };
        let fixed: &[u8; 16] = bytes.first_chunk().ok_or_else(short)?;
        let major = u16::from_le_bytes([fixed[8], fixed[9]]);
        if major > MAJOR {
            let message = format!(
                "format version {major} is newer than {MAJOR}, the newest this program reads; \
                 use the release that wrote it"
            );
            return Err(CodecError::native(8, message));
        }
        let page: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or_else(short)?;
        let (body, crc) = page.split_at(CRC_AT);
        let computed = crc32c::crc32c(body);
        if computed.to_le_bytes() != crc {
            let message = "the header is damaged: its checksum does not match";
            return Err(CodecError::native(CRC_AT, message));
        }
        let length = u32::from_le_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]);
        if major == 0 || length as usize != HEADER_LEN {
            let message = format!("version {major} with a header of {length} bytes never existed");
            return Err(CodecError::native(8, message));
        }
        let mut wall = [0; 8];
        wall.copy_from_slice(&body[16..24]);
        let (run_id, rest) = id(&body[24..])?;
        let (boot_id, _) = id(rest)?;
        let framing = match major {
            1 => Framing::Apart,
            _ => Framing::Chained(Chain::after_header(computed)),
        };
        let header = LogHeader { run_id, wall_start_ns: u64::from_le_bytes(wall), boot_id };
        Ok((header, HEADER_LEN, framing))
    }
}

/// The longest prefix of at most `limit` bytes that ends between characters.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn id(bytes: &[u8]) -> Result<(String, &[u8]), CodecError> {
    let damaged = || CodecError::native(24, "the header holds an id that is not text");
    let (length, rest) = bytes.split_first().ok_or_else(damaged)?;
    let (id, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(damaged)?;
    let id = std::str::from_utf8(id).map_err(|_| damaged())?;
    Ok((id.to_owned(), rest))
}
