//! What every output promises, from outside.

mod browser;
mod common;
mod hostile;
mod kinds;
mod outputs;
mod pages;
mod stored;
