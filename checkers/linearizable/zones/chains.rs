//! Chains: a compare-and-set that succeeded is a read of one value glued to the write of the next.

use super::clusters::{Cas, Clusters};
use super::decide::{Account, Stop};
use super::evidence::Refuted;
use super::rows::Reader;
use super::traps::{Planted, Trap};
use crate::linearizable::NEVER;
use crate::linearizable::codes::NONE;

/// The first return and the last call of a chain. They need not be in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Zone {
    pub(super) first_ret: u32,
    pub(super) last_call: u32,
}

/// How values follow each other. Empty where nothing was compared.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// By value: the next one of its chain, or [`NONE`].
    next: Vec<u32>,
    /// By value: its position in [`Clusters::cas`], or [`NONE`].
    made_by: Vec<u32>,
    /// By position in [`Clusters::cas`]: whether it took effect.
    kept: Vec<bool>,
    /// By first value of a chain.
    zones: Vec<Zone>,
}

impl Chains {
    /// Which compare-and-sets took effect. O(values).
    pub(super) fn new(
        clusters: &Clusters,
        account: &mut Account<'_>,
        planted: Planted,
    ) -> Result<Chains, Stop> {
        if clusters.cas.is_empty() {
            return Ok(Chains::default());
        }
        let values = clusters.of.len();
        account.take(16 * values as u64 + clusters.cas.len() as u64)?;
        let mut made_by = vec![NONE; values];
        for (at, cas) in clusters.cas.iter().enumerate() {
            if clusters.of[cas.to as usize].producer == cas.op {
                made_by[cas.to as usize] = at as u32;
            }
        }
        let kept = kept(clusters, &made_by, planted);
        Ok(Chains { next: vec![NONE; values], made_by, kept, zones: Vec::new() })
    }

    /// Links the values of `clusters`, and decides chain by chain whether its operations are in
    /// order. O(values).
    pub(super) fn decide(
        &mut self,
        reader: &Reader<'_>,
        clusters: &Clusters,
        planted: Planted,
    ) -> Result<(), Stop> {
        if self.next.is_empty() {
            return Ok(());
        }
        self.link(clusters, planted)?;
        self.walk(reader, clusters, planted)
    }

    /// The value after `value`, or [`NONE`].
    #[inline]
    pub(super) fn next(&self, value: u32) -> u32 {
        if self.next.is_empty() { NONE } else { self.next[value as usize] }
    }

    /// Whether `value` is the first of a chain with operations that must be placed.
    #[inline]
    pub(super) fn heads(&self, clusters: &Clusters, value: u32) -> bool {
        let cluster = &clusters.of[value as usize];
        if self.next.is_empty() {
            // The initial value needs no place unless it was seen.
            return cluster.first_ret != NEVER && (cluster.is_written() || cluster.reads > 0);
        }
        self.made_by[value as usize] == NONE
            && (self.next[value as usize] != NONE
                || cluster.reads > 0
                || (cluster.is_written() && cluster.first_ret != NEVER))
    }

    /// The zone of the chain that begins with `value`.
    #[inline]
    pub(super) fn zone(&self, clusters: &Clusters, value: u32) -> Zone {
        if let Some(zone) = self.zones.get(value as usize) {
            return *zone;
        }
        let cluster = &clusters.of[value as usize];
        Zone { first_ret: cluster.first_ret, last_call: cluster.last_call }
    }

    /// The compare-and-set after `value`, if one took effect.
    pub(super) fn successor(&self, clusters: &Clusters, value: u32) -> Option<Cas> {
        let next = self.next(value);
        (next != NONE).then(|| clusters.cas[self.made_by[next as usize] as usize])
    }

    /// Compare-and-sets that took effect.
    pub(super) fn kept<'c>(&'c self, clusters: &'c Clusters) -> impl Iterator<Item = &'c Cas> {
        clusters.cas.iter().zip(&self.kept).filter(|(_, kept)| **kept).map(|(cas, _)| cas)
    }

    fn link(&mut self, clusters: &Clusters, planted: Planted) -> Result<(), Stop> {
        for (at, cas) in clusters.cas.iter().enumerate() {
            if !self.kept[at] {
                continue;
            }
            if clusters.of[cas.from as usize].producer == NONE
                && !planted.has(Trap::UnwrittenIsFine)
            {
                return Err(Stop::Refuted(Refuted::operations(&[cas.op])));
            }
            let next = self.next[cas.from as usize];
            if next == NONE {
                self.next[cas.from as usize] = cas.to;
            } else if !planted.has(Trap::TwoSuccessors) {
                let other = clusters.cas[self.made_by[next as usize] as usize].op;
                return Err(Stop::Refuted(Refuted::operations(&[other, cas.op])));
            }
        }
        Ok(())
    }

    /// Every chain from its head on. What no head leads to is a ring: no order begins it.
    fn walk(
        &mut self,
        reader: &Reader<'_>,
        clusters: &Clusters,
        planted: Planted,
    ) -> Result<(), Stop> {
        let nothing = Zone { first_ret: NEVER, last_call: 0 };
        let mut zones = vec![nothing; clusters.of.len()];
        let mut reached = vec![false; clusters.cas.len()];
        for head in 0..clusters.of.len() as u32 {
            if !self.heads(clusters, head) {
                continue;
            }
            let mut zone = nothing;
            // The latest call of what must have taken effect before.
            let mut latest = 0;
            let mut value = head;
            while value != NONE {
                let cluster = &clusters.of[value as usize];
                if let Some(reached) = reached.get_mut(self.made_by[value as usize] as usize) {
                    *reached = true;
                }
                let produced = if cluster.is_written() { reader.call(cluster.producer) } else { 0 };
                latest = latest.max(produced);
                if latest >= cluster.first_ret && value != 0 {
                    return Err(Stop::Refuted(Refuted::events(&[latest, cluster.first_ret])));
                }
                if !planted.has(Trap::ChainForgets) {
                    latest = latest.max(cluster.last_call);
                }
                zone.first_ret = zone.first_ret.min(cluster.first_ret);
                zone.last_call = zone.last_call.max(cluster.last_call);
                value = self.next[value as usize];
            }
            zones[head as usize] = zone;
        }
        self.zones = zones;
        let ring = clusters.cas.iter().zip(&self.kept).zip(&reached);
        let mut ring = ring.filter(|((_, kept), reached)| **kept && !**reached);
        match ring.next() {
            Some(((cas, _), _)) if !planted.has(Trap::TwoSuccessors) => {
                Err(Stop::Refuted(Refuted::operations(&[cas.op])))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Which compare-and-sets took effect for certain: the completed ones, and crashed ones that a
/// completed operation needs, directly or through others. Not whatever was observed: crashed
/// compare-and-sets may observe each other in a ring that nobody ever entered.
fn kept(clusters: &Clusters, made_by: &[u32], planted: Planted) -> Vec<bool> {
    let mut kept: Vec<bool> = clusters.cas.iter().map(|cas| cas.completed).collect();
    let mut needed: Vec<u32> = Vec::new();
    for cas in &clusters.cas {
        if cas.completed || planted.has(Trap::RingKept) {
            needed.push(cas.from);
        }
    }
    let read = clusters.of.iter().enumerate().filter(|(_, cluster)| cluster.reads > 0);
    needed.extend(read.map(|(value, _)| value as u32));
    while let Some(value) = needed.pop() {
        let made_by = made_by[value as usize];
        if made_by != NONE && !std::mem::replace(&mut kept[made_by as usize], true) {
            needed.push(clusters.cas[made_by as usize].from);
        }
    }
    kept
}
