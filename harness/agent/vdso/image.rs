//! Where in a vDSO the functions are, and where there is room.
//!
//! The image comes from another process and is not trusted: every offset is checked.

use std::io;

use super::blob::NAMES;

/// What is known of a vDSO, in offsets from its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Of each function of [`NAMES`].
    pub(super) entries: [Option<usize>; NAMES.len()],
    /// First byte behind everything that the image describes, at a multiple of 64.
    pub(super) slack: usize,
}

/// Reads an ELF image of 64 bits for x86-64, little-endian.
///
/// # Errors
/// Not such an image, or one without any of the functions.
pub(super) fn layout(image: &[u8]) -> io::Result<Layout> {
    parse(image).ok_or_else(|| io::Error::other("its vDSO is no image that is understood"))
}

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const HASH: u64 = 4;
const STRINGS: u64 = 5;
const SYMBOLS: u64 = 6;

/// Most symbols that are looked at: there are about twenty.
const MANY: usize = 4096;

fn parse(image: &[u8]) -> Option<Layout> {
    let header: &[u8] = &[0x7f, b'E', b'L', b'F', 2, 1];
    if !image.starts_with(header) || short(image, 18)? != 62 {
        return None;
    }
    let (programs, sections) = (offset(image, 32)?, offset(image, 40)?);
    let (program_size, program_count) = (short(image, 54)?, short(image, 56)?);
    let sections_end = sections.checked_add(short(image, 58)? * short(image, 60)?)?;
    let (mut bias, mut end, mut dynamic) = (None, sections_end, None);
    for at in (0..program_count).map(|at| programs + at * program_size) {
        let (place, address) = (offset(image, at + 8)?, long(image, at + 16)?);
        match word(image, at)? {
            LOAD => {
                bias.get_or_insert(address.wrapping_sub(place as u64));
                end = end.max(place.checked_add(offset(image, at + 32)?)?);
            }
            DYNAMIC => dynamic = Some((place, offset(image, at + 32)?)),
            _ => {}
        }
    }
    let (bias, (dynamic, size)) = (bias?, dynamic?);
    let tag = |wanted: u64| {
        let mut tags = (dynamic..dynamic.saturating_add(size)).step_by(16);
        let at = tags.find(|at| long(image, *at) == Some(wanted))?;
        usize::try_from(long(image, at + 8)?.wrapping_sub(bias)).ok()
    };
    let (strings, symbols) = (tag(STRINGS)?, tag(SYMBOLS)?);
    let count = match tag(HASH) {
        Some(hash) => word(image, hash.checked_add(4)?)? as usize,
        // Without it: in all images known the strings follow the symbols.
        None => strings.checked_sub(symbols)? / 24,
    };
    let mut entries = [None; NAMES.len()];
    for symbol in (0..count.min(MANY)).map(|at| symbols + at * 24) {
        let name = strings.checked_add(word(image, symbol)? as usize)?;
        let name = image.get(name..)?.split(|byte| *byte == 0).next()?;
        if let Some(at) = NAMES.iter().position(|known| known.as_bytes() == name) {
            let entry = usize::try_from(long(image, symbol + 8)?.wrapping_sub(bias)).ok()?;
            entries[at] = (entry != 0 && entry + 8 <= image.len()).then_some(entry);
        }
    }
    entries[0]?;
    Some(Layout { entries, slack: end.next_multiple_of(64) })
}

fn bytes<const N: usize>(image: &[u8], at: usize) -> Option<[u8; N]> {
    image.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn short(image: &[u8], at: usize) -> Option<usize> {
    bytes(image, at).map(|bytes| usize::from(u16::from_le_bytes(bytes)))
}

fn word(image: &[u8], at: usize) -> Option<u32> {
    bytes(image, at).map(u32::from_le_bytes)
}

fn long(image: &[u8], at: usize) -> Option<u64> {
    bytes(image, at).map(u64::from_le_bytes)
}

/// A number that is an offset into the image, or one past it.
fn offset(image: &[u8], at: usize) -> Option<usize> {
    usize::try_from(long(image, at)?).ok().filter(|offset| *offset <= image.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom};

    /// Of this very process.
    fn own() -> Vec<u8> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let (from, to) = super::super::patch::vdso(&maps).expect("a vDSO");
        let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut image = vec![0; (to - from) as usize];
        memory.seek(SeekFrom::Start(from)).unwrap();
        memory.read_exact(&mut image).unwrap();
        image
    }

    #[test]
    fn the_functions_of_this_kernel_are_found_and_there_is_room() {
        let image = own();
        let found = layout(&image).unwrap();
        assert!(found.entries.iter().all(Option::is_some), "{found:?}");
        assert!(image[found.slack..].iter().all(|byte| *byte == 0));
        let blob = super::super::blob::blob().expect("code for this processor");
        assert!(found.slack + blob.bytes.len() <= image.len(), "{found:?}");
    }

    /// Whatever is damaged, it is refused or understood, and never a panic.
    #[test]
    fn a_damaged_image_is_no_danger() {
        let image = own();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..100_000 {
            let mut damaged = image.clone();
            for _ in 0..1 + draw(4) {
                let below = if draw(2) == 0 { 1024 } else { damaged.len() };
                let at = draw(below);
                damaged[at] = draw(256) as u8;
            }
            let cut = draw(4) == 0;
            let length = draw(image.len());
            damaged.truncate(if cut { length } else { image.len() });
            if let Ok(found) = layout(&damaged) {
                assert!(found.entries.iter().flatten().all(|entry| entry + 8 <= damaged.len()));
            }
        }
        assert!(layout(&[]).is_err() && layout(b"\x7fELF").is_err());
    }
}
