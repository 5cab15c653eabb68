//! Where every event and every step of a proof's picture stands, on both of its scales.
//!
//! Knows operations and their order, nothing of how they are drawn. A step stands inside its
//! operation and after every step before it, on either scale.

use std::collections::BTreeMap;

use crate::run_report::OpReport;

/// A place on the order scale and on the true time scale, in pixels.
pub(super) type Both = [f64; 2];

/// The order scale.
pub(super) const ORDER: usize = 0;
/// The scale proportional to time.
pub(super) const TIME: usize = 1;

/// Width of the true time scale, and the most it grows to so that bars can be told apart.
const TIME_WIDTH: (f64, f64) = (900.0, 8_000.0);
/// Pixels that half of the bars have at least, on a true time scale that has room.
const MEDIAN_BAR: f64 = 26.0;

/// Places of everything drawn.
pub(super) struct Axis {
    /// Where the plot begins.
    left: f64,
    /// Time and places of each event, by rank.
    events: BTreeMap<u32, (u64, Both)>,
    /// Places of each step, by number.
    points: BTreeMap<u32, Both>,
    /// Where the failing operation dies.
    pub(super) dead: Option<Both>,
    /// Where what is still open leaves the picture.
    pub(super) right: Both,
    /// Whether there is a true time scale: not for records that have only an order.
    pub(super) timed: bool,
}

/// An event, or a step with its number. Steps sort after the event that makes them possible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    rank: u32,
    point: u32,
}

/// The number that stands for the failing operation: after every step.
const DEAD: u32 = u32::MAX;

/// What needs how many pixels on the order scale.
pub(super) trait Room {
    /// The mark of any step.
    fn mark(&self) -> f64;
    /// The bar of `op`.
    fn bar(&self, op: &OpReport) -> f64;
    /// What stands between step `point` and the step it names before it.
    fn before(&self, point: u32) -> Option<(u32, f64)>;
}

impl Axis {
    /// The places of `ops`, from `left` on. O(n log n).
    pub(super) fn new(ops: &[&OpReport], left: f64, room: &impl Room) -> Axis {
        let mut times: BTreeMap<u32, u64> = BTreeMap::new();
        for op in ops {
            times.insert(op.call, op.invoked_ns);
            times.extend(op.ret.zip(op.completed_ns));
        }
        let items = items(ops);
        let order = spread(&items, ops, left, room);
        let at_time = time_scale(ops, &times, left);
        let steps = steps_in_time(&items, ops, (&times, &at_time), room.mark() + 3.0);
        let (mut events, mut points, mut dead) = (BTreeMap::new(), BTreeMap::new(), None);
        for (item, x) in order {
            match item.point {
                0 => {
                    let time = times.get(&item.rank).copied().unwrap_or(0);
                    events.insert(item.rank, (time, [x, at_time(time)]));
                }
                number => {
                    let both = [x, steps.get(&number).copied().unwrap_or(x)];
                    if number == DEAD {
                        dead = Some(both);
                    } else {
                        points.insert(number, both);
                    }
                }
            }
        }
        let places = || events.values().map(|it| it.1).chain(points.values().copied()).chain(dead);
        let last = |scale: usize| places().map(|it| it[scale]).fold(left, f64::max);
        let right = [last(ORDER) + 40.0, last(TIME) + 40.0];
        let timed = times.values().max() > times.values().min();
        Axis { left, events, points, dead, right, timed }
    }

    /// Where `op` was asked.
    pub(super) fn start_of(&self, op: &OpReport) -> Both {
        self.place(op.call)
    }

    /// Where `op` was answered.
    pub(super) fn end_of(&self, op: &OpReport) -> Both {
        match (op.completed_ns, op.ret) {
            (Some(_), Some(ret)) => self.place(ret),
            _ => self.right,
        }
    }

    /// Where the step of this number stands, if it is drawn.
    pub(super) fn point(&self, number: u32) -> Option<Both> {
        self.points.get(&number).copied()
    }

    /// Rank, time and places of every event, in order.
    pub(super) fn events(&self) -> impl Iterator<Item = (u32, u64, Both)> {
        self.events.iter().map(|(rank, (time, both))| (*rank, *time, *both))
    }

