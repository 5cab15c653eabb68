//! Drawn histories for the tests of this crate: see [`tribunal_history::drawn`] for the notation.

use tribunal_history::{ErrorClass, History, Kind, Nanos, Op, RegisterOp, drawn as notation};

/// The history of a drawing, a millisecond per column. A comparison that fails says `mismatch`, as
/// our own clients do.
///
/// # Panics
/// On what is no drawing: drawings are part of the tests.
pub(crate) fn drawn(drawing: &str) -> History {
    let history = notation::parse(drawing).unwrap_or_else(|error| panic!("{error}:\n{drawing}"));
    let events = history.events().map(|mut event| {
        event.time = Nanos::from_millis(event.time.0);
        let compares = matches!(event.op, Op::Register(RegisterOp::Cas { .. }));
        if compares && event.kind == Kind::Fail {
            event.error = Some(ErrorClass::MISMATCH);
        }
        event
    });
    History::new(events, Vec::new()).expect("the same history on another scale")
}
