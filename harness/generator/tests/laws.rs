//! One law per combinator (G9), fairness (G8) and independence of siblings (G7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tribunal_history::{Kind, Mop, Observed, Op, TxnOp, Value};

use super::super::*;
use super::{MS, key, keys, ms, ops, read, simulate, write, writes, written};
use crate::seed::Seed;

fn values(ops: &[PlannedOp], of: i64) -> Vec<Option<i64>> {
    ops.iter().filter(|op| key(&op.op) == of).map(|op| written(&op.op)).collect()
}

#[test]
fn op_and_sequence_offer_each_operation_once_in_order() {
    assert_eq!(keys(&ops(3, op(read(7)))), [7]);
    assert_eq!(keys(&ops(3, sequence(vec![read(1), read(2), read(3)]))), [1, 2, 3]);
}

#[test]
fn function_is_called_with_the_number_of_its_operation() {
    let generator = function_until(|call| (call.ordinal < 4).then(|| read(call.ordinal as i64)));
    assert_eq!(keys(&ops(2, generator)), [0, 1, 2, 3]);
}

#[test]
fn deferred_waits_for_its_value() {
    let (promise, generator) = deferred();
    let late = |generator: &Gen| simulate(2, Fake::Quick, generator.fork());
    assert!(generator.armed());
    assert_eq!(late(&generator).1.end, End::Stuck { path: "validate/deferred".into() });
    assert!(promise.fulfil(op(read(5))) && !promise.fulfil(op(read(6))));
    assert_eq!(keys(&late(&generator).0), [5]);
}

#[test]
fn limit_and_once_bound_commits() {
    for n in [0, 1, 17] {
        assert_eq!(ops(5, limit(n, writes(0))).len() as u64, n);
    }
    assert_eq!(ops(5, once(writes(0))).len(), 1);
}

#[test]
fn repeat_never_advances_but_draws_anew() {
    let repeated = ops(4, repeat_n(50, sequence(vec![read(1), read(2)])));
    assert_eq!(keys(&repeated), [1; 50]);
    assert_eq!(repeated.iter().map(|op| op.slot).collect::<BTreeSet<_>>().len(), 4);
    let drawn = values(&ops(1, repeat_n(50, writes(0))), 0);
    assert!(drawn.into_iter().collect::<BTreeSet<_>>().len() > 30);
    assert_eq!(ops(1, limit(9, repeat(limit(1, writes(0))))).len(), 9);
}

