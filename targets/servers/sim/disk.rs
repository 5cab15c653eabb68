//! A disk that can lose what was not synced.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use crate::disk::Disk;

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, File>,
    /// Operations left before the machine crashes in the middle of one.
    left: Option<u32>,
}

/// A disk in memory. Clones are the same disk, so it outlives the server on it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Rc<RefCell<State>>,
}

impl SimDisk {
    /// Contents of a file; empty when there is none.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.state.borrow().files.get(name).map(|file| file.bytes.clone()).unwrap_or_default()
    }

    /// Adds bytes that a crash may lose.
    pub fn write_unsynced(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.files.entry(name.into()).or_default().bytes.extend(bytes);
    }

    /// Sets a file's contents, durably.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let file = File { bytes: bytes.into(), synced: bytes.len() };
        self.state.borrow_mut().files.insert(name.into(), file);
    }

    /// Lets the machine crash at the `left`-th write from now.
    pub fn crash_after(&self, left: u32) {
        self.state.borrow_mut().left = Some(left);
    }

    /// The machine comes up again: of each unsynced tail a random part is there, and its last byte
    /// may be wrong.
    pub fn crash(&self, rng: &mut ChaCha8Rng) {
        let mut state = self.state.borrow_mut();
        state.left = None;
        for file in state.files.values_mut() {
            let unsynced = (file.bytes.len() - file.synced) as u64;
            if unsynced > 0 {
                file.bytes.truncate(file.synced + (rng.next_u64() % (unsynced + 1)) as usize);
                if file.bytes.len() > file.synced && rng.next_u64().is_multiple_of(4) {
                    *file.bytes.last_mut().expect("longer than what is synced") ^= 0x55;
                }
            }
            file.synced = file.bytes.len();
        }
    }

    fn spend(&self) -> io::Result<()> {
        match &mut self.state.borrow_mut().left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the simulated machine crashed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl Disk for SimDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state.borrow().files.get(name).map(|file| file.bytes.clone()))
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.spend()?;
        self.write_unsynced(name, bytes);
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.spend()?;
        if let Some(file) = self.state.borrow_mut().files.get_mut(name) {
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.spend()?;
        self.put(name, bytes);
        Ok(())
    }
}
