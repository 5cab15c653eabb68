//! Jepsen's words for sets, counters, queues, locks and identifiers, and Porcupine's key-value log.

#[path = "common/told.rs"]
mod told;

use expect_test::expect;
use told::check;
use tribunal_history::Family;
use tribunal_history::codec::{ReadOptions, read};

fn read_as(text: &str, family: Family) -> String {
    let options = ReadOptions { family: Some(family), ..ReadOptions::default() };
    match read(text.as_bytes(), None, &options) {
        Ok(read) => read.history.events().map(|event| format!("{event}\n")).collect(),
        Err(error) => format!("{error}\n"),
    }
}

#[test]
fn sets_and_counters_share_words() {
    // A read of a collection tells, as does an element that is no integer, and `:remove`.
    check(
        "{:process 1, :type :invoke, :f :add, :value 3}\n\
         {:process 1, :type :ok, :f :add, :value 3}\n\
         {:process 1, :type :invoke, :f :read, :value nil}\n\
         {:process 1, :type :ok, :f :read, :value #{3 4}}\n",
        expect![[r#"
            #0 0.000 s p1 invoke add 3 to set nil -> ?
            #1 0.000 s p1 ok add 3 to set nil -> ?
            #2 0.000 s p1 invoke read set nil -> ?
            #3 0.000 s p1 ok read set nil -> [3 4]
            warning: no event has a :time; only their order is known
        "#]],
    );
    check(
        "{:process 1, :type :invoke, :f :add, :value [9 :a]}\n\
         {:process 1, :type :ok, :f :add, :value [9 :a], :result true}\n\
         {:process 1, :type :invoke, :f :read, :value [9 nil]}\n\
         {:process 1, :type :ok, :f :read, :value [9 [1 2]]}\n",
        expect![[r##"
            #0 0.000 s p1 invoke add "a" to set 9 -> ?
            #1 0.000 s p1 ok add "a" to set 9 -> true
            #2 0.000 s p1 invoke read set 9 -> ?
            #3 0.000 s p1 ok read set 9 -> [1 2]
            warning: no event has a :time; only their order is known
        "##]],
    );
    check(
        "{:process 1, :type :invoke, :f :inc}\n\
         {:process 1, :type :ok, :f :inc}\n\
         {:process 1, :type :invoke, :f :dec, :value 4}\n\
         {:process 1, :type :info, :f :dec, :value 4}\n\
         {:process 2, :type :invoke, :f :read}\n\
         {:process 2, :type :ok, :f :read, :value -3}\n",
        expect![[r#"
            #0 0.000 s p1 invoke add 1 to counter nil -> ?
            #1 0.000 s p1 ok add 1 to counter nil -> ?
            #2 0.000 s p1 invoke add -4 to counter nil -> ?
            #3 0.000 s p1 info add -4 to counter nil -> ?
            #4 0.000 s p2 invoke read counter nil -> ?
            #5 0.000 s p2 ok read counter nil -> -3
            warning: no event has a :time; only their order is known
        "#]],
    );
    check(
        "[{\"process\":1,\"type\":\"invoke\",\"f\":\"add\",\"value\":2},\n\
         {\"process\":1,\"type\":\"ok\",\"f\":\"add\",\"value\":2},\n\
         {\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":null},\n\
         {\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":2}]",
        expect![[r#"
            #0 0.000 s p1 invoke add 2 to counter nil -> ?
            #1 0.000 s p1 ok add 2 to counter nil -> ?
            #2 0.000 s p1 invoke read counter nil -> ?
            #3 0.000 s p1 ok read counter nil -> 2
            warning: no event has a :time; only their order is known
        "#]],
    );
    // Nothing tells: both are named, and an option settles it.
    let unclear = "{:process 1, :type :invoke, :f :add, :value 3}\n\
                   {:process 1, :type :ok, :f :add, :value 3}\n";
    check(
        unclear,
        expect![[r#"
            line 1, column 32: operation add may be of family set or counter: name the model
        "#]],
    );
    expect![[r#"
        #0 0.000 s p1 invoke add 3 to set nil -> ?
        #1 0.000 s p1 ok add 3 to set nil -> ?
    "#]]
    .assert_eq(&read_as(unclear, Family::Set));
    expect![[r#"
        #0 0.000 s p1 invoke add 3 to counter nil -> ?
        #1 0.000 s p1 ok add 3 to counter nil -> ?
    "#]]
    .assert_eq(&read_as(unclear, Family::Counter));
    expect![[r#"
        line 1, column 32: operation add is not one of family queue
    "#]]
    .assert_eq(&read_as(unclear, Family::Queue));
    // Read as a set although a pair looks like a key and its value.
    let pair = "{:process 1, :type :invoke, :f :read}\n\
                {:process 1, :type :ok, :f :read, :value [1 2]}\n";
    expect![[r#"
        #0 0.000 s p1 invoke read set nil -> ?
        #1 0.000 s p1 ok read set nil -> [1 2]
    "#]]
    .assert_eq(&read_as(pair, Family::Set));
    // An event that names its family overrules the option.
    let own = "{:process 1, :type :invoke, :f :read, :family :counter}\n\
               {:process 1, :type :ok, :f :read, :value 2, :family :counter}\n";
    expect![[r#"
        #0 0.000 s p1 invoke read counter nil -> ?
        #1 0.000 s p1 ok read counter nil -> 2
    "#]]
    .assert_eq(&read_as(own, Family::Set));
}

/// Elle's `[:append k v]` makes reads of transactions those of lists; an append to a register does
/// not.
#[test]
fn an_append_to_a_register_says_nothing_of_lists() {
    check(
        "{:process 1, :type :invoke, :f :append, :value \"x\", :time 1}\n\
         {:process 2, :type :invoke, :f :txn, :value [[:r 1 nil]], :time 2}\n",
        expect![[r##"
            #0 0.000 s p1 invoke append nil ++ "x"
            #1 0.000 s p2 invoke r(1) -> ?
        "##]],
    );
    check(
        "{:process 1, :type :invoke, :f :txn, :value [[:r 1 nil] [ :append 1 2]], :time 2}\n",
        expect![[r#"
            #0 0.000 s p1 invoke r(1) -> ? append(1, 2)
        "#]],
    );
}

#[test]
fn queues_locks_and_identifiers() {
    check(
        "{:process 1, :type :invoke, :f :enqueue, :value 3}\n\
         {:process 1, :type :ok, :f :enqueue}\n\
         {:process 1, :type :invoke, :f :push, :value 4}\n\
         {:process 2, :type :invoke, :f :pop}\n\
         {:process 2, :type :ok, :f :pop, :value 3}\n\
         {:process 2, :type :invoke, :f :dequeue, :value nil}\n\
         {:process 2, :type :ok, :f :dequeue, :value nil}\n\
         {:process 2, :type :invoke, :f :peek}\n\
         {:process 2, :type :ok, :f :peek, :value 4}\n",
        expect![[r#"
            #0 0.000 s p1 invoke enqueue nil <- 3
            #1 0.000 s p1 ok enqueue nil <- 3
            #2 0.000 s p1 invoke enqueue nil <- 4
            #3 0.000 s p2 invoke dequeue nil -> ?
            #4 0.000 s p2 ok dequeue nil -> 3
            #5 0.000 s p2 invoke dequeue nil -> ?
            #6 0.000 s p2 ok dequeue nil -> nil
            #7 0.000 s p2 invoke peek nil -> ?
            #8 0.000 s p2 ok peek nil -> 4
            warning: no event has a :time; only their order is known
        "#]],
    );
    check(
        "{:process 1, :type :invoke, :f :acquire, :value nil}\n\
         {:process 1, :type :ok, :f :acquire, :value {:fence 7}}\n\
         {:process 1, :type :invoke, :f :release, :value {:token 7}}\n\
         {:process 1, :type :ok, :f :release, :value nil}\n\
         {:process 1, :type :invoke, :f :acquire, :value {:permits 2}}\n\
         {:process 1, :type :ok, :f :acquire, :value {:permits 2}}\n\
         {:process 2, :type :invoke, :f :generate}\n\
         {:process 2, :type :ok, :f :generate, :value \"a-1\"}\n",
        expect![[r##"
            #0 0.000 s p1 invoke acquire
            #1 0.000 s p1 ok acquire -> 7
            #2 0.000 s p1 invoke release with 7
            #3 0.000 s p1 ok release with 7
            #4 0.000 s p1 invoke acquire * 2
            #5 0.000 s p1 ok acquire * 2
            #6 0.000 s p2 invoke generate nil -> ?
            #7 0.000 s p2 ok generate nil -> "a-1"
            warning: no event has a :time; only their order is known
        "##]],
    );
}

#[test]
fn porcupines_key_value_log() {
    check(
        "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 0 0 y\"}\n\
         {:process 1, :type :invoke, :f :get, :key \"7\", :value nil}\n\
         {:process 0, :type :ok, :f :append, :key \"0\", :value \"x 0 0 y\"}\n\
         {:process 1, :type :ok, :f :get, :key \"7\", :value \"\"}\n\
         {:process 1, :type :invoke, :f :put, :key \"7\", :value \"z\"}\n",
        expect![[r##"
            #0 0.000 s p0 invoke append "0" ++ "x 0 0 y"
            #1 0.000 s p1 invoke read "7" -> ?
            #2 0.000 s p0 ok append "0" ++ "x 0 0 y"
            #3 0.000 s p1 ok read "7" -> ""
            #4 0.000 s p1 invoke write "7" := "z"
            warning: no event has a :time; only their order is known
            warning: in Porcupine's key-value log a key holds the empty text before it is written
        "##]],
    );
}

#[test]
fn what_an_object_cannot_do_is_refused_with_its_place() {
    for (text, expected) in [
        (
            "{:process 0, :type :invoke, :f :add, :value 1, :family :heap}",
            expect![[r#"
            line 1, column 56: a :family that is none of ours
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :add, :value 1, :family :queue}",
            expect![[r#"
            line 1, column 32: operation add is not one of family queue
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :enqueue}",
            expect![[r#"
            line 1, column 1: an enqueue needs a :value
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :add, :family :set}",
            expect![[r#"
            line 1, column 1: an add needs a :value
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :add, :value :x, :family :counter}",
            expect![[r#"
            line 1, column 45: a counter is changed by an integer of 64 bits
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :dec, :value -9223372036854775808}",
            expect![[r#"
            line 1, column 45: a counter is changed by an integer of 64 bits
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :acquire, :value 7}",
            expect![[r#"
            line 1, column 49: the value of a lock must be nil or a map like {:permits 2 :token 7}
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :release, :value {:token :x}}",
            expect![[r#"
            line 1, column 57: an integer of 64 bits was expected here
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :drain}",
            expect![[r#"
                line 1, column 32: operation drain is not supported: record its dequeues one by one
            "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :peek}\n\
             {:process 0, :type :ok, :f :peek, :value #{}}",
            expect![[r#"
                line 2, column 43: a set as a value is not supported, except read from a set
            "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :remove, :value 1}\n\
             {:process 0, :type :ok, :f :remove, :value 1, :result 2}",
            expect![[r#"
                line 2, column 55: a :result of a set must be true or false
            "#]],
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn an_answer_on_one_object_is_its_question_filled_in() {
    for (asked, answered) in [
        (":inc, :value 1", ":inc, :value 2"),
        (":dec, :value 1", ":inc, :value 1"),
        (":contains, :value 1", ":contains, :value 2, :result true"),
        (":enqueue, :value 1", ":dequeue, :value 1"),
        (":acquire, :value {:permits 2}", ":acquire, :value {:token 2}"),
        (":release, :value {:token 2}", ":release, :value {:token 3}"),
    ] {
        let text = format!(
            "{{:process 0, :type :invoke, :f {asked}}}\n{{:process 0, :type :ok, :f {answered}}}"
        );
        let error = read(text.as_bytes(), None, &ReadOptions::default()).expect_err("another");
        let error = error.to_string();
        assert!(error.starts_with("line 2: event 1 answers `"), "{error}");
    }
}
