//! Every format that claims to be read and written gives back what it was given.

#[path = "common/arbitrary.rs"]
mod arbitrary;

use arbitrary::{EVERYTHING, Flavor, history, told};
use proptest::prelude::*;
use tribunal_history::codec::{Format, ReadOptions, SOLE_KEY, detect, read, write};
use tribunal_history::{Builder, Family, History, Nanos, Op, Outcome, Process, RegisterOp, Value};

/// Writes, detects by content, reads.
fn there_and_back(history: &History, format: Format) -> History {
    let mut bytes = Vec::new();
    write(history, format, &mut bytes).expect("the format can hold it");
    if history.event_count() > 0 {
        assert_eq!(detect(&bytes), Some(format), "{}", String::from_utf8_lossy(&bytes));
    }
    match read(&bytes, Some(format), &ReadOptions::default()) {
        Ok(read) => read.history,
        Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&bytes)),
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((0_u8..4, any::<u64>()), 0..40)
}

/// More cases with `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(500),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A history of one family each, and mixtures: which family a word belongs to is told as well.
const FAMILIES: &[&[Family]] = &[
    &[Family::Register],
    &[Family::Txn],
    &[Family::Set],
    &[Family::Counter],
    &[Family::Queue],
    &[Family::Lock],
    &[Family::Id],
    &[Family::Set, Family::Counter],
    &[Family::Register, Family::Txn],
    &Family::ALL,
];

/// Formats have forms of several widths: both sides of every limit there may be.
#[test]
fn integers_of_every_width() {
    let near = |power: u32| {
        let least = 1_i64 << power;
        [least - 1, least, -least + 1, -least, -least - 1]
    };
    let ints: Vec<i64> = (0..63).flat_map(near).chain([i64::MIN, i64::MAX]).collect();
    let put = |int: &i64| RegisterOp::Write { key: SOLE_KEY, value: Value::Int(*int) };
    let mut builder = Builder::as_given();
    for int in &ints {
        let op = Op::Register(put(int));
        builder.invoke(Nanos(0), Process(0), None, None, &op).expect("in order");
        builder.complete(Nanos(0), Process(0), Outcome::Ok, Some(&op), None).expect("in order");
    }
    let history = builder.finish();
    for format in [Format::Native, Format::Jsonl, Format::Edn, Format::Porcupine] {
        let copy = there_and_back(&history, format);
        assert_eq!(copy.len(), ints.len());
        for (read, int) in copy.operations().zip(&ints) {
            assert_eq!(read.op(), Op::Register(put(int)), "{format:?}");
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn native(steps in steps()) {
        let history = history(&steps, EVERYTHING);
        prop_assert_eq!(told(&there_and_back(&history, Format::Native)), told(&history));
    }

    #[test]
    fn jsonl(steps in steps()) {
        let history = history(&steps, EVERYTHING);
        prop_assert_eq!(told(&there_and_back(&history, Format::Jsonl)), told(&history));
    }

    #[test]
    fn edn(steps in steps(), families in prop::sample::select(FAMILIES)) {
        let flavor = Flavor { families, bare: false, explicit_nil: false };
        let history = history(&steps, flavor);
        prop_assert_eq!(told(&there_and_back(&history, Format::Edn)), told(&history));
    }

    /// What another tool wrote does not name families: the option does.
    #[test]
    fn edn_of_others(steps in steps(), family in prop::sample::select(&Family::ALL[..])) {
        let families: &[Family] = match family {
            Family::Set => &[Family::Set],
            Family::Counter => &[Family::Counter],
            Family::Register
            | Family::Txn
            | Family::Queue
            | Family::Lock
            | Family::Id => return Ok(()),
        };
        let history = history(&steps, Flavor { families, bare: false, explicit_nil: false });
        let mut bytes = Vec::new();
        write(&history, Format::Edn, &mut bytes).expect("EDN holds it");
        let text = String::from_utf8(bytes).expect("text");
        let text = text.replace(", :family :set", "").replace(", :family :counter", "");
        let options = ReadOptions { family: Some(family), ..ReadOptions::default() };
        let copy = read(text.as_bytes(), None, &options).expect("readable").history;
        if history.event_count() > 0 {
            prop_assert_eq!(told(&copy), told(&history));
        }
    }

    #[test]
    fn porcupine(steps in steps()) {
        let flavor = Flavor { families: &[Family::Register], bare: true, explicit_nil: false };
        let history = history(&steps, flavor);
        prop_assert_eq!(told(&there_and_back(&history, Format::Porcupine)), told(&history));
    }

    /// Damaged text is refused or read, and never a panic. Cuts, flips and repeats keep enough of
    /// the grammar to reach deep into the readers.
    #[test]
    fn damaged_texts_never_panic(
        steps in steps(),
        format in prop::sample::select(&Format::ALL[..]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..6),
    ) {
        let flavor = match format {
            Format::Porcupine => Flavor { families: &[Family::Register], bare: true, ..EVERYTHING },
            Format::Native
            | Format::Jsonl
            | Format::Edn
            | Format::Awdit
            | Format::Polysi
            | Format::Dbcop
            | Format::Cobra => EVERYTHING,
        };
        let mut bytes = Vec::new();
        // What is refused half written is damaged as well.
        let _ = write(&history(&steps, flavor), format, &mut bytes);
        for (at, byte, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes.truncate(at),
                1 => bytes[at] = byte,
                2 => bytes[at] = b"[]{}()\"\\:#_; \n,n0-"[usize::from(byte) % 18],
                _ => {
                    let tail = bytes[at..].to_vec();
                    bytes.extend(tail);
                }
            }
        }
        for format in [Some(format), Some(Format::Jsonl), Some(Format::Edn), None] {
            let _ = read(&bytes, format, &ReadOptions::default());
        }
    }
}
