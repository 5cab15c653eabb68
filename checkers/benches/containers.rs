//! Times of the container deciders: the generator of the literature with real sequential
//! containers, ten clients, no peeks. `-- --write FOLDER` also writes the histories as text, for
//! other programs that judge them. Parsing is not in it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use tribunal_checkers::Budget;
use tribunal_checkers::linearizable::NEVER;
use tribunal_checkers::linearizable::containers::{
    Act, Answer, Input, Kind, What, decide_priority_queue, decide_queue, decide_set, decide_stack,
};

const KINDS: [(&str, Kind); 4] = [
    ("set", Kind::Set),
    ("queue", Kind::Queue),
    ("stack", Kind::Stack),
    ("priorityqueue", Kind::PriorityQueue),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let folder = args.iter().position(|arg| arg == "--write").map(|at| args[at + 1].clone());
    let wanted: Vec<&String> =
        args.iter().filter(|arg| !arg.starts_with('-') && folder.as_ref() != Some(*arg)).collect();
    for (name, kind) in KINDS {
        for size in [10_000, 100_000, 1_000_000] {
            for (suffix, peeks, bad) in [("", 0, false), ("_peeks", 20, false), ("_bad", 0, true)] {
                let name = format!("{name}_{size}{suffix}");
                if wanted.is_empty() || wanted.iter().any(|want| name.contains(*want)) {
                    let (mut acts, priorities) = synthetic(kind, size, peeks);
                    if bad {
                        falsify(&mut acts);
                    }
                    if let Some(folder) = &folder {
                        write(Path::new(folder), &name, &acts, &priorities);
                    }
                    measure(&name, kind, acts, priorities);
                }
            }
        }
    }
}

fn measure(name: &str, kind: Kind, acts: Vec<Act>, priorities: Vec<u32>) {
    let count = acts.len();
    let rank = acts.iter().flat_map(|act| [act.call, act.ret]).filter(|rank| *rank != NEVER);
    let events = rank.max().map_or(0, |last| last + 1);
    let values = priorities.len() as u32;
    let input = Input::new(acts, values, events).expect("well-formed").with_priorities(priorities);
    let budget = Budget::unlimited();
    let (mut times, mut said) = (Vec::new(), String::new());
    for _ in 0..7 {
        let started = Instant::now();
        let answer = match kind {
            Kind::Set => decide_set(&input, &budget),
            Kind::Queue => decide_queue(&input, &budget),
            Kind::Stack => decide_stack(&input, &budget),
            Kind::PriorityQueue => decide_priority_queue(&input, &budget),
        };
        times.push(started.elapsed());
        let answer = black_box(answer.expect("no limit"));
        said = match answer {
            Answer::Order(_) => "valid".into(),
            Answer::Contradiction(few) => format!("invalid by {} operations", few.len()),
            Answer::HandOver(why) => format!("not decided: {why}"),
        };
        assert!(said == "valid" || name.ends_with("_bad"), "{name} is valid by construction");
    }
    let best = times.iter().min().copied().unwrap_or(Duration::ZERO);
    times.sort();
    println!(
        "{name:<28} {count:>9} ops  best {:>9.3} ms  median {:>9.3} ms  {:>6.1} ns/op  {said}",
        best.as_secs_f64() * 1e3,
        times[times.len() / 2].as_secs_f64() * 1e3,
        best.as_secs_f64() * 1e9 / count as f64,
    );
}

