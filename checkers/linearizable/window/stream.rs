//! The breadth-first search, fed event by event while a history is being made.
//!
//! A return is looked at as soon as every operation that was pending then is settled: it returned,
//! or it is known to have crashed, or not to have happened. Before that no verdict on it could
//! stand: a pending write may yet have explained it. So the stream lags behind by no more than the
//! longest operation, and says the earliest return that no order passes, the same that the search
//! finds in the whole history. Memory is the frontier, and what is not settled.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::super::Model;
use super::super::meter::{Ledger, Resting};
use super::super::rules::Rules;
use super::bfs::{Breadth, Layer};
use super::plan::{Crashed, Open, Plan, Window};
use super::portfolio::Context;
use super::table::{Grid, Source, States, Table};
use super::word::{Layout, Shape, Word};
use crate::{Budget, Spent};

/// Above this many numbers more than are in use, they are given out anew.
const SPARE: usize = 1 << 12;

/// How a history stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing<S> {
    /// Some order passes every return that can be judged yet.
    Passing {
        /// Returns judged.
        returns: u64,
        /// Operations that are not settled; returns after the call of the first wait for it.
        waiting: usize,
        /// Configurations held.
        frontier: usize,
    },
    /// No order passes a return: the history is not linearizable, whatever comes.
    Failed(Failure<S>),
}

/// The earliest return that no order passes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure<S> {
    /// The operation that returned.
    pub id: u64,
    /// How many events were fed before its return.
    pub event: u64,
    /// The states possible just before, in order of discovery.
    pub states: Vec<S>,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Open,
    /// (Number of the return's event, class.)
    Returned(u64, u32),
    Crashed(u32),
    Nothing,
}

/// One object, judged while its history is being made.
///
/// **What it takes.** Three kinds of events, in the order of real time: an operation was called
/// ([`Stream::call`]), it returned with an answer ([`Stream::ret`]), or it is known that it never
/// will, or that it did not happen ([`Stream::crash`]). An interval that is fed wider than it was
/// costs findings; one that is fed narrower makes wrong ones. Of events at the same instant calls
/// come first. At most 2^32 events, as in a history.
///
/// **Numbers, answers and keys.** The caller numbers operations; a number may be used again once
/// nothing waits for the operation that had it, so fresh ones are simplest. An [`Model::Op`] is a
/// question *with* its answer and is given at the end, since only then is it known. A stream has
/// one object and knows no keys: a map from keys to streams is the caller's, and [`watch`] is one,
/// for histories whose operations touch one key each. Which key failed is told by which stream said
/// so, and which operation by [`Failure::id`].
///
/// [`watch`]: crate::linearizable::watch
///
/// **What it says.** Every `ret` and `crash` says how the history stands. A return is looked at
/// once everything that was pending at it is settled, so an operation that nobody ever settles
/// delays all later ones, and memory grows meanwhile: `crash` what is given up. A failure is final,
/// is the earliest return that no order passes, and is repeated from then on. That none is found
/// means nothing until everything called was settled; then it means that the history so far is
/// linearizable.
///
/// **Memory and errors.** It holds the frontier (the configurations possible at the last return
/// that was looked at) and what is not settled or not looked at yet, nothing of the rest. The
/// budget's bytes count the frontier and its tables, each stream's for itself. [`Spent`] is an end:
/// after one nothing that it says means anything; drop it. It is never a verdict.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use tribunal_checkers::Budget;
/// use tribunal_checkers::linearizable::{Register, RegisterOp, Standing, Stream};
/// use tribunal_history::Value;
///
/// let (model, budget) = (Register { initial: Value::Int(0) }, Budget::unlimited());
/// let mut streams: BTreeMap<&str, Stream<'_, Register>> = BTreeMap::new();
/// let write = |value| RegisterOp::Write(Value::Int(value));
/// let read = |value| RegisterOp::Read(Value::Int(value));
///
/// // Two keys. On each a write of 1; that on `b` has no answer. Then two reads.
/// for (key, id) in [("a", 0), ("b", 1)] {
///     streams.entry(key).or_insert_with(|| Stream::new(&model, &budget)).call(id);
/// }
/// let mut failed = Vec::new();
/// let mut note = |key, standing| match standing {
///     Standing::Failed(failure) => failed.push((key, failure.id, failure.states)),
///     Standing::Passing { .. } => {}
/// };
/// note("a", streams.get_mut("a").unwrap().ret(0, write(1)).unwrap());
/// note("b", streams.get_mut("b").unwrap().crash(1, Some(write(1))).unwrap());
/// for (key, id) in [("a", 2), ("b", 3)] {
///     let stream = streams.get_mut(key).unwrap();
///     stream.call(id);
///     note(key, stream.ret(id, read(0)).unwrap());
/// }
/// // On `b` the write may never have happened. On `a` it had: the key is the map's to say.
/// assert_eq!(failed, [("a", 2, vec![Value::Int(1)])]);
/// ```
pub struct Stream<'a, M: Model> {
    model: &'a M,
    states: States<'a, M, Vec<M::Op>>,
    classes: FxHashMap<M::Op, u32>,
    table: Table,
    ledger: Ledger<'a>,
    resting: Resting,
    front: Box<dyn Front + Send>,
    plan: Plan<'static>,
    /// Per crashed class, its lane.
    lanes: FxHashMap<u32, u32>,
    window: Window,
    free: Vec<u32>,
    /// Events that were not looked at: number, operation, whether it is the return.
    events: VecDeque<(u64, u64, bool)>,
    fates: FxHashMap<u64, Fate>,
    fed: u64,
    /// Operations that are not settled.
    waiting: usize,
    returns: u64,
    failed: Option<Failure<M::State>>,
}

