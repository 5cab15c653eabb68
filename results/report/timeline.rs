//! Section 4: every operation of the run, as columns the page's script draws on a canvas.
//!
//! Operations are ranked by invocation; each column is a stream of LEB128 numbers, differences
//! where neighbours are alike. About 5 bytes per operation after gzip and base64.

use std::collections::HashMap;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use tribunal_history::{Code, F, History, OpIndex, Operation, Outcome};

use super::page::{Drawn, Scene, SectionError};
use super::series::origin;
use crate::bounded::{Typed, shortened, visible};
use crate::human::grouped;
use crate::limits;

#[derive(Serialize)]
struct View {
    data: String,
    total: String,
    any: bool,
    cut: String,
    kinds: Vec<&'static str>,
}

/// What the script knows besides the columns.
#[derive(Serialize)]
struct Meta {
    /// Operations shipped.
    n: usize,
    /// Operations of the run.
    total: usize,
    /// `time` in microseconds, or `rank` where the record has no usable time.
    axis: &'static str,
    end: u64,
    nodes: Vec<String>,
    errors: Vec<String>,
    strings: Vec<String>,
    /// Bytes of each column, in the order of [`Columns::all`].
    columns: Vec<usize>,
    faults: Vec<FaultMeta>,
    findings: Vec<FindingMeta>,
    marks: Vec<(u64, String)>,
    /// Operations per bin over the whole run, shipped or not.
    density: Vec<u32>,
}

#[derive(Serialize)]
struct FaultMeta {
    id: String,
    name: String,
    from: u64,
    to: u64,
    bit: bool,
}

#[derive(Serialize)]
struct FindingMeta {
    name: String,
    at: u64,
    from: u64,
    to: u64,
    /// Positions among the shipped operations.
    ops: Vec<u32>,
    failed: Option<u32>,
}

/// Bins of the density that is always shipped.
const DENSITY: u64 = 1024;

pub(super) fn draw(scene: &Scene<'_>) -> Result<Drawn, SectionError> {
    let history = scene.history;
    let order = by_invocation(history);
    let clock = Clock::of(history, &order);
    let mut chosen: Vec<bool> = vec![true; order.len()];
    // No run packs into 3 bytes per operation: do not even try.
    if order.len().saturating_mul(3) > scene.data_bytes {
        chosen = choose(scene, &order, scene.data_bytes / 6);
    }
    let mut data = embed(scene, &order, &chosen, clock)?;
    let mut notes = Vec::new();
    // Each round ships in proportion to what fits, so two or three suffice.
    for _ in 0..6 {
        if data.len() <= scene.data_bytes {
            break;
        }
        let now = chosen.iter().filter(|it| **it).count();
        let fits = now as f64 * scene.data_bytes as f64 / data.len() as f64 * 0.9;
        chosen = choose(scene, &order, fits as usize);
        data = embed(scene, &order, &chosen, clock)?;
    }
    let shipped = chosen.iter().filter(|it| **it).count();
    if shipped < order.len() {
        notes.push(format!(
            "{} of {} operations are drawn one by one: around each finding, and samples of the \
             rest. The overview above them counts all.",
            grouped(shipped as u64),
            grouped(order.len() as u64)
        ));
    }
    let kinds = scene.report.counts.by_f.keys();
    let known = ["read", "write", "cas", "txn"];
    let view = View {
        data,
        total: grouped(order.len() as u64),
        any: !order.is_empty(),
        cut: notes.join(" "),
        kinds: kinds.filter_map(|f| known.into_iter().find(|it| it == f)).collect(),
    };
    Ok(Drawn { html: scene.templates.render("timeline.html", &view)?, notes })
}

fn by_invocation(history: &History) -> Vec<OpIndex> {
    let mut order: Vec<OpIndex> = (0..history.len() as u32).map(OpIndex).collect();
    order.sort_by_key(|op| history.operation(*op).call());
    order
}

