//! Judges events while they happen: one [`Stream`] per key.
//!
//! What it finds is final: no later event makes it legal. That it finds nothing means nothing: the
//! whole history is judged afterwards all the same, with evidence.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;
use tribunal_history::{Builder, Code, History, Kind, Nanos, OpIndex, Outcome, Process, Value};

use super::{Dialect, Failure, FromHistory, Interpreted, Standing, Stream};
use crate::{Budget, Happened, Watched};

/// Answers kept to say what failed in words; a return is judged after few others.
const RECENT: usize = 1 << 14;

/// Reads `events` until one shows that a key is not linearizable, or until they end.
///
/// Times are those of the caller's stream: its intervals may be wider than the recorded ones, and
/// must not be narrower. O(frontier) memory per key.
pub fn watch<M: FromHistory>(
    model: &M,
    dialect: Dialect,
    budget: &Budget,
    events: &mut dyn Iterator<Item = Happened>,
) -> Watched {
    let mut live = Live {
        model,
        dialect,
        budget,
        keys: BTreeMap::new(),
        open: FxHashMap::default(),
        answers: VecDeque::new(),
        next: 0,
    };
    for event in events {
        match live.take(&event) {
            Ok(None) => {}
            Ok(Some(violation)) => return violation,
            Err(why) => return Watched::Nothing { why: Some(why) },
        }
    }
    Watched::Nothing { why: None }
}

struct Live<'a, M: FromHistory> {
    model: &'a M,
    dialect: Dialect,
    budget: &'a Budget,
    keys: BTreeMap<Value, Stream<'a, M>>,
    /// Per process, its operation under way.
    open: FxHashMap<Process, (u64, Value)>,
    answers: VecDeque<(u64, Process, String)>,
    next: u64,
}

impl<M: FromHistory> Live<'_, M> {
    fn take(&mut self, event: &Happened) -> Result<Option<Watched>, String> {
        let outcome = match event.kind {
            Kind::Invoke => return self.invoke(event).map(|()| None),
            Kind::Ok => Outcome::Ok,
            Kind::Fail => Outcome::Fail,
            Kind::Info => Outcome::Info,
        };
        let Some((id, key)) = self.open.remove(&event.process) else {
            return Err(format!("{} completed what it had not invoked", event.process));
        };
        let history = alone(event, Some(outcome))?;
        let operation = history.operation(OpIndex(0));
        let interpreted = self.model.interpret(&operation, self.dialect)?;
        let stream = self.keys.get_mut(&key).expect("its invocation was fed to this stream");
        let standing = match interpreted {
            Interpreted::Completed(op) => {
                if self.answers.len() == RECENT {
                    self.answers.pop_front();
                }
                self.answers.push_back((id, event.process, self.model.words(&op).past));
                stream.ret(id, op)
            }
            Interpreted::Crashed(op) => stream.crash(id, Some(op)),
            Interpreted::Nothing => stream.crash(id, None),
        };
        match standing {
            Ok(Standing::Passing { .. }) => Ok(None),
            Ok(Standing::Failed(failure)) => Ok(Some(self.violation(&key, &failure))),
            Err(spent) => Err(format!("key {key}: {} budget spent", spent.name())),
        }
    }

    fn invoke(&mut self, event: &Happened) -> Result<(), String> {
        let history = alone(event, None)?;
        let mut keys: Vec<Code> = Vec::new();
        self.model.keys(&history.operation(OpIndex(0)), &mut keys);
        keys.dedup();
        let [key] = keys[..] else {
            return Err(format!("{} touches {} keys at once", event.op, keys.len()));
        };
        let key = history.value(key);
        let (model, budget) = (self.model, self.budget);
        self.keys.entry(key.clone()).or_insert_with(|| Stream::new(model, budget)).call(self.next);
        self.open.insert(event.process, (self.next, key));
        self.next += 1;
        Ok(())
    }

    fn violation(&self, key: &Value, failure: &Failure<M::State>) -> Watched {
        let mut states: Vec<String> =
            failure.states.iter().map(|state| self.model.describe_state(state)).collect();
        states.sort();
        states.truncate(8);
        let answer = self.answers.iter().find(|(id, _, _)| *id == failure.id);
        let what = match answer {
            Some((_, process, past)) => format!("{process} {past}"),
            None => "an answer".to_owned(),
        };
        let states = states.join(" or ");
        Watched::Violation { summary: format!("key {key}: {what}, where it could find {states}") }
    }
}

/// A history of this one operation: what models interpret are operations of histories.
fn alone(event: &Happened, outcome: Option<Outcome>) -> Result<History, String> {
    let mut builder = Builder::as_given();
    let (time, process) = (Nanos(0), event.process);
    let invoked = builder.invoke(time, process, None, None, &event.op.pending());
    invoked.map_err(|error| error.to_string())?;
    if let Some(outcome) = outcome {
        let (op, error) = (Some(&event.op), event.error.as_ref());
        let done = builder.complete(time, process, outcome, op, error);
        done.map_err(|error| error.to_string())?;
    }
    Ok(builder.finish())
}
