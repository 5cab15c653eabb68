//! Detection by content, what each reader refuses, and files of earlier releases.

#[path = "common/told.rs"]
mod told;

use expect_test::expect;
use told::check;
use tribunal_history::codec::{Format, Read, ReadOptions, detect, read, write};
use tribunal_history::{
    Builder, FaultEdge, History, Nanos, Observed, Op, OpIndex, Outcome, Process, RegisterOp, Value,
};

fn auto(text: &str) -> Read {
    read(text.as_bytes(), None, &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn formats_are_told_by_content() {
    for (text, format) in [
        ("", Some(Format::Porcupine)),
        ("\n\n", Some(Format::Porcupine)),
        ("; only a comment\n", Some(Format::Edn)),
        ("INFO  jepsen.util - 4\t:invoke\t:read\tnil\n", Some(Format::Porcupine)),
        ("{:type :invoke}", Some(Format::Edn)),
        ("; why\n [ {:type :invoke}]", Some(Format::Edn)),
        ("[]", Some(Format::Edn)),
        ("#jepsen.history.Op{:index 0}", Some(Format::Edn)),
        ("{\"schema\":\"tribunal.history\"}", Some(Format::Jsonl)),
        ("[{\"type\":\"ok\"}]", Some(Format::Jsonl)),
        ("TRIBHIST", Some(Format::Native)),
        ("{:process 0, :type :ok, :f :get, :key \"7\", :value \"\"}", Some(Format::Edn)),
        ("\nr(1,2,3,4)\n", Some(Format::Polysi)),
        ("w(1,2,3,4)", Some(Format::Polysi)),
        ("w 1 2\n", Some(Format::Awdit)),
        ("=====\nr 1 2\n", Some(Format::Awdit)),
        ("-----", Some(Format::Awdit)),
        ("{\"params\":{},\"data\":[]}", Some(Format::Dbcop)),
        (" [ [{\"events\":[]}]]", Some(Format::Dbcop)),
        ("[[", Some(Format::Dbcop)),
        ("--", None),
        ("[1,2]", None),
        ("hello", None),
    ] {
        assert_eq!(detect(text.as_bytes()), format, "{text:?}");
    }
}

#[test]
fn what_is_not_read_is_named() {
    for (bytes, part) in [
        (&b"\x28\xb5\x2f\xfd...."[..], "packed with zstd, and damaged"),
        (b"\x1f\x8b....", "packed with gzip, and damaged"),
        (b"PAR1", "Parquet"),
        (b"JEPSEN\0", "history.edn"),
        (b"hello", "native, jsonl, edn, porcupine, awdit, polysi, dbcop"),
    ] {
        let error = read(bytes, None, &ReadOptions::default()).expect_err("refused").to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn packed_files_are_read_like_what_is_in_them() {
    let drawn = "p0 |--w1--|\np1    |--r1--|\n";
    let register = tribunal_history::drawn::parse(drawn).expect("a history");
    let sessions = auto("w 1 2\n=====\nr 1 2\n").history;
    for format in Format::ALL {
        let history = match format {
            Format::Native | Format::Jsonl | Format::Edn | Format::Porcupine => &register,
            Format::Awdit | Format::Polysi | Format::Dbcop | Format::Cobra => &sessions,
        };
        let mut plain = Vec::new();
        write(history, format, &mut plain).expect("a sink that does not fail");
        let packed = ruzstd::encoding::compress_to_vec(
            &plain[..],
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        let read = |bytes: &[u8]| read(bytes, None, &ReadOptions::default()).expect("readable");
        let (one, other) = (read(&plain), read(&packed));
        assert_eq!((one.format, other.format), (format, format));
        let text = |read: &Read| {
            let mut bytes = Vec::new();
            write(&read.history, Format::Jsonl, &mut bytes).expect("a sink that does not fail");
            bytes
        };
        assert_eq!(text(&one), text(&other), "{format:?}");
    }
    let limit = ReadOptions { unpacked_bytes: Some(5), ..ReadOptions::default() };
    let packed = ruzstd::encoding::compress_to_vec(
        &b"{:process 0}"[..],
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    let error = read(&packed, None, &limit).expect_err("too large").to_string();
    assert!(error.contains("more than 5 bytes"), "{error}");
}

#[test]
fn knossos_registers() {
    check(
        "; a comment\n[{:process 1, :type :invoke, :f :read, :value nil}\n\
         {:process 2, :type :invoke, :f :cas, :value [1 2]} #_ {:process 9}\n\
         {:process 1, :type :ok, :f :read, :value nil} ; unknown or nothing: the check decides\n\
         {:process 2, :type :info, :f :cas, :value :timed-out, :error [:timeout \"5 s\"]}\n\
         {:process 3, :type :invoke, :f :write, :value \"a\"}]",
        expect![[r##"
            #0 0.000 s p1 invoke read nil -> ?
            #1 0.000 s p2 invoke cas nil 1 => 2
            #2 0.000 s p1 ok read nil -> nil
            #3 0.000 s p2 info cas nil 1 => 2 (timeout)
            #4 0.000 s p3 invoke write nil := "a"
            warning: no event has a :time; only their order is known
        "##]],
    );
}

#[test]
fn keyed_registers() {
    check(
        "{:process 1, :type :invoke, :f :write, :value [7 1], :time 5}\n\
         {:process 1, :type :ok, :f :write, :value #jepsen.independent/tuple [7 1], :time 6}\n\
         {:process 1, :type :invoke, :f :cas, :value [:x [1 2]], :time 7}\n",
        expect![[r##"
            #0 0.000 s p1 invoke write 7 := 1
            #1 0.000 s p1 ok write 7 := 1
            #2 0.000 s p1 invoke cas "x" 1 => 2
        "##]],
    );
    check(
        "{:process 1, :type :invoke, :f :write, :value [7 1]}\n\
         {:process 2, :type :invoke, :f :write, :value 1}\n",
        expect![[r#"
            line 2, column 47: a [key value] tuple was expected, as in the operations before
        "#]],
    );
    // A cas of a single register looks like a pair; the option settles what the first one means.
    let text = b"{:process 1, :type :invoke, :f :cas, :value [1 2]}";
    let independent = ReadOptions { independent: Some(true), ..ReadOptions::default() };
    let error = read(text, None, &independent).expect_err("[1 2] is no [key [from to]]");
    assert_eq!(error.to_string(), "line 1, column 48: a cas needs a value [from to]");
}

#[test]
fn transactions() {
    check(
        "{:index 0, :type :invoke, :process 0, :value [[:append 4 2] [:r 3 nil] [:r 5 nil]]}\n\
         {:index 1, :type :ok, :process 0, :value [[:append 4 2] [:r 3 [1 2]] [:r 5 nil]]}\n",
        expect![[r#"
            #0 0.000 s p0 invoke append(4, 2) r(3) -> ? r(5) -> ?
            #1 0.000 s p0 ok append(4, 2) r(3) -> [1 2] r(5) -> nil
            warning: no event has a :time; only their order is known
        "#]],
    );
    check(
        "{:type :invoke, :process 0, :f :txn, :value [[:read :x nil] [:write :y 2] [:r :z nil]]}\n\
         {:type :ok, :process 0, :f :txn, :value [[:read :x 1] [:write :y 2] [:r :z nil]]}\n",
        expect![[r##"
            #0 0.000 s p0 invoke r("x") -> ? w("y", 2) r("z") -> ?
            #1 0.000 s p0 ok r("x") -> 1 w("y", 2) r("z") -> nil
            warning: no event has a :time; only their order is known
        "##]],
    );
    // Nothing is appended, but a result is a list: these are lists after all.
    check(
        "[{\"type\":\"invoke\",\"process\":0,\"value\":[[\"r\",3,null]]},\n\
         {\"type\":\"ok\",\"process\":0,\"value\":[[\"r\",3,[1,\"\\ud83d\\ude00\"]]]}]",
        expect![[r##"
            #0 0.000 s p0 invoke r(3) -> ?
            #1 0.000 s p0 ok r(3) -> [1 "😀"]
            warning: no event has a :time; only their order is known
        "##]],
    );
}

#[test]
fn index_overrules_the_order_of_lines() {
    check(
        "{:index 3, :type :ok, :process 1, :f :write, :value 2, :time 30}\n\
         {:index 1, :type :invoke, :process 1, :f :write, :value 2, :time 10}\n",
        expect![[r#"
            #0 0.000 s p1 invoke write nil := 2
            #1 0.000 s p1 ok write nil := 2
            warning: events were not in order of :index; they were sorted by it
        "#]],
    );
}

/// Taken as they stand, these lines are a history too, in which the read begins after the write has
/// ended.
#[test]
fn index_overrules_lines_that_are_possible() {
    check(
        "{:index 0, :type :invoke, :process 0, :f :write, :value 2, :time 10}\n\
         {:index 2, :type :ok, :process 0, :f :write, :value 2, :time 30}\n\
         {:index 1, :type :invoke, :process 1, :f :read, :value nil, :time 20}\n\
         {:index 3, :type :ok, :process 1, :f :read, :value nil, :time 40}\n",
        expect![[r#"
            #0 0.000 s p0 invoke write nil := 2
            #1 0.000 s p1 invoke read nil -> ?
            #2 0.000 s p0 ok write nil := 2
            #3 0.000 s p1 ok read nil -> nil
            warning: events were not in order of :index; they were sorted by it
        "#]],
    );
}

/// The example of docs/history-format.md: equal times, and the lines decide.
#[test]
fn lines_rank_operations_that_touch() {
    let invoke = r#""process":0,"kind":"invoke","op":{"f":"write","key":null,"value":1}}"#;
    let ok = r#""time":5,"process":0,"kind":"ok","op":{"f":"write","key":null,"value":1}}"#;
    let read = r#""time":5,"process":1,"kind":"invoke","op":{"f":"read","key":null}}"#;
    let file = |second: &str, third: &str| {
        let head = r#"{"schema":"tribunal.history","schema_version":1}"#;
        auto(&format!(
            "{head}\n{{\"id\":0,\"time\":1,{invoke}\n{{\"id\":1,{second}\n{{\"id\":2,{third}\n"
        ))
        .history
    };
    let precedes = |history: &History| {
        let [write, read] = [0, 1].map(|op| history.operation(OpIndex(op)));
        write.ret().expect("answered") < read.call()
    };
    let (apart, touching) = (file(ok, read), file(read, ok));
    assert!(precedes(&apart) && !precedes(&touching));
    // A log of the same stamps, recorded in either order, means the second.
    let mut log = Builder::by_time();
    let put = Op::Register(RegisterOp::Write { key: Value::Nil, value: Value::Int(1) });
    let read = Op::Register(RegisterOp::Read { key: Value::Nil, value: Observed::Pending });
    log.invoke(Nanos(1), Process(0), None, None, &put).expect("free");
    log.complete(Nanos(5), Process(0), Outcome::Ok, None, None).expect("open");
    log.invoke(Nanos(5), Process(1), None, None, &read).expect("free");
    let log = log.finish();
    assert!(!precedes(&log));
    let mut lines = Vec::new();
    write(&log, Format::Jsonl, &mut lines).expect("a sink that does not fail");
    assert!(!precedes(&auto(std::str::from_utf8(&lines).expect("text")).history));
}

#[test]
fn the_nemesis_is_no_client() {
    check(
        "{:process :nemesis, :type :info, :f :start-partition, :value :majority, :time 1}\n\
         {:process :nemesis, :type :info, :f :start-partition, :value {\"n1\" #{}}, :time 2}\n\
         {:process :nemesis, :type :info, :f :stop-partition, :time 3}\n\
         {:process :nemesis, :type :info, :f :stop-partition, :error \"no\", :time 4}\n",
        expect![[r#"
            fault 0 planned start-partition {"value":"majority"}
            fault 0 injected start-partition {"value":"[n1 []]"}
            fault 0 planned stop-partition 
            fault 0 healed stop-partition {"error":"no","value":null}
        "#]],
    );
}

#[test]
fn what_edn_cannot_mean_is_refused_with_its_place() {
    for (text, expected) in [
        (
            "{:process 0, :type :invoke, :f :poll, :value nil}",
            expect![[r#"
            line 1, column 32: operation poll is of family log, which is not supported
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :frobnicate}",
            expect![[r#"
                line 1, column 32: operation frobnicate is not supported
            "#]],
        ),
        (
            "{:process 0, :type :done, :f :read}",
            expect![[r#"
            line 1, column 20: :type done is none of invoke, ok, fail, info
        "#]],
        ),
        (
            "{:process 0, :f :read}",
            expect![[r#"
            line 1, column 1: an event without :type
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :write}",
            expect![[r#"
            line 1, column 1: a write needs a :value
        "#]],
        ),
        (
            "{:process -1, :type :invoke, :f :read}",
            expect![[r#"
            line 1, column 11: :process -1 is out of range
        "#]],
        ),
        (
            "{:process 0, :type :ok, :f :read, :value 1}",
            expect![[r#"
            line 1: p0 completed at event 0 without an open invocation
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :txn, :value [[:scan 1 2]]}",
            expect![[r#"
            line 1, column 46: micro-operation scan is not one of r, w, append
        "#]],
        ),
        (
            "{:process 0, :type :invoke, :f :txn, :value [:r 1 nil]}",
            expect![[r#"
            line 1, column 46: a micro-operation must be a vector like [:r key value]
        "#]],
        ),
        (
            "[{:process 0, :type :invoke, :f :read}",
            expect![[r#"
            line 1, column 1: nothing closes this vector; the file is cut short
        "#]],
        ),
        (
            "[{:process 0, :type :invoke, :f :read}] x",
            expect![[r#"
            line 1, column 41: something follows the vector of events
        "#]],
        ),
        (
            "{:process 0\n :type}",
            expect![[r#"
            line 1, column 1: a map with a key that has no value
        "#]],
        ),
        (
            "{:process 0 :value \"open",
            expect![[r#"
            line 1, column 20: nothing closes this string
        "#]],
        ),
        (
            "{:process 0 :value \"\\q\"}",
            expect![[r#"
            line 1, column 21: `\q` is no escape
        "#]],
        ),
        (
            "{:process 0 :value 12ab}",
            expect![[r#"
            line 1, column 20: `12ab` is not a number
        "#]],
        ),
        (
            "{:process 0}\n}",
            expect![[r#"
            line 1, column 1: an event without :type
        "#]],
        ),
    ] {
        check(text, expected);
    }
    let long = format!("{{:value \"{}\"}}", "x".repeat(17 << 20));
    check(
        &long,
        expect![[r#"
        line 1, column 1: a form of more than 16 MiB
    "#]],
    );
    let deep = format!("{{:value {}", "[".repeat(1000));
    check(
        &deep,
        expect![[r#"
        line 1, column 73: nested more than 64 deep
    "#]],
    );
    check(
        &format!("{{:value {}", "#_ ".repeat(1000)),
        expect![[r#"
        line 1, column 201: nested more than 64 deep
    "#]],
    );
    check(
        &format!("{{:value {}", "#a ".repeat(1000)),
        expect![[r#"
        line 1, column 201: nested more than 64 deep
    "#]],
    );
}

#[test]
fn porcupine_logs() {
    check(
        "INFO  jepsen.util - 4\t:invoke\t:cas\t[2 4]\n\
         INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
         INFO  jepsen.util - 1\t:invoke\t:read\tnil\n\
         INFO  jepsen.util - 1\t:fail\t:read\t:timed-out\n\
         INFO  jepsen.util - 4\t:info\t:cas\t:timed-out\n\
         INFO  jepsen.util - 1\t:invoke\t:write\t3\n\
         INFO  jepsen.util - 1\t:ok\t:write\t3\n",
        expect![[r##"
            #0 0.000 s p4 invoke cas nil 2 => 4
            #1 0.000 s p1 invoke read nil -> ?
            #2 0.000 s p1 fail read nil -> ? (timeout)
            #3 0.000 s p4 info cas nil 2 => 4 (timeout)
            #4 0.000 s p1 invoke write nil := 3
            #5 0.000 s p1 ok write nil := 3
            fault 0 injected start {"value":"nil"}
            warning: the format has no times; only the order of events is known
        "##]],
    );
    check(
        "INFO  jepsen.util - 4\t:invoke\t:cas\t[2]\n",
        expect![[r#"
        line 1, column 36: a cas needs `[from to]`
    "#]],
    );
    check(
        "INFO  jepsen.util - 4\t:invoke\t:write\tx\n",
        expect![[r#"
        line 1, column 38: a write needs an integer
    "#]],
    );
    check(
        "INFO  jepsen.util - 4\t:begin\t:write\t1\n",
        expect![[r#"
        line 1, column 20: expected process, type, operation and value
    "#]],
    );
    check(
        "INFO something else",
        expect![[r#"
        line 1, column 1: a line must start with `INFO  jepsen.util - `
    "#]],
    );
    check(
        "INFO  jepsen.util - 4\t:ok\t:write\t1\n",
        expect![[r#"
        line 1: p4 completed at event 0 without an open invocation
    "#]],
    );
    check("", expect![[r#""#]]);
}

#[test]
fn our_json_lines_are_strict() {
    let head = "{\"schema\":\"tribunal.history\",\"schema_version\":1}\n";
    let line = |line: &str| format!("{head}{line}\n");
    check(
        &line("{\"process\":0,\"kind\":\"invoke\",\"op\":{\"f\":\"push\",\"key\":1}}"),
        expect![[r#"
            line 2, column 54: operation `push` is of no family known here
        "#]],
    );
    check(
        &line("{\"process\":0,\"kind\":\"invoke\",\"op\":{\"f\":\"write\",\"key\":1}}"),
        expect![[r#"
            line 2, column 55: missing field `value`
        "#]],
    );
    check(
        &line("{\"process\":0,\"kind\":\"later\"}"),
        expect![[r#"
        line 2, column 28: unknown variant `later`, expected one of `invoke`, `ok`, `fail`, `info`
    "#]],
    );
    check(
        &line("{\"process\":0,\"kind\":\"ok\",\"op\":{\"f\":\"read\",\"key\":1}}"),
        expect![[r#"
            line 2: p0 completed at event 0 without an open invocation
        "#]],
    );
    check(
        &line("{\"process\":0,\"kind\":\"ok\","),
        expect![[r#"
        line 2, column 25: EOF while parsing a value
    "#]],
    );
    check("{\"schema\":\"tribunal.history\",\"schema_version\":2}\n", expect![""]);
    check(
        "{\"schema\":\"other\",\"schema_version\":1}\n",
        expect![[r#"
        line 1, column 1: schema "other" is not "tribunal.history"
    "#]],
    );
    let again = "{\"id\":0,\"process\":0,\"kind\":\"invoke\",\"op\":{\"f\":\"read\",\"key\":1}}\n";
    check(
        &format!("{head}{again}{again}"),
        expect![[r#"
        line 3, column 1: the id is not larger than that before
    "#]],
    );
    let run = "{\"schema\":\"tribunal.history\",\"schema_version\":1,\"meta\":{\"seed\":7}}\n";
    assert_eq!(auto(run).meta.as_deref(), Some("{\"seed\":7}"));
}

#[test]
fn exports_tell_what_they_lose() {
    let text = "{:process 1, :type :invoke, :f :write, :value [7 1], :time 5, :node 2}\n\
                {:process 1, :type :fail, :f :write, :error :refused, :time 6}\n\
                {:process :nemesis, :type :info, :f :kill, :time 7}";
    let history = auto(text).history;
    let mut out = Vec::new();
    let losses = write(&history, Format::Porcupine, &mut out).expect("one register");
    expect![[r#"
        1 error classes dropped
        1 keys dropped
        2 node names dropped
        1 steps of faults dropped
        2 times dropped"#]]
    .assert_eq(&losses.join("\n"));
    let keyed = auto(
        "{:process 1, :type :invoke, :f :write, :value [7 1]}\n\
                      {:process 2, :type :invoke, :f :write, :value [8 1]}",
    );
    let error = write(&keyed.history, Format::Porcupine, &mut out).expect_err("two registers");
    expect!["the log holds one register, not 7 and 8; write edn, or a file per key"]
        .assert_eq(&error.to_string());
}

/// `tests/fixtures/history-1.0.log` was written by release 0.1.0 and must be read for ever. It is
/// what `every_kind` below writes; when the format changes, add a file, never replace this one.
#[test]
fn files_of_earlier_releases_are_read() {
    let bytes = include_bytes!("fixtures/history-1.0.log");
    let read = read(bytes, None, &ReadOptions::default()).expect("readable for ever");
    assert_eq!(
        (read.format, read.torn, read.ended.as_deref()),
        (Format::Native, None, Some("time"))
    );
    assert_eq!(read.meta.as_deref(), Some("{\"seed\":7}"));
    let history = read.history;
    let told: String = history.events().map(|event| format!("{event}\n")).collect();
    let told = told.replace(" r(", "\n    r(");
    expect![[r##"
        #0 0.000 s p0 invoke read 1 -> ?
        #1 0.000 s p1 invoke cas "k" -3 => 9223372036854775807
        #2 0.000 s p2 invoke w(70, nil) append("l", unparsed "�")
            r(5) -> ?
            r("l") -> ?
            r(v > 1) -> ?
        #3 0.000 s p0 ok read 1 -> nil
        #4 0.000 s p1 fail cas "k" -3 => 9223372036854775807 (mismatch)
        #5 0.000 s p2 ok w(70, nil) append("l", unparsed "�")
            r(5) -> 8192
            r("l") -> [1 "l"]
            r(v > 1) -> {1: 2}
        #6 0.000 s p0 invoke read 1 -> ?
        #7 5.000 s p0 info read 1 -> ? (timeout)
        #8 6.000 s p3 invoke write 2 := 63
    "##]]
    .assert_eq(&told);
    assert_eq!(history.faults()[0].edge, FaultEdge::Injected);
    assert_eq!(history.faults()[0].nodes, ["n1", "n2"]);
    assert_eq!(history.marks()[0].name, "main");
    let last = history.operations().last().expect("an operation");
    assert_eq!((last.outcome(), last.node().map(|node| node.0)), (Outcome::Open, Some(4)));
    let first = history.operations().next().expect("an operation").op();
    let seen = Op::Register(RegisterOp::Read { key: Value::Int(1), value: Observed::Absent });
    assert_eq!(first, seen);
}

/// 1.2 added histories without real time. Who does not know that refuses them.
#[test]
fn a_log_since_1_2_says_that_sessions_are_not_ordered() {
    let history = auto("w 1 2\n=====\nr 1 2\n").history;
    let mut log = Vec::new();
    write(&history, Format::Native, &mut log).expect("a sink that does not fail");
    assert_eq!((log[8], log[10]), (2, 1), "major and minor version");
    assert_eq!(log[4096 + 6], 0x04, "the first record, which is essential");
    let mut lines = Vec::new();
    write(&history, Format::Jsonl, &mut lines).expect("a sink that does not fail");
    let head = b"{\"schema\":\"tribunal.history\",\"schema_version\":2,\"real_time\":false}\n";
    assert!(lines.starts_with(head));
    for (bytes, real_time) in
        [(&log[..], false), (&lines[..], false), (include_bytes!("fixtures/history-1.2.log"), true)]
    {
        let found = read(bytes, None, &ReadOptions::default()).expect("readable");
        assert_eq!(found.history.has_real_time(), real_time);
    }
}

/// 1.1 added operations on one object; a file of each version since has each of them.
#[test]
fn every_operation_of_a_log_since_1_1_is_read() {
    let bytes = include_bytes!("fixtures/history-1.1.log");
    let newer: [&[u8]; 3] = [
        include_bytes!("fixtures/history-1.2.log"),
        include_bytes!("fixtures/history-2.0.log"),
        include_bytes!("fixtures/history-2.1.log"),
    ];
    let read = read(bytes, None, &ReadOptions::default()).expect("readable for ever");
    assert_eq!((read.torn, read.ended.as_deref()), (None, Some("time")));
    let events = read.history.events();
    let told: String =
        events.filter(|event| event.process.0 == 4).map(|event| format!("{event}\n")).collect();
    expect![[r##"
        #9 6.000 s p4 invoke append "o" ++ "x 1 y"
        #10 6.000 s p4 ok append "o" ++ "x 1 y"
        #11 6.000 s p4 invoke add "e" to set "o" -> ?
        #12 6.000 s p4 ok add "e" to set "o" -> true
        #13 6.000 s p4 invoke remove "e" from set "o" -> ?
        #14 6.000 s p4 ok remove "e" from set "o" -> ?
        #15 6.000 s p4 invoke look for -1 in set "o" -> ?
        #16 6.000 s p4 ok look for -1 in set "o" -> false
        #17 6.000 s p4 invoke read set "o" -> ?
        #18 6.000 s p4 ok read set "o" -> [1 nil]
        #19 6.000 s p4 invoke read set "o" -> ?
        #20 6.000 s p4 ok read set "o" -> nil
        #21 6.000 s p4 invoke add -5 to counter "o" -> ?
        #22 6.000 s p4 ok add -5 to counter "o" -> 7
        #23 6.000 s p4 invoke add -9223372036854775808 to counter "o" -> ?
        #24 6.000 s p4 ok add -9223372036854775808 to counter "o" -> ?
        #25 6.000 s p4 invoke read counter "o" -> ?
        #26 6.000 s p4 ok read counter "o" -> 7
        #27 6.000 s p4 invoke enqueue "o" <- 3
        #28 6.000 s p4 ok enqueue "o" <- 3
        #29 6.000 s p4 invoke dequeue "o" -> ?
        #30 6.000 s p4 ok dequeue "o" -> 3
        #31 6.000 s p4 invoke peek "o" -> ?
        #32 6.000 s p4 ok peek "o" -> nil
        #33 6.000 s p4 invoke acquire "o" * 2
        #34 6.000 s p4 ok acquire "o" * 2 -> 33
        #35 6.000 s p4 invoke release "o" * 2 with 33
        #36 6.000 s p4 ok release "o" * 2 with 33
        #37 6.000 s p4 invoke release "o"
        #38 6.000 s p4 ok release "o"
        #39 6.000 s p4 invoke generate "o" -> ?
        #40 6.000 s p4 ok generate "o" -> "i-1"
    "##]]
    .assert_eq(&told);
    for bytes in newer {
        let newer = tribunal_history::codec::read(bytes, None, &ReadOptions::default());
        let newer = newer.expect("readable for ever").history;
        assert!(read.history.events().eq(newer.events().take(read.history.events().count())));
    }
}

/// What could be read in two ways is read in none.
#[test]
fn what_is_said_twice_or_by_nobody_known_is_refused() {
    let refused = |text: &str, format| {
        let error = read(text.as_bytes(), Some(format), &ReadOptions::default());
        error.expect_err(text).to_string()
    };
    let edn = |more: &str| format!("{{:type :invoke, :f :write, :value 1, {more}}}\n");
    for process in ["\"3\"", "1.0", "99999999999999999999", ":client"] {
        let said = refused(&edn(&format!(":process {process}")), Format::Edn);
        assert!(said.contains(":process is neither a whole number"), "{process}: {said}");
    }
    let said = refused(&edn(":process 0, :value nil"), Format::Edn);
    assert!(said.contains("a second :value in one event"), "{said}");
    let head = "{\"schema\":\"tribunal.history\",\"schema_version\":1}\n";
    let op = "{\"f\":\"write\",\"key\":null,\"value\":1}";
    for line in [
        format!("{{\"time\":1,\"process\":0,\"kind\":\"invoke\",\"kind\":\"info\",\"op\":{op}}}"),
        "{\"time\":1,\"process\":0,\"kind\":\"invoke\",\"op\":{\"f\":\"write\",\"key\":null,\
         \"value\":1,\"value\":null}}"
            .to_owned(),
    ] {
        let said = refused(&format!("{head}{line}\n"), Format::Jsonl);
        assert!(said.contains("a second field"), "{said}");
    }
}

/// A word of a megabyte makes no message of a megabyte, in whatever a reader quotes.
#[test]
fn messages_quote_no_more_than_they_should() {
    let long = "a".repeat(1 << 20);
    let header = "{\"schema\":\"tribunal.history\",\"schema_version\":1}\n";
    for text in [
        format!("{{:process 0, :type :invoke, :f :{long}}}"),
        format!("{{:process 0, :type :{long}, :f :read}}"),
        format!("{{:process 0, :type :invoke, :f :read, :value \\{long}}}"),
        format!("{{\"schema\":\"tribunal.history{long}\",\"schema_version\":1}}\n"),
        format!("{header}{{\"{long}\":1,\"{long}\":1}}\n"),
        format!("{header}{{\"time\":1,\"process\":0,\"kind\":\"{long}\"}}\n"),
    ] {
        let read = read(text.as_bytes(), None, &ReadOptions::default());
        let message = read.expect_err("it is no history").to_string();
        assert!(message.len() < 1_200, "{} bytes: {}", message.len(), &message[..200]);
    }
    let builder = &mut Builder::as_given();
    let write = |value: &str| {
        Op::Register(RegisterOp::Write { key: Value::Nil, value: Value::text(value) })
    };
    let process = tribunal_history::Process(0);
    let time = tribunal_history::Nanos(0);
    builder.invoke(time, process, None, None, &write(&long)).expect("it is the first");
    let answered = builder.complete(time, process, Outcome::Ok, Some(&write("b")), None);
    let message = answered.expect_err("another question").to_string();
    assert!(message.contains("aaa… (10") && message.len() < 400, "{message}");
}
