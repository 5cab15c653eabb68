//! Dispatcher, executor and recorder: drives clients and writes down what they saw.

mod alarm;
mod desk;
mod dispatcher;
mod executor;
mod hub;
mod load;
mod noise;
mod outcome;
mod progress;
mod recorder;
mod reserve;
mod stop;
mod sync;
mod tap;

pub use executor::{Connect, Connecting};
pub use load::{
    Ended, ErrorTally, LateReplies, LoadConfig, LoadError, LoadOutcome, LoadParts, run_load,
    run_load_apart,
};
pub use noise::{Quantiles, SelfNoise};
pub use progress::{Progress, Snapshot};
pub use recorder::{RecordError, Recorder};
pub use stop::{StopReason, StopSignal};
pub use tap::{Heard, Tap, Tapped, Watch, tap};
