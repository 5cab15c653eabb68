//! A source of identifiers: none is given twice.

use rustc_hash::FxHashMap;
use tribunal_history::{Code, F, Op, Operation, Outcome, Value};

use super::effect::{look, seen};
use crate::linearizable::meter::value_bytes;
use crate::linearizable::persistent::Map;
use crate::linearizable::{
    Allowance, Decided, Dialect, Fast, FromHistory, Interpreted, Model, Partition, Proof, Steps,
    Words,
};

/// A source of identifiers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UniqueIds;

/// Was given this identifier.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UniqueId(pub Value);

impl UniqueId {
    fn is_unreadable(&self) -> bool {
        matches!(self.0, Value::Unparsed(_))
    }
}

/// Identifiers that were given.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Given(Map<Value, ()>);

impl Model for UniqueIds {
    type State = Given;
    type Op = UniqueId;

    fn initial(&self) -> Given {
        Given(Map::default())
    }

    fn step(&self, state: &Given, op: &UniqueId) -> Steps<Given> {
        match state.0.get(&op.0) {
            _ if op.is_unreadable() => Steps::None,
            Some(()) => Steps::None,
            None => Steps::One(Given(state.0.with(op.0.clone(), ()))),
        }
    }

    fn is_pure(&self, _op: &UniqueId) -> bool {
        false
    }

    /// Fewer given before make nothing illegal.
    fn observes(&self, _observer: &UniqueId, _producer: &UniqueId) -> bool {
        false
    }

    /// Of two replies that nobody could read it is not known whether they are one identifier.
    fn impossible(&self, op: &UniqueId) -> Option<String> {
        op.is_unreadable().then(|| ", which is no identifier".into())
    }

    fn heap_bytes(&self, state: &Given) -> u64 {
        state.0.change_bytes()
    }

    fn op_heap_bytes(&self, op: &UniqueId) -> u64 {
        value_bytes(&op.0)
    }

    fn describe_state(&self, state: &Given) -> String {
        let given = state.0.len();
        format!("{given} given")
    }

    fn words(&self, op: &UniqueId) -> Words {
        let id = &op.0;
        Words { past: format!("was given {id}"), perfect: format!("been given {id}") }
    }

    fn refusal(&self, _state: &Given, op: &UniqueId) -> String {
        if op.is_unreadable() {
            return format!("{} is no identifier", op.0);
        }
        format!("{} was given before", op.0)
    }
}

impl FromHistory for UniqueIds {
    /// What was given and never arrived binds nobody.
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<UniqueId>, String> {
        match operation.op() {
            Op::Id(tribunal_history::IdOp::Generate { id, .. }) => {
                Ok(look(operation, seen(id, dialect).flatten().map(UniqueId)))
            }
            other => Err(other.to_string()),
        }
    }

    /// Any order without a repetition is legal: that of the completions respects real time.
    fn fast(&self, partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
        const ENTRY: u64 = 24;
        let history = partition.history;
        let bytes = partition.operations.len() as u64 * ENTRY;
        if let Err(spent) = allowance.allows(bytes) {
            return Fast::Spent(spent, "nothing was decided".into());
        }
        const POLL: usize = 1 << 15;
        let mut first: FxHashMap<Code, tribunal_history::OpIndex> = FxHashMap::default();
        let mut order = Vec::new();
        let mut twice = Vec::new();
        for (at, index) in partition.operations.iter().enumerate() {
            if at.is_multiple_of(POLL) {
                allowance.passed(at);
                if let Err(spent) = allowance.allows(bytes) {
                    return Fast::Spent(spent, "identifiers were not compared".into());
                }
            }
            let operation = history.operation(*index);
            if operation.f() != F::Generate {
                return Fast::HandOver("an operation that is not of this data type");
            }
            let told = operation.outcome() == Outcome::Ok
                && operation.a() != Code::PENDING
                && operation.a() != Code::ABSENT;
            let Some(ret) = operation.ret().filter(|_| told) else { continue };
            if matches!(history.value(operation.a()), Value::Unparsed(_)) {
                return Fast::HandOver("a reply that is no identifier");
            }
            order.push((ret, *index));
            if let Some(other) = first.insert(operation.a(), *index) {
                twice.push((ret, other, *index));
            }
        }
        let completed = order.len() as u64;
        let proof = match twice.into_iter().min() {
            Some((_, one, other)) => Proof::Contradiction(vec![one, other]),
            None => {
                order.sort_unstable();
                Proof::Order(order.into_iter().map(|(_, index)| index).collect())
            }
        };
        Fast::Decided(Decided {
            engine: "distinct",
            completed,
            crashed: 0,
            peak_bytes: bytes,
            proof,
        })
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        keys.push(operation.key());
    }
}
