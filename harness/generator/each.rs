//! `each_slot` and `each_process`: an independent copy for everyone.

use std::collections::BTreeMap;

use tribunal_history::Process;

use super::ballot::Race;
use super::wrap::{Lens, plain};
use super::{Context, Gen, Generator, Next, Observation, SlotSet};
use crate::seed::{Draw, Draws, Stream};

/// Random slots tried before all are asked.
const SAMPLES: u32 = 4;

#[derive(Clone, Copy, PartialEq)]
enum By {
    Slot,
    Process,
}

#[derive(Clone)]
struct Each {
    template: Gen,
    by: By,
    stream: Option<Stream>,
    /// One copy per slot, and whose it is.
    copies: BTreeMap<u32, (Process, Gen)>,
    done: SlotSet,
    finished: bool,
    draws: Draws,
    committed: u64,
    chosen: u32,
    lens: Lens,
}

/// An independent copy of `child` for each slot, which sees only that slot and its events. Ends
/// when all copies have ended.
pub fn each_slot(child: Gen) -> Gen {
    build(By::Slot, child)
}

/// As [`each_slot`], but when a process is retired its successor starts with a fresh copy. Ends
/// when the copies of all processes alive have ended and no slot is busy.
pub fn each_process(child: Gen) -> Gen {
    build(By::Process, child)
}

fn build(by: By, template: Gen) -> Gen {
    Box::new(Each {
        template,
        by,
        stream: None,
        copies: BTreeMap::new(),
        done: SlotSet::default(),
        finished: false,
        draws: Draws::unbound(),
        committed: 0,
        chosen: 0,
        lens: Lens::default(),
    })
}

impl Each {
    /// The copy of `slot`, made when first needed; its draws depend on its owner only.
    fn ensure(&mut self, cx: &Context<'_>, slot: u32) {
        let owner = cx.processes[slot as usize];
        let stale = |(before, _): &(Process, Gen)| self.by == By::Process && *before != owner;
        if self.copies.get(&slot).is_some_and(|copy| !stale(copy)) {
            return;
        }
        let stream = self.stream.as_ref().expect("bind a generator before asking it");
        let label = match self.by {
            By::Slot => format!("slot/{slot}"),
            By::Process => format!("process/{}", owner.0),
        };
        let mut copy = self.template.fork();
        copy.bind(&stream.child(&label));
        self.copies.insert(slot, (owner, copy));
        self.done.take(slot);
    }

    fn ask(&mut self, cx: &Context<'_>, slot: u32) -> Next {
        self.ensure(cx, slot);
        if self.done.contains(slot) {
            return Next::Done;
        }
        let Some((_, copy)) = self.copies.get_mut(&slot) else { return Next::Done };
        let next = copy.next(&self.lens.only(cx, slot));
        if next == Next::Done {
            self.done.grow(slot);
        }
        next
    }

    /// Sampling with rejection is uniform over the slots whose copy is ready, and usually asks one
    /// copy where a scan would ask them all.
    fn sample(&mut self, cx: &Context<'_>, draw: &mut Draw) -> Option<Next> {
        for _ in 0..SAMPLES.min(cx.free.len()) {
            let slot = cx.free.nth(draw.below(u64::from(cx.free.len())) as u32)?;
            let next = self.ask(cx, slot);
            if next.due().is_some_and(|due| due <= cx.time) {
                self.chosen = slot;
                return Some(next);
            }
        }
        None
    }

    fn scan(&mut self, cx: &Context<'_>, draw: &mut Draw) -> Next {
        let mut slots: Vec<u32> = cx.free.iter().collect();
        let mut race = Race::new(cx.time);
        while !slots.is_empty() {
            let slot = slots.swap_remove(draw.below(slots.len() as u64) as usize);
            let next = self.ask(cx, slot);
            if race.enter(slot as usize, next) {
                break;
            }
        }
        let (slot, next) = race.finish();
        self.chosen = slot as u32;
        next
    }

    /// Whether a slot that is busy now may go on later.
    fn alive(&self, cx: &Context<'_>) -> bool {
        let by = self.by;
        cx.usable.iter().filter(|slot| !cx.free.contains(*slot)).any(|slot| {
            // The running operation may end unknown, and its successor starts afresh.
            by == By::Process || !self.done.contains(slot)
        })
    }
}

impl Generator for Each {
    fn bind(&mut self, stream: &Stream) {
        self.draws = Draws::new(stream, 0);
        self.stream = Some(stream.child(match self.by {
            By::Slot => "each_slot",
            By::Process => "each_process",
        }));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.finished {
            return Next::Done;
        }
        let mut draw = self.draws.at(self.committed);
        if let Some(next) = self.sample(cx, &mut draw) {
            return next;
        }
        match self.scan(cx, &mut draw) {
            Next::Done if self.alive(cx) => Next::Pending { until: None },
            next => {
                self.finished = next == Next::Done;
                next
            }
        }
    }

    fn commit(&mut self) {
        self.committed += 1;
        self.copies.get_mut(&self.chosen).into_iter().for_each(|(_, copy)| copy.commit());
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        if let Some((owner, copy)) = self.copies.get_mut(&event.slot)
            && (self.by == By::Slot || *owner == event.process)
        {
            copy.observe(&self.lens.only(cx, event.slot), event);
        }
    }

    plain!("each");

    fn children(&self) -> Vec<&dyn Generator> {
        self.copies
            .iter()
            .filter(|(slot, _)| !self.done.contains(**slot))
            .map(|(_, (_, copy))| &**copy)
            .collect()
    }
}
