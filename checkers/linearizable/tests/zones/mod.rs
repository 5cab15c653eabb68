//! The zone test against the definition, the search, and its own planted mistakes.

mod cases;
mod differential;
mod distinct;
mod stream;
