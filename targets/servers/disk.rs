//! Files, behind a trait so that the simulator can lose what was not synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// A directory of small files.
pub trait Disk {
    /// Contents of `name`; `None` when there is no such file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Adds `bytes` at the end of `name`. May be lost, wholly or in part, until synced.
    ///
    /// # Errors
    /// Whatever the system says; the file's end is then unknown.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes all appended bytes of `name` durable.
    ///
    /// # Errors
    /// Whatever the system says; what is durable is then unknown, and trying again tells nothing.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Replaces `name` by `bytes`, durably and at once: a crash leaves the old or the new file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// A real directory.
#[derive(Debug)]
pub struct FileDisk {
    dir: PathBuf,
    open: Option<(String, File)>,
}

impl FileDisk {
    /// Opens `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<FileDisk> {
        let dir = dir.into();
        fs::create_dir_all(&dir)?;
        Ok(FileDisk { dir, open: None })
    }

    /// The file appended to; kept open, since there is one log.
    fn appender(&mut self, name: &str) -> io::Result<&mut File> {
        if self.open.as_ref().is_none_or(|(open, _)| open != name) {
            let path = self.dir.join(name);
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            File::open(&self.dir)?.sync_all()?;
            self.open = Some((name.into(), file));
        }
        match &mut self.open {
            Some((_, file)) => Ok(file),
            None => Err(io::Error::other("the log is not open")),
        }
    }
}

impl Disk for FileDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.dir.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.appender(name)?.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.appender(name)?.sync_data()
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let draft = self.dir.join(format!("{name}.new"));
        let mut file = File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, self.dir.join(name))?;
        File::open(&self.dir)?.sync_all()?;
        if self.open.as_ref().is_some_and(|(open, _)| open == name) {
            self.open = None;
        }
        Ok(())
    }
}
