//! Proof that the histories find mistakes of a data type: models that are wrong on purpose.

use tribunal_history::{Code, Operation, Value};

use super::super::generate::Random;
use super::about::{Asked, elements, register, says_what_is_not, text, value};
use super::containers::{queue, stack};
use super::lists::Lists;
use super::locks::{fenced_mutex, owner_mutex, semaphore};
use super::numbers::{Ids, Sum};
use super::oracle::is_linearizable;
use super::registers::{Several, Texts};
use super::sets::Elements;
use super::{World, history, small};
use crate::linearizable::{
    ContainerOp, CounterOp, Dialect, FromHistory, Held, Interpreted, KvOp, ListMop, LockOp, Merge,
    Model, MultiRegisterOp, MultiRegisterStep, Options, SetOp, Steps, Words, judge,
};
use crate::{Budget, Verdict};

type Step<M> = fn(&M, &<M as Model>::State, &<M as Model>::Op) -> Steps<<M as Model>::State>;
type About<M> = fn(&M, &<M as Model>::Op, &[Value]) -> Option<<M as Model>::Op>;
type MergeInto<M> = fn(&[<M as Model>::Op], <M as Model>::State) -> <M as Model>::State;

/// What a model gets wrong; everything else it does right.
struct Mistaken<M: Model> {
    right: M,
    step: Step<M>,
    pure: fn(&M, &M::Op) -> bool,
    observes: fn(&M, &M::Op, &M::Op) -> bool,
    consumes: fn(&M, &M::Op, &M::Op) -> bool,
    settles: fn(&M, &M::Op) -> bool,
    about: About<M>,
    impossible: fn(&M, &M::Op) -> bool,
    merge: Option<MergeInto<M>>,
}

impl<M: Model> Mistaken<M> {
    fn none(right: M) -> Mistaken<M> {
        Mistaken {
            right,
            step: M::step,
            pure: M::is_pure,
            observes: M::observes,
            consumes: M::consumes,
            settles: M::settles,
            about: M::about,
            impossible: |right, op| right.impossible(op).is_some(),
            merge: None,
        }
    }
}

impl<M: Model> Model for Mistaken<M> {
    type State = M::State;
    type Op = M::Op;

    fn initial(&self) -> M::State {
        self.right.initial()
    }

    fn step(&self, state: &M::State, op: &M::Op) -> Steps<M::State> {
        (self.step)(&self.right, state, op)
    }

    fn is_pure(&self, op: &M::Op) -> bool {
        (self.pure)(&self.right, op)
    }

    fn is_blind(&self, op: &M::Op) -> bool {
        self.right.is_blind(op)
    }

    fn settles(&self, op: &M::Op) -> bool {
        (self.settles)(&self.right, op)
    }

    fn observes(&self, observer: &M::Op, producer: &M::Op) -> bool {
        (self.observes)(&self.right, observer, producer)
    }

    const CONSUMES: bool = M::CONSUMES;

    fn consumes(&self, consumer: &M::Op, producer: &M::Op) -> bool {
        (self.consumes)(&self.right, consumer, producer)
    }

    fn merged<'a>(&'a self, ops: &'a [M::Op]) -> Option<Merge<'a, M::State>> {
        match self.merge {
            Some(merge) => Some(Box::new(move |state| merge(ops, state))),
            None => self.right.merged(ops),
        }
    }

    fn about(&self, op: &M::Op, elements: &[Value]) -> Option<M::Op> {
        (self.about)(&self.right, op, elements)
    }

    fn impossible(&self, op: &M::Op) -> Option<String> {
        (self.impossible)(&self.right, op).then(|| " in vain".into())
    }

    fn words(&self, op: &M::Op) -> Words {
        self.right.words(op)
    }

    fn refusal(&self, _state: &M::State, _op: &M::Op) -> String {
        "refused".into()
    }
}

impl<M: FromHistory> FromHistory for Mistaken<M> {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<M::Op>, String> {
        self.right.interpret(operation, dialect)
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        self.right.keys(operation, keys);
    }

    fn part(&self, operation: &Operation<'_>) -> Option<Code> {
        self.right.part(operation)
    }
}

