//! Space on disk held ahead of the log, so that a full disk never swallows the end of a run.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

/// Space asked for at once.
const AHEAD: u64 = 64 << 20;
/// When the disk is nearly full, what is left is taken in smaller pieces.
const PIECES: [u64; 4] = [AHEAD, 8 << 20, 1 << 20, 128 << 10];
/// The last part is for heal events, marks and End only.
const LAST: u64 = 1 << 20;

/// Who wants to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// Client operations: they stop before the last part.
    Load,
    /// Faults, marks, notes, End: they may use all of it.
    Control,
}

/// Blocks allocated beyond the end of a file without changing its length.
#[derive(Debug)]
pub(super) struct Reserve {
    /// Blocks are allocated up to this offset.
    until: u64,
    /// Some file systems cannot allocate ahead. There a full disk shows when a write fails.
    supported: bool,
}

impl Reserve {
    /// Holds space for a file that is `written` bytes long.
    pub(super) fn new(file: &File, written: u64) -> io::Result<Reserve> {
        let mut reserve = Reserve { until: written, supported: true };
        if !reserve.extend(file, written, LAST)? {
            return Err(io::Error::from(Errno::ENOSPC));
        }
        Ok(reserve)
    }

    /// Whether `length` bytes at `written` have room. False means the disk is full.
    #[inline]
    pub(super) fn room(
        &mut self,
        file: &File,
        written: u64,
        length: u64,
        purpose: Purpose,
    ) -> io::Result<bool> {
        let spare = match purpose {
            Purpose::Load => LAST,
            Purpose::Control => 0,
        };
        if !self.supported || written + length + spare <= self.until {
            return Ok(true);
        }
        self.extend(file, written, length + spare)
    }

    /// Allocates until `needed` bytes follow `written`; takes more while there is more.
    fn extend(&mut self, file: &File, written: u64, needed: u64) -> io::Result<bool> {
        let goal = written + needed;
        for piece in PIECES {
            while self.supported && self.until < goal {
                match fallocate(
                    file,
                    FallocateFlags::FALLOC_FL_KEEP_SIZE,
                    self.until as i64,
                    piece as i64,
                ) {
                    Ok(()) => self.until += piece,
                    Err(Errno::EINTR) => {}
                    Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => break,
                    Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::ENODEV) => {
                        self.supported = false;
                    }
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(!self.supported || self.until >= goal)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_length_stays_and_the_last_part_is_not_for_the_load() {
        let file = tempfile::tempfile().unwrap();
        let mut reserve = Reserve::new(&file, 0).unwrap();
        if !reserve.supported {
            println!("skipped: this file system cannot allocate ahead");
            return;
        }
        assert_eq!(reserve.until, AHEAD);
        let seen = file.metadata().unwrap();
        assert_eq!(seen.len(), 0);
        assert!(seen.blocks() * 512 >= AHEAD);
        let room = |reserve: &mut Reserve, written, purpose| {
            reserve.room(&file, written, 1, purpose).unwrap().then_some(reserve.until)
        };
        assert_eq!(room(&mut reserve, AHEAD - LAST - 1, Purpose::Load), Some(AHEAD));
        // One byte more and the load takes the next piece; faults would not have needed it.
        assert_eq!(room(&mut reserve, AHEAD - 1, Purpose::Control), Some(AHEAD));
        assert_eq!(room(&mut reserve, AHEAD - LAST, Purpose::Load), Some(2 * AHEAD));
    }
}
