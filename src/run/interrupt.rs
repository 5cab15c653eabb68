//! Ctrl-C and SIGTERM: the first heals and judges what exists, the second leaves at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tribunal_harness::runner::{StopReason, StopSignal};

use crate::exit_code::ExitCode;
use crate::progress::Voice;

/// What an interrupt stops.
#[derive(Clone)]
pub(crate) struct Brakes {
    /// The load.
    pub(crate) load: StopSignal,
    /// The fault schedule.
    pub(crate) faults: watch::Sender<bool>,
}

impl Brakes {
    /// Everything goes.
    pub(crate) fn new() -> Brakes {
        Brakes { load: StopSignal::new(), faults: watch::channel(false).0 }
    }

    /// Ends load and faults; both end in good order.
    pub(crate) fn pull(&self, reason: StopReason) {
        self.load.stop(reason);
        self.faults.send_replace(true);
    }

    /// Whether a person asked to stop.
    pub(crate) fn interrupted(&self) -> bool {
        matches!(self.load.reason(), Some(StopReason::Interrupt))
    }
}

/// Waits for signals for as long as the run lasts.
pub(crate) async fn watch(brakes: Brakes, voice: Voice, nodes: String) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        voice.say("tribunal: signals cannot be watched; an interrupt will leave healing to leases");
        return;
    };
    for count in 0.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if count == 0 {
            voice.say("interrupted: healing, then judging what exists; once more leaves at once");
            brakes.pull(StopReason::Interrupt);
        } else {
            voice.end();
            eprintln!("left at once; nodes heal by lease, or now with");
            eprintln!("  {} heal --nodes {nodes}", super::program());
            std::process::exit(ExitCode::Interrupted as i32);
        }
    }
}
