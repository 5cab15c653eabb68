//! Transactions as Elle, its command line and its tests write them.

#[path = "common/told.rs"]
mod told;

use expect_test::expect;
use told::check;
use tribunal_history::codec::{Format, ReadOptions, read, write};
use tribunal_history::{History, Mop, Op};

fn auto(text: &str) -> History {
    match read(text.as_bytes(), None, &ReadOptions::default()) {
        Ok(read) => read.history,
        Err(error) => panic!("{error}\n{text}"),
    }
}

/// The micro-operations of the history, one after the other.
fn mops(text: &str) -> Vec<Mop> {
    let txn = |op| match op {
        Op::Txn(txn) => txn.mops,
        other => panic!("{other} is no transaction"),
    };
    auto(text).operations().flat_map(|operation| txn(operation.op())).collect()
}

#[test]
fn what_reads_nothing_reads_a_list_where_the_key_is_one() {
    let text = "{:type :ok, :value [[:r 1 nil] [:r 2 nil] [:r 3 nil] [:r 4 nil] [:r 5 nil]]}
         {:type :ok, :value [[:append 1 7] [:r 2 [8]] [:w 3 9] [:r 4 9]]}";
    expect![[r#"
        r(1) -> nil list
        r(2) -> nil list
        r(3) -> nil
        r(4) -> nil
        r(5) -> nil list
        append(1, 7)
        r(2) -> [8] list
        w(3, 9)
        r(4) -> 9
    "#]]
    .assert_eq(&spelled(text));
    let alone = "{:type :ok, :value [[:r 1 nil] [:w 2 3]]}";
    expect![[r#"
        r(1) -> nil
        w(2, 3)
    "#]]
    .assert_eq(&spelled(alone));
}

fn spelled(text: &str) -> String {
    let one = |mop: &Mop| match mop {
        Mop::ReadList { .. } => format!("{mop} list\n"),
        Mop::Read { .. }
        | Mop::Write { .. }
        | Mop::Append { .. }
        | Mop::Add { .. }
        | Mop::ReadPredicate { .. } => {
            format!("{mop}\n")
        }
    };
    mops(text).iter().map(one).collect()
}

/// The answer shows what the question did not.
#[test]
fn a_question_is_answered_by_either_kind_of_read() {
    check(
        "{:process 0, :type :invoke, :value ([:r 1 nil] (:r 2 nil))} ; lists are vectors
         {:process 0, :type :ok, :value [[:r 1 [5 6]] [:r 2 7]]}
         {:process 1, :type :invoke, :value [[:r 1 nil]]} #_ {:type :ok}
         {:process 1, :type :info, :value [[:r 1 nil]], :error :timeout}",
        expect![[r#"
            #0 0.000 s p0 invoke r(1) -> ? r(2) -> ?
            #1 0.000 s p0 ok r(1) -> [5 6] r(2) -> 7
            #2 0.000 s p1 invoke r(1) -> ?
            #3 0.000 s p1 info r(1) -> ? (timeout)
            warning: no event has a :time; only their order is known
        "#]],
    );
}

#[test]
fn the_nil_of_an_info_says_nothing_and_that_of_an_ok_says_there_was_nothing() {
    let text = "{:process 0, :type :invoke, :f :txn, :value [[:r :x nil] [:append :x 1]]}
         {:process 1, :type :invoke, :f :txn, :value [[:r :x nil]]}
         {:process 0, :type :info, :f :txn, :value [[:r :x nil] [:append :x 1]]}
         {:process 1, :type :ok, :f :txn, :value [[:r :x nil]]}";
    expect![[r#"
        r("x") -> ? list
        append("x", 1)
        r("x") -> nil list
    "#]]
    .assert_eq(&spelled(text));
}

#[test]
fn events_without_a_process_are_sessions_of_their_own() {
    check(
        "[{:type :invoke, :f :read, :value [[:r 0 nil] [:r 1 nil]]},
          {:type :invoke, :f :write, :value [[:w 0 1]]},
          {:type :ok, :f :write, :value [[:w 0 1]]},
          {:type :ok, :f :read, :value [[:r 0 1] [:r 1 nil]]}]",
        expect![[r#"
            #0 0.000 s p0 invoke r(0) -> ? r(1) -> ?
            #1 0.000 s p1 invoke w(0, 1)
            #2 0.000 s p1 ok w(0, 1)
            #3 0.000 s p0 ok r(0) -> 1 r(1) -> nil
            warning: no event has a :time; only their order is known
            warning: 4 events have no :process; each operation is taken as a session of its own
        "#]],
    );
    let text = "{:type :invoke, :f :txn, :value [[:w 0 1]]}
         {:process 7, :type :invoke, :f :txn, :value [[:w 0 2]]}
         {:type :invoke, :f :txn, :value [[:w 0 3]]}
         {:type :info}";
    let error = read(text.as_bytes(), None, &ReadOptions::default()).expect_err("which one?");
    expect!["line 4, column 10: an event without :f and without micro-operations as its :value"]
        .assert_eq(&error.to_string());
    let text = text.replace("{:type :info}", "{:type :info, :value [[:w 0 3]]}");
    check(
        &text,
        expect![[r#"
        #0 0.000 s p2147483648 invoke w(0, 1)
        #1 0.000 s p7 invoke w(0, 2)
        #2 0.000 s p2147483649 invoke w(0, 3)
        #3 0.000 s p2147483649 info w(0, 3)
        warning: no event has a :time; only their order is known
        warning: 3 events have no :process; each operation is taken as a session of its own
    "#]],
    );
}

/// Elle's own tests are of this kind.
#[test]
fn completions_alone_are_whole_transactions_without_real_time() {
    let text = "{:index 0, :type :ok, :process 0, :value [[:append :x 1] [:r :y nil]]}
         {:index 1, :type :fail, :process 0, :value [[:append :x 2]]}
         {:index 2, :type :info, :process 1, :value [[:append :x 3]]}
         {:index 3, :type :ok, :value [[:r :x [1 2]]]}";
    check(
        text,
        expect![[r##"
            #0 0.000 s p0 invoke append("x", 1) r("y") -> ?
            #1 0.000 s p0 ok append("x", 1) r("y") -> nil
            #2 0.000 s p0 invoke append("x", 2)
            #3 0.000 s p0 fail append("x", 2)
            #4 0.000 s p1 invoke append("x", 3)
            #5 0.000 s p1 info append("x", 3)
            #6 0.000 s p2147483648 invoke r("x") -> ?
            #7 0.000 s p2147483648 ok r("x") -> [1 2]
            warning: no event has a :time; only their order is known
            warning: 1 events have no :process; each operation is taken as a session of its own
            warning: 4 transactions have no invocation; nothing is ordered in real time
        "##]],
    );
    assert!(!auto(text).has_real_time());
    let whole = "{:type :invoke, :process 0, :value [[:append :x 1]]}
         {:type :ok, :process 0, :value [[:append :x 1]]}";
    assert!(auto(whole).has_real_time());
    let register = "{:type :ok, :process 0, :f :write, :value 3}";
    let error = read(register.as_bytes(), None, &ReadOptions::default()).expect_err("no question");
    expect!["line 1: p0 completed at event 0 without an open invocation"]
        .assert_eq(&error.to_string());
}

#[test]
fn the_json_of_elle_cli() {
    check(
        r#"[{"index":0,"process":1,"type":"invoke","value":[["append",3,1],["r",3,null]]},
            {"index":1,"process":1,"type":"ok","value":[["append",3,1],["r",3,[1]]]}]"#,
        expect![[r#"
            #0 0.000 s p1 invoke append(3, 1) r(3) -> ?
            #1 0.000 s p1 ok append(3, 1) r(3) -> [1]
            warning: no event has a :time; only their order is known
        "#]],
    );
    check(
        r#"{"type":"invoke","f":"txn","value":[["w",3,1],["r",4,null]]}
{"type":"ok","f":"txn","value":[["w",3,1],["r",4,null]]}"#,
        expect![[r#"
            #0 0.000 s p0 invoke w(3, 1) r(4) -> ?
            #1 0.000 s p0 ok w(3, 1) r(4) -> nil
            warning: no event has a :time; only their order is known
            warning: 2 events have no :process; each operation is taken as a session of its own
        "#]],
    );
    check(
        "{\"type\":\"invoke\",\"process\":0,\"value\":[[\"r\",3,null]]}\n\
         {\"type\":\"ok\",\"process\":0,\"value\":[[\"q\",3,1]]}",
        expect![[r#"
            line 2, column 35: micro-operation q is not one of r, w, append
        "#]],
    );
    check(
        "{\"type\":\"invoke\",\"process\":0,\"value\":[[\"w\",3]]}",
        expect![[r#"
            line 1, column 39: micro-operation w has a key and no value
        "#]],
    );
}

/// Found by fuzzing: what is asked of one object has no micro-operations.
#[test]
fn a_transaction_does_not_answer_what_is_none() {
    check(
        "{:type :invoke, :process 0, :f :read}
         {:type :ok, :process 0, :f :txn, :value [[:r 1 [2]]]}",
        expect![[r#"
            line 2: event 1 answers `r(1) -> [2]` but event 0 asked `read nil -> ?`
        "#]],
    );
    let lines = "{\"schema\":\"tribunal.history\",\"schema_version\":1}
{\"id\":0,\"time\":0,\"process\":0,\"kind\":\"invoke\",\"op\":{\"f\":\"read\",\"key\":1}}
{\"id\":1,\"time\":0,\"process\":0,\"kind\":\"ok\",\"op\":{\"f\":\"txn\",\"mops\":[]}}";
    check(
        lines,
        expect![[r#"
        line 3: event 1 answers `` but event 0 asked `read 1 -> ?`
    "#]],
    );
}

/// What the writer spells `:r` the reader takes for what it was.
#[test]
fn mixtures_come_back() {
    for text in [
        "{:type :ok, :value [[:w 1 2] [:append 3 4] [:rl 1 nil] [:rr 3 nil] [:rl 9 nil]]}",
        "{:type :ok, :value [[:append 3 4] [:rl 1 nil] [:rl 3 [4]]]}",
        "{:type :ok, :value [[:w 1 2] [:append 3 4] [:rl 1 nil]]}",
        "{:type :ok, :value [[:rr 1 nil] [:rl 2 [3]]]}",
        "{:type :ok, :value [[:rl 1 nil]]}",
    ] {
        let before = auto(text);
        let mut bytes = Vec::new();
        write(&before, Format::Edn, &mut bytes).expect("EDN holds it");
        let after = auto(std::str::from_utf8(&bytes).expect("text"));
        assert!(before.events().eq(after.events()), "{text}\n{}", String::from_utf8_lossy(&bytes));
    }
}