impl<'a, M: Model> Stream<'a, M> {
    /// Before the first event.
    pub fn new(model: &'a M, budget: &'a Budget) -> Stream<'a, M> {
        let states = States::new(model, Vec::new());
        let ledger = Ledger::new(budget);
        let shape = Shape::new(8, std::iter::empty());
        Stream {
            model,
            table: Table::new(&states, ledger.most_bytes() / 16),
            states,
            classes: FxHashMap::default(),
            ledger,
            resting: Resting::default(),
            front: begin(shape),
            plan: Plan::open(),
            lanes: FxHashMap::default(),
            window: Window::default(),
            free: (0..8).rev().collect(),
            events: VecDeque::new(),
            fates: FxHashMap::default(),
            fed: 0,
            waiting: 0,
            returns: 0,
            failed: None,
        }
    }

    /// The operation `id` was called: a number that no operation has that a return waits for.
    ///
    /// # Panics
    /// If one has.
    pub fn call(&mut self, id: u64) {
        let known = self.fates.insert(id, Fate::Open);
        assert!(known.is_none(), "operation {id} is called while another has its number");
        self.waiting += 1;
        self.events.push_back((self.fed, id, false));
        self.fed += 1;
    }

    /// The operation `id` returned, and with its answer is `op`. A failed one that observed
    /// something is such an operation too.
    ///
    /// # Errors
    /// The limit that was hit: nothing more will be said.
    ///
    /// # Panics
    /// If it was not called, or ended already.
    pub fn ret(&mut self, id: u64, op: M::Op) -> Result<Standing<M::State>, Spent> {
        let class = self.class(op);
        self.settle(id, Fate::Returned(self.fed, class));
        self.events.push_back((self.fed, id, true));
        self.fed += 1;
        self.go_on()
    }

    /// Nobody knows whether `id`, which then is `op`, took effect or will; or, with `None`, it did
    /// not happen or asserts nothing.
    ///
    /// # Errors
    /// The limit that was hit: nothing more will be said.
    ///
    /// # Panics
    /// If it was not called, or ended already.
    pub fn crash(&mut self, id: u64, op: Option<M::Op>) -> Result<Standing<M::State>, Spent> {
        let fate = match op {
            Some(op) if !self.model.is_pure(&op) => Fate::Crashed(self.class(op)),
            Some(_) | None => Fate::Nothing,
        };
        self.settle(id, fate);
        self.fed += 1;
        self.go_on()
    }

    fn settle(&mut self, id: u64, fate: Fate) {
        let open = self.fates.insert(id, fate);
        assert!(matches!(open, Some(Fate::Open)), "operation {id} is not open");
        self.waiting -= 1;
    }

    fn class(&mut self, op: M::Op) -> u32 {
        if let Some(class) = self.classes.get(&op) {
            return *class;
        }
        let class = self.states.ops.len() as u32;
        self.states.ops.push(op.clone());
        self.classes.insert(op, class);
        self.table.grow(&self.states);
        class
    }

    fn go_on(&mut self) -> Result<Standing<M::State>, Spent> {
        while self.failed.is_none()
            && let Some((event, id, is_return)) = self.events.front().copied()
        {
            if is_return {
                self.judge(event, id)?;
            } else {
                match self.fates[&id] {
                    Fate::Open => break,
                    Fate::Returned(ret, class) => self.open(id, ret, class),
                    Fate::Crashed(class) => self.add_crashed(class),
                    Fate::Nothing => {}
                }
                self.fates.remove(&id);
            }
            self.events.pop_front();
        }
        Ok(match &self.failed {
            Some(failure) => Standing::Failed(failure.clone()),
            None => Standing::Passing {
                returns: self.returns,
                waiting: self.waiting,
                frontier: self.front.states().len(),
            },
        })
    }

    fn open(&mut self, id: u64, ret: u64, class: u32) {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slots = self.front.shape().slots;
            self.lay_out(2 * slots);
            self.free.extend((slots as u32 + 1..2 * slots as u32).rev());
            slots as u32
        });
        let ret = u32::try_from(ret).expect("fewer than 2^32 events, as in a history");
        let entry = id as u32;
        self.window.call(Open { ret, entry, class, slot });
    }

    fn add_crashed(&mut self, class: u32) {
        let next = self.plan.crashed.len() as u32;
        let lane = *self.lanes.entry(class).or_insert(next);
        if lane == next {
            self.plan.crashed.push(Crashed { class, entries: Vec::new() });
            self.window.available.push(0);
        }
        let available = &mut self.window.available[lane as usize];
        *available += 1;
        let room = self.front.shape().lanes.get(lane as usize).map_or(0, |lane| lane.most());
        if *available > room {
            self.lay_out(self.front.shape().slots);
        }
    }

    /// With room for as many again of every crashed class.
    fn lay_out(&mut self, slots: usize) {
        let most = self.window.available.iter().map(|available| 2 * available);
        self.front = self.front.lay_out(Shape::new(slots, most));
        self.ledger.release(&mut self.resting);
        self.table.unaccounted();
    }

    fn judge(&mut self, event: u64, id: u64) -> Result<(), Spent> {
        let slot = self.window.next_return().slot;
        let grid = Grid { table: &mut self.table, source: &mut self.states };
        let account = (&self.ledger, self.resting);
        let (layer, resting) = self.front.layer(grid, &self.plan, &self.window, account);
        self.resting = resting;
        if layer? == Layer::Dead {
            let mut states = self.front.states();
            states.sort_unstable();
            states.dedup();
            let states = states.iter().map(|state| self.states.get(*state).clone()).collect();
            self.failed = Some(Failure { id, event, states });
        } else {
            self.window.ret();
            self.free.push(slot);
            self.returns += 1;
            self.give_numbers_anew();
        }
        Ok(())
    }

    /// Values that nobody holds any more cost nothing.
    fn give_numbers_anew(&mut self) {
        let (front, open) = (self.front.states(), self.window.open.len() + self.fates.len());
        let used = front.len() + open + self.plan.crashed.len();
        if self.states.len().max(self.states.ops.len()) < 2 * used + SPARE {
            return;
        }
        self.lay_out(self.front.shape().slots);
        let old = std::mem::replace(&mut self.states, States::new(self.model, Vec::new()));
        let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
        for state in front {
            let number = self.states.number(old.get(state).clone());
            numbers.insert(state, number);
        }
        self.front.renumber(&numbers);
        self.classes.clear();
        self.table = Table::new(&self.states, self.ledger.most_bytes() / 16);
        let anew =
            |stream: &mut Stream<'a, M>, class: u32| stream.class(old.ops[class as usize].clone());
        for at in 0..self.window.open.len() {
            self.window.open[at].class = anew(self, self.window.open[at].class);
        }
        self.lanes.clear();
        for lane in 0..self.plan.crashed.len() {
            let class = anew(self, self.plan.crashed[lane].class);
            self.plan.crashed[lane].class = class;
            self.lanes.insert(class, lane as u32);
        }
        let mut ids: Vec<u64> = self.fates.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let fate = match self.fates[&id] {
                Fate::Returned(ret, class) => Fate::Returned(ret, anew(self, class)),
                Fate::Crashed(class) => Fate::Crashed(anew(self, class)),
                fate @ (Fate::Open | Fate::Nothing) => fate,
            };
            self.fates.insert(id, fate);
        }
    }
}

