//! Locks and counters: `cargo bench -p tribunal-checkers --bench counts [thousands]`.
//!
//! Each step picks one of 20 clients, which invokes, takes effect or returns; who finds a lock
//! taken waits. One operation in 500 crashes, half of these with effect; of locks with owners only
//! releases take effect then, or the lock would be lost. The invalid history is the valid one with
//! an answer changed in its second half: a read lower by 20, or one more client that gets the lock
//! or every permit. One thread, medians of five, parsing excluded; a search may visit 20 million
//! configurations.

use std::time::Instant;

use tribunal_checkers::Budget;
use tribunal_checkers::linearizable::{
    Counter, Dialect, Exclusive, Fenced, FromHistory, Lock, Options, Owned, Permits, Reentrant,
    decide, judge,
};
use tribunal_history::{
    Builder, CounterOp, History, LockOp, Nanos, Observed, Op, Outcome, Process, Value,
};

const CLIENTS: usize = 20;
const RUNS: usize = 5;
const CONFIGURATIONS: u64 = 20_000_000;

fn main() {
    let wanted = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok());
    let operations = 1_000 * wanted.unwrap_or(100);
    let grows = |deltas| Kind::Counter { deltas, told: false };
    let (up, both) =
        (Counter { initial: 0, shrinks: false }, Counter { initial: 0, shrinks: true });
    measure("counter, by one", &up, grows(&[1]), operations);
    measure("counter, told", &up, Kind::Counter { deltas: &[1], told: true }, operations);
    measure("counter, by 1 to 5", &up, grows(&[1, 2, 3, 4, 5]), operations);
    measure("counter, up and down", &both, grows(&[-2, -1, 1, 2]), operations);
    let lock = |permits, owned, fenced| Kind::Lock { permits, owned, fenced };
    measure("mutex", &Lock(Exclusive), lock(1, false, false), operations);
    measure("semaphore of 3", &Lock(Permits { total: 3 }), lock(3, false, false), operations);
    measure("mutex with owners", &Lock(Owned), lock(1, true, false), operations);
    measure("reentrant mutex", &Lock(Reentrant), lock(1, true, false), operations);
    measure("fenced mutex", &Lock(Fenced), lock(1, true, true), operations);
}

fn measure<M: FromHistory>(name: &str, model: &M, kind: Kind, operations: usize) {
    for crashes in [0, 2] {
        for lie in [false, true] {
            let history = generate(kind, operations, crashes, lie);
            let budget = Budget::unlimited().with_configurations(CONFIGURATIONS);
            let (mut bare, mut proved, mut what) = (Vec::new(), Vec::new(), String::new());
            for _ in 0..RUNS {
                let (start, options) = (Instant::now(), Options::default());
                let found = decide(model, &history, Dialect::TRIBUNAL, &budget, options);
                bare.push(start.elapsed());
                let found = found.expect("its own operations");
                let start = Instant::now();
                let report = judge(model, &history, Dialect::TRIBUNAL, &budget, options);
                proved.push(start.elapsed());
                let report = report.expect("its own operations");
                assert_eq!(report.verdict, found.verdict);
                let (verdict, bytes) = (found.verdict.name(), found.peak_bytes);
                let each = bytes / history.len() as u64;
                what = format!("{verdict:<8} {:<10} {each:>5} B/op", found.engine);
            }
            bare.sort();
            proved.sort();
            println!(
                "{name:<22} {crashes} of 1000 crash {:>9} ops {what} {:>9.4} s {:>9.4} s proved",
                history.len(),
                bare[RUNS / 2].as_secs_f64(),
                proved[RUNS / 2].as_secs_f64(),
            );
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Counter { deltas: &'static [i64], told: bool },
    Lock { permits: i64, owned: bool, fenced: bool },
}

enum Client {
    Idle,
    Asked(Op),
    Answered(Op),
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) * bound) >> 31
    }
}

/// A counter, or a lock of which so many permits are taken.
struct Object {
    kind: Kind,
    sum: i64,
    token: i64,
}

impl Object {
    fn ask(&self, random: &mut Random, holds: bool) -> Op {
        let (key, permits) = (Value::Int(0), 1);
        match self.kind {
            Kind::Counter { .. } if random.below(2) == 0 => {
                Op::Counter(CounterOp::Read { key, value: Observed::Pending })
            }
            Kind::Counter { deltas, .. } => {
                let delta = deltas[random.below(deltas.len() as u64) as usize];
                Op::Counter(CounterOp::Add { key, delta, value: Observed::Pending })
            }
            Kind::Lock { .. } if !holds => {
                Op::Lock(LockOp::Acquire { key, permits, token: Observed::Pending })
            }
            Kind::Lock { fenced, .. } => {
                let token = if fenced { Observed::Present(self.token) } else { Observed::Pending };
                Op::Lock(LockOp::Release { key, permits, token })
            }
        }
    }

