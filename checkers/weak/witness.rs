//! A short circle of transactions of which each must come before the next, and why.
//!
//! Only where there is one: the graph is laid out then, and not before.

use std::collections::VecDeque;

use tribunal_history::{Code, OpIndex};

use super::explain::{Reason, Saw, Why};
use super::order::Forced;
use super::rule::{ENDS, Rule, Walked};
use super::table::{INITIAL, Registers, Status};
use crate::txn::edges::{Kind, Kinds};
use crate::txn::graph::{Components, Graph};

/// Edges tried, of which each must be in a circle.
const CANDIDATES: usize = 64;

/// One edge; what is forced is [`Kind::Ww`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) kind: Kind,
}

/// Sessions, reads and what is forced, as a graph.
pub(super) struct Circles<'r, 'h> {
    registers: &'r Registers<'h>,
    graph: Graph,
    /// Of writes follow reads, where a session counts after a read only: vertex `2v` is what `v`
    /// wrote, `2v + 1` what it and its session had read by then.
    split: Option<Graph>,
    /// Whether sessions are kept.
    sessions: bool,
}

impl<'r, 'h> Circles<'r, 'h> {
    /// Lays them out.
    pub(super) fn new(
        registers: &'r Registers<'h>,
        forced: &Forced,
        sessions: bool,
    ) -> Circles<'r, 'h> {
        let graph = Graph::new(registers.len().max(forced.vertices()), |edge| {
            edges(registers, &mut |from, to, kind| edge(from, to, kind));
            forced.pairs().for_each(|(earlier, later)| edge(earlier, later, Kind::Ww));
        });
        Circles { registers, graph, split: None, sessions }
    }

    /// The same for writes follow reads.
    pub(super) fn split(registers: &'r Registers<'h>, forced: &Forced) -> Circles<'r, 'h> {
        let split = Graph::new(2 * registers.len(), |edge| {
            edges(registers, &mut |from, to, kind| match kind {
                Kind::Session => edge(2 * from + 1, 2 * to + 1, kind),
                _ => edge(2 * from, 2 * to + 1, kind),
            });
            (0..registers.len()).for_each(|v| edge(2 * v + 1, 2 * v, Kind::RealTime));
            forced.pairs().for_each(|(earlier, later)| edge(2 * earlier, 2 * later, Kind::Ww));
        });
        Circles { split: Some(split), ..Circles::new(registers, forced, true) }
    }

    /// Whether nothing must come before itself.
    pub(super) fn acyclic(&self, kinds: Kinds) -> bool {
        match &self.split {
            Some(split) => split.order(kinds.and(Kinds::REAL_TIME)).is_ok(),
            None => self.graph.order(kinds).is_ok(),
        }
    }

    /// A short circle of writes follow reads.
    pub(super) fn with_split(&self, kinds: Kinds) -> Option<Vec<Edge>> {
        let graph = self.split.as_ref()?;
        let kinds = kinds.and(Kinds::REAL_TIME);
        let components = graph.components(kinds);
        let mut candidates: Vec<(u32, u32, Kind)> = Vec::new();
        for from in (0..graph.vertices()).filter(|vertex| components.cyclic(*vertex)) {
            let inside = graph.out(from, kinds).filter(|(to, _)| components.joined(from, *to));
            let inside = inside.filter(|(_, kind)| matches!(kind, Kind::Ww | Kind::Wr));
            candidates.extend(inside.map(|(to, kind)| (from, to, kind)));
        }
        candidates.sort_by_key(|candidate| candidate.2);
        let mut best: Option<Vec<Edge>> = None;
        for (from, to, kind) in candidates.into_iter().take(CANDIDATES) {
            let limit = best.as_ref().map_or(usize::MAX, |best| best.len() - 1);
            let inside = |vertex: u32| components.joined(vertex, to);
            if let Some(path) = path(graph, to, from, kinds, limit, inside) {
                let mut circle = vec![Edge { from, to, kind }];
                circle.extend(path);
                best = Some(circle);
            }
        }
        let whole = |edge: Edge| Edge { from: edge.from / 2, to: edge.to / 2, ..edge };
        let circle = best?.into_iter().filter(|edge| edge.kind != Kind::RealTime);
        Some(joined(circle.map(whole).collect()))
    }

