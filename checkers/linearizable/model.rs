//! The seam between a data type and the searches. A data type is one file in `models/`.

use std::fmt::Debug;
use std::hash::Hash;

use tribunal_history::{Code, Operation, Value};

use crate::StateBefore;
use crate::linearizable::{Allowance, Dialect, Entry, Fast, Partition};

/// What an operation can lead to from one state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Steps<S> {
    /// It is illegal here.
    None,
    /// One next state.
    One(S),
    /// Any of these: a nondeterministic data type. Order does not matter; empty means illegal.
    Many(Vec<S>),
}

/// Takes a state to the one that stands for it.
pub type Merge<'a, S> = Box<dyn Fn(S) -> S + 'a>;

/// How people are told about an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// What a process did: `read 0`.
    pub past: String,
    /// What a process had done: `written 1`.
    pub perfect: String,
}

/// An object that is a number.
///
/// The contract: in every legal order from the initial state the number is within `range`, before
/// each operation within its [`Count::before`], and after it greater by its [`Count::change`].
/// Operations that are pure change nothing.
pub struct Number<'a, O> {
    /// What it is at first.
    pub initial: i128,
    /// The least and the most that it ever is; [`FAR`] where nothing bounds it.
    pub range: (i128, i128),
    /// What an operation has to do with it.
    pub count: Box<dyn Fn(&O) -> Count + 'a>,
}

/// Beyond all that numbers come to: 2^32 of 64 bits do not.
pub const FAR: i128 = i128::MAX / 4;

/// What an operation has to do with a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// What it adds.
    pub change: i128,
    /// The least and the most that it can find.
    pub before: (i128, i128),
}

/// What a number certainly is when an operation finds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Whether it is `number` or more; else it is that or less.
    pub at_least: bool,
    /// The bound.
    pub number: i128,
    /// Since when is counted.
    pub since: Since,
    /// How many operations certainly brought it nearer to the bound, and by how much.
    pub certain: (u64, i128),
    /// How many may have brought it back, and by how much.
    pub possible: (u64, i128),
}

/// Since when is counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Since {
    /// The start.
    Start,
    /// What some process had done: `p0 had read 5`.
    Operation(String),
    /// A moment, and the bound of the object itself: `0.120 s`.
    Moment(String),
}

impl Bound {
    /// `at least 5`.
    pub fn words(&self) -> String {
        format!("{} {}", if self.at_least { "at least" } else { "at most" }, self.number)
    }
}

/// A sequential data type.
///
/// An `Op` is an operation *with its result*: two operations with the same question and the same
/// answer are the same `Op`, and the searches intern them. Methods must be functions of their
/// arguments: searches call them in any order and remember what they said.
///
/// A data type of your own, whose steps need not be deterministic: a register that may lose a
/// write.
///
/// ```
/// use tribunal_checkers::linearizable::{
///     Dialect, FromHistory, Interpreted, Model, Options, Steps, judge,
/// };
/// use tribunal_checkers::{Budget, Verdict};
/// use tribunal_history::{Code, Observed, Op, Operation, Outcome, RegisterOp, Value, drawn};
///
/// struct Lossy;
///
/// #[derive(Clone, PartialEq, Eq, Hash, Debug)]
/// enum LossyOp {
///     Write(Value),
///     Read(Option<Value>),
/// }
///
/// impl Model for Lossy {
///     type State = Option<Value>;
///     type Op = LossyOp;
///
///     fn initial(&self) -> Option<Value> {
///         None
///     }
///
///     fn step(&self, state: &Option<Value>, op: &LossyOp) -> Steps<Option<Value>> {
///         match op {
///             LossyOp::Write(value) => Steps::Many(vec![Some(value.clone()), state.clone()]),
///             LossyOp::Read(seen) if seen == state => Steps::One(state.clone()),
///             LossyOp::Read(_) => Steps::None,
///         }
///     }
///
///     fn is_pure(&self, op: &LossyOp) -> bool {
///         matches!(op, LossyOp::Read(_))
///     }
///
///     fn refusal(&self, state: &Option<Value>, op: &LossyOp) -> String {
///         format!("{op:?} is illegal where it holds {state:?}")
///     }
/// }
///
/// impl FromHistory for Lossy {
///     fn interpret(
///         &self,
///         operation: &Operation<'_>,
///         _dialect: Dialect,
///     ) -> Result<Interpreted<LossyOp>, String> {
///         let op = operation.op();
///         Ok(match (&op, operation.outcome()) {
///             (_, Outcome::Fail) => Interpreted::Nothing,
///             (Op::Register(RegisterOp::Write { value, .. }), outcome) => {
///                 let write = LossyOp::Write(value.clone());
///                 match outcome {
///                     Outcome::Ok => Interpreted::Completed(write),
///                     _ => Interpreted::Crashed(write),
///                 }
///             }
///             (Op::Register(RegisterOp::Read { value, .. }), Outcome::Ok) => match value {
///                 Observed::Present(value) => {
///                     Interpreted::Completed(LossyOp::Read(Some(value.clone())))
///                 }
///                 Observed::Absent => Interpreted::Completed(LossyOp::Read(None)),
///                 Observed::Pending => Interpreted::Nothing,
///             },
///             (Op::Register(RegisterOp::Read { .. }), _) => Interpreted::Nothing,
///             _ => return Err(op.to_string()),
///         })
///     }
///
///     fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
///         keys.push(operation.key());
///     }
/// }
///
/// let lost = drawn::parse("p0 |--w1--| |--w2--|          |--r1--|").unwrap();
/// let found_again = drawn::parse("p0 |--w1--| |--w2--| |--r1--| |--r2--|").unwrap();
/// for (history, expected) in [(lost, Verdict::Valid), (found_again, Verdict::Invalid)] {
///     let (dialect, budget) = (Dialect::TRIBUNAL, Budget::unlimited());
///     let report = judge(&Lossy, &history, dialect, &budget, Options::default()).unwrap();
///     assert_eq!(report.verdict, expected);
/// }
/// ```
pub trait Model: Send + Sync {
    /// What the object holds.
    type State: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// A question with its answer.
    type Op: Clone + Eq + Hash + Debug + Send + Sync;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// Where `op`, with the answer it holds, can lead from `state`.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Steps<Self::State>;

