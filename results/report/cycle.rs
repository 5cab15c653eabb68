//! The picture of a circle: a box per transaction, a line per micro-operation, and each edge from
//! the read or write that proves it to the one it is proved on.
//!
//! Static SVG, complete without script. Down the left column and up the right one, so that each
//! transaction stands beside the next and boxes never meet, whatever their sizes.

use serde::Serialize;

use super::page::{Scene, SectionError};
use crate::bounded::{shortened, visible};
use crate::limits;
use crate::run_report::{EdgeReport, Finding, OpReport, StepReport};

#[derive(Serialize)]
struct View {
    width: u32,
    height: u32,
    label: String,
    boxes: Vec<Transaction>,
    edges: Vec<Edge>,
}

#[derive(Serialize)]
struct Transaction {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    class: &'static str,
    title: String,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    y: u32,
    text: String,
    full: String,
    /// Whether an edge starts or ends here.
    port: bool,
}

#[derive(Serialize)]
struct Edge {
    kind: String,
    number: usize,
    path: String,
    arrow: String,
    x: String,
    y: String,
    because: String,
}

/// Width of one character of the 12-pixel monospaced text.
const CHAR: f64 = 7.3;
/// Bytes of a micro-operation in a box; all of it is in its title.
const TEXT: usize = 34;
/// Lines of a box.
const ROWS: usize = 12;
const ROW: u32 = 20;
const HEAD: u32 = 26;
const FOOT: u32 = 6;
/// Between two boxes of a column.
const GAP: u32 = 30;
/// Beside the columns, where edges within a column go round; beside two, which need none; and
/// between the columns.
const SIDE: u32 = 92;
const SIDE_OF_TWO: u32 = 20;
const MIDDLE: u32 = 200;
const TOP: u32 = 12;

/// Draws the circle of a finding; nothing if it has none, or more transactions than a picture
/// holds.
pub(super) fn draw(scene: &Scene<'_>, finding: &Finding) -> Result<Option<String>, SectionError> {
    let steps = circle(&finding.evidence.steps);
    let edges: Vec<&EdgeReport> = steps.iter().filter_map(|step| step.edge.as_ref()).collect();
    if edges.is_empty() {
        return Ok(None);
    }
    let nodes: Vec<Node<'_>> = edges.iter().map(|edge| node(finding, edge, &edges)).collect();
    let left = nodes.len().div_ceil(2);
    let beside = if nodes.len() == 2 { SIDE_OF_TWO } else { SIDE };
    let widths = [column(&nodes[..left]), column(&nodes[left..])];
    let heights = [tall(&nodes[..left]), tall(&nodes[left..])];
    let height = heights[0].max(heights[1]);
    let mut boxes: Vec<Transaction> = Vec::new();
    for (side, of) in [&nodes[..left], &nodes[left..]].into_iter().enumerate() {
        let x = beside + side as u32 * (widths[0] + MIDDLE);
        let mut y = TOP + (height - heights[side]) / 2;
        let mut column: Vec<Transaction> = Vec::new();
        // The right column is filled from its end: its first box is the last of the circle.
        let upwards: Vec<&Node<'_>> =
            if side == 0 { of.iter().collect() } else { of.iter().rev().collect() };
        for node in upwards {
            column.push(node.place(x, y, widths[side]));
            y += node.height() + GAP;
        }
        if side == 1 {
            column.reverse();
        }
        boxes.append(&mut column);
    }
    let ends = Ends { nodes: &nodes, boxes: &boxes, left };
    let first = finding.evidence.steps.len() - steps.len() + 1;
    let drawn = edges.iter().zip(steps).enumerate();
    let edges = drawn.map(|(at, (edge, step))| ends.edge(at, edge, (first + at, &step.because)));
    let edges = edges.collect();
    let view = View {
        width: 2 * beside + widths[0] + MIDDLE + widths[1],
        height: TOP + height + TOP,
        label: format!("{}: {}", finding.r#ref, visible(&shortened(&finding.summary, 300))),
        boxes,
        edges,
    };
    Ok(Some(scene.templates.render("cycle.html", &view)?))
}

/// The steps that lead from one transaction to the next and back to the first: all, or those that
/// follow what is shown in advance. None if there are more than a picture holds.
fn circle(steps: &[StepReport]) -> &[StepReport] {
    let closed = |steps: &[StepReport]| {
        let edge = |at: usize| steps[at % steps.len()].edge.as_ref();
        (0..steps.len()).all(|at| match (edge(at), edge(at + 1)) {
            (Some(edge), Some(next)) => edge.to == next.from,
            _ => false,
        })
    };
    let starts = steps.len().saturating_sub(limits::CYCLE_TRANSACTIONS)..steps.len();
    let mut tails = starts.map(|start| &steps[start..]).filter(|tail| tail.len() > 1);
    tails.find(|tail| closed(tail)).unwrap_or(&[])
}

/// A transaction before it has a place.
struct Node<'a> {
    op: Option<&'a OpReport>,
    title: String,
    /// Micro-operations shown, by their place in the transaction; `None` for those left out.
    shown: Vec<(Option<usize>, String, String)>,
    ports: Vec<usize>,
}

