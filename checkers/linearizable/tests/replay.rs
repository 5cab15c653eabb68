//! The states told along a legal order: those of the model, in order, bounded.

use tribunal_history::{OpIndex, Value};

use crate::linearizable::replay::{TOLD, states_along};
use crate::linearizable::{CasRegister, CasRegisterOp, Model, Problem, Steps};

/// Counts in a direction nobody decided: each `Step` may go up or down, `Is` observes.
struct Drunkard;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Walk {
    Step,
    Is(i32),
}

impl Model for Drunkard {
    type State = i32;
    type Op = Walk;

    fn initial(&self) -> i32 {
        0
    }

    fn step(&self, state: &i32, op: &Walk) -> Steps<i32> {
        match op {
            Walk::Step => Steps::Many(vec![state + 1, state - 1]),
            Walk::Is(there) if there == state => Steps::One(*state),
            Walk::Is(_) => Steps::None,
        }
    }

    fn is_pure(&self, op: &Walk) -> bool {
        matches!(op, Walk::Is(_))
    }

    fn refusal(&self, _: &i32, _: &Walk) -> String {
        "it stands elsewhere".to_owned()
    }
}

fn one_after_another<M: Model>(model: &M, ops: Vec<M::Op>) -> Problem<M::Op> {
    let at = |(at, op)| (OpIndex(at), op, at * 2, at * 2 + 1);
    Problem::new(model, (0..).zip(ops).map(at))
}

/// A course that is told goes through to the end: only one of the four walks stands at -2.
#[test]
fn a_nondeterministic_course_is_one_that_happened() {
    let problem = one_after_another(&Drunkard, vec![Walk::Step, Walk::Step, Walk::Is(-2)]);
    assert_eq!(states_along(&Drunkard, &problem, &[0, 1, 2], &|| false), ["0", "-1", "-2", "-2"]);
}

#[test]
fn an_illegal_order_is_not_told() {
    let problem = one_after_another(&Drunkard, vec![Walk::Step, Walk::Is(0)]);
    assert_eq!(states_along(&Drunkard, &problem, &[0, 1], &|| false), Vec::<String>::new());
    assert_eq!(states_along(&Drunkard, &problem, &[1, 0], &|| false), ["0", "0", "1"]);
}

/// As many courses as a walk can end in are more than are followed, and then nothing is told.
#[test]
fn what_grows_without_bound_is_not_followed() {
    let steps = 2_000;
    let problem = one_after_another(&Drunkard, vec![Walk::Step; steps]);
    let order: Vec<u32> = (0..steps as u32).collect();
    assert_eq!(states_along(&Drunkard, &problem, &order, &|| false), Vec::<String>::new());
}

#[test]
fn of_a_long_order_the_end_is_told_and_of_a_long_state_the_beginning() {
    let model = CasRegister { initial: Value::Nil };
    let write = |at: i64| CasRegisterOp::Write(Value::Int(at));
    let mut ops: Vec<CasRegisterOp> = (0..3_000).map(write).collect();
    ops.push(CasRegisterOp::Write(Value::text("é".repeat(5_000))));
    let problem = one_after_another(&model, ops);
    let order: Vec<u32> = (0..=3_000).collect();
    let told = states_along(&model, &problem, &order, &|| false);
    assert_eq!(told.len(), TOLD + 1);
    assert_eq!((told[0].as_str(), told[TOLD - 1].as_str()), ("2744", "2999"));
    assert!(told[TOLD].len() <= 1_030 && told[TOLD].ends_with('…'), "{}", told[TOLD].len());
}