    /// Whether `op` leaves *every* state in which it is legal unchanged.
    ///
    /// A write of `v` is not pure although it changes nothing when the state is `v` already: a
    /// search that took it then, because it "costs nothing", would miss the order in which it is
    /// needed later, and call a valid history invalid.
    fn is_pure(&self, op: &Self::Op) -> bool;

    /// Whether `op` is legal in every state and its next state does not depend on the one before,
    /// as with a plain write. Lets counterexamples forget what happened before it. The default,
    /// `false`, is always right.
    fn is_blind(&self, _op: &Self::Op) -> bool {
        false
    }

    /// Whether `op` leads to the same state wherever it is legal, as taking a lock does. Lets
    /// counterexamples begin with it. The default is right for blind operations.
    fn settles(&self, op: &Self::Op) -> bool {
        self.is_blind(op)
    }

    /// Whether leaving `producer` out of an order that has it before `observer` could make
    /// `observer` illegal. Lets counterexamples shrink. Asked of producers that are not pure; the
    /// default, `true`, is always right.
    ///
    /// The contract, together with [`Model::consumes`]: take a legal order, from the initial state
    /// or from one that a blind operation leads to, and leave operations out of it such that no
    /// kept one observes one that was left out before it, and no left-out one consumes what a kept
    /// one before it produced. What is kept is legal; crashed operations among it may be left out
    /// too.
    fn observes(&self, _observer: &Self::Op, _producer: &Self::Op) -> bool {
        true
    }

    /// Whether [`Model::consumes`] is ever true.
    const CONSUMES: bool = false;

    /// Whether `consumer` takes away what `producer` brought, so that without `consumer` too much
    /// would stay behind: a dequeue takes away what an enqueue brought. Then it is not left out
    /// alone, unless it returned before the other was called. The default, `false`, suits data
    /// types that only [`Model::observes`] describes.
    fn consumes(&self, _consumer: &Self::Op, _producer: &Self::Op) -> bool {
        false
    }

    /// Whether `op`, which is illegal in `state`, stays so whatever happens: a read of less than a
    /// counter shows that only grows. Lets searches turn back. The default, `false`, is always
    /// right.
    fn is_lost(&self, _state: &Self::State, _op: &Self::Op) -> bool {
        false
    }

    /// Why `op` is legal in no state at all, as a transaction that found two values in one
    /// register: to end a sentence that begins with who did it. It is a counterexample by itself.
    /// The default, `None`, is always right.
    fn impossible(&self, _op: &Self::Op) -> Option<String> {
        None
    }

    /// One state for all that no operation of `ops` can tell apart, now or later; `None` where
    /// that is not worth asking. Lets searches see fewer states.
    ///
    /// The contract, for states `s` and `t` with the same representative: whatever operation of
    /// `ops` is legal in one is legal in the other, and leads to states that have the same
    /// representative again. Representatives are their own.
    fn merged<'a>(&'a self, _ops: &'a [Self::Op]) -> Option<Merge<'a, Self::State>> {
        None
    }