/// Where an operation stands on the horizontal axis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// Microseconds since `origin`, which is in nanoseconds.
    Time { origin: u64 },
    /// Position of the event.
    Rank,
}

impl Clock {
    /// Times only where they agree with the order: a format may have none, or a coarse one.
    fn of(history: &History, order: &[OpIndex]) -> Clock {
        let times = || order.iter().map(|op| history.operation(*op).invoked_at());
        let sorted = times().is_sorted();
        if sorted && history.end().0 > 0 {
            Clock::Time { origin: origin(history) }
        } else {
            Clock::Rank
        }
    }

    fn start(self, op: &Operation<'_>) -> u64 {
        match self {
            Clock::Time { origin } => (op.invoked_at().0 - origin) / 1000,
            Clock::Rank => u64::from(op.call().0),
        }
    }

    fn end(self, op: &Operation<'_>) -> u64 {
        match (self, op.ret()) {
            (Clock::Time { origin }, _) => (op.completed_at().0 - origin) / 1000,
            (Clock::Rank, Some(ret)) => u64::from(ret.0),
            (Clock::Rank, None) => u64::from(op.call().0),
        }
    }

    fn run(self, history: &History) -> u64 {
        match self {
            Clock::Time { origin } => (history.end().0 - origin) / 1000,
            Clock::Rank => u64::from(history.event_count()),
        }
    }
}

/// Positions worth their bytes when not all fit: half around findings, half in even samples.
fn choose(scene: &Scene<'_>, order: &[OpIndex], most: usize) -> Vec<bool> {
    let mut chosen = vec![false; order.len()];
    let findings = &scene.report.findings;
    let half = most / 2 / findings.len().max(1);
    for finding in findings {
        let moment = finding.evidence.operations.iter().find(|op| op.failed);
        let moment = moment.or(finding.evidence.operations.last());
        let Some(call) = moment.map(|op| op.call) else { continue };
        let at = order.partition_point(|op| scene.history.operation(*op).call().0 < call);
        let (from, to) = (at.saturating_sub(half / 2), (at + half / 2).min(order.len()));
        chosen[from..to].fill(true);
    }
    let block = 512;
    let left = most.saturating_sub(chosen.iter().filter(|it| **it).count());
    let blocks = (left / block).max(1);
    let stride = (order.len() / blocks).max(block);
    for start in (0..order.len()).step_by(stride) {
        chosen[start..(start + block).min(order.len())].fill(true);
    }
    chosen
}

