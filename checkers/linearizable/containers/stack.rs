//! A stack in which every value is pushed at most once and popped at most once: O(n log n).
//!
//! In a legal order the time of one value lies wholly within the time of another or apart from it.
//! So some value is at the bottom: nothing else is inside when it is pushed, peeked at or popped.
//! Repeat (Lee & Mathur): a gap that no value surely spans takes out every operation that may
//! happen in it; a gap that only `v` spans takes out the peeks of `v`. (A push or a pop of `v`
//! never needs the latter: tuned, it ends where `v` is surely inside, or begins there.) When all of
//! a value is taken out its span is withdrawn. If values remain and no gap takes anything out, no
//! order of them is legal.
//!
//! The order in which values are taken out is the nesting, from the bottom up; the gaps that took
//! a value out cut the history for all later ones, none of which spans them. So each value stays
//! between the cuts next to its last call, and then cuts itself.
//!
//! The counts of spans are kept for runs of gaps between which no span begins or ends. What may
//! happen in a gap and is not taken out yet lies between the nearest gaps that took everything
//! out; the events on the shorter side name it, so every event is looked at O(log n) times.

use super::bits::Bits;
use super::gaps::{place_empties, uncovered};
use super::prep::{Acts, Conflict, Life, NONE, Peeks, Solved, Watch};
use super::tree::{Counts, Sums};
use super::tricks::{Bug, Tricks};
use super::witness::{nested, never_happened};
use crate::Spent;

/// Decides a stack.
pub(super) fn solve(acts: &Acts, watch: Watch<'_>, tricks: Tricks) -> Result<Solved, Spent> {
    let lives = match acts.lives(watch, tricks)? {
        Ok(lives) => lives,
        Err(conflict) => return Ok(Solved::Conflict(conflict)),
    };
    let mut gap_of = vec![NONE; acts.acts.len()];
    let mut empties = Vec::new();
    if acts.empties > 0 && !tricks.has(Bug::EmptiesIgnored) {
        let free = uncovered(&lives, acts.events);
        match place_empties(acts, &lives, &free, &mut gap_of) {
            Ok(placed) => empties = placed,
            Err(conflict) => return Ok(Solved::Conflict(conflict)),
        }
    }
    let peeks = acts.peeks_by_value();
    watch.poll(0)?;
    let mut peeling = Peeling::new(acts, &lives, &peeks, gap_of);
    peeling.run(watch, tricks)?;
    let Peeling { mut gap_of, ranked, open, watched, .. } = peeling;
    let stuck: Vec<u32> = (0u32..).zip(&open).filter(|(_, open)| **open > 0).map(at).collect();
    if !stuck.is_empty() {
        return Ok(Solved::Conflict(Conflict::Values(stuck)));
    }
    drop(open);
    if let Some(watched) = watched {
        watched.place_others(acts, &lives, &mut gap_of);
    }
    let mut cuts = Bits::empty(acts.events as usize + 1);
    empties.iter().for_each(|at| cuts.insert(gap_of[*at as usize]));
    for (step, value) in ranked.iter().enumerate() {
        watch.poll(step)?;
        let life = &lives[*value as usize];
        place(life, peeks.of(*value as usize), &mut cuts, &mut gap_of);
    }
    drop(cuts);
    watch.poll(0)?;
    never_happened(acts, &lives, &mut gap_of);
    let gaps = (&gap_of[..], acts.events as usize + 1);
    Ok(Solved::Order(nested(&lives, &peeks, &ranked, &empties, gaps, watch)?))
}

fn at<T>((at, _): (u32, T)) -> u32 {
    at
}

/// What is not taken out yet.
struct Peeling<'a> {
    acts: &'a Acts,
    lives: &'a [Life],
    runs: Runs,
    counts: Counts,
    /// Which value an event is of; [`NONE`]: of none that matters.
    value_of: Vec<u32>,
    /// How many operations of a value are not taken out.
    open: Vec<u32>,
    /// Runs that took everything out.
    free: Bits,
    /// Where operations were taken out.
    gap_of: Vec<u32>,
    /// Values wholly taken out, in this order.
    ranked: Vec<u32>,
    watched: Option<Watched<'a>>,
}