    /// A short circle of `kinds` with an edge of `kind`, the rest of it of `back` if there is such
    /// a one.
    pub(super) fn with(&self, kind: Kind, kinds: Kinds, back: Kinds) -> Option<Vec<Edge>> {
        let components = self.graph.components(kinds);
        let mut candidates: Vec<(u32, u32)> = Vec::new();
        for from in (0..self.graph.vertices()).filter(|vertex| components.cyclic(*vertex)) {
            let edges = self.graph.out(from, Kinds::of(kind));
            let inside = edges.filter(|(to, _)| components.joined(from, *to));
            candidates.extend(inside.map(|(to, _)| (from, to)));
            if candidates.len() >= CANDIDATES {
                break;
            }
        }
        let circle = self.through(&candidates, kind, back, Some(&components));
        circle.or_else(|| self.through(&candidates, kind, kinds, Some(&components)))
    }

    /// A short circle through one of `candidates`, back along edges of `back`.
    pub(super) fn through(
        &self,
        candidates: &[(u32, u32)],
        kind: Kind,
        back: Kinds,
        within: Option<&Components>,
    ) -> Option<Vec<Edge>> {
        let mut best: Option<Vec<Edge>> = None;
        for (from, to) in candidates.iter().take(CANDIDATES) {
            let limit = best.as_ref().map_or(usize::MAX, |best| best.len() - 1);
            let inside = |vertex: u32| within.is_none_or(|all| all.joined(vertex, *to));
            if let Some(path) = path(&self.graph, *to, *from, back, limit, inside) {
                let mut circle = vec![Edge { from: *from, to: *to, kind }];
                circle.extend(path);
                best = Some(circle);
            }
        }
        best.map(|circle| joined(self.real(circle)))
    }

    /// The same over real transactions only; virtual ones stand between forced edges.
    fn real(&self, circle: Vec<Edge>) -> Vec<Edge> {
        let is_real = |vertex: u32| vertex < self.registers.len();
        if circle.iter().all(|edge| is_real(edge.from)) {
            return circle;
        }
        let real: Vec<Edge> = circle.into_iter().filter(|edge| is_real(edge.from)).collect();
        let next = real.iter().cycle().skip(1).map(|edge| edge.from);
        let pairs = real.iter().zip(next);
        pairs.map(|(edge, to)| Edge { to, ..*edge }).collect()
    }

    /// The facts behind every edge of a circle; `None` if one has none, which is a defect.
    pub(super) fn reasons(&self, circle: &[Edge], rule: Rule) -> Option<Vec<Reason>> {
        circle.iter().map(|edge| self.reason(*edge, rule)).collect()
    }

    fn reason(&self, edge: Edge, rule: Rule) -> Option<Reason> {
        let why = match edge.kind {
            Kind::Session => Why::Session,
            Kind::Wr => self.read(edge.from, edge.to)?,
            Kind::Ww if rule == Rule::Memory => Why::Shown,
            Kind::Ww => self.missed(edge.from, Some(edge.to), None, rule)?,
            Kind::Rw | Kind::RealTime => return None,
        };
        Some(Reason { from: Some(self.op(edge.from)), to: Some(self.op(edge.to)), why })
    }

    /// Why what a session had seen comes before what it read, by what is laid out here. The edges
    /// that are used come with it.
    pub(super) fn by_session(&self, pair: (u32, u32), session: u32) -> Option<(Reason, Vec<Edge>)> {
        let (from, to) = pair;
        let registers = self.registers;
        let walks = self.walks(from, Rule::Memory);
        let all = registers.sessions[session as usize]..registers.sessions[session as usize + 1];
        let (reader, key) = all.filter(|reader| walks.reach(*reader)).find_map(|reader| {
            let mut reads = registers.reads(reader);
            let read = reads.find(|(key, of)| *of == to && registers.wrote(from, *key))?;
            Some((reader, read.0))
        })?;
        let path = walks.to(reader)?;
        let to = (to != INITIAL).then_some(to);
        let why = self.missed(from, to, Some((reader, key)), Rule::Memory)?;
        let reason = Reason { from: Some(self.op(from)), to: to.map(|to| self.op(to)), why };
        Some((reason, path))
    }

