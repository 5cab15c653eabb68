//! `independent_sequential` and `independent_concurrent`: many keys, each with a load of its own.

use std::sync::Arc;

use tribunal_history::Value;

use super::ballot::Race;
use super::keys::Keys;
use super::wrap::{Lens, plain};
use super::{Context, Gen, Generator, Next, Observation, SlotSet};
use crate::seed::{Draw, Draws, Stream};

/// Keys in a row whose load offers nothing, after which the workload is taken for a mistake.
const FRUITLESS_MAX: u32 = 10_000;
/// Random groups tried before all are asked.
const SAMPLES: usize = 4;

type Load = Arc<dyn Fn(&Value) -> Gen + Send + Sync>;

/// A key in use and its load.
#[derive(Clone)]
struct Current {
    key: Value,
    load: Gen,
}

/// The keys not used yet. Shared by all groups: each key is used once.
#[derive(Clone)]
struct Supply {
    keys: Keys,
    load: Load,
    used: u64,
    stream: Option<Stream>,
}

impl Supply {
    /// The next key and its load, whose draws depend on its number and not on who runs it.
    fn take(&mut self) -> Option<Current> {
        let key = self.keys.get(self.used)?;
        let stream = self.stream.as_ref().expect("bind a generator before asking it");
        let mut load = (self.load)(&key);
        load.bind(&stream.child(&format!("key/{}", self.used)));
        self.used += 1;
        Some(Current { key, load })
    }
}

#[derive(Clone)]
struct Group {
    slots: SlotSet,
    lens: Lens,
    current: Option<Current>,
    done: bool,
}

impl Group {
    fn new(slots: SlotSet) -> Group {
        Group { slots, lens: Lens::default(), current: None, done: false }
    }

    /// The offer of the group's key; of the next key when that one is done.
    fn ask(&mut self, cx: &Context<'_>, supply: &mut Supply) -> Next {
        if self.done {
            return Next::Done;
        }
        let cx = self.lens.restrict(cx, &self.slots);
        for _ in 0..FRUITLESS_MAX {
            if self.current.is_none() {
                self.current = supply.take();
            }
            let Some(Current { key, load }) = &mut self.current else {
                self.done = true;
                return Next::Done;
            };
            match load.next(&cx) {
                Next::Done => self.current = None,
                Next::Invoke { slot, at, node, op } => {
                    return Next::Invoke { slot, at, node, op: op.on_key(key) };
                }
                other => return other,
            }
        }
        panic!("{FRUITLESS_MAX} keys in a row had no operation; their load may never have one")
    }

    fn commit(&mut self) {
        self.current.iter_mut().for_each(|current| current.load.commit());
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        if let Some(Current { load, .. }) = &mut self.current
            && self.slots.contains(event.slot)
        {
            load.observe(&self.lens.restrict(cx, &self.slots), event);
        }
    }
}

#[derive(Clone)]
struct Independent {
    /// Slots per group; `None` is one group of all.
    size: Option<u32>,
    supply: Supply,
    groups: Vec<Group>,
    /// The group of each slot.
    owner: Vec<usize>,
    divided: SlotSet,
    draws: Draws,
    committed: u64,
    chosen: usize,
}

/// One key after the other: `load(key)` to its end on all slots of the context, then the next key.
/// Register operations are put on the key, whatever key the load gave them.
pub fn independent_sequential(
    keys: Keys,
    load: impl Fn(&Value) -> Gen + Send + Sync + 'static,
) -> Gen {
    build(None, keys, load)
}

/// Groups of `n` consecutive slots of the context, one key per group at a time; a group whose load
/// is done takes the next key. A load sees its group's slots and their events only. When the
/// slots do not divide by `n` the last group is smaller.
///
/// # Panics
/// When `n` is zero.
pub fn independent_concurrent(
    n: u32,
    keys: Keys,
    load: impl Fn(&Value) -> Gen + Send + Sync + 'static,
) -> Gen {
    assert!(n > 0, "a group has at least one slot");
    build(Some(n), keys, load)
}

fn build(
    size: Option<u32>,
    keys: Keys,
    load: impl Fn(&Value) -> Gen + Send + Sync + 'static,
) -> Gen {
    Box::new(Independent {
        size,
        supply: Supply { keys, load: Arc::new(load), used: 0, stream: None },
        groups: Vec::new(),
        owner: Vec::new(),
        divided: SlotSet::default(),
        draws: Draws::unbound(),
        committed: 0,
        chosen: 0,
    })
}

impl Independent {
    fn divide(&mut self, usable: &SlotSet) {
        if self.divided == *usable {
            return;
        }
        let slots: Vec<u32> = usable.iter().collect();
        let size = self.size.map_or(slots.len(), |n| n as usize).max(1);
        self.groups.resize(slots.len().div_ceil(size), Group::new(SlotSet::default()));
        self.owner = vec![0; slots.last().map_or(0, |last| *last as usize + 1)];
        for (at, (group, slots)) in self.groups.iter_mut().zip(slots.chunks(size)).enumerate() {
            group.slots = slots.iter().copied().collect();
            slots.iter().for_each(|slot| self.owner[*slot as usize] = at);
        }
        self.divided = usable.clone();
    }

    /// A group in proportion to its free slots, by way of one of them, if it is ready at once:
    /// rejection keeps the choice fair and usually asks one group where a scan would ask them all.
    fn sample(&mut self, cx: &Context<'_>, draw: &mut Draw) -> Option<Next> {
        for _ in 0..SAMPLES.min(cx.free.len() as usize) {
            let slot = cx.free.nth(draw.below(u64::from(cx.free.len())) as u32)?;
            let at = self.owner[slot as usize];
            let next = self.groups[at].ask(cx, &mut self.supply);
            if next.due().is_some_and(|due| due <= cx.time) {
                self.chosen = at;
                return Some(next);
            }
        }
        None
    }

    /// Groups in the order in which their free slots are drawn.
    fn scan(&mut self, cx: &Context<'_>, draw: &mut Draw) -> Next {
        let mut slots: Vec<u32> = cx.free.iter().collect();
        let mut asked = vec![false; self.groups.len()];
        let mut race = Race::new(cx.time);
        while !slots.is_empty() {
            let slot = slots.swap_remove(draw.below(slots.len() as u64) as usize);
            let at = self.owner[slot as usize];
            if !std::mem::replace(&mut asked[at], true) {
                let next = self.groups[at].ask(cx, &mut self.supply);
                if race.enter(at, next) {
                    break;
                }
            }
        }
        let (chosen, next) = race.finish();
        self.chosen = chosen;
        match next {
            Next::Done if self.groups.iter().any(|group| !group.done) => {
                Next::Pending { until: None }
            }
            next => next,
        }
    }
}

impl Generator for Independent {
    fn bind(&mut self, stream: &Stream) {
        self.draws = Draws::new(stream, 0);
        self.supply.stream = Some(stream.child("independent"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        self.divide(cx.usable);
        let mut draw = self.draws.at(self.committed);
        match self.sample(cx, &mut draw) {
            Some(next) => next,
            None => self.scan(cx, &mut draw),
        }
    }

    fn commit(&mut self) {
        self.committed += 1;
        self.groups[self.chosen].commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.divide(cx.usable);
        if let Some(&at) = self.owner.get(event.slot as usize) {
            self.groups[at].observe(cx, event);
        }
    }

    plain!("independent");

    fn children(&self) -> Vec<&dyn Generator> {
        self.groups.iter().filter_map(|group| Some(&*group.current.as_ref()?.load)).collect()
    }
}
