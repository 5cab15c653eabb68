//! Ctrl-C, SIGTERM and a terminal that is gone: the first ends what is going on in good order, the
//! second leaves at once.
//!
//! While the run is being set up it is taken back; under load everything is healed and what exists
//! is judged; afterwards there is nothing left to shorten.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tribunal_harness::runner::{StopReason, StopSignal};

use super::place;
use crate::exit_code::{ExitCode, Trouble};
use crate::progress::{Voice, aside};

/// What an interrupt stops.
#[derive(Clone)]
pub(crate) struct Brakes {
    /// The load, which may also end for other reasons.
    pub(crate) load: StopSignal,
    /// The fault schedule.
    pub(crate) faults: watch::Sender<bool>,
    /// Set-up, quiet period and final reads: an interrupt only.
    pub(crate) rest: StopSignal,
    phase: Arc<AtomicU8>,
}

/// What an interrupt finds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Phase {
    SettingUp,
    Loading,
    Judging,
}

impl Brakes {
    /// Everything goes.
    pub(crate) fn new() -> Brakes {
        Brakes {
            load: StopSignal::new(),
            faults: watch::channel(false).0,
            rest: StopSignal::new(),
            phase: Arc::new(AtomicU8::new(Phase::SettingUp as u8)),
        }
    }

    /// Everything that makes history ends in good order.
    fn pull(&self) {
        self.rest.stop(StopReason::Interrupt);
        self.load.stop(StopReason::Interrupt);
        self.faults.send_replace(true);
    }

    /// Whether a person asked to stop.
    pub(crate) fn interrupted(&self) -> bool {
        self.rest.reason().is_some()
    }

    /// The load begins: from here on there is a history to judge.
    pub(crate) fn loading(&self) {
        self.phase.store(Phase::Loading as u8, Ordering::Relaxed);
    }

    /// The history is made: from here on an interrupt has nothing to shorten.
    pub(crate) fn judging(&self) {
        self.phase.store(Phase::Judging as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        let phase = self.phase.load(Ordering::Relaxed);
        let known = [Phase::SettingUp, Phase::Loading];
        known.into_iter().find(|known| *known as u8 == phase).unwrap_or(Phase::Judging)
    }
}

/// What a run that was interrupted before it began ends with.
pub(crate) fn before_it_began() -> Trouble {
    let message = "interrupted before the load: nothing was judged, what was started is taken down";
    Trouble { code: ExitCode::Interrupted, message: message.into() }
}

/// What is gone with a run that is left at once, as far as the run has got.
#[derive(Default)]
pub(crate) struct Leftovers {
    /// What heals nodes that stay.
    pub(crate) heal: Option<String>,
    /// The run's directory, if it goes where the run never began.
    pub(crate) dir: Option<PathBuf>,
    /// Keys of nodes that end with the run.
    pub(crate) keys: Vec<PathBuf>,
}

/// Answers signals for as long as the program lives, on a thread of its own.
pub(crate) fn watch(brakes: Brakes, voice: Voice, left: Arc<Mutex<Leftovers>>) {
    let (ready, answers) = mpsc::channel();
    let aside = voice.clone();
    let started = std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(answer(brakes, voice, left, ready));
        }
    });
    if started.is_err() || answers.recv() != Ok(()) {
        aside.say("tribunal: signals cannot be watched; an interrupt leaves healing to leases");
    }
}

/// The signals that ask a program to end.
struct Asked {
    interrupt: Signal,
    terminate: Signal,
    /// None where it was started to outlive its terminal, as `nohup` does.
    hangup: Option<Signal>,
}

impl Asked {
    fn listen() -> std::io::Result<Asked> {
        Ok(Asked {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match ignores_hangup() {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    async fn once_more(&mut self) {
        let Asked { interrupt, terminate, hangup } = self;
        let hung_up = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => {}
        }
    }
}

/// Whether whoever started this program said that SIGHUP, the first bit of the mask, is ignored.
pub(crate) fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// How far a program is that [`leave_without`] ends.
static LEAVING: (Mutex<Leaving>, Condvar) = (Mutex::new(Leaving::No), Condvar::new());

/// Patience for the command to notice that its files are gone.
const UNWINDING: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    Interrupted,
    /// And the command has come to its end, so that nobody writes any more.
    Unwound,
}

/// Returns, unless the program is about to end by an interrupt: what failed meanwhile failed of it.
pub(crate) fn wait_if_leaving() {
    let (state, changed) = &LEAVING;
    let mut leaving = state.lock().unwrap_or_else(PoisonError::into_inner);
    if *leaving == Leaving::No {
        return;
    }
    *leaving = Leaving::Unwound;
    changed.notify_all();
    drop(leaving);
    loop {
        std::thread::park();
    }
}

/// A command that makes no history ends with the first interrupt, and takes `scratch` along: there
/// are keys in it. For as long as the program lives.
pub(crate) fn leave_without(scratch: PathBuf) {
    let (ready, listens) = mpsc::channel();
    let started = std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let Ok(mut asked) = Asked::listen() else { return };
            let _ = ready.send(());
            asked.once_more().await;
        });
        let (state, changed) = &LEAVING;
        let mut leaving = state.lock().unwrap_or_else(PoisonError::into_inner);
        *leaving = Leaving::Interrupted;
        // What goes on fails of this soon, and ends; whoever is not yet done by then has no
        // directory to write to.
        let _ = std::fs::remove_dir_all(&scratch);
        let goes_on = |leaving: &mut Leaving| *leaving != Leaving::Unwound;
        let waited = changed.wait_timeout_while(leaving, UNWINDING, goes_on);
        drop(waited);
        let _ = std::fs::remove_dir_all(&scratch);
        aside("interrupted: left at once");
        std::process::exit(ExitCode::Interrupted as i32);
    });
    // Without it an interrupt ends the program as it would any other.
    let _ = started.map(|_| listens.recv());
}

async fn answer(
    brakes: Brakes,
    voice: Voice,
    left: Arc<Mutex<Leftovers>>,
    ready: mpsc::Sender<()>,
) {
    let Ok(mut asked) = Asked::listen() else { return };
    // Whoever waits for it lives until then.
    let _ = ready.send(());
    for count in 0.. {
        asked.once_more().await;
        if count > 0 {
            let left = left.lock().unwrap_or_else(PoisonError::into_inner);
            leave(&voice, &left, brakes.phase());
        }
        let phase = brakes.phase();
        if phase != Phase::Judging {
            brakes.pull();
        }
        let what = match phase {
            Phase::SettingUp => "taking back what was started",
            Phase::Loading => "healing, then judging what exists",
            Phase::Judging => "the load is over, judging what exists",
        };
        voice.say(format!("interrupted: {what}; once more leaves at once"));
    }
}

fn leave(voice: &Voice, left: &Leftovers, phase: Phase) -> ! {
    voice.end();
    match &left.heal {
        None => aside("left at once; the nodes of this run end with it"),
        Some(command) => {
            aside(format!("left at once; nodes heal by lease, or now with\n  {command}"));
        }
    }
    // Who is killed later leaves them too; whatever of this fails is no worse.
    for key in &left.keys {
        let _ = std::fs::remove_file(key);
    }
    if let (Phase::SettingUp, Some(dir)) = (phase, &left.dir) {
        // What goes on until this program ends may write there once more.
        let _ = place::remove(dir);
    }
    std::process::exit(ExitCode::Interrupted as i32);
}
