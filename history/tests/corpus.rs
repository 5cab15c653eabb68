//! Histories of others: every one of a supported family is read, the others are refused by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tribunal_history::Family;
use tribunal_history::codec::{Format, ReadOptions, detect, read, write};

/// The corpus beside the repository; `None`, said aloud, where it is missing.
fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if !path.is_dir() {
        println!("skipped: no corpus at ../shared/corpus beside the repository");
        return None;
    }
    Some(path)
}

/// Every file of a folder's table, with one of the models it is judged by.
fn rows(folder: &Path) -> BTreeMap<String, String> {
    let table = std::fs::read_to_string(folder.join("verdicts.tsv")).expect("verdicts.tsv");
    let row = |line: &str| {
        let mut columns = line.split('\t').map(str::to_owned);
        Some((columns.next()?, columns.next()?))
    };
    table.lines().skip(1).filter_map(row).collect()
}

fn supported(model: &str) -> bool {
    let families = ["linearizable/", "txn/"];
    let objects = ["invariants/set", "invariants/counter", "invariants/bank"];
    // Its adds are keyed and its read is not: nobody can say what that means.
    let known = families.iter().chain(&objects).any(|start| model.starts_with(start));
    known && !model.starts_with("invariants/set-full")
}

#[test]
fn every_history_of_a_known_family_is_read() {
    let Some(corpus) = corpus() else { return };
    let (mut accepted, mut refused) = (0, 0);
    for folder in ["porcupine", "knossos", "elle-cli", "elle"] {
        for (file, model) in rows(&corpus.join(folder)) {
            let bytes =
                std::fs::read(corpus.join(folder).join(&file)).expect("a file of the table");
            // Nothing in a file of additions of 1 says what they are added to.
            let family = model.starts_with("invariants/counter").then_some(Family::Counter);
            let options = ReadOptions { family, ..ReadOptions::default() };
            let result = read(&bytes, None, &options);
            if !supported(&model) {
                let Err(error) = result else { panic!("{folder}/{file} of {model} was read") };
                let error = error.to_string();
                let why = error.contains("support") || model.starts_with("invariants/set-full");
                assert!(why, "{folder}/{file}: {error}");
                refused += 1;
                continue;
            }
            let found = result.unwrap_or_else(|error| panic!("{folder}/{file}: {error}"));
            assert_eq!(Some(found.format), detect(&bytes));
            let text = String::from_utf8(bytes).expect("text");
            let code = text.lines().filter(|line| !line.starts_with(';'));
            let events = match found.format {
                Format::Porcupine => text.lines().count(),
                Format::Jsonl => code.filter(|line| line.contains("\"type\"")).count(),
                Format::Edn | Format::Native => code.filter(|line| line.contains(":type")).count(),
                Format::Awdit | Format::Polysi | Format::Dbcop | Format::Cobra => {
                    panic!("{folder}/{file}")
                }
            };
            let told = found.history.event_count() as usize + found.history.faults().len();
            assert_eq!(told, events, "{folder}/{file}");
            for format in Format::ALL {
                again(&found.history, format, &file);
            }
            accepted += 1;
        }
    }
    println!("{accepted} read, {refused} refused");
    assert!(accepted >= 130 && refused >= 1, "{accepted} read, {refused} refused");
}

/// Written again and read again, a history is the same; times aside where a format has none.
fn again(history: &tribunal_history::History, format: Format, file: &str) {
    let narrow =
        matches!(format, Format::Porcupine | Format::Awdit | Format::Polysi | Format::Dbcop);
    let mut bytes = Vec::new();
    if let Err(error) = write(history, format, &mut bytes) {
        assert!(narrow, "{file} as {}: {error}", format.name());
        return;
    }
    if narrow && format != Format::Porcupine {
        return;
    }
    let copy = read(&bytes, Some(format), &ReadOptions::default());
    let copy = copy.unwrap_or_else(|error| panic!("{file} as {}: {error}", format.name()));
    assert_eq!(copy.history.event_count(), history.event_count(), "{file}");
    for (copy, event) in copy.history.events().zip(history.events()) {
        assert_eq!(
            (copy.process, copy.kind, &copy.op),
            (event.process, event.kind, &event.op),
            "{file} as {}",
            format.name()
        );
        if format != Format::Porcupine {
            assert_eq!((copy.time, copy.error), (event.time, event.error), "{file}");
        }
    }
}

/// Sessions of transactions: none is lost, and what is written again reads the same.
#[test]
fn every_history_of_sessions_is_read() {
    let Some(corpus) = corpus() else { return };
    let mut files = 0;
    for (folder, format) in [("awdit", Format::Awdit), ("polysi", Format::Polysi)] {
        for (file, _) in rows(&corpus.join(folder)) {
            let bytes =
                std::fs::read(corpus.join(folder).join(&file)).expect("a file of the table");
            let found = read(&bytes, None, &ReadOptions::default());
            let found = found.unwrap_or_else(|error| panic!("{folder}/{file}: {error}"));
            assert_eq!(found.format, format);
            assert!(!found.history.has_real_time());
            let text = String::from_utf8(bytes).expect("text");
            let lines = text.lines().filter(|line| line.starts_with(['r', 'w'])).count();
            let mops: usize = found.history.operations().map(|op| op.mops().len()).sum();
            assert_eq!(mops, lines, "{folder}/{file}");
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            let lost = write(&found.history, format, &mut once).expect("its own format");
            assert!(lost.is_empty(), "{file}: {lost:?}");
            let again = read(&once, Some(format), &ReadOptions::default()).expect("readable");
            write(&again.history, format, &mut twice).expect("its own format");
            assert!(once == twice, "{folder}/{file}");
            assert_eq!(again.history.len(), found.history.len());
            for format in [Format::Native, Format::Jsonl, Format::Edn] {
                let mut bytes = Vec::new();
                write(&found.history, format, &mut bytes).expect("nothing is lost");
                let again = read(&bytes, None, &ReadOptions::default()).expect("readable");
                assert!(!again.history.has_real_time(), "{}", format.name());
                let events = again.history.events().eq(found.history.events());
                assert!(events, "{file} as {}", format.name());
            }
            files += 1;
        }
    }
    println!("{files} read");
    assert!(files >= 23, "{files} read");
}
