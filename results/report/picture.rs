//! The picture of one proof: process lanes, operation bars, the longest legal order, and where it
//! dies. Static SVG; two scales of the same drawing.

use serde::Serialize;

use super::finding::class;
use super::page::{Scene, SectionError};
use crate::bounded::{shortened, visible};
use crate::limits;
use crate::run_report::{Finding, OpReport};

/// How time becomes a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scale {
    /// Stretched so that every event and every point has room.
    Warped,
    /// Proportional.
    True,
}

#[derive(Serialize)]
struct View {
    width: u32,
    height: u32,
    plot_left: u32,
    axis_y: u32,
    label: String,
    lanes: Vec<Lane>,
    bands: Vec<Band>,
    bars: Vec<Bar>,
    ticks: Vec<Tick>,
    points: Vec<Point>,
    path: String,
    dead: Option<Dead>,
}

#[derive(Serialize)]
struct Lane {
    y: u32,
    top: u32,
    height: u32,
    odd: bool,
    name: String,
    node: String,
}

#[derive(Serialize)]
struct Band {
    x: String,
    width: String,
    label: String,
}

#[derive(Serialize)]
struct Bar {
    x: String,
    y: u32,
    width: String,
    class: String,
    open: bool,
    text_x: String,
    text_y: u32,
    text: String,
    title: String,
}

#[derive(Serialize)]
struct Tick {
    x: String,
    label: String,
}

#[derive(Serialize)]
struct Point {
    x: String,
    y: u32,
    number: u32,
}

#[derive(Serialize)]
struct Dead {
    x: String,
    y: u32,
}

const LANE: u32 = 58;
const BAR: u32 = 26;
const TOP: u32 = 26;
const LEFT: u32 = 76;
/// Width of one character of the bars' monospaced 12-pixel text.
const CHAR: f64 = 7.3;

