//! Histories of stores that really run a level, and what the checkers say of them: never that the
//! level is broken; and what is planted in them is found.

mod never_refuted;
mod planted;
mod store;
