//! The loop: drain results, take offers, write one frame, hand out, sleep.
//!
//! It owns generator and slots and never awaits anything but the next reason to turn. A frame is
//! written before any of its operations is handed out, so what a server has seen is on file.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tribunal_history::codec::native::Spread;
use tribunal_history::{Kind, Nanos, Outcome};

use super::alarm::Alarm;
use super::desk::{Desk, record, record_late};
use super::hub::{Done, Hub, Job};
use super::load::{Ended, LateReplies, LoadConfig, LoadOutcome, LoadParts};
use super::progress::Progress;
use super::recorder::{RecordError, Recorder, Turn};
use super::stop::StopSignal;
use super::tap::{Tap, Tapped};
use crate::clock::Clock;
use crate::generator::{Step, Threads, Turns};

/// Workers keep their own deadlines; beyond this they are given up.
const GRACE: Duration = Duration::from_secs(2);
/// How often is looked whether late replies are still wanted.
const LOOK: Nanos = Nanos::from_millis(50);
/// Looks at the clock at least this often.
const IDLE: Nanos = Nanos::from_millis(1_000);
/// How soon a generator is asked again that waits for a value from outside.
const ARMED: Nanos = Nanos::from_millis(10);
/// Notes and marks of one turn.
const ASIDES: u32 = 1_024;
/// Beyond this the machine was asleep rather than busy.
const SUSPENDED: Duration = Duration::from_secs(1);

pub(super) struct Dispatcher {
    config: LoadConfig,
    turns: Turns,
    recorder: Recorder,
    stop: StopSignal,
    progress: Arc<Progress>,
    tap: Option<Tap>,
    hub: Rc<Hub>,
    alarm: Alarm,
    clock: Clock,
    desk: Desk,
    started: Nanos,
    stop_at: Option<Nanos>,
    /// Reused from turn to turn.
    batch: Vec<Done>,
    received: Vec<Nanos>,
    assigned: Vec<u32>,
}

impl Dispatcher {
    pub(super) fn new(
        config: LoadConfig,
        parts: LoadParts,
        threads: Threads,
        hub: Rc<Hub>,
    ) -> io::Result<Dispatcher> {
        let LoadParts { generator, connect: _, recorder, stop, progress, tap } = parts;
        let clock = recorder.clock();
        let started = clock.now();
        let limit = |limit: Duration| started.saturating_add(nanos(limit));
        Ok(Dispatcher {
            turns: Turns::new(generator, threads),
            stop,
            progress,
            tap,
            hub,
            alarm: Alarm::new(clock)?,
            clock,
            desk: Desk::new(started),
            started,
            stop_at: config.time_limit.map(limit),
            batch: Vec::with_capacity(config.concurrency as usize),
            received: Vec::with_capacity(config.concurrency as usize),
            assigned: Vec::with_capacity(config.concurrency as usize),
            recorder,
            config,
        })
    }

    pub(super) async fn run(mut self) -> LoadOutcome {
        let spread = Spread::new(self.config.concurrency, self.config.nodes);
        let told = spread.map_or(Ok(()), |spread| self.recorder.spread(spread));
        let ended = match told {
            Ok(()) => self.take_turns().await,
            Err(error) => Ended::History(error),
        };
        let ended = self.await_rest(ended).await;
        let finished = self.clock.now();
        let ended = self.await_late(ended).await;
        self.outcome(ended, finished)
    }

