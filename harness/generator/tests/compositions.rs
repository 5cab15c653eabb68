//! G1, G2, G3, G5, G6 over random compositions of all combinators in random worlds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tribunal_history::{ErrorClass, Kind, Nanos, Op, Value};

use super::super::*;
use super::{ms, read, write, written};
use crate::seed::{Draw, Seed};

/// Compositions tried; the figure of the acceptance list.
const CASES: u64 = 100_000;

const LEAVES: u64 = 7;
const ALL: u64 = LEAVES + 34;

fn leaf(draw: &mut Draw, id: i64) -> Gen {
    match draw.below(LEAVES) {
        0 => op(write(id, 2)),
        1 => sequence((0..draw.below(4)).map(|n| write(id, n as i64 * 4)).collect()),
        2 => function(move |call| write(id, call.draw.below(1000) as i64)),
        3 => function_until(move |call| (call.ordinal < 3).then(|| read(id))),
        4 => sleep(ms(draw.below(5))),
        5 => {
            if draw.below(2) == 0 {
                log("note")
            } else {
                mark("phase")
            }
        }
        _ => {
            let (promise, generator) = deferred();
            if draw.below(2) == 0 {
                assert!(promise.fulfil(sequence(vec![read(id), write(id, 8)])));
            }
            generator
        }
    }
}

/// A random tree. `depth` bounds it.
fn tree(draw: &mut Draw, depth: u32) -> Gen {
    let id = draw.below(50) as i64;
    if depth == 0 || draw.below(5) == 0 {
        return leaf(draw, id);
    }
    let dt = ms(draw.below(6));
    let n = draw.below(6);
    let d = depth - 1;
    let several =
        |draw: &mut Draw| -> Vec<Gen> { (0..1 + draw.below(3)).map(|_| tree(draw, d)).collect() };
    match draw.below(ALL - LEAVES) {
        0 => limit(n, tree(draw, d)),
        1 => once(tree(draw, d)),
        2 => repeat_n(n, tree(draw, d)),
        3 => limit(n, repeat(tree(draw, d))),
        4 => cycle_n(n, tree(draw, d)),
        5 => limit(20, cycle(tree(draw, d))),
        6 => mix(several(draw)),
        7 => weighted_mix(several(draw).into_iter().map(|child| (draw.below(4), child)).collect()),
        8 => any(several(draw)),
        9 => shortest_any(several(draw)),
        10 => each_slot(tree(draw, d)),
        11 => each_process(tree(draw, d)),
        12 => reserve(vec![(n as u32, tree(draw, d)), (1, tree(draw, d))], tree(draw, d)),
        13 => on_slots(|slot| slot % 2 == 0, tree(draw, d)),
        14 => clients(process_limit(n as usize + 3, tree(draw, d))),
        15 => concurrency_limit(1 + n as u32, tree(draw, d)),
        16 => stagger(dt, tree(draw, d)),
        17 => poisson(500.0, tree(draw, d)),
        18 => delay(dt, tree(draw, d)),
        19 => open_loop(700.0, tree(draw, d)),
        20 => time_limit(dt, tree(draw, d)),
        21 => phases(several(draw)),
        22 => then(tree(draw, d), tree(draw, d)),
        23 => synchronize(until_ok(tree(draw, d))),
        24 => flip_flop(tree(draw, d), tree(draw, d)),
        25 => cycle_times(vec![(dt, tree(draw, d)), (ms(3), tree(draw, d))]),
        26 => on_event(|event| event.kind == Kind::Info, tree(draw, d), tree(draw, d)),
        27 => ignore_events(tree(draw, d)),
        28 => map(|op| op, map_kind("read", |_| write(1, 4), tree(draw, d))),
        29 => filter(|op| written(op).is_none_or(|value| value % 4 != 1), tree(draw, d)),
        30 => concat(several(draw)),
        31 => roam(1 + n, tree(draw, d)),
        32 => trace(|_| (), cache(dt, tree(draw, d))),
        _ => {
            let keys = Keys::list((0..n as i64).map(Value::Int).collect());
            let template = std::sync::Mutex::new(tree(draw, d));
            let load = move |_: &Value| template.lock().unwrap().fork();
            match draw.below(3) {
                0 => independent_sequential(keys, load),
                1 => independent_concurrent(1 + n as u32, keys, load),
                _ => unique_values(Scope::PerKey, 4, independent_sequential(keys, load)),
            }
        }
    }
}

/// A world that does what it likes: completes anything, discards offers, lets time pass.
struct World {
    threads: Threads,
    now: Nanos,
    running: Vec<(u32, Op)>,
    draw: Draw,
}

