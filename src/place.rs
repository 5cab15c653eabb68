//! Where a command writes what it was asked for: a file, whole or not at all, or what is no file.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What stands, or may be made, under a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A file, there or not yet; the one behind a link.
    File(PathBuf),
    /// A device or a pipe: never replaced.
    Stream,
}

/// What `path` leads to.
pub(crate) fn place_of(path: &Path) -> Place {
    match std::fs::metadata(path) {
        Ok(known) if !known.is_file() => Place::Stream,
        Ok(_) => Place::File(path.canonicalize().unwrap_or_else(|_| path.to_path_buf())),
        Err(_) => Place::File(path.to_path_buf()),
    }
}

/// Beside `file`, hidden: `.NAME` and `ending`.
pub(crate) fn beside(file: &Path, ending: &str) -> PathBuf {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("out");
    file.with_file_name(format!(".{name}{ending}"))
}

/// Opens `aside` anew to be written, or what is no file as it is.
///
/// # Errors
/// Those of the system.
pub(crate) fn open(place: &Place, aside: &Path) -> io::Result<File> {
    match place {
        Place::File(_) => File::create(aside),
        Place::Stream => OpenOptions::new().write(true).open(aside),
    }
}

/// Puts `aside` in the place of `file`, whose permissions stay.
///
/// # Errors
/// Those of the system.
pub(crate) fn put(aside: &Path, file: &Path) -> io::Result<()> {
    if let Ok(known) = std::fs::metadata(file) {
        std::fs::set_permissions(aside, known.permissions())?;
    }
    std::fs::rename(aside, file)
}

/// Writes all of `text`: a file is there whole or as it was.
///
/// # Errors
/// Those of the system; nothing is left beside the file.
pub(crate) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let place = place_of(path);
    let Place::File(file) = &place else {
        return io::Write::write_all(&mut open(&place, path)?, text);
    };
    let aside = beside(file, ".tmp");
    let written = std::fs::write(&aside, text).and_then(|()| put(&aside, file));
    if written.is_err() {
        // A part of it would keep a full disk full.
        let _ = std::fs::remove_file(&aside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt, symlink};

    #[test]
    fn what_is_no_file_is_never_replaced_and_links_lead_on() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let at = |name: &str| dir.path().join(name);
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || std::fs::read_to_string(pipe)
        });
        write(&at("pipe"), b"told").expect("somebody reads");
        assert_eq!(reader.join().expect("it reads").expect("text"), "told");
        let kind = std::fs::symlink_metadata(at("pipe")).expect("it is there").file_type();
        assert!(kind.is_fifo());

        std::fs::write(at("real"), "old").expect("a file");
        std::fs::set_permissions(at("real"), std::fs::Permissions::from_mode(0o600))
            .expect("its owner");
        symlink("real", at("link")).expect("a link");
        write(&at("link"), b"new").expect("a file");
        assert!(at("link").is_symlink());
        assert_eq!(std::fs::read_to_string(at("real")).expect("it is there"), "new");
        let mode = std::fs::metadata(at("real")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write(Path::new("/dev/full"), b"more").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 3);
    }
}