/// Which history shows it: a wrong verdict, or an error of the verifier or of the purity check.
fn caught<W: World>(world: &W, what: &str, spoil: impl FnOnce(&mut Mistaken<W::Model>)) {
    let mut model = Mistaken::none(world.model());
    spoil(&mut model);
    let mut random = Random(3);
    let (mut wrong, mut refused) = (None, None);
    for at in 0..20_000 {
        let acts = small(world, &mut random);
        let history = history(&acts);
        let options = Options::default();
        match judge(&model, &history, Dialect::TRIBUNAL, &Budget::unlimited(), options) {
            Err(_) => refused = refused.or(Some(at)),
            Ok(report) => {
                let valid = is_linearizable(world, &acts);
                if (report.verdict == Verdict::Valid) != valid {
                    wrong = Some(at);
                }
            }
        }
        if wrong.is_some() || refused.is_some() {
            break;
        }
    }
    assert!(wrong.is_some() || refused.is_some(), "{what} was not caught");
    println!("{what}: wrong verdict {wrong:?}, refused {refused:?}");
}

#[test]
fn wrong_steps_are_caught() {
    caught(&queue(false), "a dequeue from an empty queue finds anything", |model| {
        model.step = |right, state, op| match (right.step(state, op), op) {
            (Steps::None, ContainerOp::Take(Some(_))) if *state == right.initial() => {
                Steps::One(state.clone())
            }
            (steps, _) => steps,
        };
    });
    caught(&stack(false), "a crashed pop takes nothing", |model| {
        model.step = |right, state, op| match op {
            ContainerOp::TakeCrashed => Steps::One(state.clone()),
            op => right.step(state, op),
        };
    });
    caught(&owner_mutex(), "a release by somebody else", |model| {
        model.step = |right, state, op| match op {
            LockOp::Release(grip) => {
                let grip = crate::linearizable::Grip { owner: *state, ..*grip };
                right.step(state, &LockOp::Release(grip))
            }
            op => right.step(state, op),
        };
    });
    caught(&fenced_mutex(), "a token that does not grow", |model| {
        model.step = |right, state, op| match op {
            LockOp::Acquire(grip) => {
                let grip = crate::linearizable::Grip { token: None, ..*grip };
                right.step(state, &LockOp::Acquire(grip))
            }
            op => right.step(state, op),
        };
    });
    caught(&semaphore(), "one permit too many", |model| model.right.0.total += 1);
    caught(&Elements { shrinks: true, whole: true }, "a removal that says nothing", |model| {
        model.step = |right, state, op| match op {
            SetOp::Remove(element, _) => right.step(state, &SetOp::Remove(element.clone(), None)),
            op => right.step(state, op),
        };
    });
    caught(&Sum { shrinks: true }, "an addition without its answer", |model| {
        model.step = |right, state, op| match *op {
            CounterOp::Add { delta, .. } => {
                right.step(state, &CounterOp::Add { delta, after: None })
            }
            op @ CounterOp::Read(_) => right.step(state, &op),
        };
    });
    caught(&Texts, "an append in front", |model| {
        model.step = |right, state, op| match op {
            KvOp::Append(more) => match state {
                Held::Text(text) => Steps::One(Held::Text([more, &**text].concat().into())),
                Held::Unread => Steps::One(Held::Unread),
            },
            op => right.step(state, op),
        };
    });
    caught(&Ids, "an identifier given twice", |model| {
        model.step = |_, state, _| Steps::One(state.clone());
    });
}

#[test]
fn what_is_wrongly_called_impossible_is_caught() {
    caught(&Several, "a transaction that reads twice", |model| {
        model.impossible = |_, op| {
            let reads = op.0.iter().filter(|step| matches!(step, MultiRegisterStep::Read(..)));
            reads.count() > 1
        };
    });
    caught(&Elements { shrinks: true, whole: true }, "a read of two elements", |model| {
        model.impossible = |_, op| matches!(op, SetOp::Read(seen) if seen.len() > 1);
    });
    caught(&Lists { single: false }, "a read that shows its own append", |model| {
        model.impossible = |_, op| {
            let appended = |element: &Value| {
                op.0.iter().any(|mop| match mop {
                    ListMop::Append { element: own, .. } => own == element,
                    ListMop::Read { .. } => false,
                })
            };
            op.0.iter().any(|mop| {
                matches!(mop, ListMop::Read { elements, .. } if elements.iter().any(appended))
            })
        };
    });
    caught(&semaphore(), "an acquisition of two permits", |model| {
        model.impossible = |_, op| matches!(op, LockOp::Acquire(grip) if grip.permits > 1);
    });
}

