//! The logs of Cobra's clients, made here byte by byte.

use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use tribunal_history::codec::{
    CobraLog, CodecError, Format, Read, ReadOptions, is_cobra, read, read_cobra, read_cobra_logs,
    write,
};

/// One record: its letter and its integers.
fn record(kind: u8, ints: &[i64]) -> Vec<u8> {
    let mut bytes = vec![kind];
    ints.iter().for_each(|int| bytes.extend(int.to_be_bytes()));
    bytes
}

/// A log from words: `S1 W7,5 R1,7,5 C1` begins 1, writes key 5 by write 7, reads that, commits.
fn log(words: &str) -> Vec<u8> {
    let record = |word: &str| {
        let ints: Vec<i64> =
            word[1..].split(',').map(|int| int.parse().expect("an integer")).collect();
        let kind = word.as_bytes()[0];
        // Whatever was written, its value is the same: numbers of writes tell them apart.
        let value: &[i64] = if matches!(kind, b'W' | b'R') { &[42] } else { &[] };
        record(kind, &[&ints[..], value].concat())
    };
    words.split_whitespace().flat_map(record).collect()
}

fn logs(words: &[&str]) -> Vec<CobraLog> {
    words.iter().enumerate().map(|(at, words)| (format!("T{at}.log"), log(words))).collect()
}

fn told(read: Result<Read, CodecError>) -> String {
    match read {
        Err(error) => format!("{error}\n"),
        Ok(read) => {
            assert_eq!(read.format, Format::Cobra);
            assert!(!read.history.has_real_time() || read.history.is_empty());
            let events = read.history.events().map(|event| format!("{event}\n"));
            events.chain(read.warnings.iter().map(|it| format!("warning: {it}\n"))).collect()
        }
    }
}

fn check(words: &[&str], expected: Expect) {
    expected.assert_eq(&told(read_cobra_logs(&logs(words))));
}

const INITIAL: i64 = 0xbebe_ebee;
const NULL: i64 = 0xdead_beef;
const EPOCH: i64 = 0x2333_2333;

