//! What a decision is told with: whether more would help, and whether less would do.

use tribunal_history::{OpIndex, Value};

use crate::linearizable::decide::{said_whole, too_many_crashed};
use crate::linearizable::found::Progress;
use crate::linearizable::models::SetOp;
use crate::linearizable::{Entry, NEVER, Problem, RegisterOp, Set};

/// `classes` different writes that crashed, each `alike` times.
fn crashed_writes(classes: u32, alike: u32) -> Problem<RegisterOp> {
    let number = classes * alike;
    let entry = |at| Entry { origin: OpIndex(at), class: at % classes, call: at, ret: NEVER };
    let mut entries: Vec<Entry> = (0..number).map(entry).collect();
    let read = Entry { origin: OpIndex(number), class: classes, call: number, ret: number + 1 };
    entries.push(read);
    let writes = (0..classes).map(|at| RegisterOp::Write(Value::Int(i64::from(at))));
    let ops = writes.chain([RegisterOp::Read(Value::Int(0))]).collect();
    Problem { entries, ops }
}

/// Of a search that used each class of crashed operations up to `used` times when it had passed
/// `layer` of a thousand returns.
fn blamed(problem: &Problem<RegisterOp>, used: u32, layer: u32) -> u64 {
    let classes = problem.ops.len() as u32 - 1;
    let crashed = (0..classes).map(|at| (at, used)).collect();
    let progress = Progress { layer, layers: 1_000, frontier: 1, bytes: 0, crashed };
    too_many_crashed(problem, &progress)
}

#[test]
fn crashed_operations_are_blamed_from_twenty_doublings_on() {
    // One of a kind doubles what there is to tell apart; 2^20 are not more than a million times.
    assert_eq!(blamed(&crashed_writes(20, 1), 1, 100), 0);
    assert_eq!(blamed(&crashed_writes(21, 1), 1, 100), 21);
    // Those that are alike are counted: three of them make four of one.
    assert_eq!(blamed(&crashed_writes(10, 3), 1, 100), 0);
    assert_eq!(blamed(&crashed_writes(11, 3), 3, 100), 33);
    assert_eq!(blamed(&crashed_writes(1, 10_000), 900, 100), 0);
}

#[test]
fn crashed_operations_are_not_blamed_near_the_end_or_unused() {
    assert_eq!(blamed(&crashed_writes(40, 1), 1, 900), 40);
    assert_eq!(blamed(&crashed_writes(40, 1), 1, 901), 0);
    assert_eq!(blamed(&crashed_writes(40, 1), 0, 100), 0);
}

#[test]
fn an_operation_of_which_something_was_left_out_is_not_said_whole() {
    let of = |elements: &[i64]| elements.iter().map(|at| Value::Int(*at)).collect();
    let add = |element| SetOp::Add(Value::Int(element), None);
    let ops = vec![add(1), add(2), SetOp::Read(of(&[1, 2])), SetOp::Read(of(&[1]))];
    let entries = (0..4).map(|at| {
        let (call, ret) = (2 * at, 2 * at + 1);
        Entry { origin: OpIndex(at), class: at, call, ret }
    });
    let whole = Problem { entries: entries.collect(), ops };
    let part =
        whole.about(&Set { shrinks: true }, &[Value::Int(1)], &|| false).expect("nobody stops it");
    // Of adding 2 nothing is said there, so that the numbers of entries differ.
    let said: Vec<(u32, bool)> = (0..part.entries.len() as u32)
        .map(|at| (part.entries[at as usize].origin.0, said_whole(&part, &whole, at)))
        .collect();
    assert_eq!(said, [(0, true), (2, false), (3, true)]);
}
