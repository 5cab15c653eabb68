//! Inputs that reach deep: histories as they are written, then damaged so that most of the grammar
//! still holds. An input is a function of its target, the seed and its number.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tribunal_history::Family;
use tribunal_history::codec::{Format, ReadOptions, read, write};

use crate::Target;
use crate::arbitrary::{EVERYTHING, Flavor, history};
use crate::readers::LOG_ENDS;
use crate::words::{
    DBCOP_GOLDEN, DBCOP_WORDS, EDN_GOLDEN, EDN_WORDS, JSON_GOLDEN, JSON_WORDS, PORCUPINE_WORDS,
    SESSION_WORDS,
};

/// Longest input in bytes.
pub const INPUT_LIMIT: usize = 1 << 16;

/// A small deterministic generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of one input.
    pub fn of(seed: u64, number: u64) -> Random {
        let mut random = Random(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// Input `number` of a target.
pub fn input(target: Target, seed: u64, number: u64) -> Vec<u8> {
    let mut random = Random::of(seed, number);
    if target == Target::Packed {
        return packed(&mut random);
    }
    let Target::Reader(format) = target else {
        let length = 8 + random.below(240);
        return (0..length).map(|_| random.next() as u8).collect();
    };
    let long = random.below(512) == 0;
    let mut bytes = golden(format, &mut random);
    let edits = [0, 1, 1, 1, 2, 2, 3, 8][random.below(8)];
    for _ in 0..edits {
        match format {
            Format::Native => edit_native(&mut bytes, &mut random),
            Format::Jsonl => edit_text(&mut bytes, &mut random, JSON_WORDS),
            Format::Edn => edit_text(&mut bytes, &mut random, EDN_WORDS),
            Format::Porcupine => edit_text(&mut bytes, &mut random, PORCUPINE_WORDS),
            Format::Awdit | Format::Polysi => edit_text(&mut bytes, &mut random, SESSION_WORDS),
            Format::Dbcop => edit_text(&mut bytes, &mut random, DBCOP_WORDS),
            Format::Cobra => edit_bytes(&mut bytes, 0, &mut random),
        }
        bytes.truncate(INPUT_LIMIT);
    }
    // What takes more than its share of time or memory shows on long inputs.
    while format != Format::Native && long && (1..INPUT_LIMIT / 2).contains(&bytes.len()) {
        bytes.extend_from_within(..);
    }
    bytes
}

/// A file packed with zstd or gzip, damaged perhaps: bytes changed, or its end missing.
fn packed(random: &mut Random) -> Vec<u8> {
    let text = golden(Format::Jsonl, random);
    let mut bytes = if random.below(2) == 0 {
        compress_to_vec(&text[..], CompressionLevel::Fastest)
    } else {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&text).and_then(|()| encoder.finish()).expect("memory takes it")
    };
    for _ in 0..[0, 1, 1, 2, 4][random.below(5)] {
        match random.below(8) {
            0 => bytes.truncate(random.below(bytes.len() + 1)),
            1 => bytes.extend_from_within(random.below(bytes.len() + 1)..),
            _ if bytes.is_empty() => {}
            // Headers say most in fewest bytes.
            2..5 => {
                let at = random.below(bytes.len().min(16));
                bytes[at] = random.next() as u8;
            }
            _ => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
    }
    bytes.truncate(INPUT_LIMIT);
    bytes
}

/// What a writer writes, or a line no writer of ours does.
fn golden(format: Format, random: &mut Random) -> Vec<u8> {
    let strange = match format {
        Format::Edn => EDN_GOLDEN,
        Format::Jsonl => JSON_GOLDEN,
        Format::Dbcop => DBCOP_GOLDEN,
        Format::Cobra => return cobra(random),
        Format::Native | Format::Porcupine | Format::Awdit | Format::Polysi => &[],
    };
    if !strange.is_empty() && random.below(3) == 0 {
        let lines = 1 + random.below(6);
        let lines: Vec<&str> = (0..lines).map(|_| random.pick(strange)).collect();
        return lines.join("\n").into_bytes();
    }
    if matches!(format, Format::Awdit | Format::Polysi | Format::Dbcop) {
        return sessions(format, random);
    }
    let one: [&'static [Family]; 7] = [
        &[Family::Register],
        &[Family::Txn],
        &[Family::Set],
        &[Family::Counter],
        &[Family::Queue],
        &[Family::Lock],
        &[Family::Id],
    ];
    let bare = format == Format::Porcupine;
    let flavor = match (bare, one.get(random.below(10))) {
        (true, _) => Flavor { families: one[0], bare, explicit_nil: false },
        (false, Some(families)) => Flavor { families, ..EVERYTHING },
        (false, None) => EVERYTHING,
    };
    let steps: Vec<(u8, u64)> =
        (0..random.below(30)).map(|_| (random.below(4) as u8, random.next())).collect();
    let mut bytes = Vec::new();
    write(&history(&steps, flavor), format, &mut bytes).expect("the format can hold it");
    bytes
}

/// Sessions of transactions over a few registers.
fn sessions(format: Format, random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    for line in 0..random.below(40) {
        let (word, key) = (random.pick(&["r", "w"]), random.below(4));
        let (value, session) = (random.below(6), random.below(3));
        let txn = random.pick(&["0", "0", "-1"]);
        match (format, random.below(5)) {
            (Format::Polysi, 0) => text += &format!("{word}({key},{value},{session},{txn})\n"),
            (Format::Polysi, _) => {
                text += &format!("{word}({key},{value},{session},{})\n", line / 5)
            }
            (_, 0) => text += random.pick(&["-----\n", "-----\n", "=====\n"]),
            (_, _) => text += &format!("{word} {key} {value}\n"),
        }
    }
    if format != Format::Dbcop {
        return text.into_bytes();
    }
    let found = read(text.as_bytes(), Some(Format::Awdit), &ReadOptions::default());
    let mut bytes = Vec::new();
    let history = found.expect("just made").history;
    // A read of 0 that is nothing has a form of its own here.
    write(&history, format, &mut bytes).expect("registers");
    bytes
}

/// Logs of some clients of Cobra, the first of which writes what the others read.
fn cobra(random: &mut Random) -> Vec<u8> {
    const INITIAL: u64 = 0xbebe_ebee;
    let mut bytes = Vec::new();
    let mut record = |kind: u8, ints: &[u64]| {
        bytes.push(kind);
        ints.iter().for_each(|int| bytes.extend(int.to_be_bytes()));
    };
    let logs = 1 + random.below(4) as u64;
    for log in 0..logs {
        for number in 0..random.below(6) as u64 {
            let txn = log * 16 + number + 1;
            let timed = random.below(4) == 0;
            record(b'S', &[txn, 1 << 40][..1 + usize::from(timed)]);
            for step in 0..random.below(5) as u64 {
                let key = random.below(3) as u64;
                match random.below(3) {
                    0 => record(b'W', &[txn * 8 + step, key, 0]),
                    1 => record(b'R', &[INITIAL, INITIAL, key, 0]),
                    _ => record(b'R', &[1, 8 + random.below(5) as u64, key, 0]),
                }
            }
            if random.below(8) > 0 || number > 0 {
                record(b'C', &[txn]);
            }
        }
        if log + 1 < logs {
            record(LOG_ENDS, &[]);
        }
    }
    bytes
}

/// Edits the records of a frame, and makes its checksum right again: a damaged frame ends a log,
/// and nothing behind the checksum would be reached. One in four becomes a log of version 1.
fn edit_native(bytes: &mut Vec<u8>, random: &mut Random) {
    const HEADER: usize = 4096;
    const VERSION: usize = 8;
    let mut bodies = match bytes.get(..HEADER) {
        Some(page) => bodies(page[VERSION], &bytes[HEADER..]),
        None => Vec::new(),
    };
    if random.below(20) == 0 || bodies.is_empty() {
        return edit_bytes(bytes, 0, random);
    }
    let edited = random.below(bodies.len());
    edit_bytes(&mut bodies[edited], 0, random);
    bytes.truncate(HEADER - 4);
    bytes[VERSION] = if random.below(4) == 0 { 1 } else { 2 };
    let mut running = crc32c::crc32c(bytes);
    bytes.extend(running.to_le_bytes());
    for body in bodies {
        let (length, sum) = match bytes[VERSION] {
            1 => ((body.len() as u32).to_le_bytes().to_vec(), crc32c::crc32c(&body)),
            _ => {
                let length = varint_of_two_bytes_or_more(body.len());
                running = crc32c::crc32c_append(crc32c::crc32c_append(running, &length), &body);
                (length, running)
            }
        };
        bytes.extend(length);
        bytes.extend(sum.to_le_bytes());
        bytes.extend(body);
    }
}

/// The records of each frame, as far as the frames are whole.
fn bodies(version: u8, mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    loop {
        let head = match (version, rest) {
            (1, [a, b, c, d, ..]) => Some((u32::from_le_bytes([*a, *b, *c, *d]) as usize, 8)),
            (1, _) => None,
            (_, [short @ 0..0x80, ..]) => Some((usize::from(*short), 3)),
            (_, _) => {
                let end = rest.iter().take(4).position(|byte| *byte < 0x80);
                let digits = |end: usize| rest[..=end].iter().rev();
                let value = |end| digits(end).fold(0, |n, byte| n << 7 | usize::from(byte & 0x7f));
                end.map(|end| (value(end), end + 5))
            }
        };
        match head.and_then(|(length, head)| rest.get(head..)?.split_at_checked(length)) {
            Some((body, after)) if !body.is_empty() => {
                bodies.push(body.to_vec());
                rest = after;
            }
            _ => return bodies,
        }
    }
}

/// Such a length is followed by the whole checksum.
fn varint_of_two_bytes_or_more(mut value: usize) -> Vec<u8> {
    let mut bytes = vec![value as u8 | 0x80];
    value >>= 7;
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// One edit behind `from`.
fn edit_bytes(bytes: &mut Vec<u8>, from: usize, random: &mut Random) {
    if bytes.len() <= from {
        bytes.push(random.next() as u8);
        return;
    }
    let at = from + random.below(bytes.len() - from);
    match random.below(7) {
        0 => bytes[at] = random.next() as u8,
        1 => bytes[at] ^= 1 << random.below(8),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, random.next() as u8),
        // The largest varint, or one too large.
        4 => drop(bytes.splice(at..at, [0xff; 9].into_iter().chain([random.next() as u8 & 3]))),
        5 => bytes.truncate(at),
        _ => {
            let end = at + random.below((bytes.len() - at).min(64));
            let copy = bytes[at..end].to_vec();
            let to = from + random.below(bytes.len() - from);
            drop(bytes.splice(to..to, copy));
        }
    }
}

/// One edit of a text: of lines, of words, or of bytes.
fn edit_text(bytes: &mut Vec<u8>, random: &mut Random, words: &[&str]) {
    if bytes.is_empty() || random.below(6) == 0 {
        return edit_bytes(bytes, 0, random);
    }
    match random.below(3) {
        0 => edit_lines(bytes, random),
        1 => {
            // A word for a word.
            let at = random.below(bytes.len());
            let start = bytes[..at].iter().rposition(|byte| SPLIT.contains(byte));
            let start = start.map_or(0, |start| start + 1);
            let end = bytes[start..].iter().position(|byte| SPLIT.contains(byte));
            let end = end.map_or(bytes.len(), |end| start + end);
            let word = random.pick(words);
            drop(bytes.splice(start..end, word.bytes()));
        }
        _ => {
            let at = random.below(bytes.len());
            let word = random.pick(words);
            drop(bytes.splice(at..at, word.bytes()));
        }
    }
}

fn edit_lines(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let at = random.below(lines.len());
    match random.below(4) {
        0 => drop(lines.remove(at)),
        1 => {
            let line = lines[at];
            lines.insert(at, line);
        }
        2 => {
            let other = random.below(lines.len());
            lines.swap(at, other);
        }
        _ => {
            let other = random.below(lines.len());
            lines[at] = lines[other];
        }
    }
    *bytes = lines.join(&b'\n');
}

const SPLIT: &[u8] = b" \n\t,:[](){}\"";
