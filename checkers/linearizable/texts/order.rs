//! Blocks, and what no get shows, in an order that respects real time; or two that forbid it.
//!
//! Zones are met by first return. One that holds the text between its first return and its last
//! call is held back until nothing can come before it any more.

use tribunal_history::OpIndex;

use super::blocks::{Blocks, INITIAL, UNCLEAR};
use super::decide::Stop;
use super::dictionary::Dictionary;
use super::evidence::Refuted;
use super::rows::Rows;
use super::sweep::{Swept, Zone};
use super::traps::{Planted, Trap};
use crate::linearizable::NEVER;
use crate::linearizable::codes::NONE;

/// What stands together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Group {
    Block(u32),
    /// A write that no get shows, by position.
    Unseen(u32),
}

/// All operations that took effect, in a legal order. O(n log n).
pub(super) fn order(
    rows: &Rows<'_>,
    dictionary: &Dictionary<'_>,
    blocks: &Blocks<'_>,
    swept: &Swept,
    planted: Planted,
) -> Result<Vec<OpIndex>, Stop> {
    let parts = (rows, dictionary, blocks, swept);
    let operations = rows.gets.len() + dictionary.writes.len();
    let mut layout = Layout { parts, order: Vec::with_capacity(operations), begins: Vec::new() };
    layout.begins.resize(swept.versions.len(), NONE);
    let mut held: Option<(Group, Zone)> = None;
    for (group, zone) in groups(dictionary, swept, planted) {
        let covered = held.filter(|(_, held)| zone.first_ret < held.last_call);
        if zone.first_ret < zone.last_call {
            if let Some((other, _)) = covered.filter(|_| !planted.has(Trap::ForwardMayMeet)) {
                return Err(conflict(parts, [other, group]));
            }
            layout.place_held(&mut held);
            held = Some((group, zone));
        } else if let Some((other, held)) = covered {
            // It has an instant before the zone, or none.
            if held.first_ret < zone.last_call && !planted.has(Trap::BackwardMayHide) {
                return Err(conflict(parts, [other, group]));
            }
            layout.place(group);
        } else {
            layout.place_held(&mut held);
            layout.place(group);
        }
    }
    layout.place_held(&mut held);
    for (place, (_, get)) in blocks.places.iter().zip(&rows.gets) {
        let version = blocks.of[place.block as usize].versions + place.version as usize;
        let next = &mut layout.begins[version];
        layout.order[*next as usize] = OpIndex(get.op);
        *next += 1;
    }
    Ok(layout.order)
}

/// By first return.
fn groups(dictionary: &Dictionary<'_>, swept: &Swept, planted: Planted) -> Vec<(Group, Zone)> {
    let blocks = (0..).zip(&swept.zones).map(|(block, zone)| (Group::Block(block), *zone));
    let unseen = (0..).zip(dictionary.writes.iter().zip(&swept.shown_in));
    let unseen = unseen.filter(|(_, (write, shown_in))| {
        let dropped = !write.puts && planted.has(Trap::UnseenDropped);
        shown_in.is_none() && write.ret != NEVER && !dropped
    });
    let unseen = unseen.map(|(at, (write, _))| {
        (Group::Unseen(at), Zone { first_ret: write.ret, last_call: write.call })
    });
    let mut groups: Vec<(Group, Zone)> = blocks.chain(unseen).collect();
    groups.sort_unstable_by_key(|(_, zone)| zone.first_ret);
    groups
}

type Parts<'p> = (&'p Rows<'p>, &'p Dictionary<'p>, &'p Blocks<'p>, &'p Swept);

fn conflict((rows, _, blocks, swept): Parts<'_>, groups: [Group; 2]) -> Stop {
    if swept.guessed {
        return UNCLEAR;
    }
    let mut refuted = Refuted::default();
    for group in groups {
        match group {
            Group::Block(block) => {
                refuted.add_block(rows, blocks, &swept.versions, (block, None));
            }
            Group::Unseen(write) => refuted.add_write(write),
        }
    }
    Stop::Refuted(refuted)
}

/// Operations by place: of each block its put, then by version the append and its gets in the
/// order of their calls.
struct Layout<'p> {
    parts: Parts<'p>,
    order: Vec<OpIndex>,
    /// By version: the place of its next get.
    begins: Vec<u32>,
}

impl Layout<'_> {
    fn place_held(&mut self, held: &mut Option<(Group, Zone)>) {
        if let Some((group, _)) = held.take() {
            self.place(group);
        }
    }

    fn place(&mut self, group: Group) {
        let (_, dictionary, blocks, swept) = self.parts;
        let number = match group {
            Group::Block(number) => number,
            Group::Unseen(write) => {
                self.order.push(OpIndex(dictionary.writes[write as usize].op));
                return;
            }
        };
        let block = &blocks.of[number as usize];
        for at in block.versions..=block.versions + block.shown.len() {
            let version = &swept.versions[at];
            if version.write != INITIAL {
                self.order.push(OpIndex(dictionary.writes[version.write as usize].op));
            }
            self.begins[at] = self.order.len() as u32;
            self.order.resize(self.order.len() + version.gets as usize, OpIndex(NONE));
        }
    }
}