    /// A time between the events around it, in proportion.
    pub(super) fn at_time(&self, time: u64) -> Both {
        let mut before: Option<(u64, Both)> = None;
        for (at, x) in self.events.values() {
            if *at >= time {
                let Some((from, start)) = before else { return [self.left; 2] };
                let share = (time - from) as f64 / (at - from).max(1) as f64;
                return [ORDER, TIME].map(|it| start[it] + (x[it] - start[it]) * share);
            }
            before = Some((*at, *x));
        }
        self.right
    }

    fn place(&self, rank: u32) -> Both {
        self.events.get(&rank).map_or(self.right, |it| it.1)
    }
}

/// Events and steps in the order they are drawn.
fn items(ops: &[&OpReport]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for op in ops {
        items.push(Item { rank: op.call, point: 0 });
        if let (Some(rank), Some(_)) = (op.ret, op.completed_ns) {
            items.push(Item { rank, point: 0 });
        }
    }
    let mut points: Vec<(u32, u32)> =
        ops.iter().filter_map(|op| op.point.map(|point| (point, op.call))).collect();
    points.sort_unstable();
    let mut anchor = 0;
    for (point, call) in points {
        anchor = anchor.max(call);
        items.push(Item { rank: anchor, point });
    }
    if let Some(end) = ops.iter().find(|op| op.failed).and_then(|op| op.ret) {
        let before = items.iter().map(|item| item.rank).filter(|rank| *rank < end).max();
        items.extend(before.map(|rank| Item { rank, point: DEAD }));
    }
    items.sort_unstable();
    items
}

/// The order scale: the same room for each event and each step, more where a label needs it.
fn spread(items: &[Item], ops: &[&OpReport], left: f64, room: &impl Room) -> Vec<(Item, f64)> {
    let by_ret: BTreeMap<u32, &OpReport> =
        ops.iter().filter_map(|op| op.ret.map(|ret| (ret, *op))).collect();
    let apart = room.mark() + 3.0;
    let (event, step) = if items.len() <= 60 { (22.0, apart + 10.0) } else { (11.0, apart) };
    let mut calls: BTreeMap<u32, f64> = BTreeMap::new();
    let mut steps: BTreeMap<u32, f64> = BTreeMap::new();
    let mut places = Vec::with_capacity(items.len());
    let (mut x, mut last) = (left + 14.0, None);
    for item in items {
        x += match (item.point, last) {
            (_, None) => 0.0,
            (0, Some(0)) => event,
            (0, Some(_)) | (_, Some(0)) => (event + step) / 2.0,
            _ => step,
        };
        if item.point == 0 {
            if let Some((op, start)) =
                by_ret.get(&item.rank).and_then(|op| Some((op, calls.get(&op.call)?)))
            {
                x = x.max(start + room.bar(op));
            }
            calls.insert(item.rank, x);
        } else {
            if let Some((from, need)) = room.before(item.point) {
                x = x.max(steps.get(&from).unwrap_or(&left) + need);
            }
            steps.insert(item.point, x);
        }
        last = Some(item.point);
        places.push((*item, x));
    }
    places
}

/// Proportional to time: about a page wide, wider where bars would vanish.
fn time_scale(
    ops: &[&OpReport],
    times: &BTreeMap<u32, u64>,
    left: f64,
) -> impl Fn(u64) -> f64 + use<> {
    let (from, to) =
        (times.values().min().copied().unwrap_or(0), times.values().max().copied().unwrap_or(0));
    let span = (to - from).max(1) as f64;
    let mut lasts: Vec<u64> = ops
        .iter()
        .filter_map(|op| op.completed_ns.map(|end| end.saturating_sub(op.invoked_ns)))
        .filter(|it| *it > 0)
        .collect();
    lasts.sort_unstable();
    let median = lasts.get(lasts.len() / 2).map_or(span, |it| *it as f64);
    let (least, most) = (TIME_WIDTH.0 / span, TIME_WIDTH.1 / span);
    let scale = (MEDIAN_BAR / median).clamp(least, most);
    let start = left + 14.0;
    move |time| start + time.saturating_sub(from) as f64 * scale
}

