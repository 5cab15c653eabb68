//! `roam`: clients that go from node to node.

use tribunal_history::NodeId;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct Roam {
    stay: u64,
    child: Gen,
    stream: Option<Stream>,
    /// By slot.
    places: Vec<Place>,
    /// Whose offer is on the table, and of how many nodes.
    offered: Option<(u32, u16)>,
}

/// Where a slot is.
#[derive(Clone, Copy)]
struct Place {
    node: NodeId,
    /// Operations that it still asks of this node.
    left: u64,
    /// Times that it has moved.
    moves: u64,
}

/// Sends the operations of `child` to nodes in turns: after `stay` operations of a slot, whatever
/// came of them, its next ones are asked of another node, drawn anew each time. It begins at the
/// slot's usual node. Processes are left alone: one that moves is the same session, and one that
/// succeeds a retired one goes on where that was. An operation that names a node goes there.
///
/// # Panics
/// When `stay` is 0.
pub fn roam(stay: u64, child: Gen) -> Gen {
    assert!(stay > 0, "a client that asks nothing of a node is not there");
    Box::new(Roam { stay, child, stream: None, places: Vec::new(), offered: None })
}

impl Roam {
    fn place(&mut self, slot: u32, nodes: u16) -> &mut Place {
        let stay = self.stay;
        for slot in self.places.len() as u32..=slot {
            let node = NodeId((slot % u32::from(nodes)) as u16);
            self.places.push(Place { node, left: stay, moves: 0 });
        }
        &mut self.places[slot as usize]
    }
}

impl Generator for Roam {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("roam"));
        self.stream = Some(stream.child("roam/nodes"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        match self.child.next(cx) {
            Next::Invoke { slot, at, node, op } => {
                self.offered = Some((slot, cx.nodes));
                let here = self.place(slot, cx.nodes).node;
                Next::Invoke { slot, at, node: node.or(Some(here)), op }
            }
            other => {
                self.offered = None;
                other
            }
        }
    }

    fn commit(&mut self) {
        self.child.commit();
        let Some((slot, nodes)) = self.offered.take() else { return };
        let stay = self.stay;
        let place = self.place(slot, nodes);
        place.left -= 1;
        if place.left > 0 || nodes < 2 {
            place.left = place.left.max(1);
            return;
        }
        let Place { node, moves, .. } = *place;
        let stream = self.stream.as_ref().expect("bind a generator before asking it");
        // A draw of the slot's own: what other slots do moves nobody.
        let further = stream.draw(u64::from(slot), moves).below(u64::from(nodes) - 1) as u16;
        let node = NodeId(((u32::from(node.0) + 1 + u32::from(further)) % u32::from(nodes)) as u16);
        self.places[slot as usize] = Place { node, left: stay, moves: moves + 1 };
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("roam", child);
}
