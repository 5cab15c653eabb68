//! Linearizability from its definition: some choice of unfinished operations, some order, legal,
//! in real time. No memo, no pruning but the definition's own.

use super::generate::{Act, Answer, Question};

/// Whether `acts` is linearizable with every register 0 at first.
pub(super) fn is_linearizable(acts: &[Act]) -> bool {
    let unfinished: Vec<usize> =
        (0..acts.len()).filter(|at| acts[*at].answer == Answer::Crashed).collect();
    (0..1u32 << unfinished.len()).any(|choice| {
        let chosen: Vec<Act> = acts
            .iter()
            .enumerate()
            .filter(|(at, _)| match unfinished.iter().position(|open| open == at) {
                Some(bit) => choice >> bit & 1 == 1,
                None => true,
            })
            .map(|(_, act)| *act)
            .collect();
        some_order(&chosen, &mut vec![false; chosen.len()], [0; 2])
    })
}

fn some_order(acts: &[Act], placed: &mut Vec<bool>, registers: [i64; 2]) -> bool {
    if placed.iter().all(|placed| *placed) {
        return true;
    }
    for at in 0..acts.len() {
        let precedes = |other: usize| {
            !placed[other]
                && acts[other].answer != Answer::Crashed
                && acts[other].to < acts[at].from
        };
        if placed[at] || (0..acts.len()).any(precedes) {
            continue;
        }
        let Some(next) = apply(&acts[at], registers) else { continue };
        placed[at] = true;
        let found = some_order(acts, placed, next);
        placed[at] = false;
        if found {
            return true;
        }
    }
    false
}

fn apply(act: &Act, mut registers: [i64; 2]) -> Option<[i64; 2]> {
    let register = &mut registers[act.key as usize];
    let legal = match (act.question, act.answer) {
        (Question::Read, Answer::Found(value)) => *register == value,
        (Question::Read, _) => true,
        (Question::Write(_), _) => true,
        (Question::Cas(from, _), Answer::Missed) => *register != from,
        (Question::Cas(from, _), _) => *register == from,
    };
    match (act.question, act.answer) {
        (Question::Write(value), _) => *register = value,
        (Question::Cas(_, to), Answer::Done | Answer::Crashed) => *register = to,
        (Question::Cas(..), Answer::Missed | Answer::Found(_)) | (Question::Read, _) => {}
    }
    legal.then_some(registers)
}