    /// The object as a number, where it is one. Lets what contradicts itself by sums be shown by
    /// few operations, and where orders are too many. The default is `None`.
    fn number(&self) -> Option<Number<'_, Self::Op>> {
        None
    }

    /// What `bound` says, as the state and why that refuses `op`, which is out of it. Asked only
    /// where [`Model::number`] is some.
    fn beyond(&self, _op: &Self::Op, bound: &Bound) -> StateBefore {
        let state = bound.words();
        StateBefore { because: format!("it is illegal at {state}"), state }
    }

    /// The same to end a sentence that begins with who did it, as [`Model::clash`] does.
    fn clash_beyond(&self, _op: &Self::Op, bound: &Bound) -> String {
        format!(" at {}", bound.words())
    }

    /// What `op` says of `elements` alone; `None` where that is nothing. Lets counterexamples be
    /// small where operations speak of many elements. Asked only for what [`Model::suspects`]
    /// names.
    ///
    /// The contract: of a legal order, what its operations say of `elements` is a legal order.
    fn about(&self, _op: &Self::Op, _elements: &[Value]) -> Option<Self::Op> {
        None
    }

    /// Elements, for people, to end a sentence that begins with what is said of them. The default
    /// is a list.
    fn describe_elements(&self, elements: &[Value]) -> String {
        let words: Vec<String> = elements.iter().map(Value::to_string).collect();
        words.join(" and ")
    }

    /// A few elements about which `entries`, of which `ops` are the operations, may contradict
    /// each other. A hint: whatever it names is decided. The default has none.
    fn suspects(&self, _entries: &[Entry], _ops: &[Self::Op]) -> Option<Vec<Value>> {
        None
    }

    /// Bytes that `state` holds beyond its own size and does not share with the states before it,
    /// where one thing was changed. Budgets count them.
    fn heap_bytes(&self, _state: &Self::State) -> u64 {
        0
    }

    /// The same of a state to which `op` led, which may have changed many.
    fn made_bytes(&self, state: &Self::State, _op: &Self::Op) -> u64 {
        self.heap_bytes(state)
    }

    /// Bytes that `op` holds beyond its own size. Budgets count them.
    fn op_heap_bytes(&self, _op: &Self::Op) -> u64 {
        0
    }

    /// The state, for people.
    fn describe_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// The operation, for people.
    fn words(&self, op: &Self::Op) -> Words {
        Words { past: format!("did {op:?}"), perfect: format!("done {op:?}") }
    }

    /// What stood against `op` in `state`, to end a sentence that begins with who did it: ` while
    /// p0 held it`. It must be so in the whole history, of which counterexamples are a part. Asked
    /// only where `op` is illegal. The default, `None`, leaves it to what happened before.
    fn clash(&self, _state: &Self::State, _op: &Self::Op) -> Option<String> {
        None
    }

    /// Why `op` is illegal in `state`. Asked only where it is.
    fn refusal(&self, state: &Self::State, op: &Self::Op) -> String;
}

/// What an operation of a history asserts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Interpreted<O> {
    /// This took effect between its invocation and its completion.
    Completed(O),
    /// This took effect at some time after its invocation, or never did.
    Crashed(O),
    /// Nothing.
    Nothing,
}

/// A model that reads operations of a [`tribunal_history::History`].
pub trait FromHistory: Model {
    /// What `operation` asserts under `dialect`.
    ///
    /// # Errors
    /// The operation, when this data type has no such operation.
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<Self::Op>, String>;

    /// What [`FromHistory::interpret`] looks at, as numbers, where that is little and the same for
    /// many operations: those of one history that are alike are interpreted once. The default,
    /// `None`, asks about each, and is always right.
    fn likeness(&self, _operation: &Operation<'_>, _dialect: Dialect) -> Option<[u32; 3]> {
        None
    }

    /// Decides `partition` by an algorithm that knows this data type, or hands it over to the
    /// search. The default hands over.
    fn fast(&self, _partition: &Partition<'_>, _allowance: Allowance<'_>) -> Fast {
        Fast::HandOver("the data type has no fast path")
    }

    /// The part of its key that `operation` touches, where operations on different parts share no
    /// state (elements of a set that is never read whole). `None`: all of it. Keys whose every
    /// operation names a part are searched part by part.
    fn part(&self, _operation: &Operation<'_>) -> Option<Code> {
        None
    }

    /// The keys whose state `operation` shares; operations that share none are judged apart.
    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>);
}
