//! Counts with "one less from here to there" and "where is the least": sixteen wide, so that a
//! million counts are five levels, and each level of an update is one or two cache lines.

const WIDTH: usize = 16;

/// Added to a count that is not to be found.
const HIDDEN: i32 = 1 << 30;

/// Counts by position.
///
/// A node holds, for each child, the least count below it, less what nodes further up hold for
/// more than this child: adding to a whole child changes one number.
#[derive(Debug)]
pub(super) struct Counts {
    /// Lowest level first; filled up to whole nodes with hidden counts.
    levels: Vec<Vec<i32>>,
}

impl Counts {
    /// With these counts.
    pub(super) fn new(mut level: Vec<i32>) -> Counts {
        let mut levels = Vec::new();
        loop {
            level.resize(level.len().max(1).next_multiple_of(WIDTH), HIDDEN);
            let above: Vec<i32> = level.chunks(WIDTH).map(least).collect();
            let is_root = above.len() == 1;
            levels.push(level);
            if is_root {
                return Counts { levels };
            }
            level = above;
        }
    }

    /// A position with the least count, the first of them, and that count. `None`: all are hidden.
    pub(super) fn least(&self) -> Option<(u32, i32)> {
        let root = self.levels.last().expect("there is a root");
        let value = least(root);
        if value >= HIDDEN / 2 {
            return None;
        }
        let mut at = 0;
        for level in self.levels.iter().rev() {
            let node = &level[at * WIDTH..(at + 1) * WIDTH];
            let least = least(node);
            let child = node.iter().position(|count| *count == least);
            at = at * WIDTH + child.expect("the least is one of them");
        }
        Some((at as u32, value))
    }

    /// One less at each of `from..to`, which is not empty.
    pub(super) fn decrement(&mut self, from: u32, to: u32) {
        let (mut from, mut to) = (from as usize, to as usize - 1);
        // What happened to the nodes of the two ends one level below.
        let (mut left, mut right) = (-1, -1);
        for level in &mut self.levels {
            let (first, last) = (from / WIDTH, to / WIDTH);
            let before_left = least(&level[first * WIDTH..(first + 1) * WIDTH]);
            if first == last {
                level[from] += left;
                if to != from {
                    level[to] += right;
                    level[from + 1..to].iter_mut().for_each(|count| *count -= 1);
                }
                left = least(&level[first * WIDTH..(first + 1) * WIDTH]) - before_left;
                right = left;
            } else {
                let before_right = least(&level[last * WIDTH..(last + 1) * WIDTH]);
                level[from] += left;
                level[to] += right;
                let (left_node, right_node) =
                    (first * WIDTH..(first + 1) * WIDTH, last * WIDTH..(last + 1) * WIDTH);
                level[from + 1..left_node.end].iter_mut().for_each(|count| *count -= 1);
                level[right_node.start..to].iter_mut().for_each(|count| *count -= 1);
                left = least(&level[left_node]) - before_left;
                right = least(&level[right_node]) - before_right;
            }
            if first == last && left == 0 {
                return;
            }
            (from, to) = (first, last);
        }
    }

    /// Hides the count at `at`; changes to it are not lost.
    pub(super) fn hide(&mut self, at: u32) {
        self.add(at, HIDDEN);
    }

    /// Shows it again.
    pub(super) fn show(&mut self, at: u32) {
        self.add(at, -HIDDEN);
    }

    fn add(&mut self, at: u32, mut change: i32) {
        let mut at = at as usize;
        for level in &mut self.levels {
            let node = at / WIDTH * WIDTH..(at / WIDTH + 1) * WIDTH;
            let before = least(&level[node.clone()]);
            level[at] += change;
            change = least(&level[node]) - before;
            if change == 0 {
                return;
            }
            at /= WIDTH;
        }
    }
}

fn least(node: &[i32]) -> i32 {
    node.iter().fold(i32::MAX, |least, count| least.min(*count))
}

/// Sums of numbers of what covers a position: if one does, this is it. Modulo 2^32.
#[derive(Debug)]
pub(super) struct Sums {
    tree: Vec<u32>,
}

impl Sums {
    /// With no number anywhere below `bound`.
    pub(super) fn new(bound: usize) -> Sums {
        Sums { tree: vec![0; bound + 2] }
    }

    /// Adds `number` at each of `from..to`.
    pub(super) fn add(&mut self, from: u32, to: u32, number: u32) {
        self.add_from(from, number);
        self.add_from(to, number.wrapping_neg());
    }

    fn add_from(&mut self, from: u32, number: u32) {
        let mut at = from as usize + 1;
        while let Some(sum) = self.tree.get_mut(at) {
            *sum = sum.wrapping_add(number);
            at += at & at.wrapping_neg();
        }
    }

    /// The sum at `at`.
    pub(super) fn at(&self, at: u32) -> u32 {
        let (mut at, mut sum) = (at as usize + 1, 0u32);
        while at > 0 {
            sum = sum.wrapping_add(self.tree[at]);
            at &= at - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, HIDDEN, Sums};
    use crate::linearizable::containers::tests::Random;

    #[test]
    fn agrees_with_a_list() {
        let mut random = Random(5);
        for size in [1, 3, 16, 17, 255, 257, 5_000] {
            let mut list: Vec<i32> = (0..size).map(|_| random.below(2_000) as i32).collect();
            let mut hidden = vec![false; size];
            let mut counts = Counts::new(list.clone());
            let mut sums = Sums::new(size);
            let mut added = vec![0u32; size];
            for _ in 0..2_000 {
                let at = random.below(size as u64) as usize;
                let to = at + 1 + random.below((size - at) as u64) as usize;
                match random.below(3) {
                    0 => {
                        counts.decrement(at as u32, to as u32);
                        list[at..to].iter_mut().for_each(|count| *count -= 1);
                    }
                    1 => {
                        if hidden[at] {
                            counts.show(at as u32);
                        } else {
                            counts.hide(at as u32);
                        }
                        hidden[at] ^= true;
                    }
                    _ => {
                        sums.add(at as u32, to as u32, 7);
                        added[at..to].iter_mut().for_each(|sum| *sum += 7);
                    }
                }
                let shown = || list.iter().zip(&hidden).filter(|(_, hidden)| !**hidden);
                let least = shown().map(|(count, _)| *count).min();
                let at = list
                    .iter()
                    .zip(&hidden)
                    .position(|(count, hidden)| !hidden && Some(*count) == least);
                assert_eq!(counts.least(), at.map(|at| (at as u32, list[at])));
                let at = random.below(size as u64) as usize;
                assert_eq!(sums.at(at as u32), added[at]);
            }
            assert!(list.iter().all(|count| *count < HIDDEN / 2));
        }
    }
}