    /// Fills in the answer; `None` where it has to wait.
    fn answer(&mut self, op: &Op) -> Option<Op> {
        let mut op = op.clone();
        match (&mut op, self.kind) {
            (Op::Counter(CounterOp::Add { delta, value, .. }), Kind::Counter { told, .. }) => {
                self.sum += *delta;
                *value = if told { Observed::Present(self.sum) } else { Observed::Pending };
            }
            (Op::Counter(CounterOp::Read { value, .. }), _) => {
                *value = Observed::Present(self.sum);
            }
            (Op::Lock(LockOp::Acquire { token, .. }), Kind::Lock { permits, fenced, .. }) => {
                if self.sum == permits {
                    return None;
                }
                self.sum += 1;
                self.token += 1;
                *token = if fenced { Observed::Present(self.token) } else { Observed::Pending };
            }
            (Op::Lock(LockOp::Release { .. }), _) => self.sum -= 1,
            (op, _) => unreachable!("{op} was not asked"),
        }
        Some(op)
    }
}

fn generate(kind: Kind, operations: usize, crashes: u64, lie: bool) -> History {
    let (random, mut builder, mut time) = (&mut Random(7), Builder::as_given(), 0);
    let mut object = Object { kind, sum: 0, token: 0 };
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::Idle).collect();
    let (mut process, mut next): (Vec<u32>, u32) = ((0..CLIENTS as u32).collect(), CLIENTS as u32);
    let mut holds = [false; CLIENTS];
    let (mut left, mut busy, mut lie) = (operations, 0, lie);
    while left > 0 || busy > 0 {
        let at = random.below(CLIENTS as u64) as usize;
        let who = Process(process[at]);
        time += 1;
        clients[at] = match std::mem::replace(&mut clients[at], Client::Idle) {
            Client::Idle if left == 0 && !holds[at] => Client::Idle,
            Client::Idle => {
                let op = object.ask(random, holds[at]);
                builder.invoke(Nanos(time), who, None, None, &op).expect("in order");
                (left, busy) = (left.saturating_sub(1), busy + 1);
                Client::Asked(op)
            }
            Client::Asked(op) => {
                let release = matches!(op, Op::Lock(LockOp::Release { .. }));
                let owned = matches!(kind, Kind::Lock { owned: true, .. });
                let crashes = op.writes() && random.below(1_000) < crashes;
                let effect = !crashes || if owned { release } else { random.below(2) == 0 };
                let answer = if effect { object.answer(&op) } else { Some(op.clone()) };
                let Some(answer) = answer else {
                    clients[at] = Client::Asked(op);
                    continue;
                };
                if effect && matches!(op, Op::Lock(_)) {
                    holds[at] = !release;
                }
                if crashes {
                    (process[at], next, busy) = (next, next + 1, busy - 1);
                    Client::Idle
                } else {
                    Client::Answered(answer)
                }
            }
            Client::Answered(mut op) => {
                if lie && left < operations / 2 {
                    lie = !tell(&mut builder, &mut time, kind, &mut op);
                }
                builder.complete(Nanos(time), who, Outcome::Ok, Some(&op), None).expect("is open");
                busy -= 1;
                Client::Idle
            }
        };
    }
    builder.finish()
}

/// Whether `op` was one to lie about.
fn tell(builder: &mut Builder, time: &mut u64, kind: Kind, op: &mut Op) -> bool {
    match (op, kind) {
        (Op::Counter(CounterOp::Read { value, .. }), _) => {
            *value = value.map(|value| value - 20);
            true
        }
        (op @ Op::Lock(LockOp::Acquire { .. }), Kind::Lock { permits, .. }) => {
            for extra in 0..permits as u32 {
                let who = Process(10_000_000 + extra);
                *time += 1;
                builder.invoke(Nanos(*time), who, None, None, &op.pending()).expect("in order");
                *time += 1;
                let done = builder.complete(Nanos(*time), who, Outcome::Ok, Some(op), None);
                done.expect("is open");
            }
            *time += 1;
            true
        }
        _ => false,
    }
}
