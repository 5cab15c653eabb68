//! The search over a window of time: Wing & Gong's, with the memo of Lowe, in its two orders.

pub(crate) mod bfs;
pub(crate) mod covers;
pub(crate) mod dfs;
pub(crate) mod memo;
pub(crate) mod moves;
pub(crate) mod plan;
pub(crate) mod portfolio;
pub(crate) mod relevance;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod trail;
pub(crate) mod word;
