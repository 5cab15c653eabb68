//! Clients that go from node to node.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;
use tribunal_history::NodeId;

use super::super::*;
use super::{MS, ms, ops, read, writes};
use crate::seed::{Seed, Stream};

/// The nodes of each slot's operations, in order.
fn routes(ops: &[PlannedOp]) -> BTreeMap<u32, Vec<u16>> {
    let mut routes: BTreeMap<u32, Vec<u16>> = BTreeMap::new();
    ops.iter().for_each(|op| routes.entry(op.slot).or_default().push(op.node.0));
    routes
}

#[test]
fn a_slot_stays_so_long_and_then_goes_elsewhere() {
    let routes = routes(&ops(7, limit(2_000, roam(3, writes(0)))));
    assert_eq!(routes.len(), 7);
    for (slot, route) in routes {
        assert_eq!(u32::from(route[0]), slot % 5, "it begins at its usual node");
        let stops: Vec<&[u16]> = route.chunks(3).collect();
        assert!(stops.iter().all(|stop| stop.iter().all(|node| *node == stop[0])), "{route:?}");
        assert!(stops.windows(2).all(|two| two[0][0] != two[1][0]), "{route:?}");
        let moves: BTreeSet<_> = stops.windows(2).map(|two| (two[0][0], two[1][0])).collect();
        assert!(moves.len() > 15, "of twenty ways between five nodes it took {moves:?}");
    }
}

#[test]
fn a_route_is_a_slots_own() {
    let paced = |slots| on_slots(move |slot| slot < slots, roam(2, delay(MS, writes(0))));
    let (few, many) = (routes(&ops(2, limit(90, paced(2)))), routes(&ops(9, limit(600, paced(9)))));
    for (slot, route) in few {
        let shared = route.len().min(many[&slot].len());
        assert!(shared > 20 && route[..shared] == many[&slot][..shared], "{slot}: {route:?}");
    }
}

#[test]
fn who_moves_is_the_same_process_and_a_successor_goes_on_where_it_was() {
    let mut simulation = Simulation::of(Fake::Imperfect(MS));
    (simulation.concurrency, simulation.nodes) = (1, 3);
    let mut ops = Vec::new();
    simulation.run_with(limit(24, roam(2, writes(0))), |op| ops.push(op));
    // Every third operation is of unknown outcome, and retires its process.
    let processes: Vec<u32> = ops.iter().map(|op| op.process.0).collect();
    assert_eq!(processes, (0..24).map(|n| n / 3).collect::<Vec<_>>());
    let route = &routes(&ops)[&0];
    assert!(route.chunks(2).all(|stop| stop[0] == stop[1]), "{route:?}");
}

#[test]
fn one_node_is_everywhere() {
    let mut simulation = Simulation::of(Fake::Perfect(MS));
    simulation.nodes = 1;
    let mut ops = Vec::new();
    simulation.run_with(limit(50, roam(1, writes(0))), |op| ops.push(op));
    assert!(ops.len() == 50 && ops.iter().all(|op| op.node == NodeId(0)));
}

#[test]
fn what_names_a_node_goes_there() {
    let inner = routes(&ops(1, limit(40, roam(2, writes(0)))));
    let both = routes(&ops(1, limit(40, roam(7, roam(2, writes(0))))));
    let moved = |route: &[u16]| route.windows(2).filter(|two| two[0] != two[1]).count();
    assert_eq!((moved(&inner[&0]), moved(&both[&0])), (19, 19));
}

#[test]
fn a_plan_tells_who_is_asked() {
    let plan = plan(&limit(8, roam(2, writes(0))), Seed(45100), 2, 3, Some(ms(50)));
    expect![[r#"
        0            slot 0 p0 n1 write 0 := 118
        0            slot 1 p1 n2 write 0 := 139
        1000001      slot 1 p1 n2 write 0 := 739
        1000001      slot 0 p0 n1 write 0 := 474
        2000002      slot 0 p0 n2 write 0 := 273
        2000002      slot 1 p1 n1 write 0 := 991
        3000003      slot 0 p0 n2 write 0 := 233
        3000003      slot 1 p1 n1 write 0 := 184
        4000004      done"#]]
    .assert_eq(&plan.to_string());
}

/// Offers one read of a node that there may not be.
#[derive(Clone)]
struct Far(u16);

impl Generator for Far {
    fn bind(&mut self, _: &Stream) {}

    fn next(&mut self, cx: &Context<'_>) -> Next {
        Next::Invoke { slot: 0, at: cx.time, node: Some(NodeId(self.0)), op: read(0) }
    }

    fn commit(&mut self) {}

    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }
}

#[test]
fn a_node_may_be_named() {
    assert_eq!(routes(&ops(1, limit(2, Box::new(Far(4)))))[&0], [4, 4]);
}

#[test]
#[should_panic(expected = "is none of the 5 nodes")]
fn validate_refuses_a_node_that_there_is_not() {
    ops(1, Box::new(Far(5)));
}

#[test]
#[should_panic(expected = "slot 0 was sent to n6, one of 5")]
fn nobody_is_sent_to_a_node_that_there_is_not() {
    Turns::new(Box::new(Far(5)), Threads::new(1, 5)).step(ms(0));
}
