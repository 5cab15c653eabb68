//! Readers refuse or read. What was read can be written in the formats that lose nothing, and comes
//! back the same.

use tribunal_history::codec::{CobraLog, Format, ReadOptions, read, read_cobra_logs, write};
use tribunal_history::{Family, History};

use crate::arbitrary::told;

/// Most bytes that a packed input may unpack to.
const UNPACKED: u64 = 1 << 20;

/// The options follow from the input, so that an input is all there is to reproduce.
fn options(data: &[u8]) -> ReadOptions {
    let families = Family::ALL.map(Some);
    let choice = data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte));
    ReadOptions {
        independent: [None, None, Some(false), Some(true)][choice % 4],
        family: families.get(choice / 4 % 16).copied().flatten(),
        unpacked_bytes: Some(UNPACKED),
    }
}

/// Whether a packed file was unpacked and read.
pub(crate) fn run_packed(data: &[u8]) -> bool {
    run(Format::Jsonl, data)
}

/// Between the logs of Cobra's clients: a byte that begins no record.
pub(crate) const LOG_ENDS: u8 = b'|';

fn logs(data: &[u8]) -> Vec<CobraLog> {
    data.split(|byte| *byte == LOG_ENDS).map(|log| ("a log".to_owned(), log.to_vec())).collect()
}

/// Whether it was read.
pub(crate) fn run(format: Format, data: &[u8]) -> bool {
    let found = match format {
        Format::Cobra => read_cobra_logs(&logs(data)),
        _ => read(data, Some(format), &options(data)),
    };
    let Ok(found) = found else {
        return false;
    };
    for format in [Format::Native, Format::Jsonl] {
        let mut bytes = Vec::new();
        // An operation may be larger than a record may be.
        if write(&found.history, format, &mut bytes).is_err() {
            continue;
        }
        match read(&bytes, Some(format), &ReadOptions::default()) {
            Ok(again) => same(&again.history, &found.history, format),
            Err(error) => panic!("written as {} and refused: {error}", format.name()),
        }
    }
    for format in [Format::Edn, Format::Porcupine] {
        let mut bytes = Vec::new();
        if write(&found.history, format, &mut bytes).is_err() {
            continue;
        }
        let again = read(&bytes, Some(format), &ReadOptions::default());
        let again = again.unwrap_or_else(|error| {
            let text = String::from_utf8_lossy(&bytes);
            panic!("written as {} and refused: {error}\n{text}", format.name())
        });
        assert_eq!(again.history.event_count(), found.history.event_count());
    }
    for format in [Format::Awdit, Format::Polysi, Format::Dbcop] {
        sessions(&found.history, format);
    }
    true
}

/// What such a format holds of a history it holds for good.
fn sessions(history: &History, format: Format) {
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    if write(history, format, &mut once).is_err() {
        return;
    }
    let again = read(&once, Some(format), &ReadOptions::default()).unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(&once);
        panic!("written as {} and refused: {error}\n{text}", format.name())
    });
    assert!(!again.history.has_real_time());
    write(&again.history, format, &mut twice).expect("its own format");
    assert!(once == twice, "{}: {}", format.name(), String::from_utf8_lossy(&once));
}

fn same(again: &History, before: &History, format: Format) {
    assert_eq!(told(again), told(before), "as {}", format.name());
    assert_eq!(again.has_real_time(), before.has_real_time(), "as {}", format.name());
}
