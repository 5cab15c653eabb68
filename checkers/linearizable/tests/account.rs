//! What states hold is counted as it is held, neither less nor more, by all who keep states.

use std::sync::atomic::{AtomicU64, Ordering};

use tribunal_history::{
    Builder, Mop, Nanos, Observed, Op, OpIndex, Outcome, Process, TxnOp, Value,
};

use crate::linearizable::window::table::{Grid, States, Table};
use crate::linearizable::{
    CasRegister, CasRegisterOp, Dialect, Engines, Entry, FromHistory, Kv, KvOp, List, Model,
    MultiRegister, NEVER, Options, Problem, Steps, judge, plain, replay,
};
use crate::{Budget, Spent, Verdict};

const MIB: u64 = 1 << 20;

/// Bits, each state of which is said to hold a mebibyte; how many were counted.
struct Heavy(AtomicU64);

impl Model for Heavy {
    type State = u32;
    type Op = Option<u32>;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, state: &u32, op: &Option<u32>) -> Steps<u32> {
        op.map_or(Steps::None, |bit| Steps::One(state | 1 << bit))
    }

    fn is_pure(&self, op: &Option<u32>) -> bool {
        op.is_none()
    }

    fn made_bytes(&self, _state: &u32, _op: &Option<u32>) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed);
        MIB
    }

    fn refusal(&self, state: &u32, _op: &Option<u32>) -> String {
        format!("nobody has {state}")
    }
}

/// Crashed operations that each set a bit, and one that nothing makes legal.
fn bits(many: u32) -> (Vec<Entry>, Vec<Option<u32>>) {
    let entry = |at| Entry {
        origin: OpIndex(at),
        call: at,
        ret: if at == many { many + 1 } else { NEVER },
        class: at,
    };
    ((0..=many).map(entry).collect(), (0..many).map(Some).chain([None]).collect())
}

#[test]
fn a_verifier_counts_what_the_states_hold_that_it_remembers() {
    let (model, (entries, ops)) = (Heavy(AtomicU64::new(0)), bits(14));
    let found = plain::is_linearizable(&model, &entries, &ops, 8 * MIB, &|| false);
    assert_eq!(found, Err(Spent::Memory));
    assert_eq!(model.0.into_inner(), 8, "of a mebibyte each, and a little more");
}

#[test]
fn states_of_all_operations_are_looked_at_where_there_is_room_for_them() {
    let (model, ops) = (Heavy(AtomicU64::new(0)), bits(5).1);
    let classes: Vec<u32> = (0..ops.len() as u32).collect();
    let complete = |bytes: u64| {
        let mut states = States::new(&model, &ops[..]);
        let mut table = Table::new(&states, MIB);
        let mut grid = Grid { table: &mut table, source: &mut states };
        (grid.complete(&classes, 64, bytes, &|| false), grid.bytes())
    };
    assert!(complete(64 * MIB).0, "32 states");
    let (all, bytes) = complete(8 * MIB);
    assert!(!all && bytes < 10 * MIB, "{bytes} bytes");
}

/// One transaction after the other, each answered by `answer`.
fn transactions(clients: u32, at_once: bool, op: impl Fn(u32) -> (TxnOp, TxnOp)) -> Builder {
    let mut builder = Builder::as_given();
    let invoke = |builder: &mut Builder, client: u32| {
        let asked = Op::Txn(op(client).0);
        builder.invoke(Nanos(0), Process(client), None, None, &asked).expect("in order");
    };
    let complete = |builder: &mut Builder, client: u32| {
        let answer = Op::Txn(op(client).1);
        let (process, answer) = (Process(client), Some(&answer));
        builder.complete(Nanos(0), process, Outcome::Ok, answer, None).expect("in order");
    };
    if at_once {
        (0..clients).for_each(|client| invoke(&mut builder, client));
        (0..clients).for_each(|client| complete(&mut builder, client));
    } else {
        for client in 0..clients {
            invoke(&mut builder, client);
            complete(&mut builder, client);
        }
    }
    builder
}