#[test]
fn states_merged_too_far_are_caught() {
    caught(&Texts, "a text that no get equals is never read", |model| {
        model.merge = Some(|ops, state| match &state {
            Held::Text(text) if ops.contains(&KvOp::Get(text.clone())) => state,
            Held::Text(_) | Held::Unread => Held::Unread,
        });
    });
}

#[test]
fn wrong_purity_is_caught() {
    caught(&Elements { shrinks: true, whole: true }, "an addition is pure", |model| {
        model.pure = |_, op| matches!(op, SetOp::Add(_, None) | SetOp::Read(_));
    });
    caught(&queue(false), "a crashed dequeue is pure", |model| {
        model.pure = |right, op| right.is_pure(op) || *op == ContainerOp::TakeCrashed;
    });
    caught(&Several, "a transaction is pure if it reads", |model| {
        model.pure = |_, op| op.0.iter().any(|step| matches!(step, MultiRegisterStep::Read(..)));
    });
    caught(&Texts, "a put of nothing is pure", |model| {
        model.pure = |right, op| right.is_pure(op) || *op == KvOp::Put("".into());
    });
    caught(&Sum { shrinks: true }, "an addition of -1 is pure", |model| {
        model.pure =
            |right, op| right.is_pure(op) || matches!(op, CounterOp::Add { delta: -1, .. });
    });
}

/// These make counterexamples that prove nothing. The verifier follows the model's word on what
/// may be left out, so the evidence is held against the definition: it must be bad by itself.
#[test]
fn wrong_words_on_what_may_be_left_out_are_caught() {
    leaves_out(&queue(false), "nothing is observed", |model| model.observes = |_, _, _| false);
    leaves_out(&queue(false), "nothing is consumed", |model| model.consumes = |_, _, _| false);
    leaves_out(&stack(true), "nothing is consumed", |model| model.consumes = |_, _, _| false);
    leaves_out(&semaphore(), "nothing is observed", |model| model.observes = |_, _, _| false);
    leaves_out(&owner_mutex(), "nothing is consumed", |model| model.consumes = |_, _, _| false);
    leaves_out(&semaphore(), "every acquisition settles", |model| {
        model.settles = |_, op| matches!(op, LockOp::Acquire(_));
    });
    leaves_out(&Several, "a read of what was read is enough", |model| {
        model.observes = |_, _, _| false;
    });
    leaves_out(&Texts, "only a put of all is seen", |model| {
        model.observes = |_, observer, producer| match (observer, producer) {
            (KvOp::Get(seen), KvOp::Put(text)) => seen == text,
            _ => false,
        };
    });
    leaves_out(&Elements { shrinks: true, whole: true }, "removals are not seen", |model| {
        model.observes = |right, observer, producer| {
            right.observes(observer, producer) && matches!(producer, SetOp::Add(..))
        };
    });
}

/// Whether the verifier, led by a wrong word, accepts a part of a linearizable history that is
/// not linearizable alone: the property that `certificates` asserts of the right models.
fn leaves_out<W: World>(world: &W, what: &str, spoil: impl FnOnce(&mut Mistaken<W::Model>)) {
    let mut model = Mistaken::none(world.model());
    spoil(&mut model);
    let mut random = Random(4);
    let caught = (0..20_000).find(|_| {
        let acts = small(world, &mut random);
        is_linearizable(world, &acts)
            && (0..4).any(|_| super::certificates::is_misled(world, &model, &mut random, &acts))
    });
    let caught = caught.unwrap_or_else(|| panic!("{what} was not caught"));
    println!("{what} caught by history {caught}");
}

