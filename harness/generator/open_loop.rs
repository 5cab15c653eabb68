//! `open_loop`: the world does not wait for the database.

use std::collections::VecDeque;

use tribunal_history::Nanos;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

/// From when, and to when once it is over.
#[derive(Clone, Copy)]
struct Spell {
    from: Nanos,
    to: Option<Nanos>,
}

#[derive(Clone)]
struct OpenLoop {
    period_ns: f64,
    start: Option<Nanos>,
    sent: u64,
    offered: Option<Nanos>,
    /// Spells without a free slot that an operation still to be sent may fall into.
    full: VecDeque<Spell>,
    missed: u64,
    child: Gen,
}

/// Operation `k` is due at `start + k / rate`, whether or not a slot is free then; `start` is when
/// the first was due. One that finds no free slot is sent as soon as there is one, keeps its due
/// time (so that its latency counts from there), and is counted by `Generator::missed`.
///
/// # Panics
/// When `rate` is not a positive number.
pub fn open_loop(rate: f64, child: Gen) -> Gen {
    assert!(rate.is_finite() && rate > 0.0, "a rate of {rate} per second has no schedule");
    Box::new(OpenLoop {
        period_ns: 1e9 / rate,
        start: None,
        sent: 0,
        offered: None,
        full: VecDeque::new(),
        missed: 0,
        child,
    })
}

impl OpenLoop {
    fn due(&self) -> Option<Nanos> {
        let offset = (self.sent as f64 * self.period_ns) as u64;
        self.start.map(|start| start.saturating_add(Nanos(offset)))
    }

    /// Operations are sent in order of their due times, so spells before this one are over.
    fn was_full(&mut self, due: Nanos) -> bool {
        while self.full.front().is_some_and(|spell| spell.to.is_some_and(|to| to <= due)) {
            self.full.pop_front();
        }
        self.full.front().is_some_and(|spell| spell.from <= due)
    }

    fn track(&mut self, time: Nanos, full: bool) {
        let period = Nanos(self.period_ns as u64);
        match self.full.back_mut() {
            Some(spell) if spell.to.is_none() => spell.to = (!full).then_some(time),
            // A slot that was free for less than a period is one spell: memory stays bounded by
            // the backlog.
            Some(Spell { to: to @ Some(_), .. })
                if full && to.is_some_and(|to| time <= to.saturating_add(period)) =>
            {
                *to = None;
            }
            Some(_) | None if full => self.full.push_back(Spell { from: time, to: None }),
            Some(_) | None => {}
        }
    }
}

impl Generator for OpenLoop {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("open_loop"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let next = self.child.next(cx);
        let Some(at) = next.due() else { return next };
        // A child that is ready now is ready when the schedule says, be it past or future.
        let due = self.due().map_or(at, |due| if at <= cx.time { due } else { at.max(due) });
        self.offered = Some(due);
        next.at(due)
    }

    fn commit(&mut self) {
        if let Some(offered) = self.offered.take() {
            self.start.get_or_insert(offered);
            self.missed += u64::from(self.was_full(offered));
        }
        self.sent += 1;
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.track(event.time, cx.free.is_empty());
        self.child.observe(cx, event);
    }

    plain!("open_loop", child);

    fn missed(&self) -> u64 {
        self.missed + self.child.missed()
    }
}
