//! A file is read the same from a stream, of which only a part is in memory, as from memory:
//! histories, errors and where they are.

#[path = "common/arbitrary.rs"]
mod arbitrary;

use std::io::{Cursor, Read, Seek, SeekFrom};

use arbitrary::{EVERYTHING, Flavor, history, told};
use tribunal_history::codec::{Format, ReadOptions, read, read_from, write};
use tribunal_history::{Family, History};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0 >> 33
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
}

/// Gives what it likes.
struct Slow(Cursor<Vec<u8>>, Random);

impl Read for Slow {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = out.len().min(1 + self.1.below(50_000));
        self.0.read(&mut out[..length])
    }
}

impl Seek for Slow {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

fn outcome(read: Result<tribunal_history::codec::Read, impl ToString>) -> Result<History, String> {
    read.map(|read| read.history).map_err(|error| error.to_string())
}

/// Whether both read it.
fn same(bytes: &[u8], seed: u64, what: &str) -> bool {
    let options = ReadOptions::default();
    let mut slow = Slow(Cursor::new(bytes.to_vec()), Random(seed));
    let memory = outcome(read(bytes, None, &options));
    let stream = outcome(read_from(&mut slow, None, &options));
    match (&memory, &stream) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one.has_real_time(), other.has_real_time());
            assert!(told(one) == told(other), "{what}");
        }
        (Err(one), Err(other)) => assert_eq!(one, other, "{what}"),
        _ => panic!("{what}: {:?} {:?}", memory.err(), stream.err()),
    }
    memory.is_ok()
}

/// Some hundred kilobytes: more than the window of a stream.
fn large(format: Format, random: &mut Random) -> Vec<u8> {
    let families: &[Family] = &[Family::Txn];
    let registers: &[Family] = &[Family::Register];
    let flavor = match format {
        Format::Porcupine => Flavor { families: registers, bare: true, explicit_nil: false },
        Format::Edn => Flavor { families, bare: false, explicit_nil: false },
        _ => EVERYTHING,
    };
    let mut bytes = Vec::new();
    if matches!(format, Format::Awdit | Format::Polysi | Format::Dbcop) {
        let mut text = String::new();
        for value in 1..60_000 {
            let breaks = ["", "", "-----\n", "", "", "=====\n"][random.below(6)];
            text += &format!("w {} {value}\n{breaks}", random.below(100));
        }
        let history = read(text.as_bytes(), None, &ReadOptions::default()).expect("text").history;
        write(&history, format, &mut bytes).expect("registers");
        return bytes;
    }
    let many = if format == Format::Native { 40_000 } else { 9_000 };
    let steps: Vec<(u8, u64)> =
        (0..many).map(|_| (random.below(4) as u8, random.next() << 31 | random.next())).collect();
    write(&history(&steps, flavor), format, &mut bytes).expect("the format can hold it");
    bytes
}

#[test]
fn a_stream_is_read_like_memory() {
    let mut random = Random(42);
    for format in Format::ALL {
        let bytes = large(format, &mut random);
        assert!(bytes.len() > 300_000, "{} bytes of {}", bytes.len(), format.name());
        assert!(same(&bytes, 1, format.name()));
        let mut through = 0;
        for case in 0..7_u64 {
            let mut bytes = bytes.clone();
            if format != Format::Native {
                // What stands at the end of a window moves.
                let blank = vec![b'\n'; random.below(400)];
                let at = if format == Format::Jsonl { bytes.len() } else { 0 };
                bytes.splice(at..at, blank);
            }
            for _ in 0..case % 3 {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes.truncate(at + 1),
                    1 => bytes[at] = random.next() as u8,
                    2 => bytes[at] = b"[]{}()\"\\:; \n,0"[random.below(14)],
                    _ => drop(bytes.remove(at)),
                }
            }
            through += u32::from(same(&bytes, case, format.name()));
        }
        assert!(through >= 3, "{through} of {}", format.name());
    }
}

/// Each makes the reader start again.
#[test]
fn what_is_read_twice_is_read_twice() {
    let long =
        "{:process 3, :type :invoke, :f :write, :value 9} ; ".to_owned() + &"x".repeat(1 << 20);
    let tail = [
        "{:process 1, :type :invoke, :f :add, :value 1}\n{:process 2, :type :invoke, :f :remove, :value 1}",
        "{:index 5, :process 1, :type :invoke, :f :write, :value 1}\n{:index 4, :process 2, :type :invoke, :f :read}",
        "{:process 1, :type :ok, :f :read, :value 1, :index 7}\n{:process 1, :type :invoke, :f :read, :index 6}",
        "{:type :invoke, :f :write, :value 1}\n{:process 2, :type :invoke, :f :read}",
        "{:process 4, :type :invoke, :f :add, :value 1}",
        "{:process 4, :type :invoke, :f :add,",
        "{:process 4, :type :invoke, :f :write, :value \"\u{e9}",
        "[1 2]",
    ];
    for tail in tail {
        let text = format!("\u{feff}{long}\n{tail}");
        same(text.as_bytes(), 3, tail);
        same(&text.as_bytes()[..text.len() - 1], 3, tail);
    }
    let wide =
        format!("{{:process 1, :type :invoke, :f :write, :value \"{}\"}}", "é".repeat(3 << 18));
    assert!(same(wide.as_bytes(), 4, "a long value"));
    assert!(!same(&[wide.as_bytes(), b"\xff"].concat(), 4, "not UTF-8"));
}
