//! `on_slots` and `clients`: some of the slots only.

use std::sync::Arc;

use super::wrap::{Lens, plain};
use super::{Context, Gen, Generator, Next, Observation, SlotSet};
use crate::seed::Stream;

#[derive(Clone)]
struct OnSlots {
    belongs: Arc<dyn Fn(u32) -> bool + Send + Sync>,
    of: SlotSet,
    slots: SlotSet,
    lens: Lens,
    child: Gen,
}

/// Lets `child` see only the slots of the context for which `belongs` holds, and their events.
/// Without such a slot it is pending.
pub fn on_slots(belongs: impl Fn(u32) -> bool + Send + Sync + 'static, child: Gen) -> Gen {
    Box::new(OnSlots {
        belongs: Arc::new(belongs),
        of: SlotSet::default(),
        slots: SlotSet::default(),
        lens: Lens::default(),
        child,
    })
}

/// Every slot: faults are no operations here, so every slot is a client's. Kept because suites
/// that come from Jepsen say it.
pub fn clients(child: Gen) -> Gen {
    on_slots(|_| true, child)
}

impl OnSlots {
    fn choose(&mut self, usable: &SlotSet) {
        if self.of != *usable {
            self.slots = usable.iter().filter(|slot| (self.belongs)(*slot)).collect();
            self.of = usable.clone();
        }
    }
}

impl Generator for OnSlots {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("on_slots"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        self.choose(cx.usable);
        self.child.next(&self.lens.restrict(cx, &self.slots))
    }

    fn commit(&mut self) {
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.choose(cx.usable);
        if self.slots.contains(event.slot) {
            self.child.observe(&self.lens.restrict(cx, &self.slots), event);
        }
    }

    plain!("on_slots", child);
}
