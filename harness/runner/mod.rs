//! Dispatcher, executor and recorder.
