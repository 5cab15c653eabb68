//! The stream against the search over the whole history.

use tribunal_history::OpIndex;

use super::generate::{Act, Answer, Question, Random, Shape, corrupt, small, valid};
use super::histories;
use crate::linearizable::found::Found;
use crate::linearizable::meter::Ledger;
use crate::linearizable::portfolio::{Order, decide_by};
use crate::linearizable::rules::Rules;
use crate::linearizable::{CasRegister, CasRegisterOp, Failure, NEVER, Problem, Standing, Stream};
use crate::{Budget, Spent};

const MODEL: CasRegister = CasRegister { initial: tribunal_history::Value::Int(0) };

fn op(act: &Act) -> Option<CasRegisterOp> {
    Some(match (act.question, act.answer) {
        (Question::Read, Answer::Found(value)) => CasRegisterOp::Read(value.into()),
        (Question::Read, _) => return None,
        (Question::Write(value), _) => CasRegisterOp::Write(value.into()),
        (Question::Cas(from, _), Answer::Missed) => CasRegisterOp::Missed(from.into()),
        (Question::Cas(from, to), _) => CasRegisterOp::Cas { from: from.into(), to: to.into() },
    })
}

/// Positions of `acts` by time: (instant, act, whether it is the return).
fn events(acts: &[Act]) -> Vec<(u32, usize, bool)> {
    let mut events = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        events.push((act.from, at, false));
        if act.answer != Answer::Crashed {
            events.push((act.to, at, true));
        }
    }
    events.sort_unstable();
    events
}

/// Crashes are told `later` events after the call, at the latest at the end.
fn stream(acts: &[Act], later: usize, budget: &Budget) -> Result<Standing<i64>, Spent> {
    let mut stream = Stream::new(&MODEL, budget);
    let (mut crashes, mut standing) = (Vec::new(), None);
    for (number, (_, at, is_return)) in events(acts).into_iter().enumerate() {
        if is_return {
            standing = Some(stream.ret(at as u64, op(&acts[at]).expect("an answer"))?);
        } else {
            stream.call(at as u64);
            if acts[at].answer == Answer::Crashed {
                crashes.push((number + later, at));
            }
        }
        while crashes.first().is_some_and(|(due, _)| *due <= number) {
            let (_, at) = crashes.remove(0);
            standing = Some(stream.crash(at as u64, op(&acts[at]))?);
        }
        if let Some(Standing::Failed(failure)) = &standing {
            return Ok(Standing::Failed(told(failure, acts)));
        }
    }
    for (_, at) in crashes {
        standing = Some(stream.crash(at as u64, op(&acts[at]))?);
    }
    Ok(match standing.expect("an event") {
        Standing::Failed(failure) => Standing::Failed(told(&failure, acts)),
        Standing::Passing { returns, waiting, frontier } => {
            assert_eq!(waiting, 0);
            Standing::Passing { returns, waiting, frontier }
        }
    })
}

fn told(failure: &Failure<tribunal_history::Value>, acts: &[Act]) -> Failure<i64> {
    let mut states: Vec<i64> = failure
        .states
        .iter()
        .map(|state| match state {
            tribunal_history::Value::Int(int) => *int,
            other => panic!("{other}"),
        })
        .collect();
    states.sort_unstable();
    let event = u64::from(acts[failure.id as usize].to);
    Failure { id: failure.id, event, states }
}

fn whole(acts: &[Act]) -> Option<(u32, Vec<i64>)> {
    let operations = acts.iter().enumerate().filter_map(|(at, act)| {
        let ret = if act.answer == Answer::Crashed { NEVER } else { act.to };
        Some((OpIndex(at as u32), op(act)?, act.from, ret))
    });
    let problem = Problem::new(&MODEL, operations);
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    let rules = Rules::default();
    let breadth = Some(Order::Breadth);
    match decide_by(&MODEL, &problem, &ledger, u64::MAX, rules, breadth).found {
        Found::Linearization(_) => None,
        Found::Dead(dead) => Some((problem.entries[dead.entry as usize].origin.0, Vec::new())),
        other => panic!("{other:?}"),
    }
}

