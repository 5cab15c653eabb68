//! What other checkers of transactions got wrong, each as a case of its own: a wrong verdict, a
//! missed anomaly, a crash, or time that never ends. Numbered as in `docs/TRANSACTIONS.md`.

use tribunal_checkers::txn::ListAppend;
use tribunal_checkers::weak::RwRegister;
use tribunal_checkers::{AnomalyKind, Budget, Checker, Consistency as C, Report, Verdict};
use tribunal_history::codec::{ReadOptions, read};
use tribunal_history::{
    Builder, History, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp, Value, drawn,
};

fn registers(level: C, history: &History) -> Report {
    RwRegister::new(level).check(history, &Budget::unlimited()).expect("registers")
}

fn lists(level: C, history: &History) -> Report {
    ListAppend::new(level).check(history, &Budget::unlimited()).expect("lists")
}

fn drawing(text: &str) -> History {
    drawn::parse(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn kinds(report: &Report) -> Vec<&'static str> {
    report.anomalies.iter().map(|anomaly| anomaly.kind.0).collect()
}

/// Elle and adya find no anomaly at any level: nothing tells them how versions follow each other.
#[test]
fn d1_write_skew_on_registers_is_found_without_assumptions() {
    let history = drawing(
        "
        p0 |-[r(x)=nil w(y)=1]-|
        p1 |-[r(y)=nil w(x)=1]-|
        p2                        |-[r(x)=1 r(y)=1]-|
        ",
    );
    let report = registers(C::Serializable, &history);
    assert_eq!((report.verdict, kinds(&report)), (Verdict::Invalid, vec!["G2-item"]));
    assert_eq!(registers(C::SnapshotIsolation, &history).verdict, Verdict::Valid);
}

/// Elle and adya accept it.
#[test]
fn d2_a_value_that_nobody_wrote_is_an_anomaly_at_every_level() {
    let history = drawing("p0 |-[w(x)=1]-|  |-[r(x)=9]-|");
    for level in [C::ReadUncommitted, C::Causal, C::Serializable] {
        let report = registers(level, &history);
        assert_eq!(report.verdict, Verdict::Invalid, "{level:?}");
        assert!(report.anomalies.iter().any(|it| it.kind == AnomalyKind::THIN_AIR_READ));
    }
    let history = drawing("p0 |-[a(x)=1]-|  |-[r(x)=[1 9]]-|");
    let report = lists(C::ReadUncommitted, &history);
    assert!(report.anomalies.iter().any(|it| it.kind == AnomalyKind::THIN_AIR_READ));
}

/// Elle and adya call it valid at every level (elle-cli #47).
#[test]
fn d3_two_sessions_that_see_each_other_in_opposite_order() {
    let history = drawing(
        "
        p0 |-[w(x)=1]-|  |-[r(x)=2]-|
        p1 |-[w(x)=2]-|  |-[r(x)=1]-|
        ",
    );
    let broken = [C::Causal, C::StrongSessionReadAtomic, C::StrongSessionSerializable];
    for level in broken.into_iter().chain([C::StrictSerializable]) {
        assert_eq!(registers(level, &history).verdict, Verdict::Invalid, "{level:?}");
    }
    for level in [C::ReadCommitted, C::Serializable, C::CausalMemory] {
        assert_eq!(registers(level, &history).verdict, Verdict::Valid, "{level:?}");
    }
}

/// AWDIT remembers two reads of a key where it would need two writers, and misses the first.
#[test]
fn d4_a_version_that_is_read_twice_hides_none_before_it() {
    for twice in ["r(x)=2 r(x)=2", "r(x)=2"] {
        let history = drawing(&format!(
            "
            p0 |-[w(x)=1]-| |-[w(x)=2 w(y)=2]-|
            p1                                  |-[r(y)=2 {twice} r(x)=1]-|
            "
        ));
        let session = C::StrongSessionMonotonicAtomicView;
        assert_eq!(registers(session, &history).verdict, Verdict::Invalid, "{twice}");
        assert_eq!(registers(C::Causal, &history).verdict, Verdict::Invalid, "{twice}");
    }
}

/// AWDIT recurses along them and its stack ends; a valid history of a million transactions aborts.
#[test]
fn d5_a_long_chain_of_transactions_needs_no_stack() {
    let history = chain(200_000);
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let judged = small.spawn(move || {
        let levels = [C::ReadAtomic, C::Causal, C::StrictSerializable];
        levels.map(|level| registers(level, &history).verdict)
    });
    let verdicts = judged.expect("a thread").join().expect("its stack was enough");
    assert_eq!(verdicts, [Verdict::Valid; 3]);
}

/// Each reads what the one before wrote, and writes.
fn chain(many: i64) -> History {
    let mut builder = Builder::as_given();
    for at in 1..=many {
        let seen = if at == 1 { Observed::Absent } else { Observed::Present(Value::Int(at - 1)) };
        let read = Mop::Read { key: Value::Int(0), value: seen };
        let write = Mop::Write { key: Value::Int(0), value: Value::Int(at) };
        add(&mut builder, (at % 10) as u32, vec![read, write]);
    }
    builder.finish()
}

fn add(builder: &mut Builder, process: u32, mops: Vec<Mop>) {
    let (process, op) = (Process(process), Op::Txn(TxnOp { mops }));
    builder.invoke(Nanos(0), process, None, None, &op.pending()).expect("idle");
    builder.complete(Nanos(0), process, Outcome::Ok, Some(&op), None).expect("open");
}

/// AWDIT takes the initial state for one more session, and calls it consistent.
#[test]
fn d6_the_initial_value_after_an_own_write() {
    let history = drawing("p0 |-[w(x)=5]-|  |-[r(x)=nil]-|");
    for level in [C::ReadYourWrites, C::StrongSessionReadAtomic, C::Causal] {
        assert_eq!(registers(level, &history).verdict, Verdict::Invalid, "{level:?}");
    }
}

/// dbcop calls both cycles of read committed.
#[test]
fn d7_reads_that_repeat_and_own_writes_between_are_no_anomaly() {
    let repeated = drawing(
        "
        p0 |-[w(x)=1]-|
        p1               |-[r(x)=1 r(x)=1]-|
        p2                                   |-[w(x)=3]-|
        ",
    );
    let own = drawing("p0 |-[w(x)=1 r(x)=1 w(x)=2]-|");
    for history in [&repeated, &own] {
        let report = registers(C::StrictSerializable, history);
        assert_eq!(report.verdict, Verdict::Valid);
        assert!(report.levels.iter().all(|it| it.verdict == Verdict::Valid), "{report:?}");
    }
}

/// Elle gives up on a dense component and then ranks what it has wrongly. All transactions miss
/// each other's appends: one component of 3 million edges whose cycles all are of one kind.
#[test]
fn d8_a_dense_component_has_its_exact_class() {
    let mut builder = Builder::as_given();
    let many = 1_500;
    let ops: Vec<Op> = (0..many)
        .map(|at| {
            let read =
                |key: i64| Mop::ReadList { key: Value::Int(key), elements: Observed::Absent };
            let mut mops: Vec<Mop> = (1..5).map(|next| read((at + next) % many)).collect();
            mops.push(Mop::Append { key: Value::Int(at), element: Value::Int(1) });
            Op::Txn(TxnOp { mops })
        })
        .collect();
    for (at, op) in ops.iter().enumerate() {
        builder.invoke(Nanos(0), Process(at as u32), None, None, &op.pending()).expect("idle");
    }
    for (at, op) in ops.iter().enumerate() {
        let process = Process(at as u32);
        builder.complete(Nanos(0), process, Outcome::Ok, Some(op), None).expect("open");
    }
    for key in 0..many {
        let elements = Observed::Present(vec![Value::Int(1)]);
        let read = Mop::ReadList { key: Value::Int(key), elements };
        add(&mut builder, key as u32, vec![read]);
    }
    let history = builder.finish();
    let report = lists(C::Serializable, &history);
    assert_eq!((report.verdict, kinds(&report)), (Verdict::Invalid, vec!["G2-item"]));
    assert_eq!(lists(C::SnapshotIsolation, &history).verdict, Verdict::Valid);
    assert_eq!(report.cost.spent, None);
}

/// Elle once added vertices of its own to the graph, and found snapshots broken through them. (The
/// original, `si-without-g-single.edn`, is a row of the corpus.)
#[test]
fn d9_write_skew_behind_real_time_breaks_no_snapshot() {
    let history = drawing(
        "
        p0 |-[a(z)=1]-|
        p1               |-[r(x)=[] r(z)=[1] a(y)=1]-|
        p2               |-[r(y)=[] a(x)=1]-----------|
        p3                                               |-[r(x)=[1] r(y)=[1]]-|
        ",
    );
    assert_eq!(lists(C::StrongSnapshotIsolation, &history).verdict, Verdict::Valid);
    let report = lists(C::RepeatableRead, &history);
    assert_eq!((report.verdict, kinds(&report)), (Verdict::Invalid, vec!["G2-item"]));
}

/// Elle #28: a value written twice made it find lost updates that there were not.
#[test]
fn d10_values_that_are_not_unique_lose_no_update() {
    let history = drawing(
        "
        p0 |-[r(x)=nil w(x)=1]-|
        p1                        |-[r(x)=1 w(x)=1]-|
        p2                                            |-[r(x)=1 w(x)=2]-|
        ",
    );
    let report = registers(C::Serializable, &history);
    assert_eq!(report.verdict, Verdict::Unknown, "{report:?}");
    assert!(report.reason.is_some_and(|reason| reason.contains("not unique")));
    let history = drawing(
        "
        p0 |-[r(x)=[] a(x)=1]-|
        p1                       |-[r(x)=[1] a(x)=1]-|
        ",
    );
    assert_eq!(lists(C::Serializable, &history).verdict, Verdict::Unknown);
}

/// Elle leaves out what ended unknown, even where it was read.
#[test]
fn d11_a_write_of_unknown_outcome_counts_once_it_was_read() {
    let seen = drawing(
        "
        p0 |-[w(x)=1 w(y)=1]-?
        p1                      |-[r(x)=1 r(y)=nil]-|
        ",
    );
    for level in [C::ReadAtomic, C::Causal, C::Serializable] {
        assert_eq!(registers(level, &seen).verdict, Verdict::Invalid, "{level:?}");
    }
    let unseen = drawing(
        "
        p0 |-[w(x)=1 w(y)=1]-?
        p1                      |-[r(x)=nil r(y)=nil]-|
        ",
    );
    assert_eq!(registers(C::StrictSerializable, &unseen).verdict, Verdict::Valid);
}

/// adya ends at the first comment; others want every field of every event.
#[test]
fn d12_edn_as_people_write_it_is_read() {
    let text = "
        ; lost update
        ({:type :ok, :f :txn, :value [[:r :x nil] [:append :x 1]]}
         #_ {:this is left out}
         {:type :ok, :value ([:r :x []], [:append :x 2])} ; no process, no time, a list
         {:type :ok, :f :txn, :value [[:r :x [1 2]]]})";
    let history = read(text.as_bytes(), None, &ReadOptions::default()).expect("readable").history;
    let report = lists(C::Serializable, &history);
    assert_eq!(
        (report.verdict, kinds(&report)),
        (Verdict::Invalid, vec!["lost-update", "G-single"])
    );
}

/// Orders of keys in real time take adya a square of the transactions; a chain of completions is
/// linear, whoever overlaps whom.
#[test]
fn d13_real_time_of_many_that_overlap_is_linear() {
    let mut builder = Builder::as_given();
    let op = |at: i64| {
        let append = Mop::Append { key: Value::Int(at % 1_000), element: Value::Int(at) };
        Op::Txn(TxnOp { mops: vec![append] })
    };
    let (many, open) = (100_000, 500);
    for at in 0..many + open {
        if at >= open {
            let (process, op) = (Process((at % open) as u32), op(at - open));
            builder.complete(Nanos(0), process, Outcome::Ok, Some(&op), None).expect("open");
        }
        if at < many {
            let process = Process((at % open) as u32);
            builder.invoke(Nanos(0), process, None, None, &op(at).pending()).expect("idle");
        }
    }
    let history = builder.finish();
    // A square of the transactions would be beyond it.
    let budget = Budget::unlimited().with_bytes(256 << 20);
    let report = ListAppend::new(C::StrictSerializable).check(&history, &budget).expect("lists");
    assert_eq!((report.verdict, report.cost.spent), (Verdict::Valid, None));
}