    /// Why a read of the initial version is a circle: `reader` had seen `writer` of `key`.
    pub(super) fn stale(
        &self,
        writer: u32,
        reader: u32,
        key: u32,
        rule: Rule,
    ) -> Option<Vec<Reason>> {
        let from = Some(self.op(writer));
        let why = self.missed(writer, None, Some((reader, key)), rule)?;
        let back = Reason { from: None, to: from, why: Why::First };
        Some(vec![Reason { from, to: None, why }, back])
    }

    fn op(&self, vertex: u32) -> OpIndex {
        OpIndex(self.registers.ops[vertex as usize])
    }

    fn read(&self, from: u32, to: u32) -> Option<Why> {
        let key = self.registers.reads(to).find(|(_, source)| *source == from)?.0;
        let value = self.registers.value(from, key)?;
        Some(Why::Read { key: self.registers.keys[key as usize], value })
    }

    /// Who had seen `writer` and yet read a key of it from `source`: the one that is the fewest
    /// steps away.
    fn missed(
        &self,
        writer: u32,
        source: Option<u32>,
        only: Option<(u32, u32)>,
        rule: Rule,
    ) -> Option<Why> {
        let registers = self.registers;
        let from = source.unwrap_or(INITIAL);
        let (readers, keys) = match only {
            Some((reader, key)) => (reader..reader + 1, Some(key)),
            None => (0..registers.len(), None),
        };
        let walks = (rule != Rule::Monotonic).then(|| self.walks(writer, rule));
        let mut best: Option<(usize, u32, u32, Saw)> = None;
        for reader in readers.filter(|t| registers.status[*t as usize] == Status::Committed) {
            for (at, (key, of)) in registers.reads(reader).enumerate() {
                let asked = keys.is_none_or(|only| only == key);
                if of != from || !asked || !registers.wrote(writer, key) {
                    continue;
                }
                let saw = match &walks {
                    None => self.before(writer, reader, at).map(|saw| (0, saw)),
                    Some(walks) => {
                        let path = match rule.read_by_read() {
                            true => self.up_to(walks, reader, at),
                            false => walks.to(reader),
                        };
                        let reasons = |path: Vec<Edge>| self.reasons(&path, rule);
                        path.and_then(|path| Some((path.len(), Saw::Path(reasons(path)?))))
                    }
                };
                if let Some((length, saw)) = saw
                    && best.as_ref().is_none_or(|(known, ..)| length < *known)
                {
                    best = Some((length, reader, key, saw));
                }
            }
        }
        let (_, reader, key, how) = best?;
        let code = |key: u32| -> Code { registers.keys[key as usize] };
        let seen = match source {
            Some(source) => Some(registers.value(source, key)?),
            None => None,
        };
        let wrote = registers.value(writer, key)?;
        Some(Why::Missed { key: code(key), wrote, reader: self.op(reader), seen, how })
    }

    /// What `reader` read from `writer` before its read number `at`.
    fn before(&self, writer: u32, reader: u32, at: usize) -> Option<Saw> {
        let mut reads = self.registers.reads(reader).take(at);
        let (key, _) = reads.find(|(_, source)| *source == writer)?;
        let value = self.registers.value(writer, key)?;
        Some(Saw::Before { key: self.registers.keys[key as usize], value })
    }

    /// The shortest way to read number `at` of `reader`, over an earlier one of its session or a
    /// read up to that one.
    fn up_to(&self, walks: &Walks, reader: u32, at: usize) -> Option<Vec<Edge>> {
        let registers = self.registers;
        let mut best: Option<Vec<Edge>> = None;
        let mut over = |from: u32, kind: Kind| {
            let mut ends = ENDS.to_vec();
            if from == walks.writer {
                ends.push(Walked::Nothing);
            }
            for end in ends {
                let seen = walks.rule.step(end, kind).is_some_and(|next| walks.rule.sees(next));
                let Some(mut path) = walks.path(from, end as u8).filter(|_| seen) else { continue };
                path.push(Edge { from, to: reader, kind });
                if best.as_ref().is_none_or(|best| path.len() < best.len()) {
                    best = Some(joined(path));
                }
            }
        };
        let first = registers.sessions[registers.session[reader as usize] as usize];
        let before = (first..reader).rev().find(|vertex| registers.happened(*vertex));
        if let Some(before) = before {
            over(before, Kind::Session);
        }
        let earlier = registers.reads(reader).take(at + 1).filter(|(_, from)| *from != INITIAL);
        earlier.for_each(|(_, from)| over(from, Kind::Wr));
        best
    }