/// Runs of gaps that the same values surely span.
struct Runs {
    /// Begins of spans and ends of spans, by rank.
    starts: Vec<u32>,
    /// The run that begins with or holds the gap behind an event.
    of_event: Vec<u32>,
}

/// Peeks, where there are some.
struct Watched<'a> {
    peeks: &'a Peeks,
    sums: Sums,
    /// Peeks that no other peek of the value lies within, by value and by call; so by return too.
    tight: Vec<u32>,
    /// Where those of a value begin.
    starts: Vec<u32>,
    /// The next in `tight` that is not taken out, perhaps by way of others.
    next: Vec<u32>,
    /// By run: the next run hidden until the same value is withdrawn.
    parked_next: Vec<u32>,
    /// By value: the first such run.
    parked: Vec<u32>,
}

impl<'a> Peeling<'a> {
    fn new(acts: &'a Acts, lives: &'a [Life], peeks: &'a Peeks, gap_of: Vec<u32>) -> Peeling<'a> {
        let runs = Runs::new(acts, lives);
        let counts = Counts::new(runs.counts(lives));
        let mut value_of = vec![NONE; acts.events as usize];
        let mut open = vec![0; lives.len()];
        for (value, life) in (0u32..).zip(lives).filter(|(_, life)| life.exists()) {
            // Virtual pops happen behind the end, where nothing is.
            open[value as usize] = 1 + u32::from(life.remove != NONE);
            for rank in [life.add_call, life.first_ret, life.last_call, life.rem_ret] {
                if let Some(event) = value_of.get_mut(rank as usize) {
                    *event = value;
                }
            }
        }
        let watched = (!peeks.is_empty()).then(|| Watched::new(acts, lives, peeks, &runs));
        if let Some(watched) = &watched {
            for peek in &watched.tight {
                let act = &acts.acts[*peek as usize];
                open[act.value as usize] += 1;
                value_of[act.call as usize] = act.value;
                value_of[act.ret as usize] = act.value;
            }
        }
        let free = Bits::empty(runs.starts.len());
        let ranked = Vec::with_capacity(lives.len());
        Peeling { acts, lives, runs, counts, value_of, open, free, gap_of, ranked, watched }
    }

    fn run(&mut self, watch: Watch<'_>, tricks: Tricks) -> Result<(), Spent> {
        let most = i32::from(self.watched.is_some());
        // Behind the end nothing is inside, and what crashed may happen there.
        let last = self.runs.starts.len() as u32 - 1;
        self.counts.hide(last);
        self.take_all(last);
        let mut step = 0;
        while let Some((run, count)) = self.counts.least()
            && count <= most
        {
            watch.poll(step)?;
            step += 1;
            self.counts.hide(run);
            if count == 0 || tricks.has(Bug::CoveredGapIsFree) {
                self.take_all(run);
            } else {
                self.take_peeks(run);
            }
        }
        Ok(())
    }

    /// Takes out what may happen in a run that nothing spans.
    fn take_all(&mut self, run: u32) {
        let (from, to) = self.runs.gaps(run);
        let before = match run.checked_sub(1).and_then(|run| self.free.previous(run)) {
            Some(free) => self.runs.gaps(free).1,
            None => 0,
        };
        let behind = match self.free.next(run + 1) {
            Some(free) => self.runs.gaps(free).0,
            None => self.acts.events,
        };
        self.free.insert(run);
        // What crashed has no return by which the other side could name it.
        let left = behind == self.acts.events || to - before < behind - from;
        let events = if left { before..to } else { from..behind + 1 };
        for event in events {
            let value = self.value_of.get(event as usize).copied().unwrap_or(NONE);
            if value != NONE && self.open[value as usize] > 0 {
                self.take_of(value, event, (from, to));
            }
        }
    }

    /// Takes out what `event` may be an end of and may happen in the gaps `from..to`.
    fn take_of(&mut self, value: u32, event: u32, (from, to): (u32, u32)) {
        let life = self.lives[value as usize];
        for (act, call, ret) in [
            (life.insert, life.add_call, life.first_ret),
            (life.remove, life.last_call, life.rem_ret),
        ] {
            if act != NONE && call < to && ret > from && self.gap_of[act as usize] == NONE {
                self.take(value, act, call.max(from));
            }
        }
        let Some(watched) = &self.watched else { return };
        let called = watched.first_not(self.acts, (value, &life), |call, _| call < event);
        let returned = watched.first_not(self.acts, (value, &life), |_, ret| ret < event);
        for index in [called, returned].into_iter().flatten() {
            self.take_peek_within(value, index, (from, to));
        }
    }

    /// Takes out the peeks, of the one value that spans `run`, that may happen there.
    fn take_peeks(&mut self, run: u32) {
        let (from, to) = self.runs.gaps(run);
        let watched = self.watched.as_mut().expect("only peeks need a gap that one value spans");
        let value = watched.sums.at(run);
        watched.parked_next[run as usize] = watched.parked[value as usize];
        watched.parked[value as usize] = run;
        let life = &self.lives[value as usize];
        let mut index = watched.first_not(self.acts, (value, life), |_, ret| ret <= from);
        let end = watched.of(value).end;
        while let Some(at) = index {
            let watched = self.watched.as_mut().expect("as above");
            let at = watched.next_open(at);
            if at >= end || !self.take_peek_within(value, at, (from, to)) {
                return;
            }
            index = Some(at + 1);
        }
    }

    /// Takes out a tight peek if it may happen in the gaps `from..to`; whether it may.
    fn take_peek_within(&mut self, value: u32, index: u32, (from, to): (u32, u32)) -> bool {
        let watched = self.watched.as_ref().expect("there is a peek");
        let peek = &self.acts.acts[watched.tight[index as usize] as usize];
        let (call, ret) = self.lives[value as usize].clip(peek);
        let may = call < to && ret > from;
        if may {
            self.take_peek(value, index, call.max(from));
        }
        may
    }

    /// Takes out a tight peek.
    fn take_peek(&mut self, value: u32, index: u32, gap: u32) {
        let watched = self.watched.as_mut().expect("there is a peek");
        if watched.next[index as usize] == index {
            watched.next[index as usize] = index + 1;
            let peek = watched.tight[index as usize];
            self.take(value, peek, gap);
        }
    }

    fn take(&mut self, value: u32, act: u32, gap: u32) {
        self.gap_of[act as usize] = gap;
        let open = &mut self.open[value as usize];
        *open -= 1;
        if *open > 0 {
            return;
        }
        self.ranked.push(value);
        let life = &self.lives[value as usize];
        if !life.is_critical() {
            return;
        }
        let (from, to) = self.runs.span(life);
        self.counts.decrement(from, to);
        if let Some(watched) = &mut self.watched {
            watched.sums.add(from, to, value.wrapping_neg());
            let mut run = watched.parked[value as usize];
            while run != NONE {
                self.counts.show(run);
                run = watched.parked_next[run as usize];
            }
        }
    }
}

impl Runs {
    fn new(acts: &Acts, lives: &[Life]) -> Runs {
        let mut edge = vec![0; acts.events as usize + 1];
        for life in lives.iter().filter(|life| life.is_critical()) {
            edge[life.first_ret as usize] = 1;
            edge[life.last_call as usize] = 1;
        }
        let mut starts = vec![0];
        let mut of_event = edge;
        for (event, run) in (0u32..).zip(&mut of_event) {
            // The gap in front of the first event is no operation's.
            if *run == 1 {
                starts.push(event);
            }
            *run = starts.len() as u32 - 1;
        }
        starts.shrink_to_fit();
        Runs { starts, of_event }
    }

