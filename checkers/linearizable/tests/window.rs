//! What the parts of the search promise, whatever the history.

use std::collections::BTreeSet;

use super::generate::Random;
use crate::Budget;
use crate::linearizable::meter::Ledger;
use crate::linearizable::rules::Rules;
use crate::linearizable::window::covers::Covers;
use crate::linearizable::window::memo::{Compare, Config, Memo};
use crate::linearizable::window::plan::Crashed;
use crate::linearizable::window::table::{Grid, States, Table};
use crate::linearizable::window::word::{Layout, Shape, Word};
use crate::linearizable::{CasRegister, CasRegisterOp};

/// At most 32 bytes a configuration with its place in the index: the more, the nearer.
fn bytes_each<W: Word>(slots: usize, lanes: usize, configurations: u32) -> f64 {
    let layout = Layout::<W>::new(Shape::new(slots, (0..lanes).map(|_| 6)));
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    let mut meter = ledger.meter(u64::MAX);
    let mut memo = Memo::<W, true>::new();
    let compare = Compare { layout: &layout, covers: None, rules: Rules::default() };
    let mut random = Random(51);
    for number in 0..configurations {
        let mut word = layout.empty();
        word.set(random.below(slots as u64) as u32);
        if lanes > 0 {
            word.count(layout.shape.lanes[random.below(lanes as u64) as usize]);
        }
        let config = Config { tag: number, state: number % 7, word };
        memo.insert(config, compare, &mut meter).expect("no limit");
    }
    assert_eq!(memo.live().count(), configurations as usize);
    let each = memo.bytes_each();
    assert!((meter.bytes as f64 / f64::from(configurations) - each).abs() < 0.01, "accounted");
    each
}

#[test]
fn a_configuration_takes_at_most_32_bytes() {
    let mut worst = [0.0_f64; 2];
    for configurations in [100_000, 130_000, 200_000, 250_000, 400_000] {
        worst[0] = worst[0].max(bytes_each::<[u64; 1]>(20, 5, configurations));
        worst[1] = worst[1].max(bytes_each::<[u64; 2]>(64, 12, configurations));
    }
    println!("{worst:.1?} bytes each with one word and with two");
    assert!(worst[0] <= 24.0 && worst[1] <= 32.0, "{worst:?}");
}

/// The memo against sets of vectors: it keeps the minimal ones of all that it was given.
#[test]
fn the_memo_keeps_the_minimal_counters() {
    let layout = Layout::<[u64; 2]>::new(Shape::new(60, [3, 1, 9, 4].into_iter()));
    let budget = Budget::unlimited();
    let ledger = Ledger::new(&budget);
    let compare = Compare { layout: &layout, covers: None, rules: Rules::default() };
    let mut random = Random(52);
    for _ in 0..300 {
        let mut meter = ledger.meter(u64::MAX);
        let mut memo = Memo::<[u64; 2], false>::new();
        let mut given: Vec<(u32, u32, [u32; 4])> = Vec::new();
        for _ in 0..random.below(120) {
            let used = [3, 1, 9, 4].map(|most| random.below(most + 1) as u32);
            let (state, slot) = (random.below(2) as u32, 58 + random.below(2) as u32);
            given.push((state, slot, used));
            let mut word = layout.empty();
            word.set(slot);
            for (lane, used) in layout.shape.lanes.iter().zip(used) {
                (0..used).for_each(|_| word.count(*lane));
            }
            memo.insert(Config { tag: 0, state, word }, compare, &mut meter).expect("no limit");
        }
        let below = |one: &[u32; 4], other: &[u32; 4]| {
            one != other && one.iter().zip(other).all(|(one, other)| one <= other)
        };
        let minimal: BTreeSet<_> = given
            .iter()
            .filter(|(state, slot, used)| {
                !given.iter().any(|(s, t, other)| (s, t) == (state, slot) && below(other, used))
            })
            .copied()
            .collect();
        let kept = memo.live().map(|config| {
            let slot = if config.word.has(58) { 58 } else { 59 };
            let lanes = &layout.shape.lanes;
            let used = [0, 1, 2, 3].map(|lane| config.word.get(lanes[lane]));
            (config.state, slot, used)
        });
        let kept: Vec<_> = kept.collect();
        assert_eq!(kept.len(), minimal.len());
        assert_eq!(kept.into_iter().collect::<BTreeSet<_>>(), minimal);
    }
}

