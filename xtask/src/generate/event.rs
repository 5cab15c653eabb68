//! What a schedule says, and the history it makes.

use tribunal_history::{Builder, ErrorClass, History, Nanos, Op, Outcome, Process};

/// One event, in the order of time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Who.
    pub process: Process,
    /// What.
    pub step: Step,
}

/// What a client did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Asked.
    Invoke(Op),
    /// Was answered: the question filled in. A client that crashed never is.
    Complete(Outcome, Op),
}

/// The history of `events`, which come in the order of time and are a microsecond apart. A failed
/// operation is a compare-and-set that missed.
///
/// # Panics
/// Where a process does two things at once.
pub fn history(events: impl IntoIterator<Item = Event>) -> History {
    let mut builder = Builder::as_given();
    for (at, event) in events.into_iter().enumerate() {
        record(&mut builder, at as u64, &event);
    }
    builder.finish()
}

/// Event number `at`.
pub(super) fn record(builder: &mut Builder, at: u64, event: &Event) {
    let (time, process) = (Nanos(1_000 * at), event.process);
    let recorded = match &event.step {
        Step::Invoke(op) => builder.invoke(time, process, None, None, op),
        Step::Complete(outcome, op) => {
            let missed = *outcome == Outcome::Fail;
            let error = missed.then_some(ErrorClass::MISMATCH);
            builder.complete(time, process, *outcome, Some(op), error.as_ref())
        }
    };
    recorded.expect("a client asks again when it was answered");
}
