//! The edges that hold whatever the order of versions is, and those that each choice adds.
//!
//! Zhang, Ji, Mu & Alvaro, "Viper" (EuroSys 2023) and Huang et al., "PolySI" (VLDB 2023): begin
//! and commit of a transaction as vertices; Tan, Zhao, Mu & Walfish, "Cobra" (OSDI 2020): the
//! polygraph. Whatever is read before a block of versions and its last writer lead through a vertex
//! of the block, so that a choice adds one edge or two however many readers there are.

use super::blocks::{Blocks, Contradiction};
use super::facts::{Facts, INITIAL, NEVER};
use super::level::{Form, Kept, Question};
use super::traps::{Planted, Trap};

pub(super) type Edge = (u32, u32);

/// Edges that are known, and blocks whose order is not.
#[derive(Debug)]
pub(super) struct Polygraph<'f> {
    pub(super) facts: &'f Facts,
    pub(super) form: Form,
    pub(super) blocks: Blocks,
    pub(super) vertices: u32,
    pub(super) known: Vec<Edge>,
    pub(super) planted: Planted,
}

/// Whose a vertex is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    Txn(u32),
    Block(u32),
    /// Of the chain of real time.
    Moment,
}

impl<'f> Polygraph<'f> {
    /// O(reads, writes and blocks, and transactions by logarithm for real time).
    ///
    /// # Errors
    /// Transactions that contradict each other by themselves.
    pub(super) fn new(
        facts: &'f Facts,
        question: Question,
        planted: Planted,
    ) -> Result<Self, Contradiction> {
        let Question { form, kept } = question;
        let blocks = Blocks::new(facts, form, planted)?;
        let vertices = form.points() * facts.len() + blocks.blocks.len() as u32;
        let mut made = Polygraph { facts, form, blocks, vertices, known: Vec::new(), planted };
        if form != Form::Serializable {
            made.known.extend((0..facts.len()).map(|txn| (form.begin(txn), form.commit(txn))));
        }
        match kept {
            Kept::Nothing => {}
            Kept::Sessions => made.sessions(),
            Kept::RealTime => {
                // An end that nobody saw orders its session all the same.
                made.sessions();
                made.real_time();
            }
        }
        made.reads();
        made.of_blocks();
        Ok(made)
    }

    /// The vertex of a block: after all who read its last version.
    #[inline]
    pub(super) fn vertex(&self, block: u32) -> u32 {
        self.form.points() * self.facts.len() + block
    }

    /// Whose vertex it is.
    pub(super) fn owner(&self, vertex: u32) -> Owner {
        let points = self.form.points();
        match vertex.checked_sub(points * self.facts.len()) {
            None => Owner::Txn(vertex / points),
            Some(block) if (block as usize) < self.blocks.blocks.len() => Owner::Block(block),
            Some(_) => Owner::Moment,
        }
    }

    /// The edges of a choice: every version of one block before every version of the other.
    #[inline]
    pub(super) fn choice(&self, earlier: u32, later: u32) -> [Option<Edge>; 2] {
        let (tail, head) = (self.tail(earlier), self.head(later));
        let read = (self.vertex(earlier), self.form.commit(head));
        let apart = self.form == Form::Snapshot && !self.planted.has(Trap::WritersOverlap);
        let written = (apart && tail != INITIAL)
            .then(|| (self.form.commit(tail), self.form.overwrites(head)));
        [Some(read), written]
    }

    #[inline]
    pub(super) fn head(&self, block: u32) -> u32 {
        self.blocks.blocks[block as usize].head
    }

    #[inline]
    pub(super) fn tail(&self, block: u32) -> u32 {
        self.blocks.blocks[block as usize].tail
    }

    fn sessions(&mut self) {
        for ends in self.facts.sessions.windows(2) {
            let form = self.form;
            let later = ends[0] + 1..ends[1];
            let seen = |txn: u32| match self.planted.has(Trap::SessionsByBegin) {
                true => form.begin(txn),
                false => form.commit(txn),
            };
            self.known.extend(later.map(|txn| (seen(txn - 1), form.begin(txn))));
        }
    }

    /// A chain of moments: who completed leads to its moment, and the last moment before an
    /// invocation leads to who was invoked. Three edges for each transaction at most.
    fn real_time(&mut self) {
        let (facts, form) = (self.facts, self.form);
        let times = || (0..).zip(&facts.times);
        let completed = times().filter(|(_, (_, end))| *end != NEVER);
        let mut ends: Vec<(u64, u32)> = completed.map(|(txn, (_, end))| (*end, txn)).collect();
        ends.sort_unstable();
        let first = self.vertices;
        self.vertices += ends.len() as u32;
        for (moment, (_, txn)) in (first..).zip(&ends) {
            self.known.push((form.commit(*txn), moment));
            if moment > first {
                self.known.push((moment - 1, moment));
            }
        }
        for (txn, (start, _)) in times() {
            let early = u64::from(self.planted.has(Trap::MomentTooEarly));
            let before = ends.partition_point(|(end, _)| *end < start + early) as u32;
            if before > 0 {
                self.known.push((first + before - 1, form.begin(txn)));
            }
        }
    }

    fn reads(&mut self) {
        let form = self.form;
        for txn in 0..self.facts.len() {
            let sources = self.facts.reads(txn).iter().map(|(_, source)| *source);
            let others = sources.filter(|source| *source != INITIAL);
            self.known.extend(others.map(|source| (form.commit(source), form.begin(txn))));
        }
    }

    fn of_blocks(&mut self) {
        let form = self.form;
        let mut edges = std::mem::take(&mut self.known);
        for (_, later, place) in &self.blocks.links {
            let readers = self.blocks.readers_at(*place).iter().filter(|reader| *reader != later);
            if !self.planted.has(Trap::ReadersInsideForgotten) {
                edges.extend(readers.map(|reader| (form.begin(*reader), form.commit(*later))));
            }
        }
        for block in 0..self.blocks.blocks.len() as u32 {
            let (vertex, tail) = (self.vertex(block), self.tail(block));
            let readers = self.blocks.readers(block).iter();
            if !self.planted.has(Trap::ReadersForgotten) {
                edges.extend(readers.map(|reader| (form.begin(*reader), vertex)));
            }
            if tail != INITIAL && form != Form::Snapshot {
                edges.push((form.commit(tail), vertex));
            }
        }
        for key in 0..self.facts.keys {
            let first = self.blocks.of_key[key as usize];
            let later = self.blocks.to_order(key);
            if !self.planted.has(Trap::InitialAnywhere) {
                edges.extend(later.flat_map(|block| self.choice(first, block)).flatten());
            }
        }
        self.known = edges;
    }

    pub(super) fn bytes(&self) -> u64 {
        8 * self.known.capacity() as u64 + self.blocks.bytes()
    }
}
