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
    let families = ["linearizable/", "txn/list-append", "txn/rw-register"];
    let objects = ["invariants/set", "invariants/counter"];
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
    assert!(accepted >= 126 && refused >= 4, "{accepted} read, {refused} refused");
}

/// Written again and read again, a history is the same; times aside where a format has none.
fn again(history: &tribunal_history::History, format: Format, file: &str) {
    let mut bytes = Vec::new();
    if let Err(error) = write(history, format, &mut bytes) {
        assert_eq!(format, Format::Porcupine, "{file} as {}: {error}", format.name());
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