/// The whole data block: one object whose text needs no escape inside a script element.
fn embed(
    scene: &Scene<'_>,
    order: &[OpIndex],
    chosen: &[bool],
    clock: Clock,
) -> Result<String, SectionError> {
    let history = scene.history;
    let mut columns = Columns::default();
    let mut texts = Texts::new(history);
    let mut density = vec![0u32; DENSITY as usize];
    let end = clock.run(history).max(1);
    let mut shipped: Vec<u32> = Vec::new();
    for (op, chosen) in order.iter().zip(chosen) {
        let op = history.operation(*op);
        density[(clock.start(&op) * (DENSITY - 1) / end).min(DENSITY - 1) as usize] += 1;
        if *chosen {
            columns.push(&op, clock, &mut texts);
            shipped.push(op.call().0);
        }
    }
    let meta = Meta {
        n: shipped.len(),
        total: order.len(),
        axis: if clock == Clock::Rank { "rank" } else { "time" },
        end,
        nodes: scene.report.run.nodes.iter().map(|it| visible(&it.name)).collect(),
        errors: columns.errors.iter().map(|it| visible(it)).collect(),
        strings: texts.strings,
        columns: columns.all().iter().map(|column| column.len()).collect(),
        faults: faults(scene, clock),
        findings: findings(scene, &shipped, clock),
        marks: marks(scene, clock),
        density,
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    for column in columns.all() {
        gzip.write_all(column)?;
    }
    let packed = STANDARD.encode(gzip.finish()?);
    let meta = serde_json::to_string(&meta)?;
    Ok(in_script(&format!("{{\"meta\":{meta},\"gzip\":\"{packed}\"}}")))
}

/// JSON that cannot end the script element it stands in.
pub(super) fn in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

fn faults(scene: &Scene<'_>, clock: Clock) -> Vec<FaultMeta> {
    let history = scene.history;
    let Clock::Time { origin } = clock else { return Vec::new() };
    let meta = |fault: &crate::Fault| {
        let (from, to) = fault.window(history.end().0)?;
        Some(FaultMeta {
            id: fault.id.clone(),
            name: visible(&shortened(&format!("{} {}", fault.kind, fault.shape), 60)),
            from: from.saturating_sub(origin) / 1000,
            to: to.saturating_sub(origin) / 1000,
            bit: fault.verified != crate::Bite::DidNotBite,
        })
    };
    scene.report.faults.iter().filter_map(meta).take(1000).collect()
}

fn marks(scene: &Scene<'_>, clock: Clock) -> Vec<(u64, String)> {
    let Clock::Time { origin } = clock else { return Vec::new() };
    let marks = scene.history.marks().iter().take(64);
    marks
        .map(|it| (it.time.0.saturating_sub(origin) / 1000, visible(&shortened(&it.name, 32))))
        .collect()
}

fn findings(scene: &Scene<'_>, shipped: &[u32], clock: Clock) -> Vec<FindingMeta> {
    let history = scene.history;
    let position = |call: u32| shipped.binary_search(&call).ok().map(|at| at as u32);
    let meta = |finding: &crate::Finding| {
        let ops = &finding.evidence.operations;
        let near = &ops[ops.len().saturating_sub(limits::PICTURE_OPERATIONS)..];
        let owner = |op: &&crate::OpReport| history.owner(tribunal_history::EventId(op.call)).0;
        let failed = ops.iter().find(|op| op.failed).or(ops.last())?;
        let at = owner(&failed);
        Some(FindingMeta {
            name: finding.r#ref.clone(),
            at: clock.end(&at).max(clock.start(&at)),
            from: near.iter().map(|op| clock.start(&owner(&op))).min()?,
            to: near.iter().map(|op| clock.end(&owner(&op))).max()?,
            ops: ops.iter().filter_map(|op| position(op.call)).collect(),
            failed: position(failed.call),
        })
    };
    scene.report.findings.iter().filter_map(meta).collect()
}

/// Texts by number, within [`limits::TIMELINE_TEXT`] bytes.
struct Texts<'h> {
    history: &'h History,
    strings: Vec<String>,
    numbers: HashMap<u32, u64>,
    bytes: usize,
}

/// 0 is a read without an answer, 1 one that found nothing; then integers and texts in turn.
const PENDING: u64 = 0;
const ABSENT: u64 = 1;

impl<'h> Texts<'h> {
    fn new(history: &'h History) -> Texts<'h> {
        let strings = vec!["… (see the history)".to_owned()];
        Texts { history, strings, numbers: HashMap::new(), bytes: 0 }
    }

    /// The number of a value: even is twice an integer, odd twice a text, plus two.
    fn value(&mut self, code: Code) -> u64 {
        if code == Code::PENDING {
            return PENDING;
        }
        if code == Code::ABSENT {
            return ABSENT;
        }
        if let Some(number) = self.numbers.get(&code.0) {
            return *number;
        }
        if code.0 >> 31 == 0 {
            return 2 + (u64::from(code.0) << 1);
        }
        let text = Typed::of(&self.history.value(code)).short(64);
        let number = self.text(text);
        self.numbers.insert(code.0, number);
        number
    }

    fn text(&mut self, text: String) -> u64 {
        if self.bytes + text.len() > limits::TIMELINE_TEXT {
            return 3;
        }
        self.bytes += text.len();
        self.strings.push(text);
        2 + ((self.strings.len() as u64 - 1) << 1 | 1)
    }
}

#[derive(Default)]
struct Columns {
    start: Vec<u8>,
    duration: Vec<u8>,
    process: Vec<u8>,
    tag: Vec<u8>,
    node: Vec<u8>,
    key: Vec<u8>,
    a: Vec<u8>,
    b: Vec<u8>,
    error: Vec<u8>,
    errors: Vec<String>,
    last_start: u64,
    last_node: HashMap<u32, u16>,
    last_value: HashMap<u64, u64>,
}

impl Columns {
    fn all(&self) -> [&Vec<u8>; 9] {
        [
            &self.start,
            &self.duration,
            &self.process,
            &self.tag,
            &self.node,
            &self.key,
            &self.a,
            &self.b,
            &self.error,
        ]
    }