fn node<'a>(finding: &'a Finding, edge: &EdgeReport, edges: &[&EdgeReport]) -> Node<'a> {
    let into = edges.iter().filter(|other| other.to == edge.from).filter_map(|it| it.to_mop);
    let ports: Vec<usize> = edge.from_mop.into_iter().chain(into).map(|it| it as usize).collect();
    let op = finding.evidence.operations.iter().find(|op| Some(op.index) == edge.from);
    let (title, mops) = match (op, edge.from) {
        (Some(op), _) => (title(op), words(op)),
        (None, Some(index)) => (format!("T{index}"), Vec::new()),
        (None, None) => ("initial state".to_owned(), vec!["nothing written".to_owned()]),
    };
    let count = mops.len();
    let mut left_out = 0;
    let mut shown = Vec::new();
    for (at, text) in mops.into_iter().enumerate() {
        if count > ROWS && shown.len() + ports.len() >= ROWS && !ports.contains(&at) {
            left_out += 1;
            continue;
        }
        shown.push((Some(at), cut(&text), text));
    }
    if left_out > 0 {
        let text = format!("… {left_out} more");
        shown.push((None, text.clone(), text));
    }
    Node { op, title, shown, ports }
}

fn title(op: &OpReport) -> String {
    let node = op.node.as_deref().map(|it| format!(" {}", visible(&shortened(it, 16))));
    let outcome = if op.outcome == "ok" { String::new() } else { format!(" ({})", op.outcome) };
    format!("T{} · p{}{}{outcome}", op.index, op.process, node.unwrap_or_default())
}

/// Micro-operations, or the one operation on one object.
fn words(op: &OpReport) -> Vec<String> {
    match op.f.as_str() {
        "txn" => op.args.iter().map(|(_, value)| value.short(400)).collect(),
        _ => {
            let key = op.key(60).map(|key| format!(" of {key}")).unwrap_or_default();
            vec![format!("{}{key}", op.text(400))]
        }
    }
}

fn cut(text: &str) -> String {
    match text.chars().count() > TEXT {
        true => format!("{}…", text.chars().take(TEXT - 1).collect::<String>()),
        false => text.to_owned(),
    }
}