    /// One turn after another, each when something happened or is due; why there is none any more.
    async fn take_turns(&mut self) -> Ended {
        let (recorder, signal, hub) =
            (self.recorder.clone(), self.stop.clone(), Rc::clone(&self.hub));
        let mut stopped = pin!(signal.stopped());
        loop {
            let until = match self.turn(&recorder) {
                Err(ended) => return ended,
                Ok(until) => until,
            };
            let mut sent = false;
            poll_fn(|cx| {
                if hub.poll_done(cx).is_ready() {
                    return Poll::Ready(());
                }
                if !sent {
                    // The workers just woken go first: setting the alarm wakes a thread, and no
                    // request shall wait for that.
                    sent = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.alarm.set(until);
                let ready = self.alarm.poll(cx).is_ready() || stopped.as_mut().poll(cx).is_ready();
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    /// One turn; when to turn again at the latest, or why there is no next one.
    fn turn(&mut self, recorder: &Recorder) -> Result<Nanos, Ended> {
        let began = self.clock.now();
        let mut frame = recorder.turn();
        let drained = self.drain(&mut frame, began);
        let taken = drained.and_then(|now| {
            let taken = self.take_offers(&mut frame, now);
            frame.write().map(|()| taken)
        });
        drop(frame);
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                self.forget_turn();
                return Err(Ended::History(error));
            }
        };
        if let Some(tap) = &mut self.tap {
            tap.pass_on();
        }
        let on_file = self.clock.now();
        self.desk.ops += self.assigned.len() as u64;
        self.desk.open += self.assigned.len() as u32;
        self.assigned.drain(..).for_each(|slot| self.hub.wake(slot));
        self.received.drain(..).for_each(|at| self.desk.noise.recorded(at, on_file));
        self.desk.noise.turn(self.clock.now().saturating_sub(began));
        self.housekeeping(on_file).map_err(Ended::History)?;
        let Taken { until, sync } = taken?;
        if sync {
            recorder.sync_now().map_err(Ended::History)?;
        }
        Ok(until)
    }

    /// Completions, in the order of their stamps, then late replies: each behind the completion of
    /// its operation. The time returned is later than all completions.
    fn drain(&mut self, frame: &mut Turn<'_>, began: Nanos) -> Result<Nanos, RecordError> {
        self.hub.drain(&mut self.batch);
        self.batch.sort_by_key(|done| done.received);
        let last = self.batch.last().map(|done| done.received);
        let now =
            last.map_or(began, |last| if began > last { began } else { self.clock.after(last) });
        let mut recorded = Ok(now);
        for mut done in self.batch.drain(..) {
            if let Err(error) = record(frame, &mut done, &mut self.desk) {
                recorded = Err(error);
            }
            self.received.push(done.received);
            self.desk.count(&done, now);
            self.desk.open -= 1;
            let error = done.trouble.as_ref().map(|trouble| &trouble.error);
            if let Some(tap) = &mut self.tap {
                let (process, kind, op) = (done.process, kind(done.outcome), done.op.clone());
                tap.push(Tapped { process, kind, op, error: error.cloned() });
            }
            self.turns.complete(done.received, done.slot, kind(done.outcome), &done.op, error);
        }
        for late in self.hub.take_late() {
            // Neither generator nor tap hears of it: the operation stays what it was.
            recorded = recorded.and_then(|now| {
                record_late(frame, &late, &mut self.desk)?;
                Ok(now)
            });
        }
        recorded
    }

    /// Takes what is offered for now. The frame stays consistent whatever is returned: an offer is
    /// placed if and only if it was written into the frame.
    fn take_offers(&mut self, frame: &mut Turn<'_>, now: Nanos) -> Result<Taken, Ended> {
        self.reason_to_end(now)?;
        let mut taken = Taken { until: now.saturating_add(IDLE), sync: false };
        taken.not_after(self.stop_at);
        let mut asides = 0;
        loop {
            match self.turns.step(now) {
                Step::Invoke { slot, process, node, op, due: _ } => {
                    frame.invoke(process, node, &op, now).map_err(|error| {
                        Ended::BadOffer(format!("an operation that no record holds: {error}"))
                    })?;
                    if let Some(tap) = &mut self.tap {
                        let op = op.clone();
                        tap.push(Tapped { process, kind: Kind::Invoke, op, error: None });
                    }
                    let patience = self.config.patience(&op);
                    self.hub.place(slot, Job { process, node, op, dispatched: now, patience });
                    self.assigned.push(slot);
                    continue;
                }
                Step::Note(text) => frame.note(now, &text).map_err(Ended::History)?,
                Step::Mark(name) => {
                    frame.mark(now, &name).map_err(Ended::History)?;
                    taken.sync = true;
                }
                Step::Wait { until } => {
                    // Nothing runs, and yet it is not stuck: something outside will wake it.
                    let armed = until.is_none() && self.desk.open == 0 && self.assigned.is_empty();
                    taken.not_after(until);
                    taken.not_after(armed.then(|| now.saturating_add(ARMED)));
                    return Ok(taken);
                }
                Step::Stuck { path } => return Err(Ended::Stuck { path }),
                Step::Done => return Err(Ended::Done),
            }
            asides += 1;
            if asides >= ASIDES {
                taken.until = now;
                return Ok(taken);
            }
        }
    }

    fn reason_to_end(&mut self, now: Nanos) -> Result<(), Ended> {
        if let Some(problem) = self.desk.client_bug.take() {
            return Err(Ended::ClientBug(problem));
        }
        if let Some(reason) = self.stop.reason() {
            return Err(Ended::Stopped(reason.clone()));
        }
        match self.stop_at {
            Some(stop_at) if now >= stop_at => Err(Ended::TimeLimit),
            Some(_) | None => Ok(()),
        }
    }

    /// Publishes the figures; once a second looks whether the machine slept.
    fn housekeeping(&mut self, now: Nanos) -> Result<(), RecordError> {
        if !self.desk.gauge.publish(&self.progress, self.desk.open, now) {
            return Ok(());
        }
        let suspended = self.clock.suspended();
        if suspended < SUSPENDED || self.desk.suspended >= SUSPENDED {
            return Ok(());
        }
        self.desk.suspended = suspended;
        self.recorder.mark("suspended")
    }

    /// Awaits the operations under way: each has its own deadline.
    async fn await_rest(&mut self, ended: Ended) -> Ended {
        let patience = self.config.patience_max() + GRACE;
        self.take_results(ended, patience, |this| this.desk.open > 0).await
    }

    /// Late replies have one more deadline, so that a load takes two at most beyond its time: the
    /// other is that of the last operations. Who asked for the end, or has to repair something
    /// first, does not wait for what changes no verdict.
    async fn await_late(&mut self, ended: Ended) -> Ended {
        if !matches!(ended, Ended::Done | Ended::TimeLimit) {
            return ended;
        }
        let wanted = |this: &Dispatcher| this.hub.expects_late() && this.stop.reason().is_none();
        self.take_results(ended, self.config.op_timeout, wanted).await
    }

    async fn take_results(
        &mut self,
        mut ended: Ended,
        patience: Duration,
        wanted: impl Fn(&Dispatcher) -> bool,
    ) -> Ended {
        let give_up = self.clock.now().saturating_add(nanos(patience));
        let hub = Rc::clone(&self.hub);
        loop {
            let now = self.clock.now();
            if now >= give_up || !wanted(self) {
                break;
            }
            self.alarm.set(give_up.min(now.saturating_add(LOOK)));
            poll_fn(|cx| {
                let ready = hub.poll_done(cx).is_ready() || self.alarm.poll(cx).is_ready();
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            if let Err(error) = self.last_turn() {
                self.forget_turn();
                if !matches!(ended, Ended::History(_)) {
                    ended = Ended::History(error);
                }
            }
        }
        match self.desk.client_bug.take() {
            Some(problem) if !matches!(ended, Ended::History(_)) => Ended::ClientBug(problem),
            Some(_) | None => ended,
        }
    }

    /// The frame is not on file: what it completed stays open, what it invoked never started.
    fn forget_turn(&mut self) {
        if let Some(tap) = &mut self.tap {
            tap.lose();
        }
        self.assigned.drain(..).for_each(|slot| self.hub.withdraw(slot));
        self.received.clear();
        self.desk.gauge.forget();
    }

    /// Completions and late replies only.
    fn last_turn(&mut self) -> Result<(), RecordError> {
        let recorder = self.recorder.clone();
        let mut frame = recorder.turn();
        self.drain(&mut frame, self.clock.now())?;
        frame.write()?;
        drop(frame);
        if let Some(tap) = &mut self.tap {
            tap.pass_on();
        }
        let on_file = self.clock.now();
        self.received.drain(..).for_each(|at| self.desk.noise.recorded(at, on_file));
        self.housekeeping(on_file)
    }

    fn outcome(mut self, ended: Ended, finished: Nanos) -> LoadOutcome {
        self.desk.gauge.publish(&self.progress, 0, self.clock.now());
        let suspended = self.clock.suspended().max(self.desk.suspended);
        let Desk { noise, gauge, ops, panics, late, errors, .. } = self.desk;
        let [ok, fail, info] = gauge.totals();
        LoadOutcome {
            ended,
            ops,
            ok,
            fail,
            info,
            open: ops - (ok + fail + info).min(ops),
            panics,
            late: LateReplies { turned_away: self.hub.turned_away(), ..late },
            errors,
            next_process: self.turns.threads().next_process(),
            missed: self.turns.generator().missed(),
            started: self.started,
            finished,
            suspended,
            noise: noise.report(),
        }
    }
}

/// When to turn again, and whether a phase mark waits for the disk.
struct Taken {
    until: Nanos,
    sync: bool,
}

impl Taken {
    fn not_after(&mut self, at: Option<Nanos>) {
        self.until = at.map_or(self.until, |at| self.until.min(at));
    }
}

fn kind(outcome: Outcome) -> Kind {
    match outcome {
        Outcome::Ok => Kind::Ok,
        Outcome::Fail => Kind::Fail,
        Outcome::Info | Outcome::Open => Kind::Info,
    }
}

fn nanos(duration: Duration) -> Nanos {
    Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
