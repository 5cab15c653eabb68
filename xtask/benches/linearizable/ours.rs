//! Our side of a contest.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tribunal_checkers::linearizable::{
    CasRegister, Container, Counter, Engines, Fifo, FromHistory, Kv, Lifo, Options, Priority,
    Register, Set, decide, judge,
};
use tribunal_checkers::{Budget, Verdict};

use crate::input::Input;

/// The data types there are. A new one is a line here, in [`Data::named`] and in [`run`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Data {
    Register,
    CasRegister,
    Kv,
    Queue,
    Stack,
    PriorityQueue,
    Set,
    Counter,
}

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Check {
    /// From the parsed history to the verdict.
    Bare,
    /// With evidence made and verified.
    Whole,
}

/// One turn: the median of its repetitions.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) verdict: Verdict,
    pub(crate) median: Duration,
    pub(crate) peak_bytes: u64,
    pub(crate) engine: &'static str,
    pub(crate) error: Option<String>,
}

/// A turn ends after so many repetitions, or so much time.
const REPETITIONS: usize = 200;
const ENOUGH: Duration = Duration::from_millis(100);
/// What no check may hold.
const MOST_BYTES: u64 = 8 << 30;

impl Data {
    /// The data type of a model's name on the command line.
    ///
    /// # Panics
    /// If none of these is called so.
    pub(crate) fn named(name: &str) -> Data {
        match name {
            "register" => Data::Register,
            "cas-register" => Data::CasRegister,
            "kv" => Data::Kv,
            "fifo-queue" => Data::Queue,
            "stack" => Data::Stack,
            "priority-queue" => Data::PriorityQueue,
            "set" => Data::Set,
            "pn-counter" => Data::Counter,
            other => panic!("{other} is not measured"),
        }
    }
}

/// Everything on.
pub(crate) fn automatic() -> Options {
    Options::default()
}

/// Neither fast paths nor refutations without search.
pub(crate) fn search_alone() -> Options {
    Options { engines: Engines::Search, quick: false, ..Options::default() }
}

/// One turn.
pub(crate) fn measure(input: &Input, options: Options, check: Check, limit: Duration) -> Sample {
    let budget = Budget::unlimited().with_bytes(MOST_BYTES);
    let flag = budget.clone();
    let (done, waits) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if waits.recv_timeout(limit).is_err() {
            flag.cancel();
        }
    });
    let (mut times, mut total) = (Vec::new(), Duration::ZERO);
    let mut sample = loop {
        let (busy, started) = (processor(), Instant::now());
        let sample = once(input, options, check, &budget);
        let took = started.elapsed();
        let took = took.min(processor() - busy);
        times.push(took);
        total += took;
        let undecided = sample.verdict == Verdict::Unknown;
        if undecided || times.len() == REPETITIONS || total > ENOUGH {
            break sample;
        }
    };
    done.send(()).ok();
    watch.join().expect("the watch ends");
    times.sort();
    sample.median = times[times.len() / 2];
    sample
}

/// The time this thread ran: where the machine is busy with something else, the clock would count
/// that too. The driver of the rival does the same.
pub(crate) fn processor() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of every thread");
    Duration::from(now)
}

/// One check, its time left to the caller.
pub(crate) fn once(input: &Input, options: Options, check: Check, budget: &Budget) -> Sample {
    let initial = input.initial.clone();
    match input.data {
        Data::Register => run(&Register { initial }, input, options, check, budget),
        Data::CasRegister => run(&CasRegister { initial }, input, options, check, budget),
        Data::Kv => run(&Kv { initial: "".into() }, input, options, check, budget),
        Data::Queue => run(&Container(Fifo), input, options, check, budget),
        Data::Stack => run(&Container(Lifo), input, options, check, budget),
        Data::PriorityQueue => run(&Container(Priority::Greatest), input, options, check, budget),
        Data::Set => run(&Set { shrinks: true }, input, options, check, budget),
        Data::Counter => run(&Counter { initial: 0, shrinks: true }, input, options, check, budget),
    }
}

fn run<M: FromHistory>(
    model: &M,
    input: &Input,
    options: Options,
    check: Check,
    budget: &Budget,
) -> Sample {
    let Input { history, dialect, .. } = input;
    let median = Duration::ZERO;
    let decided = match check {
        Check::Bare => decide(model, history, *dialect, budget, options)
            .map(|bare| (bare.verdict, bare.peak_bytes, bare.engine)),
        Check::Whole => judge(model, history, *dialect, budget, options).map(|report| {
            let engine = report.cost.engines.first().map_or("none", |(engine, _)| engine);
            (report.verdict, report.cost.peak_bytes, engine)
        }),
    };
    match decided {
        Ok((verdict, peak_bytes, engine)) => {
            Sample { verdict, median, peak_bytes, engine, error: None }
        }
        Err(error) => {
            let (verdict, error) = (Verdict::Unknown, Some(error.to_string()));
            Sample { verdict, median, peak_bytes: 0, engine: "none", error }
        }
    }
}