    /// The gaps of a run.
    fn gaps(&self, run: u32) -> (u32, u32) {
        let end = || self.of_event.len() as u32;
        let to = self.starts.get(run as usize + 1).copied();
        (self.starts[run as usize], to.unwrap_or_else(end))
    }

    /// The runs that a value surely spans.
    fn span(&self, life: &Life) -> (u32, u32) {
        (self.of_event[life.first_ret as usize], self.of_event[life.last_call as usize])
    }

    /// How many values surely span each run.
    fn counts(&self, lives: &[Life]) -> Vec<i32> {
        let mut counts = vec![0; self.starts.len()];
        for life in lives.iter().filter(|life| life.is_critical()) {
            let (from, to) = self.span(life);
            counts[from as usize] += 1;
            counts[to as usize] -= 1;
        }
        let mut sum = 0;
        for count in &mut counts {
            sum += *count;
            *count = sum;
        }
        counts
    }
}

impl<'a> Watched<'a> {
    fn new(acts: &Acts, lives: &[Life], peeks: &'a Peeks, runs: &Runs) -> Watched<'a> {
        let mut sums = Sums::new(runs.starts.len());
        let (mut tight, mut starts) = (Vec::with_capacity(peeks.len()), vec![0]);
        for (value, life) in (0u32..).zip(lives) {
            if life.is_critical() {
                let (from, to) = runs.span(life);
                sums.add(from, to, value);
            }
            let clip = |peek: u32| life.clip(&acts.acts[peek as usize]);
            let first = tight.len();
            for peek in peeks.of(value as usize) {
                // Later calls come later: what was kept and does not return earlier lies around.
                let (call, ret) = clip(*peek);
                while tight.len() > first && tight.last().is_some_and(|at| clip(*at).1 >= ret) {
                    tight.pop();
                }
                if tight[first..].last().is_none_or(|at| clip(*at).0 < call) {
                    tight.push(*peek);
                }
            }
            starts.push(tight.len() as u32);
        }
        let next = (0..=tight.len() as u32).collect();
        let parked_next = vec![NONE; runs.starts.len()];
        let parked = vec![NONE; lives.len()];
        Watched { peeks, sums, tight, starts, next, parked_next, parked }
    }

    fn of(&self, value: u32) -> std::ops::Range<u32> {
        self.starts[value as usize]..self.starts[value as usize + 1]
    }

    /// The first tight peek of `value` for which `is_before` no longer holds.
    fn first_not(
        &self,
        acts: &Acts,
        (value, life): (u32, &Life),
        is_before: impl Fn(u32, u32) -> bool,
    ) -> Option<u32> {
        let range = self.of(value);
        let tight = &self.tight[range.start as usize..range.end as usize];
        let first = tight.partition_point(|peek| {
            let (call, ret) = life.clip(&acts.acts[*peek as usize]);
            is_before(call, ret)
        });
        (first < tight.len()).then_some(range.start + first as u32)
    }

    /// The first in `tight` from `index` on that is not taken out.
    fn next_open(&mut self, index: u32) -> u32 {
        let mut found = index;
        while self.next[found as usize] != found {
            found = self.next[found as usize];
        }
        let mut at = index;
        while at != found {
            at = std::mem::replace(&mut self.next[at as usize], found);
        }
        found
    }

    /// Gives every other peek the gap of a tight one that lies within it.
    fn place_others(&self, acts: &Acts, lives: &[Life], gap_of: &mut [u32]) {
        for (value, life) in (0u32..).zip(lives) {
            for peek in self.peeks.of(value as usize) {
                if gap_of[*peek as usize] == NONE {
                    let (from, _) = life.clip(&acts.acts[*peek as usize]);
                    let within = self.first_not(acts, (value, life), |call, _| call < from);
                    let within = within.expect("peeks that are not tight lie around one that is");
                    gap_of[*peek as usize] = gap_of[self.tight[within as usize] as usize];
                }
            }
        }
    }
}

/// Moves the instants of a value between the cuts next to its last call, and cuts there.
fn place(life: &Life, peeks: &[u32], cuts: &mut Bits, gap_of: &mut [u32]) {
    let before = cuts.previous(life.last_call - 1).unwrap_or(0);
    let behind = cuts.next(life.last_call).unwrap_or(u32::MAX);
    let mut end = u32::MAX;
    if life.remove != NONE {
        end = gap_of[life.remove as usize].clamp(before, behind);
        gap_of[life.remove as usize] = end;
        cuts.insert(end);
    }
    let start = gap_of[life.insert as usize].clamp(before, behind).min(end);
    gap_of[life.insert as usize] = start;
    cuts.insert(start);
    for peek in peeks {
        let gap = gap_of[*peek as usize].clamp(before, behind).clamp(start, end);
        gap_of[*peek as usize] = gap;
        cuts.insert(gap);
    }
}