fn agree(acts: &[Act], later: usize) -> bool {
    let streamed = stream(acts, later, &Budget::unlimited()).expect("no limit");
    match (whole(acts), streamed) {
        (None, Standing::Passing { returns, .. }) => {
            let answered = acts.iter().filter(|act| act.answer != Answer::Crashed).count();
            assert_eq!(returns, answered as u64, "{acts:?}");
            true
        }
        (Some((id, _)), Standing::Failed(failure)) => {
            assert_eq!(failure.id, u64::from(id), "{acts:?}");
            assert!(!failure.states.is_empty(), "{acts:?}");
            false
        }
        (whole, streamed) => panic!("{whole:?}, but streamed {streamed:?}: {acts:?}"),
    }
}

#[test]
fn the_stream_finds_the_earliest_failing_return() {
    let mut random = Random(31);
    let (mut valid, all) = (0, histories(20_000));
    for _ in 0..all {
        let mut acts = small(&mut random);
        acts.iter_mut().for_each(|act| act.key = 0);
        valid += u64::from(agree(&acts, random.below(12) as usize));
    }
    println!("{valid} valid, {} invalid", all - valid);
    assert!(valid > all / 5 && valid < all * 4 / 5);
}

/// Wider windows and more crashed classes than one word holds, so that the frontier is laid out
/// anew on the way.
#[test]
fn the_frontier_grows_with_the_history() {
    let mut random = Random(32);
    let mut invalid = 0;
    for round in 0..30 {
        let values = 2 + random.below(9);
        let clients = 2 + random.below(12);
        let shape = Shape { ops: 120, clients, keys: 1, values, crash_percent: 20 };
        let mut acts = valid(&mut random, shape);
        if round % 2 == 0 {
            corrupt(&mut random, &mut acts, values);
        }
        invalid += u32::from(!agree(&acts, 40));
    }
    assert!(invalid > 2, "{invalid}");
}

/// Fresh values all along: what is not held any more costs nothing.
#[test]
fn a_long_stream_of_fresh_values_needs_little() {
    let budget = Budget::unlimited().with_bytes(4 << 20);
    let mut stream = Stream::new(&MODEL, &budget);
    for round in 0..60_000_u64 {
        let value = tribunal_history::Value::Int(round as i64);
        stream.call(2 * round);
        stream.call(2 * round + 1);
        stream.ret(2 * round, CasRegisterOp::Write(value.clone())).expect("little memory");
        let read = CasRegisterOp::Read(value);
        match stream.ret(2 * round + 1, read).expect("little memory") {
            Standing::Passing { returns, waiting, frontier } => {
                assert_eq!((returns, waiting), (2 * round + 2, 0));
                assert!(frontier <= 2);
            }
            Standing::Failed(failure) => panic!("{failure:?}"),
        }
    }
}

/// A return waits for what was pending, and no longer.
#[test]
fn a_return_is_judged_once_everything_pending_is_settled() {
    let budget = Budget::unlimited();
    let mut stream = Stream::new(&MODEL, &budget);
    stream.call(1);
    stream.call(2);
    let waiting = |standing| match standing {
        Ok(Standing::Passing { returns, waiting, .. }) => (returns, waiting),
        other => panic!("{other:?}"),
    };
    // The write of 7 may be what the read saw.
    assert_eq!(waiting(stream.ret(2, CasRegisterOp::Read(7.into()))), (0, 1));
    let standing = stream.crash(1, Some(CasRegisterOp::Write(8.into())));
    let failed = Failure { id: 2, event: 2, states: vec![0.into(), 8.into()] };
    assert_eq!(standing, Ok(Standing::Failed(failed)));
}
