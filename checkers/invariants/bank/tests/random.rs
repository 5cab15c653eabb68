//! Random banks, most of them with something wrong, against the definitions.

use tribunal_history::Outcome;

use super::oracle::{Act, Look, Terms, history, holds, is_strict};
use crate::invariants::bank::planted::Bug;
use crate::invariants::bank::{Bank, Opening, Options};
use crate::testing::{Random, Tally, histories};
use crate::{Budget, Checker, Verdict};

/// A bank and what happened to it; most have something wrong.
fn world(random: &mut Random) -> (Vec<Act>, Terms) {
    let accounts = 2 + random.below(2) as usize;
    let each = if random.chance(30) { 0 } else { 1 + random.below(9) as i64 };
    let terms = Terms {
        each,
        stay: each != 0 || random.chance(30),
        negative: random.chance(20),
        real_time: random.chance(85),
    };
    let many = 2 + random.below(5);
    let mut acts: Vec<Act> = (0..many).map(|_| act(random, accounts, terms)).collect();
    // No two events at one time.
    let mut times: Vec<(u64, u64, usize, bool)> = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        times.push((act.call, random.next(), at, false));
        times.push((act.ret, random.next(), at, true));
    }
    times.sort_unstable();
    for (rank, (_, _, at, end)) in (0..).zip(&times) {
        *(if *end { &mut acts[*at].ret } else { &mut acts[*at].call }) = rank;
    }
    run(random, &mut acts, terms, accounts);
    (acts, terms)
}

fn act(random: &mut Random, accounts: usize, terms: Terms) -> Act {
    let call = random.below(20);
    let outcome = match random.below(12) {
        0 | 1 => Outcome::Fail,
        2 | 3 => Outcome::Info,
        4 if random.chance(30) => Outcome::Open,
        _ => Outcome::Ok,
    };
    let some = |random: &mut Random| random.below(accounts as u64) as usize;
    let amount = 1 + random.below(3) as i64;
    let mut changes = match random.below(10) {
        0..4 => Vec::new(),
        4 => vec![(some(random), amount)],
        5 => vec![(some(random), -amount), (some(random), 2 * amount), (some(random), -amount)],
        _ => vec![(some(random), -amount), (some(random), amount)],
    };
    if terms.each == 0 && random.chance(50) && !changes.is_empty() {
        changes = vec![(some(random), 3 * amount)];
    }
    let look = match random.below(6) {
        _ if !changes.is_empty() && random.chance(80) => Look::Nothing,
        0 => Look::At(vec![some(random)]),
        1 | 2 => Look::At((0..accounts).collect()),
        _ => Look::All,
    };
    let (told, held, lacks) = (random.chance(40), vec![0; accounts], Vec::new());
    Act { call, ret: call + 1 + random.below(9), outcome, changes, told, look, held, lacks }
}

/// Lets the acts happen one after the other, each within its time; a few go wrong.
fn run(random: &mut Random, acts: &mut [Act], terms: Terms, accounts: usize) {
    let mut order: Vec<(u64, usize, u64)> = Vec::new();
    let wrong = random.below(7);
    let victim = random.below(acts.len() as u64) as usize;
    for (at, act) in acts.iter().enumerate() {
        let end = if act.outcome == Outcome::Ok { act.ret } else { act.ret + 10 };
        let point = act.call + random.below(end - act.call);
        let mut times = match act.outcome {
            Outcome::Fail => 0,
            Outcome::Info | Outcome::Open => random.below(2),
            Outcome::Ok => 1,
        };
        let is_victim = at == victim;
        match wrong {
            1 if is_victim => times = 1 - times.min(1),
            2 if is_victim => times = 2,
            _ => {}
        }
        order.push((point, at, times));
    }
    // Sorted by their moments: an act that ended before another began comes first.
    order.sort_unstable();
    let mut states = vec![vec![terms.each; accounts]];
    for (_, at, times) in order {
        let mut now = states.last().expect("the first one").clone();
        for (account, delta) in &acts[at].changes {
            now[*account] += delta * times as i64;
        }
        acts[at].held = now.clone();
        states.push(now.clone());
        let is_victim = at == victim;
        match wrong {
            // Old, or of two moments.
            3 if is_victim => {
                let old = random.below(states.len() as u64) as usize;
                acts[at].held = states[old].clone();
            }
            4 => {
                let old = states[random.below(states.len() as u64) as usize].clone();
                let account = random.below(accounts as u64) as usize;
                acts[at].held[account] = old[account];
            }
            5 if is_victim => {
                let account = random.below(accounts as u64) as usize;
                acts[at].held[account] += random.below(5) as i64 - 2;
            }
            6 if acts[at].look == Look::All && random.chance(50) => {
                acts[at].lacks = vec![random.below(accounts as u64) as usize];
            }
            _ => {}
        }
    }
}

