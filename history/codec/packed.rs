//! Files packed with zstd (RFC 8878) or gzip (RFC 1952), unpacked in memory within a limit.
//!
//! A small file may unpack to more than a machine holds, so output ends at [`RATIO`] times the
//! input (but not below [`LEAST`]) and at the caller's limit. Checksums are verified: what a
//! checksum contradicts would be judged as if somebody had observed it.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::CodecError;

/// Most bytes of output for each byte of input.
const RATIO: u64 = 100;
/// Output that is always allowed.
const LEAST: u64 = 16 << 20;
/// Without a limit of the caller's.
const MOST: u64 = 4 << 30;

/// How a file is packed, by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Packing {
    Zstd,
    Gzip,
}

impl Packing {
    fn of(bytes: &[u8]) -> Option<Packing> {
        match bytes {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
            // A skippable frame: tools put one before the first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
            [0x1f, 0x8b, ..] => Some(Packing::Gzip),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Packing::Zstd => "zstd",
            Packing::Gzip => "gzip",
        }
    }
}

/// Bytes that say whether a file is packed.
pub(super) const HEAD: usize = 4;

/// Whether a file that starts with `bytes` is packed.
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    Packing::of(bytes).is_some()
}

/// The bytes, unpacked if they are packed. O(output).
pub(super) fn unpacked(bytes: &[u8], limit: Option<u64>) -> Result<Cow<'_, [u8]>, CodecError> {
    let Some(packing) = Packing::of(bytes) else { return Ok(Cow::Borrowed(bytes)) };
    let most = (bytes.len() as u64).saturating_mul(RATIO).max(LEAST);
    let limit = limit.unwrap_or(MOST).min(most);
    let mut out = Vec::new();
    let result = match packing {
        Packing::Zstd => zstd(bytes, limit, &mut out),
        Packing::Gzip => gzip(bytes, limit, &mut out),
    };
    let (name, got) = (packing.name(), out.len());
    if got as u64 > limit {
        return Err(CodecError::Packed(format!(
            "packed with {name}, it unpacks to more than {limit} bytes, the limit for {} packed \
             ones; if that is right, unpack it with `{name} -d`",
            bytes.len()
        )));
    }
    match result {
        Ok(()) if Packing::of(&out).is_some() => Err(CodecError::Packed(format!(
            "packed with {name} more than once; unpack it with `{name} -d`"
        ))),
        Ok(()) => Ok(Cow::Owned(out)),
        Err(why) => Err(CodecError::Packed(format!(
            "packed with {name}, and damaged or cut short after {got} unpacked bytes: {why}; copy \
             it again, or judge what is whole: `{name} -dc` writes it"
        ))),
    }
}

/// Every frame. At most one byte beyond `limit` is kept.
fn zstd(mut rest: &[u8], limit: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let mut decoder = FrameDecoder::new();
    while !rest.is_empty() && out.len() as u64 <= limit {
        match StreamingDecoder::new_with_decoder(&mut rest, &mut decoder) {
            Ok(frame) => {
                let room = limit + 1 - out.len() as u64;
                frame.take(room).read_to_end(out).map_err(|error| plain(&error))?;
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
                rest = rest.get(length as usize..).ok_or_else(short)?;
                continue;
            }
            Err(error) => return Err(plain(&error)),
        }
        let (said, found) = (decoder.get_checksum_from_data(), decoder.get_calculated_checksum());
        if decoder.is_finished() && said.is_some() && said != found {
            return Err(io::Error::other("its checksum is wrong"));
        }
    }
    Ok(())
}

/// Whether it ends too early or is damaged, which is all of the decoder's words that helps.
fn plain(error: &(dyn Error + 'static)) -> io::Error {
    // What an error of the system holds is no source of it.
    let mut at = Some(error);
    while let Some(error) = at {
        let system = error.downcast_ref::<io::Error>();
        if system.is_some_and(|system| system.kind() == io::ErrorKind::UnexpectedEof) {
            return io::ErrorKind::UnexpectedEof.into();
        }
        at = match system.and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    io::Error::other("a block of it does not decode")
}

/// Every member, with its checksum.
fn gzip(bytes: &[u8], limit: u64, out: &mut Vec<u8>) -> io::Result<()> {
    MultiGzDecoder::new(bytes).take(limit + 1).read_to_end(out).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::{LEAST, unpacked};

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("a vector takes all");
        encoder.finish().expect("a vector takes all")
    }

    /// Lines that are alike and yet not the same.
    fn text() -> Vec<u8> {
        (0..5_000).flat_map(|it| format!("line {it} of {}\n", it * it).into_bytes()).collect()
    }

    #[test]
    fn what_was_packed_comes_back_and_the_rest_stays() {
        let text = text();
        assert_eq!(*unpacked(&text, None).expect("as it is"), text[..]);
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(&text)].concat();
        let frames = [zstd(&text[..700]), zstd(b""), zstd(&text[700..])].concat();
        let members = [gzip(&text[..700]), gzip(&text[700..])].concat();
        for packed in [zstd(&text), skippable, frames, gzip(&text), members] {
            assert!(packed.len() < text.len());
            assert_eq!(*unpacked(&packed, None).expect("whole"), text[..]);
        }
    }

    #[test]
    fn a_bomb_is_refused_at_its_limit() {
        let zeros = vec![0; LEAST as usize + 1];
        for packed in [zstd(&zeros), gzip(&zeros)] {
            assert!((packed.len() as u64) < LEAST / 100);
            let error = unpacked(&packed, None).expect_err("too large").to_string();
            assert!(error.contains("more than 16777216 bytes"), "{error}");
            assert!(
                unpacked(&packed, Some(1000)).expect_err("too large").to_string().contains("1000")
            );
            assert!(unpacked(&zstd(&zeros[1..]), None).is_ok(), "at the limit");
        }
    }

    #[test]
    fn no_damage_passes_for_a_history() {
        let text = text();
        for packed in [zstd(&text), gzip(&text)] {
            for end in [5, 20, packed.len() / 2, packed.len() - 1] {
                let error = unpacked(&packed[..end], None).expect_err("torn").to_string();
                assert!(error.contains("cut short") && error.contains("-dc`"), "{error}");
                let plain = ["unexpected end of file", "incomplete deflate stream"];
                assert!(plain.iter().any(|words| error.contains(words)), "{end}: {error}");
            }
            let mut seed = 1u64;
            for _ in 0..2_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let mut bent = packed.clone();
                let at = (seed >> 33) as usize % bent.len();
                bent[at] ^= 1 << (seed >> 30 & 7);
                // A flip in a header may leave the content as it is; nothing else passes.
                if let Ok(out) = unpacked(&bent, None) {
                    assert!(*out == text[..] || *out == bent[..], "byte {at}");
                }
            }
        }
    }

    #[test]
    fn packed_twice_is_said() {
        let error = unpacked(&zstd(&gzip(&text())), None).expect_err("twice").to_string();
        assert!(error.contains("more than once"), "{error}");
    }
}