impl World {
    fn complete(&mut self, generators: &mut [&mut Gen]) {
        let at = self.draw.below(self.running.len() as u64) as usize;
        let (slot, op) = self.running.swap_remove(at);
        let kind = [Kind::Ok, Kind::Fail, Kind::Info][self.draw.below(3) as usize];
        let error = (kind != Kind::Ok).then_some(ErrorClass::TIMEOUT);
        self.now.0 += self.draw.below(3_000_000);
        let process = self.threads.release(slot, kind);
        self.tell(generators, slot, process, kind, &op, error.as_ref());
    }

    fn invoke(&mut self, generators: &mut [&mut Gen], slot: u32, op: Op) {
        let process = self.threads.occupy(slot);
        self.tell(generators, slot, process, Kind::Invoke, &op, None);
        self.running.push((slot, op));
    }

    fn tell(
        &self,
        generators: &mut [&mut Gen],
        slot: u32,
        process: tribunal_history::Process,
        kind: Kind,
        op: &Op,
        error: Option<&ErrorClass>,
    ) {
        let event = Observation { time: self.now, slot, process, kind, op, error };
        let cx = self.threads.context(self.now);
        generators.iter_mut().for_each(|generator| generator.observe(&cx, &event));
    }

    /// One step; whether the run goes on. Of the three the first is asked most, the second once,
    /// the third is forked anew each time: all must agree.
    fn step(&mut self, one: &mut Gen, twin: &mut Gen) -> bool {
        let cx = self.threads.context(self.now);
        let next = one.next(&cx);
        assert_eq!(one.next(&cx), next, "G1: a second look differs");
        assert_eq!(one.fork().next(&cx), next, "G2: a fork differs");
        assert_eq!(twin.next(&cx), next, "G2: more looks made a difference");
        let looked_away = self.draw.below(4) == 0 && !self.running.is_empty();
        let mut both = [one, twin];
        match next {
            Next::Done => {
                if self.running.is_empty() {
                    self.now.0 += 1_000_000;
                    let cx = self.threads.context(self.now);
                    assert_eq!(both[0].next(&cx), Next::Done, "G3: done is absorbing");
                    return false;
                }
                self.complete(&mut both);
            }
            _ if looked_away => self.complete(&mut both),
            Next::Pending { until: Some(until) } => self.now = until,
            Next::Pending { until: None } if self.running.is_empty() => return false,
            Next::Pending { until: None } => self.complete(&mut both),
            Next::Invoke { at, .. } | Next::Note { at, .. } | Next::Mark { at, .. }
                if at > self.now =>
            {
                self.now = at;
            }
            Next::Invoke { slot, op, .. } => {
                both.iter_mut().for_each(|generator| generator.commit());
                self.invoke(&mut both, slot, op);
            }
            Next::Note { .. } | Next::Mark { .. } => {
                both.iter_mut().for_each(|generator| generator.commit());
            }
        }
        true
    }
}

/// The tree of a case, bound. `validate` adds G6 and the other laws it knows.
fn generator(case: u64) -> Gen {
    let stream = Seed(case).root();
    let mut draw = stream.child("tree").draw(0, 0);
    let depth = draw.below(4) as u32 + 1;
    let mut generator = validate(tree(&mut draw, depth));
    generator.bind(&stream.child("gen"));
    generator
}

fn check(case: u64) -> u32 {
    let mut draw = Seed(case).root().child("world").draw(0, 0);
    let threads = Threads::new(1 + draw.below(6) as u32, 3);
    let mut world = World { threads, now: Nanos(draw.below(9)), running: Vec::new(), draw };
    let (mut one, mut twin) = (generator(case), generator(case));
    let mut steps = 0;
    while steps < 60 && world.step(&mut one, &mut twin) {
        steps += 1;
    }
    steps
}

#[test]
fn random_compositions_obey_the_laws() {
    let workers = 2;
    let steps: Vec<u64> = std::thread::scope(|scope| {
        let run = |worker| {
            scope.spawn(move || {
                let cases = (0..CASES).filter(|case| case % workers == worker);
                cases.map(|case| u64::from(checked(case))).sum::<u64>()
            })
        };
        let threads: Vec<_> = (0..workers).map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("a case failed")).collect()
    });
    let steps: u64 = steps.iter().sum();
    assert!(steps > 10 * CASES, "the compositions did next to nothing: {steps} steps");
}

fn checked(case: u64) -> u32 {
    catch_unwind(AssertUnwindSafe(|| check(case))).unwrap_or_else(|cause| {
        eprintln!("case {case}: {}", path(&*generator(case)));
        std::panic::resume_unwind(cause)
    })
}