#[test]
fn a_log_is_a_session() {
    check(
        &[
            &format!("S1 R{INITIAL},{INITIAL},5 W7,5 R1,7,5 C1 S2 R{NULL},{NULL},6 C2"),
            "",
            &format!("S3 R1,7,5 R9,99,6 W{EPOCH},1 R{INITIAL},{EPOCH},1 C3 S4 W8,-5"),
        ],
        expect![[r#"
            #0 0.000 s p0 invoke r(5) -> ? w(5, 7) r(5) -> ?
            #1 0.000 s p0 ok r(5) -> nil w(5, 7) r(5) -> 7
            #2 0.000 s p0 invoke r(6) -> ?
            #3 0.000 s p0 ok r(6) -> nil
            #4 0.000 s p2 invoke r(5) -> ? r(6) -> ?
            #5 0.000 s p2 ok r(5) -> 7 r(6) -> 99
            #6 0.000 s p2 invoke w(-5, 8)
            warning: the format has no times: nothing is ordered between sessions
            warning: 2 reads and writes that mark epochs of Cobra's garbage collection left out
        "#]],
    );
}

#[test]
fn times_of_begins_and_commits_are_left_out() {
    let bytes = [
        record(b'S', &[1, 1_700_000_000_000]),
        record(b'W', &[7, 5, 42]),
        record(b'C', &[1, 1_700_000_000_001]),
        record(b'S', &[2]),
        record(b'R', &[1, 7, 5, 42]),
        record(b'C', &[2]),
    ];
    let logs = [("T0.log".to_owned(), bytes.concat())];
    expect![[r#"
        #0 0.000 s p0 invoke w(5, 7)
        #1 0.000 s p0 ok w(5, 7)
        #2 0.000 s p0 invoke r(5) -> ?
        #3 0.000 s p0 ok r(5) -> 7
        warning: the format has no times: nothing is ordered between sessions
    "#]]
    .assert_eq(&told(read_cobra_logs(&logs)));
}

#[test]
fn what_is_no_log_is_refused_by_name_and_byte() {
    check(
        &["S1 C1", "S2 W7,5 C1"],
        expect![[r#"
        T1.log, byte 34: transaction 1 commits within 2
    "#]],
    );
    check(
        &["W7,5"],
        expect![[r#"
        T0.log, byte 0: W outside of a transaction
    "#]],
    );
    check(
        &["S1 S2"],
        expect![[r#"
        T0.log, byte 9: S within transaction 1
    "#]],
    );
    check(
        &["S1 C1 S1 C1"],
        expect![[r#"
        T0.log, byte 18: transaction 1 begins, and has begun before
    "#]],
    );
    check(
        &["S1 W7,5 C1", "S2 W7,6 C2"],
        expect![[r#"
        T1.log, byte 9: write 7 was made before
    "#]],
    );
    check(
        &["S1 W7,5 C1 S2 R3,7,5 C2"],
        expect![[r#"
        T0.log, byte 52: a read of write 7 of transaction 3, but 1 made it
    "#]],
    );
    check(
        &[&format!("S1 R{INITIAL},7,5 C1")],
        expect![[r#"
            T0.log, byte 9: write 7 of 3200183278: only one of them is the initial one
        "#]],
    );
    check(
        &["S1 X2"],
        expect![[r#"
        T0.log, byte 9: no record begins with 0x58; S, W, R and C do
    "#]],
    );
    let mut cut = logs(&["S1 W7,5"]);
    cut[0].1.pop();
    expect![[r#"
        T0.log, byte 9: the log ends within this record; it was cut short
    "#]]
    .assert_eq(&told(read_cobra_logs(&cut)));
}

/// Histories of sessions, as AWDIT's text and as logs, are the same history.
#[test]
fn logs_say_what_text_says() {
    let mut state = 7_u64;
    let mut below = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for _ in 0..200 {
        let (mut text, mut all, mut txn) = (String::new(), Vec::new(), 0);
        // Who made which write of which key; 0 was there before.
        let mut writes: Vec<(i64, i64, u64)> = Vec::new();
        for session in 0..1 + below(4) {
            let mut words = String::new();
            text += if session > 0 { "=====\n" } else { "" };
            for number in 0..1 + below(5) {
                txn += 1;
                words += &format!("S{txn} ");
                text += if number > 0 { "-----\n" } else { "" };
                for _ in 0..1 + below(4) {
                    let key = below(3);
                    let of_key: Vec<_> = writes.iter().filter(|(.., k)| *k == key).collect();
                    match below(3) {
                        0 => {
                            let write = 100 + writes.len() as i64;
                            writes.push((txn, write, key));
                            words += &format!("W{write},{key} ");
                            text += &format!("w {key} {write}\n");
                        }
                        1 if !of_key.is_empty() => {
                            let (writer, write, _) = of_key[below(of_key.len() as u64) as usize];
                            words += &format!("R{writer},{write},{key} ");
                            text += &format!("r {key} {write}\n");
                        }
                        _ => {
                            words += &format!("R{INITIAL},{INITIAL},{key} ");
                            text += &format!("r {key} 0\n");
                        }
                    }
                }
                words += &format!("C{txn} ");
            }
            all.push(words);
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let found = read_cobra_logs(&logs(&all)).expect("logs").history;
        let text = read(text.as_bytes(), Some(Format::Awdit), &ReadOptions::default());
        let lines = |history| {
            let mut bytes = Vec::new();
            write(history, Format::Jsonl, &mut bytes).expect("a sink that does not fail");
            String::from_utf8(bytes).expect("text")
        };
        assert_eq!(lines(&found), lines(&text.expect("text").history));
    }
}

fn empty(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir(&directory).expect("a directory");
    directory
}

#[test]
fn a_directory_is_read_in_the_order_of_its_numbers() {
    let directory = empty("cobra");
    let put = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.join(name), bytes).expect("a file");
    };
    put("T10.log", &log("S3 W9,5 C3"));
    put("T9.log", &log("S2 W8,5 C2"));
    put("notes.txt", b"no log");
    assert!(is_cobra(&directory));
    expect![[r#"
        #0 0.000 s p0 invoke w(5, 8)
        #1 0.000 s p0 ok w(5, 8)
        #2 0.000 s p1 invoke w(5, 9)
        #3 0.000 s p1 ok w(5, 9)
        warning: the format has no times: nothing is ordered between sessions
    "#]]
    .assert_eq(&told(read_cobra(&directory)));
    put("history.log", b"TRIBHIST");
    assert!(!is_cobra(&directory), "a run has other logs");
    let empty = empty("cobra-empty");
    assert!(!is_cobra(&empty));
    expect![[r#"
        there is no .log of a client of Cobra in it
    "#]]
    .assert_eq(&told(read_cobra(&empty)));
}

#[test]
fn a_file_is_neither_read_nor_written_as_logs() {
    let error = read(&log("S1 C1"), Some(Format::Cobra), &ReadOptions::default());
    assert!(error.expect_err("a file").to_string().contains("a directory"));
    let history = read_cobra_logs(&logs(&["S1 W7,5 C1"])).expect("logs").history;
    let error = write(&history, Format::Cobra, &mut Vec::new()).expect_err("only read");
    assert!(error.to_string().contains("only read"));
}
