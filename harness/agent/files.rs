//! Files of a target: beneath the agent's root only, and never through a symbolic link.
//!
//! Each component is opened relative to the one before with O_NOFOLLOW, so a link that a server
//! plants in its data directory leads nowhere, whenever it is planted.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};

use crate::failure::{Outcome, While};
use crate::home::{Home, is_run};
use crate::protocol::{CHUNK, Digest, Failure};

/// Most components of a path.
const DEPTH: usize = 64;

/// Access to the files beneath the root.
pub(crate) struct Files {
    root: PathBuf,
}

/// A path that was checked: its parts, none of them `..`.
struct Checked {
    parts: Vec<String>,
}

impl Files {
    pub(crate) fn new(home: &Home) -> Files {
        Files { root: home.root.clone() }
    }

    /// Makes a directory and its parents; its absolute path.
    pub(crate) fn directory(&self, path: &str) -> Outcome<PathBuf> {
        let checked = self.check(path)?;
        self.walk(&checked.parts, true).during(format_args!("make directory {path}"))?;
        Ok(self.root.join(checked.parts.join("/")))
    }

    /// Opens a file for appending, parents made.
    pub(crate) fn append(&self, path: &str) -> Outcome<File> {
        self.open(path, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND, 0o644)
    }

    /// Writes a chunk; offset 0 truncates.
    pub(crate) fn put(&self, path: &str, offset: u64, bytes: &[u8], mode: u32) -> Outcome<()> {
        if bytes.len() > CHUNK {
            return Err(Failure::refused(format!("put {path}: chunk beyond {CHUNK} bytes")));
        }
        let mut file = self.open(path, OFlag::O_WRONLY | OFlag::O_CREAT, mode & 0o777)?;
        let mut write = || -> io::Result<()> {
            if offset == 0 {
                file.set_len(0)?;
                // The mode of open is subject to the umask and to a file that was there.
                file.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
            } else if file.metadata()?.len() < offset {
                return Err(io::Error::other("offset beyond the end; send chunks in order"));
            }
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(bytes)
        };
        write().during(format_args!("put {path}"))
    }