#[test]
fn cycle_restarts_with_fresh_draws() {
    let round = || concat(vec![limit(5, writes(0)), op(read(1))]);
    let ops = ops(1, cycle_n(3, round()));
    assert_eq!(keys(&ops), [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    let drawn = values(&ops, 0);
    assert!(drawn[..5] != drawn[5..10] && drawn[5..10] != drawn[10..]);
    assert_eq!(super::ops(1, limit(13, cycle(round()))).len(), 13);
    assert!(super::ops(1, cycle(limit(0, writes(0)))).is_empty(), "a fruitless cycle would spin");
}

#[test]
fn mix_passes_over_a_pending_child_and_outlives_a_done_one() {
    let mixed = mix(vec![limit(3, writes(0)), deferred().1, limit(40, writes(1))]);
    let (ops, simulated) = simulate(2, Fake::Perfect(MS), mixed);
    assert_eq!((values(&ops, 0).len(), values(&ops, 1).len()), (3, 40));
    assert!(matches!(simulated.end, End::Stuck { .. }));
}

#[test]
fn weighted_mix_keeps_its_weights() {
    let mixed = weighted_mix(vec![(3, writes(0)), (1, writes(1)), (0, writes(2))]);
    let ops = ops(5, limit(20_000, mixed));
    let share = values(&ops, 0).len() as f64 / 20_000.0;
    assert!((share - 0.75).abs() < 0.015, "{share}");
    assert!(values(&ops, 2).is_empty());
}

#[test]
fn any_takes_the_earliest_and_ends_last_and_shortest_any_first() {
    let slow = || limit(2, delay(ms(10), writes(0)));
    let fast = || limit(5, delay(ms(1), writes(1)));
    assert_eq!(keys(&ops(9, any(vec![slow(), fast()])))[2..], [1, 1, 1, 1, 0]);
    assert_eq!(values(&ops(9, shortest_any(vec![slow(), fast()])), 1).len(), 5);
    assert_eq!(values(&ops(9, shortest_any(vec![slow(), fast()])), 0).len(), 1);
    let even = ops(9, limit(20_000, any(vec![writes(0), writes(1)])));
    assert!((values(&even, 0).len() as f64 / 20_000.0 - 0.5).abs() < 0.015);
}

#[test]
fn each_slot_gives_every_slot_the_whole() {
    let ops = ops(4, each_slot(sequence(vec![read(1), read(2)])));
    let of = |slot| keys(&ops.iter().filter(|op| op.slot == slot).cloned().collect::<Vec<_>>());
    assert!((0..4).all(|slot| of(slot) == [1, 2]), "{ops:?}");
    assert_eq!(ops.len(), 8);
}

#[test]
fn each_process_starts_again_with_the_successor() {
    // In each slot: ok, fail, info; the info retires a process in the middle of its five.
    let generator = limit(30, each_process(sequence((0..5).map(read).collect())));
    let (ops, _) = simulate(2, Fake::Imperfect(MS), generator);
    let mut of: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    ops.iter().for_each(|op| of.entry(op.process).or_default().push(key(&op.op)));
    assert!(of.len() > 8);
    of.values().for_each(|ops| assert_eq!(ops[..], [0, 1, 2][..ops.len()]));
}

#[test]
fn reserve_divides_the_enclosing_context() {
    let inner = reserve(vec![(1, writes(1))], writes(2));
    let outer = limit(500, reserve(vec![(2, writes(0)), (3, inner)], writes(3)));
    for op in ops(7, outer) {
        let expected = match op.slot {
            0 | 1 => 0,
            2 => 1,
            3 | 4 => 2,
            _ => 3,
        };
        assert_eq!(key(&op.op), expected, "slot {}", op.slot);
    }
}

#[test]
fn reserve_breaks_ties_by_number_of_slots() {
    let ops = ops(10, limit(20_000, stagger(ms(20), reserve(vec![(3, writes(0))], writes(1)))));
    assert!((values(&ops, 0).len() as f64 / 20_000.0 - 0.3).abs() < 0.015);
}

#[test]
fn on_slots_and_clients_keep_to_theirs() {
    assert!(ops(6, limit(99, on_slots(|slot| slot > 3, writes(0)))).iter().all(|op| op.slot > 3));
    assert_eq!(ops(6, limit(99, clients(writes(0)))).len(), 99);
    let (none, simulated) = simulate(2, Fake::Quick, on_slots(|slot| slot > 3, writes(0)));
    assert!(none.is_empty() && matches!(simulated.end, End::Stuck { .. }));
}

#[test]
fn process_limit_bounds_processes_without_a_trickle() {
    let (ops, simulated) = simulate(3, Fake::PerfectInfo(MS), process_limit(10, writes(0)));
    assert_eq!(simulated.end, End::Done);
    let processes: BTreeSet<_> = ops.iter().map(|op| op.process).collect();
    assert!((8..=10).contains(&processes.len()), "{processes:?}");
}

#[test]
fn concurrency_limit_bounds_what_runs() {
    let generator = limit(50, any(vec![concurrency_limit(2, writes(0)), writes(1)]));
    let (_, simulated) = simulate(9, Fake::Perfect(MS), generator);
    let mut running = 0i32;
    for event in simulated.history.events().filter(|event| key(&event.op) == 0) {
        running += if event.kind == Kind::Invoke { 1 } else { -1 };
        assert!(running <= 2);
    }
}

#[test]
fn notes_and_marks_are_no_operations() {
    let generator = concat(vec![log("a"), mark("main"), op(read(1)), log("b")]);
    let (ops, simulated) = simulate(2, Fake::Perfect(MS), generator);
    let notes: Vec<_> = simulated.notes.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!((ops.len(), notes), (1, vec!["a", "b"]));
    assert_eq!(simulated.history.marks()[0].name, "main");
}

#[test]
fn phases_never_overlap_and_concat_may() {
    let parts = || vec![limit(5, writes(0)), limit(5, writes(1))];
    let overlap = |generator| {
        let (_, simulated) = simulate(3, Fake::Perfect(MS), generator);
        let operations: Vec<_> = simulated.history.operations().collect();
        let last = operations.iter().filter(|op| key(&op.op()) == 0).map(|op| op.completed_at());
        let first = operations.iter().filter(|op| key(&op.op()) == 1).map(|op| op.invoked_at());
        first.min() <= last.max()
    };
    assert!(!overlap(phases(parts())) && overlap(concat(parts())));
    assert!(!overlap(then(limit(5, writes(0)), limit(5, writes(1)))));
    assert!(!overlap(concat(vec![limit(5, writes(0)), synchronize(limit(5, writes(1)))])));
}

#[test]
fn until_ok_ends_with_its_own_success() {
    // One slot: ok, fail, info in turn. The branch beside it takes the first ok.
    let generator = concat(vec![op(read(9)), synchronize(until_ok(writes(0)))]);
    let (ops, simulated) = simulate(1, Fake::Imperfect(MS), generator);
    assert_eq!((keys(&ops), simulated.end), (vec![9, 0, 0, 0], End::Done));
}

#[test]
fn flip_flop_alternates() {
    let generator = flip_flop(writes(0), limit(2, writes(1)));
    assert_eq!(keys(&ops(3, generator)), [0, 1, 0, 1, 0]);
}

#[test]
fn on_event_switches_for_good() {
    let generator = on_event(|event| event.kind == Kind::Info, writes(0), limit(2, writes(1)));
    let (ops, _) = simulate(1, Fake::Imperfect(MS), generator);
    assert_eq!(keys(&ops), [0, 0, 0, 1, 1]);
    let (ops, simulated) =
        simulate(1, Fake::Imperfect(MS), on_event(|_| false, limit(2, writes(0)), writes(1)));
    assert_eq!((keys(&ops), simulated.end), (vec![0, 0], End::Done));
}

#[test]
fn ignore_events_hides_them() {
    let generator = limit(6, ignore_events(until_ok(writes(0))));
    assert_eq!(ops(1, generator).len(), 6);
}

#[test]
fn map_and_map_kind_change_operations() {
    let generator = sequence(vec![read(1), write(2, 2)]);
    assert_eq!(keys(&ops(1, map(|op| read(key(&op) + 10), generator.fork()))), [11, 12]);
    assert_eq!(keys(&ops(1, map_kind("write", |_| read(9), generator))), [1, 9]);
}

#[test]
fn filter_keeps_what_its_child_counts_right() {
    let even = |op: &Op| written(op).is_some_and(|value| value % 2 == 0);
    let inner = concurrency_limit(1, writes(0));
    let ops = ops(3, limit(40, filter(even, inner)));
    assert_eq!(ops.len(), 40);
    assert!(ops.iter().all(|op| even(&op.op)));
}

#[test]
fn trace_sees_every_commit_and_changes_nothing() {
    let commits = Arc::new(AtomicU64::new(0));
    let sink = Arc::clone(&commits);
    let count = move |what: Trace<'_>| {
        sink.fetch_add(u64::from(matches!(what, Trace::Commit)), Ordering::Relaxed);
    };
    assert_eq!(ops(2, trace(count, limit(5, writes(0)))), ops(2, limit(5, writes(0))));
    assert_eq!(commits.load(Ordering::Relaxed), 5);
}

#[test]
#[should_panic(expected = "G6: slot 77 is not free")]
fn validate_refuses_a_busy_slot() {
    #[derive(Clone)]
    struct Wrong;
    impl Generator for Wrong {
        fn bind(&mut self, _: &crate::seed::Stream) {}
        fn next(&mut self, cx: &Context<'_>) -> Next {
            Next::Invoke { slot: 77, at: cx.time, node: None, op: read(0) }
        }
        fn commit(&mut self) {}
        fn fork(&self) -> Gen {
            Box::new(self.clone())
        }
    }
    simulate(2, Fake::Quick, Box::new(Wrong));
}

#[test]
fn cache_asks_less_and_offers_the_same() {
    let asked = Arc::new(AtomicU64::new(0));
    let sink = Arc::clone(&asked);
    let count = move |what: Trace<'_>| {
        sink.fetch_add(u64::from(matches!(what, Trace::Offer(_))), Ordering::Relaxed);
    };
    let child = trace(count, limit(5, writes(0)));
    let threads = Threads::new(2, 1);
    let mut cached = cache(ms(5), child);
    cached.bind(&Seed(1).root());
    let first = cached.next(&threads.context(ms(0)));
    (0..9).for_each(|_| assert_eq!(cached.next(&threads.context(ms(4))), first));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_ne!(cached.next(&threads.context(ms(5))), first, "stale: offered for a new time");
    assert_eq!(ops(2, cache(ms(5), limit(5, writes(0)))).len(), 5);
}