/// These would make verdicts wrong: what is said of a few elements is decided and proved by itself.
#[test]
fn wrong_words_on_a_few_elements_are_caught() {
    use crate::linearizable::{ListMop, ListOp};
    let lists = || Lists { single: false };
    says_too_much(&lists(), elements, "of what was asked for nothing is appended", |model| {
        model.about = |right, op, some| {
            let ListOp(mut mops) = right.about(op, some)?;
            mops.retain(|mop| matches!(mop, ListMop::Read { .. }));
            (!mops.is_empty()).then_some(ListOp(mops))
        };
    });
    says_too_much(&lists(), elements, "what was read is in no order", |model| {
        model.about = |right, op, some| {
            let ListOp(mut mops) = right.about(op, some)?;
            for mop in &mut mops {
                let ListMop::Read { elements, .. } = mop else { continue };
                elements.sort();
            }
            Some(ListOp(mops))
        };
    });
    says_too_much(&lists(), elements, "what was read twice was read once", |model| {
        model.about = |right, op, some| {
            let ListOp(mut mops) = right.about(op, some)?;
            for mop in &mut mops {
                let ListMop::Read { elements, .. } = mop else { continue };
                elements.dedup();
            }
            Some(ListOp(mops))
        };
    });
    let set = || Elements { shrinks: true, whole: true };
    says_too_much(&set(), elements, "nothing is removed", |model| {
        model.about = |right, op, some| match op {
            SetOp::Remove(..) => None,
            op => right.about(op, some),
        };
    });
    says_too_much(&set(), elements, "reads show all they show", |model| {
        model.about = |right, op, some| match op {
            SetOp::Read(_) => Some(op.clone()),
            op => right.about(op, some),
        };
    });
}

/// Where operations speak of one value alone, what is left out is what matters.
#[test]
fn wrong_words_on_one_value_are_caught() {
    says_too_much(&queue(true), value, "one value was put in once", |model| {
        model.about = |right, op, some| match op {
            ContainerOp::Put(it) if *it == Value::Int(0) => None,
            op => right.about(op, some),
        };
    });
    says_too_much(&queue(true), value, "what is empty of one value is empty", |model| {
        model.about = |right, op, some| match op {
            ContainerOp::Take(None) => Some(op.clone()),
            op => right.about(op, some),
        };
    });
    says_too_much(&queue(true), value, "an untold take took this one", |model| {
        model.about = |right, op, some| match op {
            ContainerOp::TakeUntold => Some(op.clone()),
            op => right.about(op, some),
        };
    });
    says_too_much(&Several, register, "what a register holds at first is not there", |model| {
        model.about = |right, op, some| {
            let found = op.0.iter().find(|step| {
                let MultiRegisterStep::Read(key, it) = step else { return false };
                [key, it] == [&some[0], &some[1]]
            });
            found.map_or_else(
                || right.about(op, some),
                |found| Some(MultiRegisterOp([found.clone()].into())),
            )
        };
    });
    says_too_much(&Several, register, "a write that is found is not left", |model| {
        model.about = |right, op, some| {
            let said = right.about(op, some)?;
            let read = matches!(said.0.first(), Some(MultiRegisterStep::Read(..)));
            (read || op.0.len() == 1).then_some(said)
        };
    });
    says_too_much(&Texts, text, "the last letter is never appended", |model| {
        model.about = |right, op, some| match (op, some) {
            (KvOp::Append(more), [Value::Text(all)]) if all.ends_with(&**more) => None,
            _ => right.about(op, some),
        };
    });
    says_too_much(&Texts, text, "a put of nothing is as good as none", |model| {
        model.about = |right, op, some| match op {
            KvOp::Put(put) if put.is_empty() => None,
            op => right.about(op, some),
        };
    });
    says_too_much(&Texts, text, "every get speaks", |model| {
        model.about = |right, op, some| match op {
            KvOp::Get(_) => Some(op.clone()),
            op => right.about(op, some),
        };
    });
}

/// Whether what is said of some elements of a legal order is none, with a wrong word on what that
/// is.
fn says_too_much<W: World>(
    world: &W,
    some: Asked,
    what: &str,
    spoil: impl FnOnce(&mut Mistaken<W::Model>),
) {
    let mut model = Mistaken::none(world.model());
    spoil(&mut model);
    let mut random = Random(53);
    let caught = (0..5_000).find(|_| says_what_is_not(world, &model, some, &mut random));
    let caught = caught.unwrap_or_else(|| panic!("{what} was not caught"));
    println!("{what}: caught by history {caught}");
}
