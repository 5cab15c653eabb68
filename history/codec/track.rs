//! Faults and marks as one sequence, to be written between the events.

use crate::{FaultEvent, History, Mark, Nanos};

/// One entry of the fault track.
#[derive(Clone, Copy, Debug)]
pub(super) enum Track<'h> {
    Fault(&'h FaultEvent),
    Mark(&'h Mark),
}

impl Track<'_> {
    pub(super) fn time(&self) -> Nanos {
        match self {
            Track::Fault(fault) => fault.time,
            Track::Mark(mark) => mark.time,
        }
    }
}

/// Faults and marks merged by time; each keeps the order in which it was recorded.
pub(super) fn track(history: &History) -> impl Iterator<Item = Track<'_>> {
    let mut faults = history.faults().iter().peekable();
    let mut marks = history.marks().iter().peekable();
    std::iter::from_fn(move || match (faults.peek(), marks.peek()) {
        (Some(fault), Some(mark)) if mark.time < fault.time => marks.next().map(Track::Mark),
        (Some(_), _) => faults.next().map(Track::Fault),
        (None, _) => marks.next().map(Track::Mark),
    })
}