#[test]
fn independent_keys_are_used_once_each_in_order_or_in_groups() {
    let load = |_: &Value| limit(3, writes(0));
    let one_by_one = ops(4, independent_sequential(Keys::first(3), load));
    assert_eq!(keys(&one_by_one), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    let grouped = ops(5, independent_concurrent(2, Keys::first(7), load));
    let mut of: BTreeMap<i64, (u32, BTreeSet<u32>)> = BTreeMap::new();
    for op in &grouped {
        let entry = of.entry(key(&op.op)).or_default();
        entry.0 += 1;
        entry.1.insert(op.slot / 2);
    }
    assert_eq!(of.len(), 7);
    assert!(of.values().all(|(count, groups)| *count == 3 && groups.len() == 1), "{of:?}");
}

#[test]
fn unique_values_are_never_written_twice() {
    let generator = || limit(200, mix((0..4).map(writes).collect()));
    let global = ops(5, unique_values(Scope::Global, 10, generator()));
    let all: Vec<_> = global.iter().filter_map(|op| written(&op.op)).collect();
    assert_eq!(all, (10..210).collect::<Vec<_>>());
    let per_key = ops(5, unique_values(Scope::PerKey, 0, generator()));
    for of in 0..4 {
        let written: Vec<_> = values(&per_key, of).into_iter().flatten().collect();
        assert_eq!(written, (0..written.len() as i64).collect::<Vec<_>>());
    }
    let append = || Mop::Append { key: Value::Int(1), element: Value::Nil };
    let list = Mop::ReadList { key: Value::Int(1), elements: Observed::Pending };
    let txn = Op::Txn(TxnOp { mops: vec![append(), list, append()] });
    let ops = ops(1, unique_values(Scope::PerKey, 1, repeat_n(2, op(txn))));
    assert_eq!(ops[1].op.to_string(), "append(1, 3) r(1) -> ? append(1, 4)");
}

/// G7: what a branch draws does not depend on its siblings.
#[test]
fn siblings_do_not_shift_each_others_draws() {
    type Combine = fn(Vec<Gen>) -> Gen;
    let combines: [Combine; 4] = [
        mix,
        any,
        |mut parts| {
            let last = parts.pop().expect("a part");
            reserve(parts.into_iter().map(|part| (1, part)).collect(), last)
        },
        concat,
    ];
    for combine in combines {
        let of = |parts| values(&ops(4, limit(300, combine(parts))), 0);
        let two = of(vec![limit(40, writes(0)), writes(1)]);
        let three = of(vec![limit(40, writes(0)), writes(1), writes(2)]);
        let dying = of(vec![limit(40, writes(0)), limit(2, writes(1)), writes(2)]);
        let shared = two.len().min(three.len()).min(dying.len());
        assert!(shared > 20);
        assert!(two[..shared] == three[..shared] && two[..shared] == dying[..shared]);
    }
}

/// G8: chi square with 9 degrees of freedom stays below 27.9 in 999 of 1000 cases.
#[test]
fn free_slots_are_chosen_evenly() {
    for generator in [writes(0), each_slot(writes(0)), repeat(op(read(0)))] {
        let mut counts = [0f64; 10];
        for op in ops(10, limit(20_000, stagger(ms(20), generator))) {
            counts[op.slot as usize] += 1.0;
        }
        let chi_square: f64 = counts.iter().map(|n| (n - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi_square < 27.9, "{counts:?}");
    }
}