    /// Everything that has seen `writer`, and the shortest way there.
    fn walks(&self, writer: u32, rule: Rule) -> Walks {
        let mut walks = Walks { writer, came: rustc_hash::FxHashMap::default(), rule };
        let mut queue = VecDeque::from([(writer, Walked::Nothing)]);
        let mut kinds = Rule::steps(self.sessions);
        if rule == Rule::Memory {
            kinds = kinds.and(Kinds::of(Kind::Ww));
        }
        while let Some((vertex, walked)) = queue.pop_front() {
            for (next, kind) in self.graph.out(vertex, kinds) {
                let Some(further) = rule.step(walked, kind) else { continue };
                let state = (next, further as u8);
                if let std::collections::hash_map::Entry::Vacant(entry) = walks.came.entry(state) {
                    entry.insert((Edge { from: vertex, to: next, kind }, walked as u8));
                    queue.push_back((next, further));
                }
            }
        }
        walks
    }
}

/// The order of sessions, and who read from whom.
fn edges(registers: &Registers<'_>, edge: &mut dyn FnMut(u32, u32, Kind)) {
    for session in registers.sessions.windows(2) {
        let mut before = None;
        for vertex in (session[0]..session[1]).filter(|v| registers.happened(*v)) {
            if let Some(before) = before.replace(vertex) {
                edge(before, vertex, Kind::Session);
            }
        }
    }
    for vertex in 0..registers.len() {
        for (_, source) in registers.reads(vertex).filter(|(_, it)| *it != INITIAL) {
            edge(source, vertex, Kind::Wr);
        }
    }
}

/// The shortest path of fewer than `limit` edges.
fn path(
    graph: &Graph,
    from: u32,
    to: u32,
    kinds: Kinds,
    limit: usize,
    inside: impl Fn(u32) -> bool,
) -> Option<Vec<Edge>> {
    let mut came = rustc_hash::FxHashMap::default();
    let mut queue = VecDeque::from([(from, 0)]);
    while let Some((vertex, length)) = queue.pop_front() {
        if vertex == to {
            let mut path: Vec<Edge> = Vec::new();
            let mut at = to;
            while at != from {
                let edge: Edge = came[&at];
                path.push(edge);
                at = edge.from;
            }
            path.reverse();
            return Some(path);
        }
        if length + 1 >= limit {
            continue;
        }
        for (next, kind) in graph.out(vertex, kinds) {
            if next != from && inside(next) && !came.contains_key(&next) {
                came.insert(next, Edge { from: vertex, to: next, kind });
                queue.push_back((next, length + 1));
            }
        }
    }
    None
}

/// How vertices were reached from one: by vertex and state of the walk, the last step and the
/// state before it.
struct Walks {
    writer: u32,
    rule: Rule,
    came: rustc_hash::FxHashMap<(u32, u8), (Edge, u8)>,
}

impl Walks {
    fn reach(&self, reader: u32) -> bool {
        ENDS.iter().any(|end| self.rule.sees(*end) && self.came.contains_key(&(reader, *end as u8)))
    }

    fn to(&self, reader: u32) -> Option<Vec<Edge>> {
        let ends = ENDS.into_iter().filter(|end| self.rule.sees(*end));
        let mut paths = ends.filter_map(|end| self.path(reader, end as u8));
        let first = paths.next()?;
        Some(paths.fold(first, |best, path| if path.len() < best.len() { path } else { best }))
    }

    fn path(&self, reader: u32, end: u8) -> Option<Vec<Edge>> {
        let (mut at, mut path) = ((reader, end), Vec::new());
        while at != (self.writer, Walked::Nothing as u8) {
            let (edge, before) = self.came.get(&at)?;
            path.push(*edge);
            at = (edge.from, *before);
        }
        path.reverse();
        Some(joined(path))
    }
}

/// Steps along one session as one.
fn joined(edges: Vec<Edge>) -> Vec<Edge> {
    let mut short: Vec<Edge> = Vec::with_capacity(edges.len());
    for edge in edges {
        match short.last_mut() {
            Some(last) if last.kind == Kind::Session && edge.kind == Kind::Session => {
                last.to = edge.to;
            }
            Some(_) | None => short.push(edge),
        }
    }
    short
}