    fn push(&mut self, op: &Operation<'_>, clock: Clock, texts: &mut Texts<'_>) {
        let start = clock.start(op);
        varint(&mut self.start, start - self.last_start);
        self.last_start = start;
        let outcome = op.outcome();
        varint(&mut self.duration, clock.end(op).saturating_sub(start));
        varint(&mut self.process, u64::from(op.process().0));
        self.tag.push(op.f() as u8 | (outcome as u8) << 6);
        // A process mostly asks one node: the difference is mostly zero.
        let node = op.node().map_or(0, |node| node.0.saturating_add(1));
        let last = self.last_node.insert(op.process().0, node).unwrap_or(0);
        varint(&mut self.node, zigzag(i64::from(node) - i64::from(last)));
        if outcome != Outcome::Ok {
            let error = self.error_number(op);
            self.error.push(error);
        }
        let register = matches!(op.f(), F::Read | F::Write | F::Cas);
        if !register && op.f() != F::Txn {
            let key = texts.value(op.key());
            varint(&mut self.key, key);
        }
        // Told in words; a register's are made from its values.
        if !register {
            let number = texts.text(visible(&shortened(&op.op().to_string(), 120)));
            varint(&mut self.a, number);
            return;
        }
        let key = texts.value(op.key());
        varint(&mut self.key, key);
        // Values of one key are mostly near its last one.
        let a = texts.value(op.a());
        let last = self.last_value.get(&key).copied().unwrap_or(PENDING);
        varint(&mut self.a, zigzag(a as i64 - last as i64));
        let mut now = a;
        if op.f() == F::Cas {
            now = texts.value(op.b());
            varint(&mut self.b, zigzag(now as i64 - a as i64));
        }
        if now > ABSENT {
            self.last_value.insert(key, now);
        }
    }

    fn error_number(&mut self, op: &Operation<'_>) -> u8 {
        let Some(error) = op.error() else { return 0 };
        let name = shortened(&error.0, 64);
        if let Some(at) = self.errors.iter().position(|known| *known == name) {
            return at as u8 + 1;
        }
        if self.errors.len() >= 250 {
            return 0;
        }
        self.errors.push(name);
        self.errors.len() as u8
    }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{in_script, varint, zigzag};

    #[test]
    fn data_cannot_end_its_element() {
        let text = in_script("{\"v\":\"</script><!--&\u{2028}\"}");
        assert_eq!(text, "{\"v\":\"\\u003c/script\\u003e\\u003c!--\\u0026\\u2028\"}");
    }

    #[test]
    fn numbers_are_small_where_neighbours_are_alike() {
        let mut out = Vec::new();
        for number in [0, 1, 127, 128, 300] {
            varint(&mut out, number);
        }
        assert_eq!(out, [0, 1, 127, 0x80, 1, 0xac, 2]);
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
        let distinct: BTreeSet<u64> = (-50..50).map(zigzag).collect();
        assert_eq!(distinct.len(), 100);
    }
}