/// Steps on the true time scale: apart where there is room, each inside its operation.
fn steps_in_time(
    items: &[Item],
    ops: &[&OpReport],
    (times, at_time): (&BTreeMap<u32, u64>, &impl Fn(u64) -> f64),
    apart: f64,
) -> BTreeMap<u32, f64> {
    let number = |op: &OpReport| if op.failed { Some(DEAD) } else { op.point };
    let by_number: BTreeMap<u32, &OpReport> =
        ops.iter().filter_map(|op| number(op).map(|number| (number, *op))).collect();
    let mut latest: BTreeMap<u32, f64> = BTreeMap::new();
    let mut bound = f64::INFINITY;
    for (number, op) in by_number.iter().rev() {
        let end = op.completed_ns.map_or(f64::INFINITY, at_time);
        bound = bound.min(end);
        latest.insert(*number, bound);
    }
    let mut places = BTreeMap::new();
    let mut last = f64::NEG_INFINITY;
    for item in items.iter().filter(|item| item.point > 0) {
        let earliest = at_time(times.get(&item.rank).copied().unwrap_or(0));
        let latest = latest.get(&item.point).copied().unwrap_or(f64::INFINITY);
        let x = (last + apart).max(earliest + 4.0).min(latest).max(earliest).max(last);
        places.insert(item.point, x);
        last = x;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::{Axis, Both, Room};
    use crate::findings::op_report_for_tests as report;
    use crate::run_report::OpReport;
    use tribunal_history::{Builder, Nanos, Op, Outcome, Process, RegisterOp, Value};

    struct Even;

    impl Room for Even {
        fn mark(&self) -> f64 {
            17.0
        }

        fn bar(&self, _: &OpReport) -> f64 {
            30.0
        }

        fn before(&self, _: u32) -> Option<(u32, f64)> {
            None
        }
    }

    /// Writes as (from, to, process, step), with the last one failing.
    fn axis(rows: &[(u64, u64, u32, Option<u32>)]) -> (Axis, Vec<OpReport>) {
        let mut builder = Builder::by_time();
        for (from, to, process, _) in rows {
            let op = Op::Register(RegisterOp::Write { key: Value::Nil, value: Value::Nil });
            builder.invoke(Nanos(*from), Process(*process), None, None, &op).expect("free");
            let (to, ok) = (Nanos(*to), Outcome::Ok);
            builder.complete(to, Process(*process), ok, Some(&op), None).expect("open");
        }
        let history = builder.finish();
        let mut ops = report(&history);
        for op in &mut ops {
            let row = rows.iter().find(|row| row.2 == op.process).expect("a row");
            op.point = row.3;
            op.failed = row.3.is_none();
        }
        let axis = Axis::new(&ops.iter().collect::<Vec<_>>(), 0.0, &Even);
        (axis, ops)
    }

    /// On both scales a step stands inside its operation, after the step before it.
    fn stands(rows: &[(u64, u64, u32, Option<u32>)]) -> Vec<Both> {
        let (axis, ops) = axis(rows);
        let mut ops: Vec<&OpReport> = ops.iter().collect();
        ops.sort_by_key(|op| op.point.unwrap_or(u32::MAX));
        let mut steps: Vec<Both> = Vec::new();
        for op in ops {
            let place = op.point.map_or(axis.dead, |point| axis.point(point)).expect("drawn");
            for scale in [super::ORDER, super::TIME] {
                let (from, to) = (axis.start_of(op)[scale], axis.end_of(op)[scale]);
                assert!((from..=to).contains(&place[scale]), "{scale}: {from} {to} {place:?}");
                assert!(steps.last().is_none_or(|last| last[scale] <= place[scale]));
            }
            steps.push(place);
        }
        steps
    }

    #[test]
    fn steps_stand_inside_their_operations_in_their_order() {
        stands(&[(0, 900, 0, Some(1)), (300, 1400, 1, Some(2)), (1500, 2000, 2, None)]);
        // The order is not that of the invocations, and the last is over at once.
        stands(&[
            (0, 9000, 0, Some(3)),
            (1, 9000, 1, Some(1)),
            (2, 3, 2, Some(2)),
            (4, 5, 3, None),
        ]);
    }

    /// True time is proportional; order is not, and gives every event room.
    #[test]
    fn the_two_scales_differ_as_they_say() {
        let (axis, _) =
            axis(&[(0, 10, 0, Some(1)), (1_000, 1_010, 1, Some(2)), (2_000, 2_020, 2, None)]);
        let events: Vec<(u32, u64, Both)> = axis.events().collect();
        let apart = |scale: usize, at: usize| events[at + 1].2[scale] - events[at].2[scale];
        let share = apart(super::TIME, 1) / apart(super::TIME, 0);
        assert!((share - 99.0).abs() < 1e-6, "{share}");
        assert!(apart(super::ORDER, 0) >= 30.0 && apart(super::ORDER, 1) < 60.0);
    }
}