impl Node<'_> {
    fn height(&self) -> u32 {
        HEAD + self.shown.len() as u32 * ROW + FOOT
    }

    fn place(&self, x: u32, y: u32, width: u32) -> Transaction {
        let row = |(at, (place, text, full)): (usize, &(Option<usize>, String, String))| Row {
            y: HEAD + at as u32 * ROW,
            text: text.clone(),
            full: full.clone(),
            port: place.is_some_and(|place| self.ports.contains(&place)),
        };
        Transaction {
            x,
            y,
            width,
            height: self.height(),
            class: self.op.map_or("none", super::finding::class),
            title: self.title.clone(),
            rows: self.shown.iter().enumerate().map(row).collect(),
        }
    }

    /// Height within the box at which an edge meets it: at the micro-operation, or at the title.
    fn port(&self, mop: Option<u32>) -> u32 {
        let at = mop
            .and_then(|mop| self.shown.iter().position(|(place, ..)| *place == Some(mop as usize)));
        at.map_or(HEAD / 2, |at| HEAD + at as u32 * ROW + ROW / 2)
    }
}

fn column(nodes: &[Node<'_>]) -> u32 {
    let texts = nodes.iter().flat_map(|node| {
        node.shown.iter().map(|(_, text, _)| text).chain(std::iter::once(&node.title))
    });
    let longest = texts.map(|text| text.chars().count()).max().unwrap_or(0).max(14);
    (longest as f64 * CHAR) as u32 + 28
}

fn tall(nodes: &[Node<'_>]) -> u32 {
    let boxes: u32 = nodes.iter().map(Node::height).sum();
    boxes + GAP * (nodes.len() as u32).saturating_sub(1)
}

struct Ends<'a> {
    nodes: &'a [Node<'a>],
    boxes: &'a [Transaction],
    /// Boxes of the left column.
    left: usize,
}

impl Ends<'_> {
    fn edge(&self, at: usize, edge: &EdgeReport, (number, because): (usize, &str)) -> Edge {
        let next = (at + 1) % self.nodes.len();
        let across = (at < self.left) != (next < self.left);
        // Between two boxes, one edge goes there and one back, perhaps from port to port.
        let aside = match (self.nodes.len(), at) {
            (2, 0) => -4.0,
            (2, _) => 4.0,
            _ => 0.0,
        };
        let (from, leaves) = self.end(at, edge.from_mop, across, aside);
        let (to, enters) = self.end(next, edge.to_mop, across, aside);
        let bend = if across { f64::from(MIDDLE) * 0.45 } else { f64::from(SIDE) * 0.8 };
        let (out, back) = (from.0 + leaves * bend, to.0 + enters * bend);
        // The head of the arrow takes the last pixels before the box.
        let tip = to.0 + enters * 8.0;
        let path =
            format!("M{} {}C{out} {} {back} {} {tip} {}", from.0, from.1, from.1, to.1, to.1);
        let arrow = format!("M{} {}L{tip} {}L{tip} {}Z", to.0, to.1, to.1 - 4.5, to.1 + 4.5);
        // Two edges between the same boxes are told apart near where they start.
        let along: f64 = if across { 0.3 } else { 0.5 };
        let point = |one: [f64; 4]| {
            let rest = 1.0 - along;
            one[0] * rest.powi(3)
                + 3.0 * one[1] * rest.powi(2) * along
                + 3.0 * one[2] * rest * along.powi(2)
                + one[3] * along.powi(3)
        };
        Edge {
            kind: visible(&shortened(&edge.kind, 16)),
            number,
            path,
            arrow,
            x: format!("{:.1}", point([from.0, out, back, tip])),
            y: format!("{:.1}", point([from.1, from.1, to.1, to.1])),
            because: visible(because),
        }
    }

    /// Where an edge meets a box, and in which direction it leads away from it: to the other
    /// column, or round the outside.
    fn end(&self, at: usize, mop: Option<u32>, across: bool, aside: f64) -> ((f64, f64), f64) {
        let (own, right) = (&self.boxes[at], (at < self.left) == across);
        let x = if right { own.x + own.width } else { own.x };
        let y = f64::from(own.y + self.nodes[at].port(mop)) + aside;
        ((f64::from(x), y), if right { 1.0 } else { -1.0 })
    }
}
