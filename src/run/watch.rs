//! A checker that looks on while the load runs, and may end it early.
//!
//! What it says is no verdict: the whole history is judged afterwards all the same. It only spares
//! the rest of a run whose promise is broken already.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tribunal_checkers::{Budget, Checker, Happened, Watched};
use tribunal_harness::runner::{Heard, StopReason, Tap, Watch, tap};

use super::interrupt::Brakes;
use crate::experiment::Live;
use crate::progress::Voice;

/// Turns of the dispatcher that may wait for the checker.
const TURNS: usize = 1 << 14;

/// How long a silent load is waited for between two looks at the flag.
const PATIENCE: Duration = Duration::from_millis(100);

/// A checker at work beside the load.
pub(super) struct Onlooker {
    thread: JoinHandle<Watched>,
    budget: Budget,
}

/// Starts the first of `checkers` that can look on, if one can and it is wanted.
pub(super) fn look_on(
    live: Live,
    checkers: &Arc<Vec<Box<dyn Checker>>>,
    bytes: u64,
    brakes: &Brakes,
    voice: &Voice,
) -> Option<(Tap, Onlooker)> {
    let at = checkers.iter().position(|checker| checker.is_live())?;
    if live == Live::Off {
        return None;
    }
    let (tap, watch) = tap(TURNS);
    let budget = Budget::unlimited().with_bytes(bytes);
    let (checkers, limit) = (Arc::clone(checkers), budget.clone());
    let (brakes, voice) = (brakes.clone(), voice.clone());
    let thread = std::thread::Builder::new().name("live".into()).spawn(move || {
        let mut lost = false;
        let mut events = Events { watch, turn: Vec::new().into_iter(), lost: &mut lost };
        let watched = checkers[at].watch(&mut events, &limit);
        let watched = match watched {
            Watched::Nothing { why: None } if lost => Watched::Nothing {
                why: Some("events came faster than they could be judged".into()),
            },
            watched => watched,
        };
        if let Watched::Violation { summary } = &watched {
            voice.say(format!("{} is broken already: {summary}", checkers[at].name()));
            if live == Live::Stop {
                brakes.load.stop(StopReason::Early(summary.clone()));
            }
        }
        watched
    });
    match thread {
        Ok(thread) => Some((tap, Onlooker { thread, budget })),
        Err(error) => {
            tracing::warn!("the live check was not started: {error}");
            None
        }
    }
}

impl Onlooker {
    /// Ends it with the load; why it stopped looking before that, if it did.
    pub(super) fn end(self) -> Option<String> {
        self.budget.cancel();
        match self.thread.join() {
            Ok(Watched::Nothing { why }) => why,
            Ok(Watched::Violation { .. }) => None,
            Err(_panic) => Some("the live check crashed; see stderr".into()),
        }
    }
}

/// The tap as an iterator, up to the end of the load or to a gap.
struct Events<'l> {
    watch: Watch,
    turn: std::vec::IntoIter<tribunal_harness::runner::Tapped>,
    lost: &'l mut bool,
}

impl Iterator for Events<'_> {
    type Item = Happened;

    fn next(&mut self) -> Option<Happened> {
        loop {
            if let Some(event) = self.turn.next() {
                let (process, kind, op, error) = (event.process, event.kind, event.op, event.error);
                return Some(Happened { process, kind, op, error });
            }
            match self.watch.next(PATIENCE) {
                Heard::Events(events) => self.turn = events.into_iter(),
                Heard::Silence => {}
                Heard::Lost => {
                    *self.lost = true;
                    return None;
                }
                Heard::End => return None,
            }
        }
    }
}
