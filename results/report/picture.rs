//! The picture of one proof: process lanes, operation bars, the steps of the longest legal order,
//! what the object held along it, and where it dies.
//!
//! Static SVG on the order scale, complete without script. Each mark carries its place on the true
//! time scale, so that the script can move it there: one drawing, two scales, half the bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::axis::{Axis, Both, ORDER, Room, TIME};
use super::bands::{Band, bands};
use super::finding::class;
use super::page::{Scene, SectionError};
use crate::bounded::{shortened, visible};
use crate::human::grouped;
use crate::limits;
use crate::run_report::{EvidenceReport, Finding, OpReport};

/// A picture and what is not in it.
#[derive(Default)]
pub(super) struct Picture {
    pub(super) svg: String,
    /// What was left out, one sentence; empty if nothing was.
    pub(super) cut: String,
    /// Whether it has a true time scale.
    pub(super) timed: bool,
}

#[derive(Serialize)]
struct View {
    widths: String,
    width: String,
    height: u32,
    axis_y: u32,
    label: String,
    lanes: Vec<Lane>,
    bands: [Vec<Band>; 2],
    bars: Vec<Bar>,
    ticks: [Vec<Tick>; 2],
    points: Vec<Point>,
    path: String,
    dead: Option<Dead>,
    states: Vec<Segment>,
    states_y: u32,
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
struct Bar {
    xs: String,
    widths: String,
    x: String,
    y: u32,
    width: String,
    height: u32,
    text_y: u32,
    class: String,
    label: String,
    text: String,
    title: String,
    /// Number of its step; 0 if it has none.
    step: u32,
}

#[derive(Serialize)]
struct Tick {
    x: String,
    label: String,
}

#[derive(Serialize)]
struct Point {
    xs: String,
    x: String,
    y: u32,
    number: u32,
    left: String,
    width: String,
    what: String,
    before: String,
    after: String,
}

/// What the object holds from one step to the next that changes it.
#[derive(Serialize)]
struct Segment {
    xs: String,
    widths: String,
    x: String,
    width: String,
    from: u32,
    to: u32,
    odd: bool,
    label: String,
    text: String,
    title: String,
}

#[derive(Serialize)]
struct Dead {
    xs: String,
    x: String,
    y: u32,
    drop: u32,
    link: String,
    say: String,
}

const TOP: u32 = 26;
const LEFT: u32 = 76;
/// Width of one character of the bars' monospaced 12-pixel text.
const CHAR: f64 = 7.3;
/// Characters of a state that the order scale makes room for.
const STATE_CHARS: usize = 14;
/// Bytes of a state in a mark; the table has more.
const STATE_SHOWN: usize = 160;
/// Height of the row of states.
const STATES: u32 = 24;

/// Heights of one lane's parts: many lanes are drawn closer.
#[derive(Clone, Copy)]
struct Rows {
    lane: u32,
    bar: u32,
}

/// Draws the last operations of the proof, at most `limit`, with the failing one.
pub(super) fn draw(
    scene: &Scene<'_>,
    finding: &Finding,
    limit: usize,
) -> Result<Picture, SectionError> {
    let (ops, lanes) = chosen(&finding.evidence, limit);
    let runs = runs(&ops);
    let labels = Labels { runs: &runs };
    let axis = Axis::new(&ops, f64::from(LEFT), &labels);
    let rows =
        if lanes.len() <= 12 { Rows { lane: 58, bar: 26 } } else { Rows { lane: 44, bar: 20 } };
    let bands = [ORDER, TIME].map(|it| bands(scene, finding, &axis, (it, f64::from(LEFT))));
    // Names of faults that meet are stacked above the lanes.
    let first = TOP + bands.iter().map(|it| it.height).max().unwrap_or(0);
    let top = |op: &OpReport| first + lanes.get(&op.process).copied().unwrap_or(0) * rows.lane;
    let points = points(&ops, &axis, |op| top(op) + rows.bar + 16);
    let states_y = first + lanes.len() as u32 * rows.lane + 6;
    let states = segments(&runs, &axis);
    let axis_y = states_y + if states.is_empty() { 0 } else { STATES + 10 };
    let dead = dead(&ops, &axis, finding, &points, states_y, |op| top(op) + rows.bar + 16);
    let widths = axis.right.map(|it| it + 14.0);
    let view = View {
        widths: pair(widths),
        width: px(widths[ORDER]),
        height: axis_y + 32,
        axis_y,
        label: format!("{}: {}", finding.r#ref, visible(&shortened(&finding.summary, 300))),
        lanes: lanes
            .iter()
            .map(|(process, at)| lane(*process, *at, first + *at * rows.lane, rows, &ops))
            .collect(),
        bands: bands.map(|it| it.bands),
        bars: ops.iter().map(|op| bar(op, &axis, top(op), rows)).collect(),
        ticks: [order_ticks(&axis), time_ticks(&axis)],
        path: path(&points),
        points,
        dead,
        states,
        states_y,
    };
    let svg = scene.templates.render("picture.html", &view)?;
    Ok(Picture { svg, cut: cut(&finding.evidence, &ops, limit), timed: axis.timed })
}

/// The operations that are drawn, and the lane of each process: first those that the order uses.
fn chosen(evidence: &EvidenceReport, limit: usize) -> (Vec<&OpReport>, BTreeMap<u32, u32>) {
    let all = &evidence.operations;
    let skip = all.len().saturating_sub(limit);
    let kept = all.iter().enumerate().filter(|(at, op)| *at >= skip || op.failed);
    let mut ops: Vec<&OpReport> = kept.map(|it| it.1).collect();
    // The order uses it, its last and its first invocation.
    let mut processes: BTreeMap<u32, (bool, u32, u32)> = BTreeMap::new();
    for op in &ops {
        let (used, last, _) = processes.entry(op.process).or_insert((false, op.call, op.call));
        *used |= op.failed || op.point.is_some();
        *last = op.call.max(*last);
    }
    // Each client that gave up leaves a process behind: of very many, the latest count.
    let mut lanes: Vec<(u32, bool, u32)> = Vec::new();
    for (wanted, most) in [(true, limits::PICTURE_LANES), (false, limits::PICTURE_LANES_UNUSED)] {
        let of = processes.iter().filter(|(_, (used, ..))| *used == wanted);
        let mut of: Vec<(u32, u32, u32)> =
            of.map(|(it, (_, last, first))| (*last, *first, *it)).collect();
        of.sort_unstable_by(|one, other| other.cmp(one));
        lanes.extend(of.into_iter().take(most).map(|(_, first, it)| (it, !wanted, first)));
    }
    lanes.sort_by_key(|(_, unused, first)| (*unused, *first));
    let lanes: BTreeMap<u32, u32> = lanes.into_iter().map(|lane| lane.0).zip(0..).collect();
    ops.retain(|op| lanes.contains_key(&op.process));
    (ops, lanes)
}

/// What is not drawn, in words.
fn cut(evidence: &EvidenceReport, ops: &[&OpReport], limit: usize) -> String {
    let total = evidence.operations.len() as u64 + evidence.operations_cut;
    let drawn = ops.len();
    if drawn as u64 == total {
        return String::new();
    }
    let which = match drawn < limit.min(evidence.operations.len()) {
        true => "the latest, without most of those that the order shown does not use",
        false => "the latest",
    };
    let first = ops.iter().filter_map(|op| op.point).min().unwrap_or(1);
    let earlier = match first {
        0 | 1 => String::new(),
        2 => "; step 1 of the legal order came before them".to_owned(),
        _ => {
            let last = grouped(u64::from(first - 1));
            format!("; steps 1 to {last} of the legal order came before them")
        }
    };
    let (drawn, total) = (grouped(drawn as u64), grouped(total));
    format!("Drawn are {drawn} of the {total} operations of the proof: {which}{earlier}.")
}

fn lane(process: u32, at: u32, top: u32, rows: Rows, ops: &[&OpReport]) -> Lane {
    let mine = ops.iter().filter(|op| op.process == process);
    let mut nodes: Vec<&str> = mine.filter_map(|op| op.node.as_deref()).collect();
    nodes.dedup();
    let node = match nodes[..] {
        [] => String::new(),
        [only] => visible(&shortened(only, 10)),
        _ => "several".to_owned(),
    };
    let name = format!("p{process}");
    Lane { y: top + rows.bar / 2 + 4, top, height: rows.lane, odd: at % 2 == 1, name, node }
}

fn bar(op: &OpReport, axis: &Axis, top: u32, rows: Rows) -> Bar {
    let (from, to) = (axis.start_of(op), axis.end_of(op));
    let widths = [ORDER, TIME].map(|scale| (to[scale] - from[scale]).max(3.0));
    let label = label(op);
    let unused = if op.point.is_none() && !op.failed { " unused" } else { "" };
    let state = match (op.failed, op.completed_ns) {
        (true, _) => " failed",
        (_, None) => " open",
        _ => "",
    };
    let node = op.node.as_deref().map(|it| format!(" at {}", visible(it))).unwrap_or_default();
    Bar {
        xs: pair(from),
        widths: pair(widths),
        x: px(from[ORDER]),
        y: top + 4,
        width: px(widths[ORDER]),
        height: rows.bar,
        text_y: rows.bar / 2 + 4,
        class: format!("bar {}{state}{unused}", class(op)),
        text: fitted(&label, widths[ORDER]),
        label,
        title: format!("p{}{node}: {} ({})", op.process, op.text(200), op.outcome),
        step: op.point.unwrap_or(0),
    }
}

fn label(op: &OpReport) -> String {
    shortened(&op.text(24), 60)
}

/// As much of `text` as `width` pixels hold, never cut without saying so. The script does the same.
fn fitted(text: &str, width: f64) -> String {
    let room = ((width - 12.0) / CHAR).max(0.0) as usize;
    if text.chars().count() <= room {
        text.to_owned()
    } else if room >= 4 {
        format!("{}…", text.chars().take(room - 1).collect::<String>())
    } else {
        String::new()
    }
}

fn points(ops: &[&OpReport], axis: &Axis, y: impl Fn(&OpReport) -> u32) -> Vec<Point> {
    let mut points: Vec<Point> = ops
        .iter()
        .filter_map(|op| {
            let number = op.point?;
            let at = axis.point(number)?;
            let state = |state: &Option<String>| state.as_deref().map(shown).unwrap_or_default();
            Some(Point {
                xs: pair(at),
                x: px(at[ORDER]),
                y: y(op),
                number,
                left: px(-mark_width(number) / 2.0),
                width: px(mark_width(number)),
                what: format!("p{} {}", op.process, op.text(80)),
                before: state(&op.state_before),
                after: state(&op.state_after),
            })
        })
        .collect();
    points.sort_by_key(|point| point.number);
    points
}

/// Wide enough for the number.
fn mark_width(number: u32) -> f64 {
    f64::from((number.to_string().len() as u32 * 7 + 7).max(17))
}

fn shown(state: &str) -> String {
    visible(&shortened(state, STATE_SHOWN))
}

/// Where the failing operation finds no state it is legal in.
fn dead(
    ops: &[&OpReport],
    axis: &Axis,
    finding: &Finding,
    points: &[Point],
    states_y: u32,
    y: impl Fn(&OpReport) -> u32,
) -> Option<Dead> {
    let failed = ops.iter().find(|op| op.failed)?;
    let at = axis.dead?;
    let states = &finding.evidence.states;
    let reasons: Vec<String> = states.iter().take(6).map(|state| shown(&state.because)).collect();
    let more = (states.len() as u64 + finding.evidence.states_cut).saturating_sub(6);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let why = if reasons.is_empty() { "no order explains it".into() } else { reasons.join("; ") };
    let (x, y) = (px(at[ORDER]), y(failed));
    Some(Dead {
        xs: pair(at),
        link: points
            .last()
            .map(|last| format!("M{} {}L{x} {y}", last.x, last.y))
            .unwrap_or_default(),
        x,
        y,
        drop: states_y.saturating_sub(y) + STATES,
        say: format!("p{} {}: {why}{more}", failed.process, failed.text(80)),
    })
}

/// Steps during which the object holds the same.
struct Run {
    from: u32,
    to: u32,
    state: String,
}

fn runs(ops: &[&OpReport]) -> Vec<Run> {
    let mut steps: Vec<&OpReport> = ops.iter().copied().filter(|op| op.point.is_some()).collect();
    steps.sort_by_key(|op| op.point);
    let mut runs: Vec<Run> = Vec::new();
    for op in steps {
        let at = op.point.unwrap_or(0);
        if runs.is_empty()
            && let Some(state) = &op.state_before
        {
            runs.push(Run { from: at - 1, to: at - 1, state: shown(state) });
        }
        let Some(state) = op.state_after.as_deref().map(shown) else { continue };
        match runs.last_mut() {
            Some(last) if last.state == state && last.to + 1 == at => last.to = at,
            _ => runs.push(Run { from: at, to: at, state }),
        }
    }
    runs
}

/// What the labels need on the order scale.
struct Labels<'a> {
    runs: &'a [Run],
}

impl Room for Labels<'_> {
    fn mark(&self) -> f64 {
        self.runs.last().map_or(17.0, |run| mark_width(run.to))
    }