/// A frontier of any width.
trait Front {
    fn shape(&self) -> &Shape;
    fn states(&self) -> Vec<u32>;
    fn renumber(&mut self, numbers: &FxHashMap<u32, u32>);
    /// The same frontier in another shape; nothing else is held.
    fn lay_out(&self, shape: Shape) -> Box<dyn Front + Send>;
    fn layer(
        &mut self,
        grid: Grid<'_>,
        plan: &Plan<'_>,
        window: &Window,
        account: (&Ledger<'_>, Resting),
    ) -> (Result<Layer, Spent>, Resting);
}

struct Wide<W> {
    layout: Layout<W>,
    breadth: Breadth<W>,
}

/// Before the first event.
fn begin(shape: Shape) -> Box<dyn Front + Send> {
    let layout = Layout::<[u64; 1]>::new(shape);
    Box::new(Wide { breadth: Breadth::new(&layout, false), layout })
}

impl<W: Word> Wide<W> {
    fn converted<V: Word + Send + 'static>(&self, shape: Shape) -> Box<dyn Front + Send> {
        let layout = Layout::<V>::new(shape);
        Box::new(Wide { breadth: self.breadth.convert(&self.layout, &layout), layout })
    }
}

impl<W: Word> Front for Wide<W> {
    fn shape(&self) -> &Shape {
        &self.layout.shape
    }

    fn states(&self) -> Vec<u32> {
        self.breadth.frontier().map(|config| config.state).collect()
    }

    fn renumber(&mut self, numbers: &FxHashMap<u32, u32>) {
        self.breadth.renumber(|state| numbers[&state]);
    }

    fn lay_out(&self, shape: Shape) -> Box<dyn Front + Send> {
        match shape.words {
            1 => self.converted::<[u64; 1]>(shape),
            2 => self.converted::<[u64; 2]>(shape),
            3 => self.converted::<[u64; 3]>(shape),
            _ => self.converted::<Box<[u64]>>(shape),
        }
    }

    fn layer(
        &mut self,
        grid: Grid<'_>,
        plan: &Plan<'_>,
        window: &Window,
        (ledger, resting): (&Ledger<'_>, Resting),
    ) -> (Result<Layer, Spent>, Resting) {
        let (rules, meter) = (Rules::default(), ledger.resume(resting));
        let layout = &self.layout;
        let (relevance, covers) = (None, None);
        let mut cx = Context { plan, layout, grid, relevance, covers, rules, meter };
        let layer = self.breadth.layer(&mut cx, window, 0, u64::MAX);
        (layer, cx.meter.rest())
    }
}