/// Two removes in the middle, of values that were inside together, exchange what they took.
fn falsify(acts: &mut [Act]) {
    let inserts = acts.iter().filter(|act| act.what == What::Insert);
    let inserted: HashMap<u32, u32> = inserts.map(|act| (act.value, act.ret)).collect();
    let middle = acts.len() / 2;
    let removes: Vec<usize> =
        (middle..acts.len()).filter(|at| acts[*at].what == What::Remove).collect();
    let apart = |one: usize| {
        let together = |at: &&usize| inserted[&acts[**at].value] < acts[removes[one]].call;
        removes[one + 1..].iter().take(20_000).filter(together).nth(20)
    };
    let mut pairs = (0..removes.len()).filter_map(|at| Some((removes[at], *apart(at)?)));
    let (one, other) = pairs.next().expect("twenty values are inside at some time");
    let value = acts[one].value;
    acts[one].value = acts[other].value;
    acts[other].value = value;
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

/// Each step picks a client, which invokes, takes effect, or returns.
fn synthetic(kind: Kind, ops: usize, peek_percent: u64) -> (Vec<Act>, Vec<u32>) {
    const CLIENTS: usize = 10;
    let mut random = Random(7);
    let mut acts: Vec<Act> = Vec::new();
    let mut asked = Vec::new();
    let mut priorities: Vec<u32> = Vec::new();
    let mut inside = Inside { kind, line: VecDeque::new(), heap: BTreeSet::new() };
    let mut stage: Vec<Option<(usize, bool)>> = vec![None; CLIENTS];
    let mut time = 0;
    while acts.len() < ops || stage.iter().any(Option::is_some) {
        let at = random.below(CLIENTS as u64) as usize;
        match stage[at] {
            None if acts.len() < ops => {
                stage[at] = Some((acts.len(), false));
                asked.push((random.below(100) < peek_percent, random.below(2) == 0));
                acts.push(Act { call: time, ret: NEVER, value: 0, what: What::Insert });
                time += 1;
            }
            None => {}
            Some((number, false)) => {
                let next = inside.next(&mut random);
                let act = &mut acts[number];
                match (asked[number], next) {
                    ((true, _), Some(next)) => {
                        act.what = What::Peek;
                        act.value = inside.value(next);
                    }
                    ((false, false), Some(next)) => {
                        act.what = What::Remove;
                        act.value = inside.take(next);
                    }
                    // With nothing inside there is nothing to see: put something in.
                    _ => {
                        act.value = priorities.len() as u32;
                        let priority = random.below(1 << 31) as u32;
                        priorities.push(priority);
                        inside.put(act.value, priority);
                    }
                }
                stage[at] = Some((number, true));
            }
            Some((act, true)) => {
                acts[act].ret = time;
                time += 1;
                stage[at] = None;
            }
        }
    }
    // Distinct priorities, and values named by them.
    let mut ranked: Vec<u32> = (0..priorities.len() as u32).collect();
    ranked.sort_by_key(|value| (priorities[*value as usize], *value));
    for (rank, value) in (0u32..).zip(ranked) {
        priorities[value as usize] = rank;
    }
    (acts, priorities)
}

/// What a container holds.
struct Inside {
    kind: Kind,
    line: VecDeque<u32>,
    heap: BTreeSet<(u32, u32)>,
}

impl Inside {
    fn next(&self, random: &mut Random) -> Option<usize> {
        let last = self.line.len().checked_sub(1);
        match self.kind {
            Kind::Set => last.map(|last| random.below(last as u64 + 1) as usize),
            Kind::Queue => last.map(|_| 0),
            Kind::Stack => last,
            Kind::PriorityQueue => self.heap.last().map(|_| 0),
        }
    }

    fn value(&self, at: usize) -> u32 {
        match self.kind {
            Kind::PriorityQueue => self.heap.last().expect("not empty").1,
            Kind::Set | Kind::Queue | Kind::Stack => self.line[at],
        }
    }

    fn take(&mut self, at: usize) -> u32 {
        match self.kind {
            Kind::PriorityQueue => self.heap.pop_last().expect("not empty").1,
            Kind::Set => self.line.swap_remove_back(at).expect("it is there"),
            Kind::Queue | Kind::Stack => self.line.remove(at).expect("it is there"),
        }
    }

    fn put(&mut self, value: u32, priority: u32) {
        match self.kind {
            Kind::PriorityQueue => {
                self.heap.insert((priority, value));
            }
            Kind::Set | Kind::Queue | Kind::Stack => self.line.push_back(value),
        }
    }
}

/// As text: a head, then method, value, begin and end of each operation.
fn write(folder: &Path, name: &str, acts: &[Act], priorities: &[u32]) {
    let kind = name.split('_').next().unwrap_or(name);
    let words = match kind {
        "set" => ["insert", "remove", "contains_true"],
        "queue" => ["enq", "deq", "peek"],
        "stack" => ["push", "pop", "peek"],
        _ => ["insert", "poll", "peek"],
    };
    let mut text = format!("# {kind}\n");
    for act in acts {
        let word = match act.what {
            What::Insert => words[0],
            What::Remove => words[1],
            _ => words[2],
        };
        let value = match kind {
            "priorityqueue" => priorities[act.value as usize],
            _ => act.value,
        };
        text += &format!("{word} {} {} {}\n", value + 1, act.call + 1, act.ret + 1);
    }
    std::fs::write(folder.join(format!("{name}.log")), text).expect("a folder to write to");
}
