//! Where a leaf's next operation goes: a free slot, uniformly (law G8).

use super::Context;
use crate::seed::{Draw, Draws, Stream};

/// Slot of the stream the operation's own draws come from.
const OPS: u64 = 0;
/// Slot of the stream free slots are drawn from.
const SEATS: u64 = 1;

/// The draws of a leaf and the number of its commits that key them.
#[derive(Clone)]
pub(super) struct Seat {
    seats: Draws,
    ops: Draws,
    committed: u64,
}

impl Seat {
    pub(super) fn unbound() -> Seat {
        Seat { seats: Draws::unbound(), ops: Draws::unbound(), committed: 0 }
    }

    pub(super) fn bind(&mut self, stream: &Stream) {
        self.ops = Draws::new(stream, OPS);
        self.seats = Draws::new(stream, SEATS);
    }

    /// Commits so far: the number of the operation on offer.
    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// The slot of the operation on offer.
    pub(super) fn pick(&mut self, cx: &Context<'_>) -> Option<u32> {
        let free = cx.free.len();
        if free == 0 {
            return None;
        }
        let nth = self.seats.below(self.committed, u64::from(free));
        cx.free.nth(nth as u32)
    }

    /// The numbers of the operation on offer.
    pub(super) fn draw(&mut self) -> Draw {
        self.ops.at(self.committed)
    }

    pub(super) fn commit(&mut self) {
        self.committed += 1;
    }
}