/// Draws the last operations of the proof, with the failing one.
pub(super) fn draw(
    scene: &Scene<'_>,
    finding: &Finding,
    scale: Scale,
) -> Result<String, SectionError> {
    let all = &finding.evidence.operations;
    let skip = all.len().saturating_sub(limits::PICTURE_OPERATIONS);
    let ops: Vec<&OpReport> =
        all.iter().enumerate().filter(|(at, op)| *at >= skip || op.failed).map(|it| it.1).collect();
    let axis = Axis::new(&ops, scale);
    let lanes = lanes(&ops);
    let lane_y = |op: &OpReport| {
        let at = lanes.iter().position(|process| *process == op.process).unwrap_or(0);
        TOP + at as u32 * LANE
    };
    let bars: Vec<Bar> = ops.iter().map(|op| bar(op, &axis, lane_y(op))).collect();
    let points: Vec<(f64, u32, u32)> = axis
        .points
        .iter()
        .map(|(call, x)| {
            let op =
                ops.iter().find(|op| op.call == *call).expect("points are of drawn operations");
            (*x, lane_y(op) + BAR + 16, op.point.unwrap_or(0))
        })
        .collect();
    let height = TOP + lanes.len() as u32 * LANE + 34;
    let failed = ops.iter().find(|op| op.failed);
    let dead = failed.map(|op| Dead { x: px(axis.end_of(op)), y: lane_y(op) + BAR / 2 + 4 });
    let view = View {
        width: axis.width as u32,
        height,
        plot_left: LEFT,
        axis_y: height - 30,
        label: format!("{}: {}", finding.r#ref, visible(&shortened(&finding.summary, 300))),
        lanes: lanes.iter().enumerate().map(|(at, it)| lane(*it, at as u32, &ops)).collect(),
        bands: bands(scene, finding, &axis),
        bars,
        ticks: ticks(&ops, &axis),
        path: path(&points),
        points: points
            .iter()
            .map(|(x, y, number)| Point { x: px(*x), y: *y, number: *number })
            .collect(),
        dead,
    };
    Ok(scene.templates.render("picture.html", &view)?)
}

/// Processes by first invocation.
fn lanes(ops: &[&OpReport]) -> Vec<u32> {
    let mut lanes = Vec::new();
    for op in ops {
        if !lanes.contains(&op.process) {
            lanes.push(op.process);
        }
    }
    lanes
}

fn lane(process: u32, at: u32, ops: &[&OpReport]) -> Lane {
    let mine = ops.iter().filter(|op| op.process == process);
    let mut nodes: Vec<&str> = mine.filter_map(|op| op.node.as_deref()).collect();
    nodes.dedup();
    let node = match nodes[..] {
        [] => String::new(),
        [only] => visible(&shortened(only, 10)),
        _ => "several".to_owned(),
    };
    let top = TOP + at * LANE;
    let name = format!("p{process}");
    Lane { y: top + BAR / 2 + 4, top, height: LANE, odd: at % 2 == 1, name, node }
}

fn bar(op: &OpReport, axis: &Axis, top: u32) -> Bar {
    let (from, to) = (axis.start_of(op), axis.end_of(op));
    let text = label(op);
    let room = ((to - from - 12.0) / CHAR).max(0.0) as usize;
    let text_shown = if text.chars().count() <= room {
        text.clone()
    } else if room >= 4 {
        format!("{}…", text.chars().take(room - 1).collect::<String>())
    } else {
        String::new()
    };
    let state = if op.failed { "bar failed" } else { "bar" };
    let node = op.node.as_deref().map(|it| format!(" at {}", visible(it))).unwrap_or_default();
    Bar {
        x: px(from),
        y: top + 4,
        width: px((to - from).max(3.0)),
        class: format!("{state} {}", class(op)),
        open: op.completed_ns.is_none(),
        text_x: px(from + 7.0),
        text_y: top + 4 + BAR / 2 + 4,
        text: text_shown,
        title: format!("p{}{node}: {} ({})", op.process, op.text(200), op.outcome),
    }
}

fn label(op: &OpReport) -> String {
    shortened(&op.text(24), 60)
}

/// Faults in force, where the drawing covers them.
fn bands(scene: &Scene<'_>, finding: &Finding, axis: &Axis) -> Vec<Band> {
    let end = scene.history.end().0;
    let named = |id: &String| scene.report.faults.iter().find(|fault| &fault.id == id);
    let faults = finding.spanned_faults.iter().filter_map(named).take(12);
    let window = |fault: &crate::Fault| {
        let (from, to) = fault.window(end)?;
        let (x, right) = (axis.at_time(from), axis.at_time(to));
        if x >= axis.right || right <= f64::from(LEFT) {
            return None;
        }
        let label = visible(&shortened(&format!("{} {}", fault.id, fault.kind), 24));
        Some(Band { x: px(x), width: px((right - x).max(2.0)), label })
    };
    faults.filter_map(window).collect()
}

/// Times in milliseconds since the first invocation, where there is room for them.
fn ticks(ops: &[&OpReport], axis: &Axis) -> Vec<Tick> {
    let start = ops.iter().map(|op| op.invoked_ns).min().unwrap_or(0);
    let mut ticks = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for (time, x) in &axis.events {
        if x - last >= 58.0 {
            let ms = time.saturating_sub(start) as f64 / 1e6;
            let digits = if ms < 100.0 { 2 } else { 0 };
            ticks.push(Tick { x: px(*x), label: format!("{ms:.digits$} ms") });
            last = *x;
        }
    }
    ticks
}

fn path(points: &[(f64, u32, u32)]) -> String {
    let step = |(at, (x, y, _)): (usize, &(f64, u32, u32))| {
        format!("{}{} {y}", if at == 0 { "M" } else { "L" }, px(*x))
    };
    points.iter().enumerate().map(step).collect()
}

fn px(x: f64) -> String {
    format!("{x:.1}")
}

/// Where every event and every point of the legal order stands.
struct Axis {
    width: f64,
    /// Place of each event rank.
    ranks: Vec<(u32, f64)>,
    /// Time and place of each event, by place.
    events: Vec<(u64, f64)>,
    /// Invocation rank and place of each point, in legal order.
    points: Vec<(u32, f64)>,
    right: f64,
}

/// An event, or a point of the legal order with its number. Points sort after the event that
/// makes them possible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    rank: u32,
    point: u32,
}