fn holds_within<M: FromHistory>(model: &M, builder: Builder, bytes: u64) {
    let options = Options { engines: Engines::Search, ..Options::default() };
    let budget = Budget::unlimited().with_bytes(bytes);
    let report = judge(model, &builder.finish(), Dialect::TRIBUNAL, &budget, options);
    let report = report.expect("transactions");
    assert_eq!(report.verdict, Verdict::Valid, "{:?}", report.reason);
}

/// Each of them appends to three hundred lists: some twenty thousand values, and as many nodes.
#[test]
fn lists_that_a_transaction_appends_to_are_counted_once() {
    for at_once in [true, false] {
        let (key, element) = (|at: i64| Value::Int(at), |client: u32| Value::Int(client.into()));
        let builder = transactions(9, at_once, |client| {
            let mops: Vec<Mop> = match client {
                8 => vec![Mop::ReadList {
                    key: key(0),
                    elements: Observed::Present((0..8).map(element).collect()),
                }],
                _ => (0..300)
                    .map(|at| Mop::Append { key: key(at), element: element(client) })
                    .collect(),
            };
            (TxnOp { mops: mops.clone() }, TxnOp { mops })
        });
        holds_within(&List, builder, 8 * MIB);
    }
}

#[test]
fn registers_that_a_transaction_writes_are_counted_once() {
    let builder = transactions(20, false, |client| {
        let write = |at: i64| Mop::Write { key: Value::Int(at), value: Value::Int(client.into()) };
        let mops: Vec<Mop> = (0..1_000).map(write).collect();
        (TxnOp { mops: mops.clone() }, TxnOp { mops })
    });
    holds_within(&MultiRegister { initial: Value::Nil }, builder, 16 * MIB);
}

fn in_a_row<O>(ops: Vec<O>) -> Problem<O> {
    let entry = |at: u32| Entry { origin: OpIndex(at), call: 2 * at, ret: 2 * at + 1, class: at };
    Problem { entries: (0..ops.len() as u32).map(entry).collect(), ops }
}

/// The last ones are told: as many as are held, and as their words are long.
#[test]
fn of_large_states_few_are_told() {
    let (model, ops) = (Heavy(AtomicU64::new(0)), (0..100).map(|at| Some(at % 30)));
    let (problem, order): (_, Vec<u32>) = (in_a_row(ops.collect()), (0..100).collect());
    let told = replay::states_along(&model, &problem, &order, &|| false);
    assert!((16..=18).contains(&told.len()), "{} of a mebibyte each", told.len());
    let all = ((1_u64 << 30) - 1).to_string();
    assert_eq!(told.last(), Some(&all));

    let model = CasRegister { initial: Value::Nil };
    let text = |at: i64| CasRegisterOp::Write(Value::text(format!("{at}{}", "é".repeat(50_000))));
    let (problem, order) = (in_a_row((0..50).map(text).collect()), (0..50).collect::<Vec<u32>>());
    let told = replay::states_along(&model, &problem, &order, &|| false);
    assert!((11..=12).contains(&told.len()), "{} of a hundred kilobytes each", told.len());
    assert!(told[told.len() - 1].contains("49é"), "{:?}", told.last());
    assert!(replay::states_along(&model, &problem, &order, &|| true).is_empty());
}

#[test]
fn what_is_said_of_a_few_elements_is_looked_for_until_time_is_up() {
    let model = Kv { initial: "".into() };
    let problem = in_a_row((0..20).map(|at| KvOp::Append(format!("{at}").into())).collect());
    let looks = AtomicU64::new(0);
    let stop = || looks.fetch_add(1, Ordering::Relaxed) == 5;
    assert!(problem.about(&model, &[Value::text("12")], &stop).is_none());
    assert_eq!(looks.into_inner(), 6, "it goes on after it was told to stop");
}
