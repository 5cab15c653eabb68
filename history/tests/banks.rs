//! Jepsen's words for banks: transfers and reads of every account, as transactions.

#[path = "common/told.rs"]
mod told;

use expect_test::expect;
use told::check;
use tribunal_history::codec::{Format, ReadOptions, read, write};
use tribunal_history::{Family, History};

const BANK: &str = "\
    {:process 0, :type :invoke, :f :read, :value nil}\n\
    {:process 0, :type :ok, :f :read, :value {0 10, 1 nil, \"x\" -3}}\n\
    {:process 1, :type :invoke, :f :transfer, :value {:from 0, :to 1, :amount 5}}\n\
    {:process 1, :type :ok, :f :transfer, :value {:from 0, :to 1, :amount 5}}\n\
    {:process 1, :type :invoke, :f :transfer, :value {:from 1, :to 0, :amount 5}}\n\
    {:process 1, :type :fail, :f :transfer, :value [:negative 1 -5]}\n\
    {:process 2, :type :invoke, :f :transfer, :value {:amount 2, :from :a, :to 1}}\n\
    {:process 2, :type :info, :f :transfer, :value :timed-out}\n\
    {:process 3, :type :invoke, :f :read}\n\
    {:process 3, :type :info, :f :read, :value nil, :error :timeout}\n";

fn from(text: &str) -> History {
    match read(text.as_bytes(), None, &ReadOptions::default()) {
        Ok(read) => read.history,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_transfer_adds_twice_and_a_read_finds_every_account() {
    check(
        BANK,
        expect![[r##"
            #0 0.000 s p0 invoke r(balances) -> ?
            #1 0.000 s p0 ok r(balances) -> {0: 10, 1: nil, "x": -3}
            #2 0.000 s p1 invoke add(0, -5) -> ? add(1, 5) -> ?
            #3 0.000 s p1 ok add(0, -5) -> ? add(1, 5) -> ?
            #4 0.000 s p1 invoke add(1, -5) -> ? add(0, 5) -> ?
            #5 0.000 s p1 fail add(1, -5) -> ? add(0, 5) -> ?
            #6 0.000 s p2 invoke add("a", -2) -> ? add(1, 2) -> ?
            #7 0.000 s p2 info add("a", -2) -> ? add(1, 2) -> ?
            #8 0.000 s p3 invoke r(balances) -> ?
            #9 0.000 s p3 info r(balances) -> ? (timeout)
            warning: no event has a :time; only their order is known
        "##]],
    );
}

/// A file without a transfer is one of a bank by what its reads return; JSON has no integers for
/// keys, so what spells one is one.
#[test]
fn reads_alone_and_json_are_banks_too() {
    let edn = from(
        "{:process 0, :type :invoke, :f :read}\n\
         {:process 0, :type :ok, :f :read, :value {0 10, 1 7}}\n\
         {:process 0, :type :invoke, :f :transfer, :value {:from 1, :to 0, :amount 3}}\n",
    );
    let json = from(
        "{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n\
         {\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":{\"0\":10,\"1\":7}}\n\
         {\"process\":0,\"type\":\"invoke\",\"f\":\"transfer\",\
          \"value\":{\"from\":\"1\",\"to\":0,\"amount\":3}}\n",
    );
    assert!(edn.events().eq(json.events()));
    assert_eq!(edn.operations().next().map(|op| op.op().family()), Some(Family::Txn));
    // The model of a check may say the family: it is the same file.
    let options = ReadOptions { family: Some(Family::Txn), ..ReadOptions::default() };
    let told = read(BANK.as_bytes(), None, &options).expect("a bank").history;
    assert!(told.events().eq(from(BANK).events()));
}

#[test]
fn every_format_of_ours_keeps_a_bank() {
    // Balances after a transfer are ours, and so are additions that are no transfer.
    let more = "{:process 5, :type :invoke, :f :transfer, :value {:from 0, :to 1, :amount 5}}\n\
                {:process 5, :type :ok, :f :transfer, :value {:from 0, :to 1, :amount 5, \
                 :balances [-1 nil]}}\n\
                {:process 5, :type :invoke, :f :txn, :value [[:add 0 7] [:add 1 -9] [:r 0 nil]]}\n\
                {:process 5, :type :ok, :f :txn, :value [[:add 0 7 6] [:add 1 -9] [:r 0 6]]}\n";
    let history = from(&format!("{BANK}{more}"));
    for format in [Format::Native, Format::Jsonl, Format::Edn] {
        let mut bytes = Vec::new();
        write(&history, format, &mut bytes).expect("a sink that does not fail");
        let copy = read(&bytes, Some(format), &ReadOptions::default()).expect("a history");
        let told = |history: &History| history.events().map(|e| e.op).collect::<Vec<_>>();
        assert_eq!(told(&copy.history), told(&history), "{}", format.name());
    }
    let mut bytes = Vec::new();
    let lost = write(&history, Format::Edn, &mut bytes).expect("a sink that does not fail");
    let text = String::from_utf8(bytes).expect("text");
    assert!(text.contains(":f :transfer, :value {:from 0 :to 1 :amount 5 :balances [-1 nil]}"));
    assert!(text.contains(":f :read, :value {0 10 1 nil \"x\" -3}"), "{text}");
    assert_eq!(lost.len(), 2, "{lost:?}");
    let refused = write(&history, Format::Awdit, &mut Vec::new()).expect_err("it has no banks");
    assert!(refused.to_string().contains("predicates"), "{refused}");
    let bare = from(
        BANK.split_inclusive('\n')
            .skip(2)
            .collect::<String>()
            .split("{:process 3")
            .next()
            .unwrap_or_default(),
    );
    let refused = write(&bare, Format::Awdit, &mut Vec::new()).expect_err("it has no banks");
    assert!(refused.to_string().contains("additions to balances"), "{refused}");
}

#[test]
fn what_is_no_bank_is_refused_with_its_place() {
    let refused = |line: &str| {
        let text = format!("{{:process 0, :type {line}}}");
        read(text.as_bytes(), None, &ReadOptions::default()).expect_err("refused").to_string()
    };
    let told = [
        ":invoke, :f :transfer, :value nil",
        ":invoke, :f :transfer, :value [0 1 5]",
        ":invoke, :f :transfer, :value {:from 0, :to 1}",
        ":invoke, :f :transfer, :value {:from 0, :to 1, :amount 2.5}",
        ":invoke, :f :transfer, :value {:from 0, :to 1, :amount -9223372036854775808}",
        ":invoke, :f :write, :value {0 1}",
        ":invoke, :f :read} {:process 1, :type :invoke, :f :transfer, :value {:from 0, :to 1, \
         :amount 1}} {:process 0, :type :ok, :f :read, :value 5",
        ":invoke, :f :txn, :value [[:add 1 :a]]",
    ];
    let told: Vec<String> = told.into_iter().map(refused).collect();
    expect![[r#"
        line 1, column 1: an invocation without a value to ask for
        line 1, column 50: a transfer needs a value like {:from 0 :to 1 :amount 5}
        line 1, column 50: a transfer needs a value like {:from 0 :to 1 :amount 5}
        line 1, column 75: an integer of 64 bits was expected here
        line 1, column 50: an amount that has no opposite in 64 bits
        line 1, column 47: a map as a value is not supported, except of locks and banks
        line 1, column 158: a read of a bank must return a map of balances
        line 1, column 54: an integer of 64 bits was expected here
    "#]]
    .assert_eq(&(told.join("\n") + "\n"));
}