impl Axis {
    fn new(ops: &[&OpReport], scale: Scale) -> Axis {
        let left = f64::from(LEFT) + 14.0;
        let items = items(ops);
        let time = |rank: u32| {
            let at = |op: &&OpReport| {
                let call = (op.call == rank).then_some(op.invoked_ns);
                call.or(op.completed_ns.filter(|_| op.ret == Some(rank)))
            };
            ops.iter().find_map(at).unwrap_or(0)
        };
        let mut places: Vec<(Item, f64)> = match scale {
            Scale::Warped => warped(&items, ops, left),
            Scale::True => proportional(&items, &time, left),
        };
        places.sort_by_key(|(item, _)| *item);
        let last = places.iter().map(|(_, x)| *x).fold(left, f64::max);
        let ranks: Vec<(u32, f64)> =
            places.iter().filter(|it| it.0.point == 0).map(|it| (it.0.rank, it.1)).collect();
        let events = ranks.iter().map(|(rank, x)| (time(*rank), *x)).collect();
        let mut points: Vec<(u32, u32, f64)> = Vec::new();
        for (item, x) in places.iter().filter(|(item, _)| item.point > 0) {
            let op = ops.iter().find(|op| op.point == Some(item.point));
            points.extend(op.map(|op| (item.point, op.call, *x)));
        }
        points.sort_by_key(|point| point.0);
        let right = last + 56.0;
        Axis {
            width: right + 14.0,
            ranks,
            events,
            points: points.into_iter().map(|(_, call, x)| (call, x)).collect(),
            right,
        }
    }

    fn place(&self, rank: u32) -> f64 {
        let at = self.ranks.iter().find(|(it, _)| *it == rank);
        at.map_or(self.right, |(_, x)| *x)
    }

    fn start_of(&self, op: &OpReport) -> f64 {
        self.place(op.call)
    }

    fn end_of(&self, op: &OpReport) -> f64 {
        match (op.completed_ns, op.ret) {
            (Some(_), Some(ret)) => self.place(ret),
            _ => self.right,
        }
    }

    /// Between the events around it, in proportion.
    fn at_time(&self, time: u64) -> f64 {
        let mut before = (0u64, f64::from(LEFT));
        for (at, x) in &self.events {
            if *at >= time {
                let share = (time - before.0.min(time)) as f64 / (at - before.0).max(1) as f64;
                let from = if before.0 == 0 { f64::from(LEFT) } else { before.1 };
                return if before.0 == 0 { from } else { from + (x - from) * share };
            }
            before = (*at, *x);
        }
        self.right
    }
}

/// Events and points in the order they are drawn.
fn items(ops: &[&OpReport]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for op in ops {
        items.push(Item { rank: op.call, point: 0 });
        if let (Some(ret), Some(_)) = (op.ret, op.completed_ns) {
            items.push(Item { rank: ret, point: 0 });
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
    items.sort_unstable();
    items
}

/// Room for each event and point, and for each label between the two ends of its operation.
fn warped(items: &[Item], ops: &[&OpReport], left: f64) -> Vec<(Item, f64)> {
    let mut places: Vec<(Item, f64)> = Vec::new();
    let mut x = left;
    for item in items {
        if !places.is_empty() {
            x += 22.0;
        }
        let ends = ops.iter().filter(|op| item.point == 0 && op.ret == Some(item.rank));
        for op in ends {
            let need = label(op).chars().count() as f64 * CHAR + 16.0;
            let start = places.iter().find(|it| it.0 == Item { rank: op.call, point: 0 });
            if let Some((_, from)) = start {
                x = x.max(from + need);
            }
        }
        places.push((*item, x));
    }
    places
}

/// Proportional to time over about 900 pixels. Points keep their order and their operation.
fn proportional(items: &[Item], time: &dyn Fn(u32) -> u64, left: f64) -> Vec<(Item, f64)> {
    let events = || items.iter().filter(|item| item.point == 0).map(|item| time(item.rank));
    let (from, to) = (events().min().unwrap_or(0), events().max().unwrap_or(0));
    let scale = 900.0 / (to - from).max(1) as f64;
    let mut last = left;
    let mut places = Vec::new();
    for item in items {
        let x = left + (time(item.rank) - from) as f64 * scale;
        if item.point == 0 {
            places.push((*item, x));
        } else {
            last = last.max(x);
            places.push((*item, last));
        }
    }
    places
}