    /// Reads a chunk; also the size of the whole file.
    pub(crate) fn get(&self, path: &str, offset: u64, length: u64) -> Outcome<(Vec<u8>, u64)> {
        let mut file = self.open(path, OFlag::O_RDONLY, 0)?;
        let mut read = || -> io::Result<(Vec<u8>, u64)> {
            let size = file.metadata()?.len();
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(offset))?;
            (&mut file).take(length.min(CHUNK as u64)).read_to_end(&mut bytes)?;
            Ok((bytes, size))
        };
        read().during(format_args!("get {path}"))
    }

    /// Size and checksum; `None` when there is no such file.
    pub(crate) fn digest(&self, path: &str) -> Outcome<Option<Digest>> {
        let mut file = match self.open(path, OFlag::O_RDONLY, 0) {
            Err(failure) if failure.code == "not-found" => return Ok(None),
            other => other?,
        };
        let mut digest = Digest { size: 0, crc32c: 0 };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = file.read(&mut buffer).during(format_args!("read {path}"))?;
            if count == 0 {
                return Ok(Some(digest));
            }
            digest.size += count as u64;
            digest.crc32c = crc32c::crc32c_append(digest.crc32c, &buffer[..count]);
        }
    }

    /// Removes a directory with everything in it and makes it anew.
    pub(crate) fn reset(&self, path: &str) -> Outcome<()> {
        let checked = self.check(path)?;
        let what = format!("reset {path}");
        let Some((last, parents)) = checked.parts.split_last() else {
            return Err(Failure::refused("reset: the agent's root itself is not reset"));
        };
        if parents.is_empty() && is_run(last) {
            return Err(Failure::refused(format!("{what}: it holds the undo records of a run")));
        }
        let parent = self.walk(parents, true).during(&what)?;
        // std removes without following links; the parent is held open, so it is this one.
        let held = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd())).join(last);
        match held.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::io(format!("{what}: {error}"))),
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&held).during(&what)?,
            Ok(_) => fs::remove_file(&held).during(&what)?,
        }
        fs::create_dir(&held).during(&what)
    }

    fn open(&self, path: &str, flags: OFlag, mode: u32) -> Outcome<File> {
        let checked = self.check(path)?;
        let Some((last, parents)) = checked.parts.split_last() else {
            return Err(Failure::refused(format!("{path}: not a file")));
        };
        let make = flags.contains(OFlag::O_CREAT);
        let opened = self.walk(parents, make).and_then(|parent| {
            let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
            Ok(openat(&parent, last.as_str(), flags, Mode::from_bits_truncate(mode))?)
        });
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::not_found(format!("{path}: no such file")));
            }
            Err(error) => return Err(Failure::io(format!("open {path}: {error}"))),
            Ok(fd) => File::from(fd),
        };
        match file.metadata() {
            // O_NONBLOCK kept the open of a FIFO from hanging; on a file it means nothing.
            Ok(meta) if meta.is_file() => Ok(file),
            Ok(_) => Err(Failure::refused(format!("{path}: not a regular file"))),
            Err(error) => Err(Failure::io(format!("{path}: {error}"))),
        }
    }

    fn walk(&self, parts: &[String], make: bool) -> io::Result<OwnedFd> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut directory = open(&self.root, flags, Mode::empty())?;
        for part in parts {
            if make {
                match mkdirat(&directory, part.as_str(), Mode::from_bits_truncate(0o755)) {
                    Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            directory = openat(&directory, part.as_str(), flags, Mode::empty())?;
        }
        Ok(directory)
    }

    fn check(&self, path: &str) -> Outcome<Checked> {
        let refuse = |why: &str| Err(Failure::refused(format!("path {path:?}: {why}")));
        let root = self.root.display();
        let relative = match Path::new(path).strip_prefix(&self.root) {
            Ok(relative) => relative,
            Err(_) if path.starts_with('/') => return refuse(&format!("is not beneath {root}")),
            Err(_) => Path::new(path),
        };
        let mut parts = Vec::new();
        for component in relative.components() {
            match component {
                Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return refuse("'..' is not allowed");
                }
            }
        }
        let own = match parts.as_slice() {
            [first] => matches!(first.as_str(), "epoch" | "reaper.log"),
            [run, second, ..] => {
                is_run(run) && matches!(second.as_str(), "undo.d" | "daemons" | "foreign.rules")
            }
            [] => false,
        };
        if own {
            return refuse("belongs to the agent");
        }
        if parts.len() > DEPTH || path.contains('\0') {
            return refuse("too deep, or holds a zero byte");
        }
        Ok(Checked { parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dir;

    fn files() -> (Dir, Files, PathBuf) {
        let dir = Dir::new();
        let home = Home::open(&dir.sub("root"), &dir.sub("run")).unwrap();
        let root = home.root.clone();
        (dir, Files::new(&home), root)
    }

    #[test]
    fn chunks_make_a_file_and_come_back() {
        let (_dir, files, root) = files();
        files.put("a/b/c", 0, b"hello ", 0o640).unwrap();
        files.put("a/b/c", 6, b"world", 0o640).unwrap();
        assert_eq!(files.get("a/b/c", 6, 100).unwrap(), (b"world".to_vec(), 11));
        let digest = files.digest(root.join("a/b/c").to_str().unwrap()).unwrap().unwrap();
        assert_eq!(digest, Digest { size: 11, crc32c: crc32c::crc32c(b"hello world") });
        assert_eq!(fs::metadata(root.join("a/b/c")).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(files.digest("a/b/d").unwrap(), None);
        files.put("a/b/c", 0, b"x", 0o600).unwrap();
        assert_eq!(files.get("a/b/c", 0, 100).unwrap(), (b"x".to_vec(), 1));
        assert!(files.put("a/b/c", 5, b"gap", 0o600).is_err());
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        let (dir, files, root) = files();
        let secret = dir.sub("secret");
        fs::write(&secret, "canary").unwrap();
        fs::create_dir_all(root.join("d")).unwrap();
        std::os::unix::fs::symlink(&secret, root.join("d/link")).unwrap();
        std::os::unix::fs::symlink(dir.sub(""), root.join("d/out")).unwrap();
        let paths = ["../secret", "d/../../secret", "d/link", "d/out/secret", "/etc/passwd"];
        for path in paths.into_iter().chain([secret.as_str()]) {
            assert!(files.get(path, 0, 10).is_err(), "{path} was read");
            assert!(files.put(path, 0, b"pwned", 0o644).is_err(), "{path} was written");
            assert!(files.append(path).is_err(), "{path} was opened");
        }
        for path in ["../run", "d/out", "d/out/x", "", ".", "/"] {
            let _ = files.reset(path);
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "canary");
        assert!(root.join("../run").exists());
    }

    #[test]
    fn the_agents_own_files_are_not_for_targets() {
        let (_dir, files, _root) = files();
        for path in ["epoch", "0000abcd/undo.d/00000001.json", "0000abcd/daemons/x.json"] {
            assert!(files.put(path, 0, b"{}", 0o644).is_err(), "{path}");
        }
        assert!(files.reset("0000abcd").is_err());
        files.reset("0000abcd/data").unwrap();
    }

    #[test]
    fn a_fifo_does_not_hang_the_agent() {
        let (_dir, files, root) = files();
        nix::unistd::mkfifo(&root.join("fifo"), Mode::S_IRWXU).unwrap();
        assert!(files.get("fifo", 0, 1).is_err());
        assert!(files.put("fifo", 0, b"x", 0o644).is_err());
    }
}
