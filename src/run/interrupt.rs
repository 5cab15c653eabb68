//! Ctrl-C and SIGTERM: the first ends what is going on in good order, the second leaves at once.
//!
//! While the run is being set up it is taken back; under load everything is healed and what exists
//! is judged; afterwards there is nothing left to shorten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tribunal_harness::runner::{StopReason, StopSignal};

use crate::exit_code::{ExitCode, Trouble};
use crate::progress::Voice;

/// What an interrupt stops.
#[derive(Clone)]
pub(crate) struct Brakes {
    /// The load, which may also end for other reasons.
    pub(crate) load: StopSignal,
    /// The fault schedule.
    pub(crate) faults: watch::Sender<bool>,
    /// Set-up, quiet period and final reads: an interrupt only.
    pub(crate) rest: StopSignal,
    judging: Arc<AtomicBool>,
}

impl Brakes {
    /// Everything goes.
    pub(crate) fn new() -> Brakes {
        Brakes {
            load: StopSignal::new(),
            faults: watch::channel(false).0,
            rest: StopSignal::new(),
            judging: Arc::new(AtomicBool::new(false)),
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

    /// The history is made: from here on an interrupt has nothing to shorten.
    pub(crate) fn judging(&self) {
        self.judging.store(true, Ordering::Relaxed);
    }
}

/// What a run that was interrupted before it began ends with.
pub(crate) fn before_it_began() -> Trouble {
    let message = "interrupted before the load: nothing was judged, what was started is taken down";
    Trouble { code: ExitCode::Interrupted, message: message.into() }
}

/// Answers signals for as long as the program lives, on a thread of its own.
pub(crate) fn watch(brakes: Brakes, voice: Voice, nodes: String) {
    let (ready, answers) = mpsc::channel();
    let aside = voice.clone();
    let started = std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(answer(brakes, voice, nodes, ready));
        }
    });
    if started.is_err() || answers.recv() != Ok(()) {
        aside.say("tribunal: signals cannot be watched; an interrupt leaves healing to leases");
    }
}

async fn answer(brakes: Brakes, voice: Voice, nodes: String, ready: mpsc::Sender<()>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    // Whoever waits for it lives until then.
    let _ = ready.send(());
    for count in 0.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if count > 0 {
            leave(&voice, &nodes);
        }
        if brakes.judging.load(Ordering::Relaxed) {
            voice.say(
                "interrupted: the load is over, judging what exists; once more leaves at once",
            );
        } else {
            voice.say("interrupted: healing, then judging what exists; once more leaves at once");
            brakes.pull();
        }
    }
}

fn leave(voice: &Voice, nodes: &str) -> ! {
    voice.end();
    if ["local", "processes"].iter().any(|ours| nodes.starts_with(ours)) {
        eprintln!("left at once; the nodes of this run end with it");
    } else {
        eprintln!("left at once; nodes heal by lease, or now with");
        eprintln!("  {} heal --nodes {nodes}", super::program());
    }
    std::process::exit(ExitCode::Interrupted as i32);
}