/// One configuration dominates another iff whatever can still be asked of the crashed operations
/// of the other can be asked of its own, a write answering for a cas to the same value.
#[test]
fn a_write_stands_in_for_a_cas() {
    let cas = |from: i64, to: i64| CasRegisterOp::Cas { from: from.into(), to: to.into() };
    let ops = [cas(0, 1), CasRegisterOp::Write(1.into()), cas(2, 1), cas(0, 2)];
    let model = CasRegister { initial: 0.into() };
    let mut states = States::new(&model, &ops[..]);
    let mut table = Table::new(&states, 1 << 20);
    let mut grid = Grid { table: &mut table, source: &mut states };
    assert!(grid.complete(&[0, 1, 2, 3], 64, u64::MAX, &|| false));
    let crashed: Vec<Crashed> =
        (0..4).map(|class| Crashed { class, entries: vec![0; 3] }).collect();
    let layout = Layout::<[u64; 1]>::new(Shape::new(2, [3; 4].into_iter()));
    let covers = Covers::new(&mut grid, &crashed, &layout, Rules::default()).expect("a write");
    let word = |used: &[u32; 4]| {
        let mut word = layout.empty();
        for (lane, used) in layout.shape.lanes.iter().zip(used) {
            (0..*used).for_each(|_| word.count(*lane));
        }
        word
    };
    let numbers =
        |all: u32| (0..4_u32.pow(4)).map(move |n| [0, 1, 2, 3].map(|d| n >> (2 * d) & all));
    let mut random = Random(53);
    let mut dominating = 0;
    for _ in 0..4_000 {
        let mut pick = || [0; 4].map(|_: u32| random.below(4) as u32);
        let (one, other) = (pick(), pick());
        let answers = |asked: &[u32; 4], used: &[u32; 4]| {
            let lacking = |class: usize| asked[class].saturating_sub(3 - used[class]);
            lacking(3) == 0 && asked[1] + lacking(0) + lacking(2) <= 3 - used[1]
        };
        let expected = numbers(3)
            .filter(|asked| asked.iter().zip(&other).all(|(asked, used)| asked + used <= 3))
            .all(|asked| answers(&asked, &one));
        let found = covers.dominates(&layout, &word(&one), &word(&other));
        assert_eq!(found, expected, "{one:?} {other:?}");
        dominating += u32::from(found);
    }
    assert!(dominating > 100, "{dominating}");
}

/// Lanes of every width, up to the largest count, and words that are laid out anew.
#[test]
fn counters_are_exact() {
    let most = [1, 2, 3, 7, 8, 100, 255, 256, 1, 1, 70_000, 5];
    let small = Layout::<[u64; 2]>::new(Shape::new(30, most.into_iter()));
    let large = Layout::<Box<[u64]>>::new(Shape::new(200, most.into_iter().map(|most| 3 * most)));
    let mut word = small.empty();
    [0, 3, 29].into_iter().for_each(|slot| word.set(slot));
    for (lane, most) in small.shape.lanes.iter().zip(most) {
        assert!(lane.most() >= most);
        for count in 0..most {
            assert_eq!(word.get(*lane), count);
            let before = word;
            word.count(*lane);
            assert!(before.at_most(&word, &small.guards) && !word.at_most(&before, &small.guards));
        }
    }
    let wide = large.convert(&small, &word);
    for ((small, large), most) in small.shape.lanes.iter().zip(&large.shape.lanes).zip(most) {
        assert_eq!((word.get(*small), wide.get(*large)), (most, most));
    }
    let slots = (0..200).filter(|slot| wide.has(*slot)).collect::<Vec<u32>>();
    assert_eq!(slots, [0, 3, 29]);
}
