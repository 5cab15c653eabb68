//! Chains in an order that respects real time, or two zones that forbid it.
//!
//! A chain whose first return comes before its last call holds the register in between: it is
//! *forward*. Any other needs one instant between its last call and its first return, *backward*.
//! Zones are met by first return. The last forward zone is held back until nothing can come before
//! it any more; no sorting is needed where ranks are dense.

use tribunal_history::OpIndex;

use super::chains::{Chains, Zone};
use super::clusters::Clusters;
use super::decide::{Account, Stop};
use super::evidence::Refuted;
use super::rows::{Reader, Row, Survey, Values};
use super::traps::{Planted, Trap};
use crate::linearizable::NEVER;
use crate::linearizable::codes::NONE;

/// Every operation that took effect, in a legal order. Leaves `clusters` without their counts.
pub(super) fn order(
    reader: &Reader<'_>,
    operations: &[OpIndex],
    survey: &Survey,
    (values, clusters, chains): (&Values, &mut Clusters, &Chains),
    account: &mut Account<'_>,
    planted: Planted,
) -> Result<Vec<OpIndex>, Stop> {
    let heads = heads(clusters, chains, survey, account, planted)?;
    account.take(4 * operations.len() as u64)?;
    let mut layout = Layout { order: vec![OpIndex(0); operations.len()], places: 0 };
    let mut held: Option<(u32, Zone)> = None;
    for head in heads.iter() {
        let zone = chains.zone(clusters, head);
        let covered = held.filter(|(_, held)| zone.first_ret < held.last_call);
        if zone.first_ret < zone.last_call {
            if let Some((_, held)) = covered.filter(|_| !planted.has(Trap::ForwardMayMeet)) {
                return Err(conflict(held, zone));
            }
            layout.place_held(clusters, chains, &mut held);
            held = Some((head, zone));
        } else if let Some((_, held)) = covered {
            // It has an instant before the zone, or none.
            if held.first_ret < zone.last_call && !planted.has(Trap::BackwardMayHide) {
                return Err(conflict(held, zone));
            }
            layout.place(clusters, chains, head);
        } else {
            layout.place_held(clusters, chains, &mut held);
            layout.place(clusters, chains, head);
        }
    }
    layout.place_held(clusters, chains, &mut held);
    account.give(heads.bytes());
    drop(heads);
    for chunk in operations.chunks(1 << 16) {
        account.poll()?;
        for index in chunk {
            if let Row::Read(code) = reader.at(*index) {
                let next = &mut clusters.of[values.observed(index.0, code) as usize].reads;
                layout.order[*next as usize] = *index;
                *next += 1;
            }
        }
    }
    layout.order.truncate(layout.places);
    Ok(layout.order)
}

fn conflict(one: Zone, other: Zone) -> Stop {
    let ranks = [one.first_ret, one.last_call, other.first_ret, other.last_call];
    Stop::Refuted(Refuted::events(&ranks))
}

/// The heads of chains by first return.
enum Heads {
    /// By rank, from the partition's first on: the head plus one. 4 bytes per event.
    Dense(Vec<u32>),
    /// (rank, head), sorted.
    Sparse(Vec<(u32, u32)>),
}

impl Heads {
    fn iter(&self) -> impl Iterator<Item = u32> {
        let (dense, sparse) = match self {
            Heads::Dense(at) => (&at[..], &[][..]),
            Heads::Sparse(pairs) => (&[][..], &pairs[..]),
        };
        let dense = dense.iter().filter(|head| **head != 0).map(|head| head - 1);
        dense.chain(sparse.iter().map(|(_, head)| *head))
    }

    fn bytes(&self) -> u64 {
        match self {
            Heads::Dense(at) => 4 * at.len() as u64,
            Heads::Sparse(pairs) => 8 * pairs.capacity() as u64,
        }
    }
}

fn heads(
    clusters: &Clusters,
    chains: &Chains,
    survey: &Survey,
    account: &mut Account<'_>,
    planted: Planted,
) -> Result<Heads, Stop> {
    let ranks = survey.last_rank.saturating_sub(survey.first_rank) as usize + 2;
    let dense = ranks <= 6 * clusters.of.len() + 64;
    let mut at = if dense { vec![0; ranks] } else { Vec::new() };
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for (head, cluster) in clusters.of.iter().enumerate() {
        if cluster.producer == NONE && cluster.reads > 0 && !planted.has(Trap::UnwrittenIsFine) {
            return Err(Stop::Refuted(Refuted::events(&[cluster.first_ret])));
        }
        let head = head as u32;
        if !chains.heads(clusters, head) {
            continue;
        }
        let first = chains.zone(clusters, head).first_ret;
        if first == NEVER {
            continue;
        }
        if dense {
            // The initial value comes first, before every rank of the partition.
            let slot = if first == 0 { 0 } else { first - survey.first_rank + 1 };
            at[slot as usize] = head + 1;
        } else {
            pairs.push((first, head));
        }
    }
    pairs.sort_unstable();
    let heads = if dense { Heads::Dense(at) } else { Heads::Sparse(pairs) };
    account.take(heads.bytes())?;
    Ok(heads)
}

/// Operations by place: of each value its write, then its reads in the order of their calls.
struct Layout {
    order: Vec<OpIndex>,
    places: usize,
}

impl Layout {
    fn place_held(
        &mut self,
        clusters: &mut Clusters,
        chains: &Chains,
        held: &mut Option<(u32, Zone)>,
    ) {
        if let Some((head, _)) = held.take() {
            self.place(clusters, chains, head);
        }
    }

    #[inline]
    fn place(&mut self, clusters: &mut Clusters, chains: &Chains, head: u32) {
        let mut value = head;
        while value != NONE {
            let cluster = &mut clusters.of[value as usize];
            if cluster.is_written() {
                self.order[self.places] = OpIndex(cluster.producer);
                self.places += 1;
            }
            let reads = std::mem::replace(&mut cluster.reads, self.places as u32);
            self.places += reads as usize;
            value = chains.next(value);
        }
    }
}
