//! Scratch directories for unit tests; the agent has no dependency for it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Goes away with everything in it.
pub(crate) struct Dir(PathBuf);

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Dir {
    pub(crate) fn new() -> Dir {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tribunal-agent-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("scratch directory");
        Dir(path)
    }

    pub(crate) fn sub(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
