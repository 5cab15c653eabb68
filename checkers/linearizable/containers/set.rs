//! A set in which every element is added at most once and removed at most once: O(n).
//!
//! Elements do not know of each other. One is legal iff its operations fit together (prep) and
//! nobody missed it while it was surely inside: `absent` from `c` to `r` is illegal iff
//! `first_ret < c` and `r < last_call`. A crashed remove says which element it may have removed:
//! as it may happen at any time after its call it allows whatever staying for ever allows.

use super::prep::{Acts, Conflict, NONE, Solved, Watch, What};
use super::tricks::{Bug, Tricks};
use super::witness::Placing;
use crate::Spent;

/// Decides a set.
pub(super) fn solve(acts: &Acts, watch: Watch<'_>, tricks: Tricks) -> Result<Solved, Spent> {
    let lives = match acts.lives(watch, tricks)? {
        Ok(lives) => lives,
        Err(conflict) => return Ok(Solved::Conflict(conflict)),
    };
    // A crashed add or remove of an element that nobody saw is left out.
    let mut gap_of = vec![NONE; acts.acts.len()];
    // 0: absent before, 1: add, 2: contains, 3: remove, 4: absent again.
    let mut phase_of = vec![0u8; acts.acts.len()];
    let mut ends = [0usize; 5];
    for (at, act) in acts.acts.iter().enumerate() {
        watch.poll(at)?;
        let life = &lives[act.value as usize];
        let added = (life.first_ret.wrapping_sub(1)).min(life.last_call);
        let (phase, gap) = match act.what {
            What::Absent if !life.exists() => (0, act.call),
            What::Absent if act.call <= added => (0, act.call),
            What::Absent => {
                let inside = life.first_ret < act.call && act.ret < life.last_call;
                if inside && !tricks.has(Bug::AbsentAlwaysLegal) {
                    let mut found = acts.extremes(&[act.value]);
                    found.push(at as u32);
                    return Ok(Solved::Conflict(Conflict::Acts(found)));
                }
                (4, act.call.max(life.last_call))
            }
            _ if !life.exists() => continue,
            What::Insert => (1, added),
            What::Peek => (2, act.call.max(added)),
            What::Remove => (3, life.last_call),
            What::Empty | What::Unknown => continue,
        };
        gap_of[at] = gap;
        phase_of[at] = phase;
        ends[usize::from(phase)] += 1;
    }
    Ok(Solved::Order(in_order(&gap_of, &phase_of, ends, acts.events)))
}

/// Operations by gap, those of one gap by phase. O(n).
fn in_order(gap_of: &[u32], phase_of: &[u8], mut ends: [usize; 5], events: u32) -> Vec<u32> {
    let mut all = 0;
    for end in &mut ends {
        all += std::mem::replace(end, all);
    }
    let mut by_phase = vec![0u32; all];
    let placed = (0u32..).zip(gap_of).filter(|(_, gap)| **gap != NONE);
    for (at, _) in placed {
        let end = &mut ends[usize::from(phase_of[at as usize])];
        by_phase[*end] = at;
        *end += 1;
    }
    let mut placing = Placing::new(gap_of, events as usize + 1);
    by_phase.into_iter().for_each(|at| placing.put(at));
    placing.finish()
}
