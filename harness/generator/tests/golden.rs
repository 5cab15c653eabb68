//! Snapshots of plans. A change here is a change of every plan with the same seed.

use expect_test::{Expect, expect};

use super::super::*;
use super::{MS, ms, read, writes};
use crate::seed::Seed;

fn check(generator: Gen, expected: Expect) {
    let plan = plan(&generator, Seed(45100), 3, 2, Some(ms(50)));
    expected.assert_eq(&plan.to_string());
}

#[test]
fn a_mix_with_pace() {
    check(
        limit(8, stagger(ms(2), mix(vec![writes(0), repeat(op(read(0)))]))),
        expect![[r#"
            0            slot 0 p0 n1 write 0 := 351
            533376       slot 1 p1 n2 read 0 -> ?
            1064655      slot 2 p2 n1 write 0 := 996
            1691227      slot 1 p1 n2 write 0 := 249
            2624358      slot 0 p0 n1 write 0 := 473
            4940823      slot 2 p2 n1 write 0 := 617
            5218833      slot 1 p1 n2 read 0 -> ?
            7913904      slot 2 p2 n1 write 0 := 421
            8913905      done"#]],
    );
}

#[test]
fn phases_of_reserved_slots() {
    let load = reserve(vec![(1, limit(2, writes(1)))], limit(3, writes(2)));
    let parts = vec![load, concat(vec![mark("final"), each_slot(op(read(9)))])];
    check(
        phases(parts),
        expect![[r#"
            0            slot 2 p2 n1 write 2 := 425
            0            slot 1 p1 n2 write 2 := 377
            0            slot 0 p0 n1 write 1 := 257
            1000001      slot 1 p1 n2 write 2 := 490
            1000001      slot 0 p0 n1 write 1 := 858
            2000002      slot 2 p2 n1 read 9 -> ?
            2000002      slot 1 p1 n2 read 9 -> ?
            2000002      slot 0 p0 n1 read 9 -> ?
            3000003      done"#]],
    );
}

#[test]
fn keys_in_groups() {
    let load = |_: &tribunal_history::Value| limit(2, writes(0));
    let keyed = independent_concurrent(2, Keys::first(3), load);
    check(
        unique_values(Scope::Global, 100, keyed),
        expect![[r#"
            0            slot 0 p0 n1 write 0 := 100
            0            slot 2 p2 n1 write 1 := 101
            0            slot 1 p1 n2 write 0 := 102
            1000001      slot 2 p2 n1 write 1 := 103
            1000001      slot 0 p0 n1 write 2 := 104
            1000001      slot 1 p1 n2 write 2 := 105
            2000002      done"#]],
    );
}

#[test]
fn a_time_limit_and_an_open_loop() {
    check(
        time_limit(ms(4), open_loop(1000.0, writes(0))),
        expect![[r#"
            0            slot 2 p2 n1 write 0 := 981
            1000001      slot 0 p0 n1 write 0 := 781
            2000000      slot 2 p2 n1 write 0 := 867
            3000001      slot 0 p0 n1 write 0 := 737
            4000002      done"#]],
    );
}

/// H7, J2, J18: in Jepsen neither `mix` nor `stagger` nor tie-breaks hear of the seed.
#[test]
fn the_same_seed_gives_the_same_plan_a_hundred_times() {
    let generator = || {
        let slow = stagger(MS, mix(vec![writes(0), writes(1), repeat(op(read(2)))]));
        let fast = poisson(900.0, any(vec![each_process(limit(9, writes(3))), writes(4)]));
        time_limit(ms(100), reserve(vec![(2, slow)], fast))
    };
    let text = |seed| plan(&generator(), Seed(seed), 7, 3, None).to_string();
    let first = text(42);
    assert!(first.lines().count() > 150, "{first}");
    (0..100).for_each(|_| assert_eq!(text(42), first));
    assert_ne!(text(43), first);
}
