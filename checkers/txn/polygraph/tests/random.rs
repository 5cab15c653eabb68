//! Random small histories against every commit order.

use super::super::build::Polygraph;
use super::super::decide::{Decided, decide, decide_with};
use super::super::dynamic::Dynamic;
use super::super::facts::{Facts, INITIAL, NEVER};
use super::super::graph::Graph;
use super::super::level::{Form, Kept, Question};
use super::super::search::{Outcome, Search};
use super::super::traps::{Planted, Trap};
use super::super::verify::{holds_in_some_order, shows};
use crate::testing::{Tally, histories};
use crate::{Budget, Verdict};

/// xorshift64*.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % u64::from(n)) as u32
    }
}

fn facts(random: &mut Random, most: u32) -> Facts {
    let (n, keys) = (2 + random.below(most - 1), 1 + random.below(3));
    let sessions = 1 + random.below(3);
    let mut writes: Vec<Vec<u32>> = Vec::new();
    for _ in 0..n {
        let mut own: Vec<u32> = (0..keys).filter(|_| random.below(3) == 0).collect();
        if own.is_empty() && random.below(2) == 0 {
            own.push(random.below(keys));
        }
        writes.push(own);
    }
    let mut made = Facts::new(keys);
    // A start, and an end after it, among twelve moments.
    let mut now = vec![0_u64; sessions as usize];
    let mut cuts: Vec<u32> = (1..sessions).map(|_| random.below(n)).collect();
    cuts.sort_unstable();
    let mut session = 0;
    for txn in 0..n {
        while cuts.get(session).is_some_and(|cut| *cut <= txn) {
            made.end_session();
            session += 1;
        }
        let mut reads = Vec::new();
        for _ in 0..random.below(3) {
            let key = random.below(keys);
            let others: Vec<u32> = (0..n)
                .filter(|other| *other != txn && writes[*other as usize].contains(&key))
                .collect();
            let source = match random.below(others.len() as u32 + 1) {
                0 => INITIAL,
                other => others[other as usize - 1],
            };
            reads.push((key, source));
        }
        made.push(reads, writes[txn as usize].iter().copied());
        let start = now[session] + 1 + u64::from(random.below(3));
        let end = start + 1 + u64::from(random.below(6));
        now[session] = end;
        made.times.push((start, if random.below(6) == 0 { NEVER } else { end }));
    }
    for _ in session..sessions as usize {
        made.end_session();
    }
    made
}

fn random(seed: u64) -> Random {
    Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
}

/// What is wrong with an answer, if anything.
fn wrong(facts: &Facts, question: Question, decided: &Decided) -> Option<String> {
    let expected = holds_in_some_order(facts, question).expect("few transactions");
    match decided {
        Decided::Holds(order) if !expected => Some(format!("held by {order:?}")),
        Decided::Holds(order) if !shows(facts, question, order) => Some(format!("not {order:?}")),
        Decided::Holds(_) => None,
        Decided::Violated(core) if expected => Some(format!("violated by {core:?}")),
        Decided::Violated(core) => {
            let alone = |core: &[u32]| holds_in_some_order(&facts.only(core), question);
            let less = |at: usize| [&core[..at], &core[at + 1..]].concat();
            let minimal = (0..core.len()).all(|at| alone(&less(at)) == Some(true));
            let told = alone(core) == Some(false) && minimal;
            (!told).then(|| format!("violated, but not by {core:?}"))
        }
        Decided::Spent { .. } => Some("undecided".into()),
    }
}

const FORMS: [Form; 3] = [Form::Serializable, Form::Snapshot, Form::Prefix];
const KEPT: [Kept; 3] = [Kept::Nothing, Kept::Sessions, Kept::RealTime];

fn questions() -> impl Iterator<Item = Question> {
    FORMS.into_iter().flat_map(|form| KEPT.map(|kept| Question { form, kept }))
}

#[test]
fn every_answer_is_that_of_every_commit_order() {
    let budget = Budget::unlimited();
    let (mut held, mut violated, mut tally) = (0, 0, Tally::default());
    for seed in 1..=histories(3_000) {
        let facts = facts(&mut random(seed), 5);
        for question in questions() {
            let decided = decide(&facts, question, &budget);
            let wrong = wrong(&facts, question, &decided);
            assert_eq!(wrong, None, "{seed} {question:?} {facts:?}");
            let holds = matches!(decided, Decided::Holds(_));
            *(if holds { &mut held } else { &mut violated }) += 1;
            let verdict = if holds { Verdict::Valid } else { Verdict::Invalid };
            tally.add(format!("polygraph: {:?}, {:?}", question.form, question.kept), verdict);
        }
    }
    tally.print();
    assert!(held > 1_000 && violated > 1_000, "{held} held, {violated} violated");
}

/// The search alone, with nothing forced before it.
fn by_search(facts: &Facts, question: Question, planted: Planted) -> Option<bool> {
    let Ok(polygraph) = Polygraph::new(facts, question, planted) else { return Some(false) };
    let graph = Graph::new(polygraph.vertices, polygraph.known.iter().copied());
    let Some(order) = graph.order(u64::from) else { return Some(false) };
    let mut open = Vec::new();
    for key in 0..facts.keys {
        let blocks = polygraph.blocks.to_order(key);
        open.extend(blocks.clone().flat_map(|one| (one + 1..blocks.end).map(move |it| (one, it))));
    }
    let dynamic = Dynamic::new(graph, &order, planted);
    let budget = Budget::unlimited().with_configurations(100_000);
    match Search::new(&polygraph, &open, dynamic).run(&budget) {
        Outcome::Order(_) => Some(true),
        Outcome::None { .. } => Some(false),
        Outcome::Spent(_) => None,
    }
}

#[test]
fn the_search_needs_nothing_that_was_forced_before_it() {
    for seed in 1..=histories(3_000) {
        let facts = facts(&mut random(seed), 14);
        for question in questions() {
            let decided = decide(&facts, question, &Budget::unlimited());
            let expected = matches!(decided, Decided::Holds(_));
            let found = by_search(&facts, question, Planted::default());
            assert_eq!(found, Some(expected), "{seed} {question:?}");
        }
    }
}

#[test]
fn planted_mistakes_are_caught() {
    let caught = |trap: Trap| {
        (1..=30_000).any(|seed| {
            let planted = Planted { trap: Some(trap) };
            // A mistake may well break what is expected elsewhere.
            let found = std::panic::catch_unwind(|| {
                let few = facts(&mut random(seed), 5);
                let more = facts(&mut random(seed), 14);
                questions().any(|question| {
                    let budget = Budget::unlimited().with_configurations(10_000);
                    let decided = decide_with(&few, question, planted, &budget);
                    let right = by_search(&more, question, Planted::default());
                    wrong(&few, question, &decided).is_some()
                        || by_search(&more, question, planted) != right
                })
            });
            found.unwrap_or(true)
        })
    };
    let missed: Vec<Trap> = Trap::ALL.into_iter().filter(|trap| !caught(*trap)).collect();
    assert_eq!(missed, []);
}
