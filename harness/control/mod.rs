//! Ways to nodes: local namespaces, SSH, child processes.
mod link;
pub use link::Link;
