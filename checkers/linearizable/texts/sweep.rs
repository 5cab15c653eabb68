//! Inside each block: which append each text shown is, and whether they can have come in that
//! order. Instants are dense, so bounds from both sides are all there is.

use super::blocks::{Block, Blocks, INITIAL, UNCLEAR};
use super::decide::Stop;
use super::dictionary::Dictionary;
use super::evidence::Refuted;
use super::rows::{Rows, Write};
use super::traps::{Planted, Trap};
use crate::linearizable::NEVER;
use crate::linearizable::codes::NONE;

/// What a block holds after one more append.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// That append, or the put of the block, by position; [`INITIAL`] is neither.
    pub(super) write: u32,
    /// Gets of this version.
    pub(super) gets: u32,
    last_call: u32,
    /// Of the gets of this version; once swept, of the later ones too.
    first_ret: u32,
}

/// The first return and the last call of a block, or of what no get shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Zone {
    pub(super) first_ret: u32,
    pub(super) last_call: u32,
}

/// What the sweep found out.
pub(super) struct Swept {
    /// Of all blocks, one after the other.
    pub(super) versions: Vec<Version>,
    /// By block.
    pub(super) zones: Vec<Zone>,
    /// By write: the block and version where it shows.
    pub(super) shown_in: Vec<Option<(u32, u32)>>,
    /// Whether some text may be another operation than the one taken.
    pub(super) guessed: bool,
}

impl Swept {
    pub(super) fn bytes(&self) -> u64 {
        let versions = self.versions.capacity() * size_of::<Version>();
        let shown_in = self.shown_in.capacity() * size_of::<Option<(u32, u32)>>();
        (versions + self.zones.capacity() * size_of::<Zone>() + shown_in) as u64
    }
}

/// Sweeps over all blocks. O(gets + texts shown), if few operations write the same text.
pub(super) fn sweep(
    rows: &Rows<'_>,
    dictionary: &Dictionary<'_>,
    blocks: &Blocks<'_>,
    planted: Planted,
) -> Result<Swept, Stop> {
    let mut swept = Swept {
        versions: versions(rows, blocks, planted),
        zones: Vec::with_capacity(blocks.of.len()),
        shown_in: vec![None; dictionary.writes.len()],
        guessed: blocks.guessed,
    };
    for (number, block) in (0..).zip(&blocks.of) {
        match swept.ascend(dictionary, number, block, planted) {
            Ok(zone) => swept.zones.push(zone),
            Err(_) if swept.guessed => return Err(UNCLEAR),
            Err(places) => {
                let mut refuted = Refuted::default();
                for (block, version) in places {
                    let upto = (block, Some(version));
                    refuted.add_block(rows, blocks, &swept.versions, upto);
                }
                return Err(Stop::Refuted(refuted));
            }
        }
    }
    Ok(swept)
}

/// By version what its gets bound, and the earliest return of all that show at least as much.
fn versions(rows: &Rows<'_>, blocks: &Blocks<'_>, planted: Planted) -> Vec<Version> {
    let nothing = Version { write: NONE, gets: 0, last_call: 0, first_ret: NEVER };
    let mut versions = vec![nothing; blocks.versions()];
    for (place, (_, get)) in blocks.places.iter().zip(&rows.gets) {
        let first = blocks.of[place.block as usize].versions;
        let version = &mut versions[first + place.version as usize];
        version.gets += 1;
        if !planted.has(Trap::GetsDoNotBound) {
            version.last_call = version.last_call.max(get.call);
        }
        version.first_ret = version.first_ret.min(get.ret);
    }
    for block in &blocks.of {
        let mut earliest = NEVER;
        for version in versions[block.versions..][..=block.shown.len()].iter_mut().rev() {
            earliest = earliest.min(version.first_ret);
            version.first_ret = earliest;
        }
    }
    versions
}

impl Swept {
    /// From the base up: the latest call of what must have come before each version precedes the
    /// earliest return of what shows it. Else, where that is not so.
    fn ascend(
        &mut self,
        dictionary: &Dictionary<'_>,
        number: u32,
        block: &Block<'_>,
        planted: Planted,
    ) -> Result<Zone, Vec<(u32, u32)>> {
        let versions = block.versions;
        let initial = Write { op: NONE, call: 0, ret: 0, puts: true };
        let base = dictionary.writes.get(block.base as usize).copied().unwrap_or(initial);
        if block.base != INITIAL {
            self.shown_in[block.base as usize] = Some((number, 0));
        }
        self.versions[versions].write = block.base;
        let first = self.versions[versions];
        let forgets = block.base == INITIAL && planted.has(Trap::InitialUnbound);
        let mut zone = Zone {
            first_ret: if forgets { first.first_ret } else { base.ret.min(first.first_ret) },
            last_call: base.call.max(first.last_call),
        };
        // The latest call so far.
        let mut latest = zone.last_call;
        for (at, shown) in (1..).zip(&block.shown) {
            let place = (number, at as u32);
            let earliest = self.versions[versions + at].first_ret;
            if latest >= earliest {
                return Err(vec![place]);
            }
            let append = self.append(dictionary, shown.token, (latest, earliest), place, planted);
            let append = append.ok_or_else(|| vec![place])?;
            let write = dictionary.writes[append as usize];
            if let Some(other) = self.shown_in[append as usize]
                && !planted.has(Trap::TwiceIsFine)
            {
                return Err(vec![other, place]);
            }
            self.shown_in[append as usize] = Some(place);
            let version = &mut self.versions[versions + at];
            version.write = append;
            zone.first_ret = zone.first_ret.min(write.ret);
            zone.last_call = zone.last_call.max(write.call).max(version.last_call);
            latest = if planted.has(Trap::SweepForgets) {
                version.last_call.max(write.call)
            } else {
                zone.last_call
            };
        }
        Ok(zone)
    }

    /// The append that shows at `place`: of those that can have come between `latest` and
    /// `earliest`, and that did not show before in this block. If several can, one that did not
    /// show elsewhere, and returned first.
    fn append(
        &mut self,
        dictionary: &Dictionary<'_>,
        token: u32,
        (latest, earliest): (u32, u32),
        (block, _): (u32, u32),
        planted: Planted,
    ) -> Option<u32> {
        let (mut found, mut possible): (Option<(bool, u32, u32)>, u32) = (None, 0);
        for at in dictionary.writes_of(token) {
            let write = &dictionary.writes[at];
            let shown_in = self.shown_in[at].filter(|_| !planted.has(Trap::TwiceIsFine));
            let again = shown_in.is_some_and(|(other, _)| other == block);
            let late = write.call >= earliest && !planted.has(Trap::ShownBeforeCall);
            if write.puts || write.ret <= latest || late || again {
                continue;
            }
            let candidate = (shown_in.is_some(), write.ret, at as u32);
            found = Some(found.map_or(candidate, |known| known.min(candidate)));
            possible += 1;
        }
        self.guessed |= possible > 1 && !planted.has(Trap::RepeatedMeansFirst);
        found.map(|(_, _, at)| at)
    }
}
