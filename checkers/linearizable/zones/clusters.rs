//! Clusters: of each value its write and the reads that saw it, as far as the zone test needs them.

use tribunal_history::{Code, OpIndex};

use super::decide::{Account, Stop};
use super::evidence::Refuted;
use super::rows::{Reader, Row, Values};
use super::traps::{Planted, Trap};
use crate::linearizable::NEVER;
use crate::linearizable::codes::NONE;

/// The producer of the initial value.
pub(super) const INITIAL: u32 = u32::MAX - 1;

/// Repeated values that are looked into: this many, and one in as many.
const REPEATED: usize = 16;

/// One value. 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cluster {
    /// The operation that wrote it, [`INITIAL`], or [`NONE`].
    pub(super) producer: u32,
    /// Of its write and reads.
    pub(super) first_ret: u32,
    /// Of its write and reads.
    pub(super) last_call: u32,
    /// Reads; once the order is laid out, the place of the next one.
    pub(super) reads: u32,
}

/// A compare-and-set that changed the value, or may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cas {
    pub(super) op: u32,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) completed: bool,
}

/// All values of a partition.
pub(super) struct Clusters {
    pub(super) of: Vec<Cluster>,
    pub(super) cas: Vec<Cas>,
    /// Values with several producers; what holds of them here is only the first one's.
    pub(super) repeated: Vec<Code>,
}

impl Cluster {
    const NONE: Cluster = Cluster { producer: NONE, first_ret: NEVER, last_call: 0, reads: 0 };

    /// Whether an operation of the history wrote it.
    pub(super) fn is_written(&self) -> bool {
        self.producer < INITIAL
    }
}

impl Clusters {
    /// One pass over `operations`, which are in the order of their calls.
    pub(super) fn gather(
        reader: &Reader<'_>,
        (operations, writers): (&[OpIndex], usize),
        values: &mut Values,
        account: &mut Account<'_>,
        planted: Planted,
    ) -> Result<Clusters, Stop> {
        let of = Vec::with_capacity(writers + 1);
        let mut clusters = Clusters { of, cas: Vec::new(), repeated: Vec::new() };
        if values.len() == 0 {
            values.take_initial(reader.initial);
        }
        clusters.of.resize(values.len() as usize, Cluster::NONE);
        let first_ret = if planted.has(Trap::InitialUnbound) { NEVER } else { 0 };
        clusters.of[0] = Cluster { producer: INITIAL, first_ret, ..Cluster::NONE };
        for (number, chunk) in operations.chunks(1 << 16).enumerate() {
            account.passed(number << 16);
            account.poll()?;
            for index in chunk {
                clusters.add(reader, *index, values, planted)?;
            }
            if clusters.repeated.len() > REPEATED + clusters.of.len() / REPEATED {
                return Err(Stop::HandOver("values are written again and again"));
            }
        }
        account.take(clusters.bytes())?;
        Ok(clusters)
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.of.capacity() * size_of::<Cluster>() + self.cas.capacity() * size_of::<Cas>()) as u64
    }

    #[inline]
    fn add(
        &mut self,
        reader: &Reader<'_>,
        index: OpIndex,
        values: &mut Values,
        planted: Planted,
    ) -> Result<(), Stop> {
        let operation = reader.operation(index);
        let call = operation.call().0 + 1;
        match reader.row(&operation) {
            Row::Read(code) => {
                let ret = operation.ret().map_or(NEVER, |ret| ret.0 + 1);
                let value = values.read(index.0, code);
                let cluster = self.cluster(value);
                cluster.first_ret = cluster.first_ret.min(ret);
                cluster.last_call = cluster.last_call.max(call);
                cluster.reads += 1;
                Ok(())
            }
            Row::Write { value: code, completed } => {
                let value = values.written(index.0, code);
                let ret = operation.ret().filter(|_| completed).map_or(NEVER, |ret| ret.0 + 1);
                self.produce(value, code, (index.0, call, ret), planted)
            }
            Row::Cas { from, to: code, completed } => {
                let (from, to) = (values.read(index.0, from), values.written(index.0, code));
                let ret = operation.ret().filter(|_| completed).map_or(NEVER, |ret| ret.0 + 1);
                self.cluster(from);
                self.cas.push(Cas { op: index.0, from, to, completed });
                self.produce(to, code, (index.0, call, ret), planted)
            }
            Row::Missed(_) | Row::Nothing | Row::Foreign => Ok(()),
        }
    }

    #[inline]
    fn cluster(&mut self, value: u32) -> &mut Cluster {
        let value = value as usize;
        if value >= self.of.len() {
            self.of.resize(value + 1, Cluster::NONE);
        }
        &mut self.of[value]
    }

    #[inline]
    fn produce(
        &mut self,
        value: u32,
        code: Code,
        (op, call, ret): (u32, u32, u32),
        planted: Planted,
    ) -> Result<(), Stop> {
        let cluster = self.cluster(value);
        if cluster.producer != NONE {
            self.repeated.push(code);
            return Ok(());
        }
        // Whatever writes it later is invoked later still.
        if cluster.first_ret < call && !planted.has(Trap::ReadBeforeWrite) {
            return Err(Stop::Refuted(Refuted::events(&[cluster.first_ret])));
        }
        let crashed_returns = planted.has(Trap::CrashedReturns) && ret == NEVER;
        let ret = if crashed_returns { call } else { ret };
        cluster.producer = op;
        cluster.first_ret = cluster.first_ret.min(ret);
        cluster.last_call = cluster.last_call.max(call);
        Ok(())
    }
}
