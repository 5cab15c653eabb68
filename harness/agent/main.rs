//! The binary that is pushed to a node; see the library.

fn main() {}