fn options(terms: Terms, acts: &[Act]) -> Options {
    let opening = if terms.stay { Opening::Each(terms.each) } else { Opening::Empty };
    // Accounts nobody names are unknown to a checker.
    let total = terms.each * acts.first().map_or(0, |act| act.held.len() as i64);
    Options {
        opening,
        nothing_is_an_answer: true,
        total: Some(total),
        negative: terms.negative,
        real_time: terms.real_time,
    }
}

fn verdict(acts: &[Act], terms: Terms, bug: Option<Bug>) -> Verdict {
    let mut bank = Bank::new(options(terms, acts));
    bank.terms.planted.trap = bug;
    bank.check(&history(acts), &Budget::unlimited()).expect("a bank").verdict
}

/// Whether every account is named by somebody, so that the checker knows as many as the oracle.
fn all_named(acts: &[Act]) -> bool {
    let named = |account: usize| {
        acts.iter().any(|act| {
            let ok = act.outcome == Outcome::Ok;
            let at = match &act.look {
                Look::Nothing => false,
                Look::At(accounts) => accounts.contains(&account),
                Look::All => ok && !act.lacks.contains(&account),
            };
            at || act.changes.iter().any(|(other, _)| *other == account)
        })
    };
    (0..acts.first().map_or(0, |act| act.held.len())).all(named)
}

#[test]
fn verdicts_are_those_of_the_definitions() {
    let (mut valid, mut invalid, mut strict) = (0, 0, 0);
    let mut tally = Tally::default();
    for case in 0..histories(3_000) {
        let (acts, terms) = world(&mut Random(case));
        if !all_named(&acts) {
            continue;
        }
        let said = verdict(&acts, terms, None);
        let expected = holds(&acts, terms);
        // Not exercised is neither.
        let agrees = if expected { said != Verdict::Invalid } else { said == Verdict::Invalid };
        assert!(agrees, "case {case}: {said:?}, {expected}: {terms:?}\n{acts:#?}");
        tally.add("bank".into(), said);
        valid += u64::from(said == Verdict::Valid);
        invalid += u64::from(!expected);
        // A database that is strictly serializable is never accused.
        if is_strict(&acts, terms) {
            let negative = Terms { negative: true, ..terms };
            assert_ne!(verdict(&acts, negative, None), Verdict::Invalid, "case {case}: {acts:#?}");
            strict += 1;
        }
    }
    tally.print();
    let least = histories(3_000) / 10;
    assert!(valid > least && invalid > least && strict > least, "{valid} {invalid} {strict}");
}

/// Nobody says what the accounts held: whatever is said then must not accuse a bank that works.
#[test]
fn a_bank_of_unknown_opening_is_not_accused_wrongly() {
    let (mut strict, mut found) = (0, 0);
    for case in 0..histories(3_000) {
        let (acts, terms) = world(&mut Random(case));
        let asked = Options { total: None, opening: Opening::Unknown, ..options(terms, &acts) };
        let bank = Bank::new(Options { negative: true, real_time: true, ..asked });
        let said = bank.check(&history(&acts), &Budget::unlimited()).expect("a bank").verdict;
        if is_strict(&acts, Terms { stay: true, ..terms }) {
            assert_ne!(said, Verdict::Invalid, "case {case}: {terms:?} {acts:#?}");
            strict += 1;
        }
        found += u64::from(said == Verdict::Invalid);
    }
    assert!(
        strict > histories(3_000) / 10 && found > histories(3_000) / 50,
        "{strict} strict, {found} found"
    );
}

#[test]
fn every_planted_mistake_is_caught() {
    for bug in Bug::ALL {
        let caught = (0..20_000).find(|case| {
            let (acts, terms) = world(&mut Random(*case));
            let (right, wrong) = (verdict(&acts, terms, None), verdict(&acts, terms, Some(*bug)));
            all_named(&acts) && (right == Verdict::Invalid) != (wrong == Verdict::Invalid)
        });
        let case = caught.unwrap_or_else(|| panic!("nothing catches {bug:?}"));
        println!("{bug:?}: case {case}");
    }
}