    fn bar(&self, op: &OpReport) -> f64 {
        label(op).chars().count() as f64 * CHAR + 16.0
    }

    fn before(&self, point: u32) -> Option<(u32, f64)> {
        let at = match self.runs.binary_search_by_key(&point, |run| run.from) {
            Ok(at) => at,
            // The failing operation ends the last run.
            Err(at) if point == u32::MAX => at,
            Err(_) => return None,
        };
        let run = self.runs.get(at.checked_sub(1)?)?;
        let chars = run.state.chars().count().min(STATE_CHARS);
        Some((run.from, chars as f64 * CHAR + 16.0))
    }
}

fn segments(runs: &[Run], axis: &Axis) -> Vec<Segment> {
    let end = axis.dead.unwrap_or(axis.right);
    let left = [f64::from(LEFT); 2];
    let segment = |(at, run): (usize, &Run)| {
        let from = axis.point(run.from).unwrap_or(left);
        let to = runs.get(at + 1).and_then(|next| axis.point(next.from)).unwrap_or(end);
        let widths = [ORDER, TIME].map(|scale| (to[scale] - from[scale]).max(1.0));
        let when = match (run.from, run.to) {
            (0, 0) => "at first".to_owned(),
            (from, to) if from == to => format!("after step {from}"),
            (0, to) => format!("at first, until after step {to}"),
            (from, to) => format!("after steps {from} to {to}"),
        };
        Segment {
            xs: pair(from),
            widths: pair(widths),
            x: px(from[ORDER]),
            width: px(widths[ORDER]),
            from: run.from,
            to: run.to,
            odd: at % 2 == 1,
            text: fitted(&run.state, widths[ORDER]),
            title: format!("{when}: {}", run.state),
            label: shortened(&run.state, 60),
        }
    };
    runs.iter().enumerate().map(segment).collect()
}

