//! What nearly every combinator shares: being a value, having a name, and small bookkeeping.

use tribunal_history::{Kind, Nanos};

use super::{Context, Next, Observation, SlotSet};

/// `fork`, `name` and `children` of a combinator that is `Clone` and has live children at `$live`.
macro_rules! plain {
    ($name:literal) => {
        fn fork(&self) -> $crate::generator::Gen {
            Box::new(self.clone())
        }

        fn name(&self) -> &'static str {
            $name
        }
    };
    ($name:literal, $($live:ident),+) => {
        plain!($name);

        fn children(&self) -> Vec<&dyn $crate::generator::Generator> {
            vec![$(&*self.$live),+]
        }
    };
}
pub(super) use plain;

impl Next {
    /// When an offer is due; `None` when nothing is offered.
    pub fn due(&self) -> Option<Nanos> {
        match self {
            Next::Invoke { at, .. } | Next::Note { at, .. } | Next::Mark { at, .. } => Some(*at),
            Next::Pending { .. } | Next::Done => None,
        }
    }

    /// The slot of an operation.
    pub fn slot(&self) -> Option<u32> {
        match self {
            Next::Invoke { slot, .. } => Some(*slot),
            Next::Note { .. } | Next::Mark { .. } | Next::Pending { .. } | Next::Done => None,
        }
    }

    /// The same offer due at `time`.
    pub(super) fn at(mut self, time: Nanos) -> Next {
        match &mut self {
            Next::Invoke { at, .. } | Next::Note { at, .. } | Next::Mark { at, .. } => *at = time,
            Next::Pending { .. } | Next::Done => {}
        }
        self
    }

    /// Keeps a wait from lasting beyond `time`.
    pub(super) fn wake_by(self, time: Nanos) -> Next {
        match self {
            Next::Pending { until } => {
                Next::Pending { until: Some(until.map_or(time, |until| until.min(time))) }
            }
            other => other,
        }
    }
}

/// The earlier of two wake-up times, where `None` is "on a completion only".
pub(super) fn earlier(a: Option<Nanos>, b: Option<Nanos>) -> Option<Nanos> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

/// The operations of one branch that are running. One slot runs one operation, so slots name them.
#[derive(Clone, Default)]
pub(super) struct Own {
    running: SlotSet,
    offered: Option<u32>,
}

impl Own {
    pub(super) fn offered(&mut self, next: &Next) {
        self.offered = next.slot();
    }

    pub(super) fn commit(&mut self) {
        if let Some(slot) = self.offered.take() {
            self.running.grow(slot);
        }
    }

    /// Whether `event` completes an operation of this branch.
    pub(super) fn completes(&mut self, event: &Observation<'_>) -> bool {
        event.kind != Kind::Invoke && self.running.take(event.slot)
    }

    pub(super) fn running(&self) -> u32 {
        self.running.len()
    }
}

/// A view of a context through some of its slots; keeps its memory between uses.
#[derive(Clone, Default)]
pub(super) struct Lens {
    usable: SlotSet,
    free: SlotSet,
}

impl Lens {
    pub(super) fn restrict<'a>(&'a mut self, cx: &Context<'a>, to: &SlotSet) -> Context<'a> {
        self.usable.assign_intersection(cx.usable, to);
        self.free.assign_intersection(cx.free, to);
        Context { usable: &self.usable, free: &self.free, ..*cx }
    }

    pub(super) fn only<'a>(&'a mut self, cx: &Context<'a>, slot: u32) -> Context<'a> {
        self.usable.assign_one(slot);
        self.free.clear();
        if cx.free.contains(slot) {
            self.free.assign_one(slot);
        }
        Context { usable: &self.usable, free: &self.free, ..*cx }
    }
}
