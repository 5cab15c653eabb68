//! Formats of committed transactions, session by session: AWDIT, PolySI, dbcop.

#[path = "common/told.rs"]
mod told;

use expect_test::expect;
use proptest::prelude::*;
use told::check;
use tribunal_history::codec::{Format, ReadOptions, detect, read, write};
use tribunal_history::{
    Builder, History, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp, Value,
};

const FORMATS: [Format; 3] = [Format::Awdit, Format::Polysi, Format::Dbcop];

#[test]
fn awdit_lists_sessions_one_after_the_other() {
    check(
        "w 0 1\nw 1 -2\n-----\r\nr 0 0\n\n=====\n  r 0 1  \nr\t7 0\n",
        expect![[r#"
            #0 0.000 s p0 invoke w(0, 1) w(1, -2)
            #1 0.000 s p0 ok w(0, 1) w(1, -2)
            #2 0.000 s p0 invoke r(0) -> ?
            #3 0.000 s p0 ok r(0) -> nil
            #4 0.000 s p1 invoke r(0) -> ? r(7) -> ?
            #5 0.000 s p1 ok r(0) -> 1 r(7) -> nil
            warning: the format has no times: nothing is ordered between sessions
        "#]],
    );
}

#[test]
fn zero_is_the_initial_value_only_where_nobody_writes_it() {
    check(
        "w 0 0\n=====\nr 0 0\nr 1 0",
        expect![[r#"
            #0 0.000 s p0 invoke w(0, 0)
            #1 0.000 s p0 ok w(0, 0)
            #2 0.000 s p1 invoke r(0) -> ? r(1) -> ?
            #3 0.000 s p1 ok r(0) -> 0 r(1) -> nil
            warning: the format has no times: nothing is ordered between sessions
        "#]],
    );
}

#[test]
fn polysi_names_sessions_and_transactions() {
    check(
        "w(5,1,0,0)\nr(6,0,1,1)\nw(5,9,1,-1)\n\nr(5, 1, 1, 1)\nw(5,2,0,0)\nr(5,9,0,2)\n",
        expect![[r#"
            #0 0.000 s p0 invoke w(5, 1) w(5, 2)
            #1 0.000 s p0 ok w(5, 1) w(5, 2)
            #2 0.000 s p0 invoke r(5) -> ?
            #3 0.000 s p0 ok r(5) -> 9
            #4 0.000 s p1 invoke r(6) -> ? r(5) -> ?
            #5 0.000 s p1 ok r(6) -> nil r(5) -> 1
            #6 0.000 s p1 invoke w(5, 9)
            #7 0.000 s p1 fail w(5, 9)
            warning: the format has no times: nothing is ordered between sessions
        "#]],
    );
}

#[test]
fn dbcop_has_two_spellings_and_two_frames() {
    let told = || {
        expect![[r#"
            #0 0.000 s p0 invoke w(1, 2) r(3) -> ?
            #1 0.000 s p0 ok w(1, 2) r(3) -> nil
            #2 0.000 s p1 invoke w(3, 4)
            #3 0.000 s p1 fail w(3, 4)
            #4 0.000 s p1 invoke r(1) -> ? r(3) -> ?
            #5 0.000 s p1 ok r(1) -> 2 r(3) -> nil
            warning: the format has no times: nothing is ordered between sessions
        "#]]
    };
    let sessions = r#"[[{"events":[{"Write":{"variable":1,"version":2}},
        {"Read":{"variable":3,"version":null}}],"committed":true}],
        [{"committed":false,"events":[["w",3,4]]},
        {"events":[["r",1,2],["r",3,0]],"committed":true,"more":[]}]]"#;
    check(sessions, told());
    let params = r#"{"id":0,"n_node":2,"n_variable":2,"n_transaction":2,"n_event":2}"#;
    check(
        &format!(
            r#"{{"params":{params},"info":"generated","start":"","end":"","data":{sessions}}}"#
        ),
        told(),
    );
}

#[test]
fn errors_say_where() {
    let refused = [
        (
            "w 0 1\nx 0 2\n",
            expect![
                "line 2, column 1: a line must be `r KEY VALUE`, `w KEY VALUE`, `-----` or `=====`"
            ],
        ),
        ("w 0 1\n  r 0\n", expect!["line 2, column 6: the value is missing"]),
        (
            "w 0 1\n-----\nr 0 x1\n",
            expect!["line 3, column 5: the value must be an integer of 64 bits"],
        ),
        (
            "w 0 9223372036854775808",
            expect!["line 1, column 5: the value must be an integer of 64 bits"],
        ),
        ("w 0 1 2", expect!["line 1, column 7: nothing may follow the value"]),
        ("r(1,2,3,4)\nr(1,2,3)\n", expect!["line 2, column 8: the transaction is missing"]),
        (
            "r(1,2,3,4)\nr(1,,3,4)\n",
            expect!["line 2, column 5: the value must be an integer of 64 bits"],
        ),
        (
            "r(1,2,3,4)\nq(1,2,3,4)\n",
            expect![
                "line 2, column 1: a line must be `r(KEY,VALUE,SESSION,TXN)` or `w(KEY,VALUE,SESSION,TXN)`"
            ],
        ),
        (
            "r(1,2,3,4)\nr(1,2,3,5)\nr(1,2,3,-1)\nr(1,2,3,4)",
            expect![
                "line 4, column 1: transaction 4 of session 3 goes on, but another one began since"
            ],
        ),
        ("r(1,2,-3,4)", expect!["line 1, column 3: session -3 is out of range"]),
        ("r(1,2,3,4,5)", expect!["line 1, column 11: nothing may follow the transaction"]),
        (
            "[[{\"events\":[\n[\"w\",1,null]],\"committed\":true}]]",
            expect!["line 2, column 12: a write needs a version"],
        ),
        (
            "[[{\"events\":[[\"q\",1,2]],\"committed\":true}]]",
            expect!["line 1, column 18: unknown variant `q`, expected `r` or `w`"],
        ),
        ("[[{\"events\":[]}]]", expect!["line 1, column 15: missing field `committed`"]),
        ("{\"data\":[[]],\"data\":[]}", expect!["line 1, column 19: duplicate field `data`"]),
        ("{\"params\":{}}", expect!["line 1, column 13: missing field `data`"]),
        (
            "[[{\"events\":[{\"Read\":{\"variable\":\"x\"}}]}]]",
            expect![[r#"line 1, column 36: invalid type: string "x", expected i64"#]],
        ),
        ("[[]", expect!["line 1, column 3: EOF while parsing a list"]),
    ];
    for (text, expected) in refused {
        let error = read(text.as_bytes(), None, &ReadOptions::default()).expect_err(text);
        expected.assert_eq(&error.to_string());
    }
    let long = format!("w 0 {}", "1".repeat(1 << 17));
    let error = read(long.as_bytes(), None, &ReadOptions::default()).expect_err("too long");
    assert_eq!(error.to_string(), "line 1, column 1: a line of more than 65536 bytes");
}

#[test]
fn what_such_a_format_cannot_hold_is_refused_or_said() {
    let events = "{:process 3, :type :invoke, :f :txn, :value [[:w 1 2]]}
        {:process 4, :type :invoke, :f :txn, :value [[:w 1 3]]}
        {:process 3, :type :info, :f :txn, :value [[:w 1 2]], :time 5}
        {:process 4, :type :info, :f :txn, :value [[:w 1 3]], :error :timeout}
        {:process 5, :type :invoke, :f :txn, :value [[:r 1 nil]], :node 2}
        {:process 5, :type :ok, :f :txn, :value [[:r 1 2]]}
        {:process 6, :type :invoke, :f :write, :value 4}
        {:process 6, :type :ok, :f :write, :value 4}";
    let history = read(events.as_bytes(), None, &ReadOptions::default()).expect("EDN").history;
    let error = write(&history, Format::Awdit, &mut Vec::new()).expect_err("key nil");
    assert_eq!(
        error.to_string(),
        "awdit holds transactions over registers of integers, not the value nil; write jsonl or \
         edn instead"
    );
    let events = events.split("{:process 6").next().expect("the rest");
    let history = read(events.as_bytes(), None, &ReadOptions::default()).expect("EDN").history;
    let mut bytes = Vec::new();
    let lost = write(&history, Format::Awdit, &mut bytes).expect("registers");
    assert_eq!(String::from_utf8(bytes).expect("text"), "w 1 2\n=====\nr 1 2\n");
    expect![[r#"
        1 error classes dropped
        1 node names dropped
        2 sessions numbered anew
        1 times dropped
        1 transactions of unknown outcome dropped: nobody saw them
        1 transactions of unknown outcome written as committed: they were seen
        3 transactions whose order in real time beside other sessions is lost
    "#]]
    .assert_eq(&(lost.join("\n") + "\n"));
    for (text, format, what) in [
        (
            "[[{\"events\":[[\"r\",1,null]],\"committed\":true}],[{\"events\":[[\"w\",1,0]],\"committed\":true}]]",
            Format::Polysi,
            "a read of nothing under key 1, where 0 is written",
        ),
        ("w -1 5", Format::Dbcop, "the integer -1"),
    ] {
        let history = read(text.as_bytes(), None, &ReadOptions::default()).expect(what).history;
        let error = write(&history, format, &mut Vec::new()).expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    }
}

/// A transaction to come: session, whether it commits, and steps (writes, key, value).
type Planned = (u32, bool, Vec<(bool, i64, i64)>);

fn planned() -> impl Strategy<Value = Vec<Planned>> {
    let step = (any::<bool>(), 0_i64..4, 0_i64..12);
    let commits = prop::bool::weighted(0.8);
    prop::collection::vec((0_u32..3, commits, prop::collection::vec(step, 1..5)), 0..12)
}

/// A read of 0 is one of nothing.
fn history(planned: &[Planned]) -> History {
    let mut builder = Builder::per_session();
    for (session, commits, steps) in planned {
        let mops = steps.iter().map(|(writes, key, value)| match (writes, value) {
            (true, value) => Mop::Write { key: Value::Int(*key), value: Value::Int(*value) },
            (false, 0) => Mop::Read { key: Value::Int(*key), value: Observed::Absent },
            (false, value) => {
                let value = Observed::Present(Value::Int(*value));
                Mop::Read { key: Value::Int(*key), value }
            }
        });
        let op = Op::Txn(TxnOp { mops: mops.collect() });
        builder.invoke(Nanos(0), Process(*session), None, None, &op).expect("in turn");
        let outcome = if *commits { Outcome::Ok } else { Outcome::Fail };
        builder
            .complete(Nanos(0), Process(*session), outcome, Some(&op), None)
            .expect("its own answer");
    }
    builder.finish()
}

/// Transactions session by session, as far as the format holds them.
fn told(history: &History, format: Format) -> Vec<Vec<(Outcome, Vec<Mop>)>> {
    let mut sessions = std::collections::BTreeMap::<_, Vec<_>>::new();
    for operation in history.operations() {
        let Op::Txn(TxnOp { mut mops }) = operation.op() else { panic!("no transaction") };
        let session = sessions.entry(operation.session()).or_default();
        let outcome = operation.outcome();
        if outcome == Outcome::Fail {
            mops.retain(Mop::writes);
        }
        match (outcome, format) {
            (Outcome::Fail, Format::Awdit) => {}
            (Outcome::Fail, Format::Polysi) => {
                session.extend(mops.into_iter().map(|mop| (outcome, vec![mop])));
            }
            _ if mops.is_empty() => {}
            _ => session.push((outcome, mops)),
        }
    }
    sessions.into_values().filter(|session| !session.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn sessions_come_back(planned in planned(), format in prop::sample::select(&FORMATS[..])) {
        let before = history(&planned);
        let mut bytes = Vec::new();
        if let Err(error) = write(&before, format, &mut bytes) {
            prop_assert!(error.to_string().contains("where 0 is written"), "{}", error);
            return Ok(());
        }
        let again = read(&bytes, Some(format), &ReadOptions::default());
        let again = again.map_err(|error| TestCaseError::fail(error.to_string()))?.history;
        prop_assert!(!again.has_real_time());
        prop_assert_eq!(told(&again, format), told(&before, format));
        if !again.is_empty() {
            prop_assert_eq!(detect(&bytes), Some(format));
        }
    }

    #[test]
    fn our_own_formats_keep_that_there_is_no_real_time(planned in planned()) {
        let before = history(&planned);
        for format in [Format::Native, Format::Jsonl, Format::Edn] {
            let mut bytes = Vec::new();
            write(&before, format, &mut bytes).expect("nothing is lost");
            let again = read(&bytes, Some(format), &ReadOptions::default()).expect("readable");
            prop_assert!(!again.history.has_real_time());
            prop_assert!(again.history.events().eq(before.events()));
        }
    }
}