/// Times of events, or their ranks, where there is room for them.
fn order_ticks(axis: &Axis) -> Vec<Tick> {
    let start = axis.events().map(|it| it.1).min().unwrap_or(0);
    let mut ticks = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for (rank, time, x) in axis.events() {
        if x[ORDER] - last >= 64.0 {
            let text = |time: u64| milliseconds(time.saturating_sub(start) as f64 / 1e6, 2);
            let label = if axis.timed { text(time) } else { format!("#{rank}") };
            ticks.push(Tick { x: px(x[ORDER]), label });
            last = x[ORDER];
        }
    }
    ticks
}

/// Round times at equal distances.
fn time_ticks(axis: &Axis) -> Vec<Tick> {
    let (first, last) = (axis.events().next(), axis.events().last());
    let (Some((_, from, start)), Some((_, to, end))) = (first, last) else { return Vec::new() };
    if to <= from {
        return Vec::new();
    }
    let span = (to - from) as f64 / 1e6;
    let per_pixel = span / (end[TIME] - start[TIME]).max(1.0);
    let least = per_pixel * 90.0;
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|it| *it >= least);
    let step = step.unwrap_or(10.0 * power);
    let digits = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    let count = (span / step) as u32;
    let tick = |at: u32| {
        let time = f64::from(at) * step;
        Tick { x: px(start[TIME] + time / per_pixel), label: milliseconds(time, digits) }
    };
    (0..=count.min(200)).map(tick).collect()
}

fn milliseconds(time: f64, digits: usize) -> String {
    let digits = if time < 100.0 { digits } else { digits.min(1) };
    format!("{time:.digits$} ms")
}

fn path(points: &[Point]) -> String {
    let step = |(at, point): (usize, &Point)| {
        format!("{}{} {}", if at == 0 { "M" } else { "L" }, point.x, point.y)
    };
    points.iter().enumerate().map(step).collect()
}

fn px(x: f64) -> String {
    format!("{x:.1}")
}

/// Both scales, as the script reads them.
fn pair(both: Both) -> String {
    format!("{:.1} {:.1}", both[ORDER], both[TIME])
}
