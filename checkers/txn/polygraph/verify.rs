//! Orders of transactions replayed, and small histories tried out in every order. It knows the
//! definitions and nothing of polygraphs.
//!
//! Biswas & Enea, "On the Complexity of Checking Transactional Consistency" (OOPSLA 2019): for
//! every read of a key by `t3` from `t1` and every other writer `t2` of the key that is visible to
//! `t3`, `t2` comes before `t1` in the commit order.

use super::facts::{Facts, INITIAL, NEVER};
use super::level::{Form, Kept, Question};

/// A point in time of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Point {
    /// All of it, where it has one point.
    Whole(u32),
    Begin(u32),
    Commit(u32),
}

/// Most transactions that are tried out in every order.
pub(crate) const EVERY_ORDER: u32 = 8;

/// Whether an order of points shows that a level holds: every point once, every read is of the
/// last version, what must be kept is kept. O(reads and writes).
pub(crate) fn shows(facts: &Facts, question: Question, order: &[Point]) -> bool {
    let n = facts.len() as usize;
    let (mut begun, mut done) = (vec![usize::MAX; n], vec![usize::MAX; n]);
    for (at, point) in order.iter().enumerate() {
        let (begin, commit) = match (*point, question.form) {
            (Point::Whole(txn), Form::Serializable) => (Some(txn), Some(txn)),
            (Point::Begin(txn), Form::Snapshot | Form::Prefix) => (Some(txn), None),
            (Point::Commit(txn), Form::Snapshot | Form::Prefix) => (None, Some(txn)),
            _ => return false,
        };
        for (txn, places) in [(begin, &mut begun), (commit, &mut done)] {
            let Some(txn) = txn else { continue };
            match places.get_mut(txn as usize) {
                Some(place) if *place == usize::MAX => *place = at,
                _ => return false,
            }
        }
    }
    let missing = |places: &[usize]| places.contains(&usize::MAX);
    if missing(&begun) || missing(&done) || begun.iter().zip(&done).any(|(b, d)| b > d) {
        return false;
    }
    keeps(facts, question.kept, &begun, &done) && reads_hold(facts, question.form, order, &begun)
}

fn keeps(facts: &Facts, kept: Kept, begun: &[usize], done: &[usize]) -> bool {
    match kept {
        Kept::Nothing => true,
        Kept::Sessions => facts.sessions.windows(2).all(|ends| {
            let later = ends[0] as usize + 1..ends[1] as usize;
            later.into_iter().all(|txn| done[txn - 1] < begun[txn])
        }),
        Kept::RealTime if !keeps(facts, Kept::Sessions, begun, done) => false,
        Kept::RealTime => {
            // From the last to the first: whoever begins must not follow the end of one that
            // comes later here.
            let mut points: Vec<(usize, u64, u64)> = Vec::with_capacity(2 * begun.len());
            for (txn, (start, end)) in facts.times.iter().enumerate() {
                points.push((begun[txn], *start, NEVER));
                points.push((done[txn], 0, *end));
            }
            points.sort_unstable_by(|one, other| other.cmp(one));
            let mut first_end = NEVER;
            points.into_iter().all(|(_, start, end)| {
                let fits = end != NEVER || first_end >= start;
                first_end = first_end.min(end);
                fits
            })
        }
    }
}

fn reads_hold(facts: &Facts, form: Form, order: &[Point], begun: &[usize]) -> bool {
    // By key: who wrote it last, and when.
    let mut last = vec![(INITIAL, 0_usize); facts.keys as usize];
    order.iter().enumerate().all(|(at, point)| {
        let (reads, writes) = match *point {
            Point::Whole(txn) => (Some(txn), Some(txn)),
            Point::Begin(txn) => (Some(txn), None),
            Point::Commit(txn) => (None, Some(txn)),
        };
        let seen = |txn: u32| facts.reads(txn).iter().all(|(key, by)| last[*key as usize].0 == *by);
        if !reads.is_none_or(seen) {
            return false;
        }
        let Some(txn) = writes else { return true };
        facts.writes(txn).iter().all(|key| {
            let (before, when) = std::mem::replace(&mut last[*key as usize], (txn, at));
            form != Form::Snapshot || before == INITIAL || when < begun[txn as usize]
        })
    })
}

/// Whether any commit order at all shows that a level holds; `None` for more than [`EVERY_ORDER`]
/// transactions. O(n! n^4).
pub(crate) fn holds_in_some_order(facts: &Facts, question: Question) -> Option<bool> {
    let n = facts.len();
    if n > EVERY_ORDER {
        return None;
    }
    let session = facts.session_of();
    let before =
        |one: u32, other: u32| one < other && session[one as usize] == session[other as usize];
    let kept = |one: u32, other: u32| match question.kept {
        Kept::Nothing => false,
        Kept::Sessions => before(one, other),
        Kept::RealTime => {
            let ended = facts.times[one as usize].1 < facts.times[other as usize].0;
            before(one, other) || ended
        }
    };
    let read = |one: u32, other: u32| facts.reads(other).iter().any(|(_, source)| *source == one);
    let direct: Vec<u32> = (0..n)
        .map(|later| {
            (0..n).filter(|it| kept(*it, later) || read(*it, later)).fold(0, |m, it| m | 1 << it)
        })
        .collect();
    // Prefixes of orders, depth first.
    let mut order: Vec<u32> = Vec::new();
    let mut next = vec![0];
    while let Some(txn) = next.last_mut() {
        let placed: u32 = order.iter().fold(0, |mask, it| mask | 1 << it);
        if order.len() == n as usize && fits(facts, question.form, &direct, &order) {
            return Some(true);
        }
        let free = |txn: &u32| placed & 1 << txn == 0 && direct[*txn as usize] & !placed == 0;
        match (*txn..n).find(free) {
            Some(found) => {
                *txn = found + 1;
                order.push(found);
                next.push(0);
            }
            None => {
                next.pop();
                order.pop();
            }
        }
    }
    Some(false)
}

/// Whether every read is right in a commit order, by the axioms.
fn fits(facts: &Facts, form: Form, direct: &[u32], order: &[u32]) -> bool {
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, txn)| place[*txn as usize] = at);
    let wrote = |txn: u32, key: u32| facts.writes(txn).contains(&key);
    let common = |one: u32, other: u32| facts.writes(one).iter().any(|key| wrote(other, *key));
    let visible = |t2: u32, t3: u32| match form {
        Form::Serializable => place[t2 as usize] < place[t3 as usize],
        Form::Snapshot | Form::Prefix => order.iter().any(|x| {
            let behind = place[t2 as usize] <= place[*x as usize];
            let seen = direct[t3 as usize] & 1 << x != 0;
            let conflicts =
                form == Form::Snapshot && place[*x as usize] < place[t3 as usize] && common(*x, t3);
            behind && (seen || conflicts)
        }),
    };
    order.iter().all(|t3| {
        facts.reads(*t3).iter().all(|(key, t1)| {
            order.iter().filter(|t2| *t2 != t3 && *t2 != t1 && wrote(**t2, *key)).all(|t2| {
                let before = *t1 != INITIAL && place[*t2 as usize] < place[*t1 as usize];
                before || !visible(*t2, *t3)
            })
        })
    })
}
