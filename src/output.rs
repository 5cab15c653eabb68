//! What a command was asked to write to a path: a file is there whole or as it was, and what is no
//! file is never replaced.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::exit_code::Trouble;

/// Links that may lead on from one to the next, as the system allows.
const LINKS: usize = 40;

/// Writes what `fill` writes: to the file that `path` leads to, through links, or to the device or
/// pipe that stands there.
///
/// # Errors
/// Those of `fill` and of the system; then a file is as it was, and nothing is left beside it.
pub(crate) fn write<T, E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    if path.metadata().is_ok_and(|known| !known.is_file()) {
        let mut stream = BufWriter::new(OpenOptions::new().write(true).open(path)?);
        let filled = fill(&mut stream)?;
        stream.flush()?;
        return Ok(filled);
    }
    let file = end_of_links(path);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let aside = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    let mut buffer = BufWriter::new(aside);
    let filled = fill(&mut buffer)?;
    let aside = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Ok(known) = file.metadata() {
        aside.as_file().set_permissions(known.permissions())?;
    }
    aside.persist(&file).map_err(|error| error.error)?;
    Ok(filled)
}

/// Where a path leads, also if nothing is there yet.
fn end_of_links(path: &Path) -> PathBuf {
    let mut end = path.to_path_buf();
    for _ in 0..LINKS {
        let Ok(next) = end.read_link() else { break };
        // What is absolute takes the place of all before it.
        end = end.parent().unwrap_or(Path::new("")).join(next);
    }
    end
}

/// Why `path` was not written. A full disk is no fault of who named it.
pub(crate) fn trouble(path: &Path, error: &io::Error, advice: &str) -> Trouble {
    let shown = path.display();
    let file = end_of_links(path);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    match error.kind() {
        ErrorKind::StorageFull => {
            Trouble::infra(format!("write {shown}: {error}; free some space there"))
        }
        ErrorKind::IsADirectory => {
            Trouble::usage(format!("write {shown}: that is a directory; name a file in it{advice}"))
        }
        ErrorKind::NotFound if !folder.is_dir() => Trouble::usage(format!(
            "write {shown}: there is no directory {}; make it first{advice}",
            folder.display()
        )),
        // Without the name of what was to become the file.
        kind => Trouble::usage(format!(
            "write {shown}: {}; name a file that can be written{advice}",
            error.raw_os_error().map_or(kind.into(), io::Error::from_raw_os_error)
        )),
    }
}

/// Makes a directory that a flag names, and those above it. Nothing is made of what is refused.
pub(crate) fn make_directory(path: &Path, flag: &str) -> Result<(), Trouble> {
    let shown = path.display();
    if !path.is_dir() && (path.exists() || path.is_symlink()) {
        let words = format!("{flag} {shown} is no directory; name one, or a new path");
        return Err(Trouble::usage(words));
    }
    leads_to_text(path, flag)?;
    std::fs::create_dir_all(path).map_err(|error| {
        let words = format!("{flag} {shown}: {error}");
        match error.kind() {
            ErrorKind::StorageFull => Trouble::infra(format!("{words}; free some space there")),
            _ => Trouble::usage(format!("{words}; name a directory that can be made")),
        }
    })
}

/// Refuses a path that links lead from to a name that is not UTF-8: nodes keep files beneath it,
/// and are told where in text. Of a path that is not there yet, as far as it is.
pub(crate) fn leads_to_text(path: &Path, flag: &str) -> Result<(), Trouble> {
    let here = |part: &Path| if part.as_os_str().is_empty() { ".".into() } else { part.to_owned() };
    let end = path.ancestors().find_map(|part| here(part).canonicalize().ok());
    match end.filter(|end| end.to_str().is_none()) {
        None => Ok(()),
        Some(end) => Err(Trouble::usage(format!(
            "{flag} {} leads to {}, which is not UTF-8; name another path",
            path.display(),
            end.display()
        ))),
    }
}

/// The first name of what stands in a directory, some of it `aside`: it is somebody's.
pub(crate) fn first_in(dir: &Path, aside: impl Fn(&Path) -> bool) -> io::Result<Option<String>> {
    let mut first = None;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if !aside(&entry.path()) && first.as_ref().is_none_or(|first| name < *first) {
            first = Some(name);
        }
    }
    Ok(first.map(|name| name.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt as _, symlink};

    fn text(path: &Path, text: &str) -> io::Result<()> {
        write(path, |out| out.write_all(text.as_bytes()))
    }

    #[test]
    fn what_is_no_file_is_never_replaced() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read_to_string(pipe)
        });
        text(&pipe, "told").expect("somebody reads");
        assert_eq!(reader.join().expect("it reads").expect("text"), "told");
        assert!(std::fs::symlink_metadata(&pipe).expect("it is there").file_type().is_fifo());
        let full = text(Path::new("/dev/full"), "more").expect_err("it is full");
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        assert!(text(dir.path(), "a directory").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn links_lead_on_and_permissions_stay() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("real"), "old").expect("a file");
        std::fs::set_permissions(at("real"), Permissions::from_mode(0o600)).expect("its owner");
        symlink("real", at("link")).expect("a link");
        symlink("link", at("further")).expect("a link");
        symlink("none yet", at("dangling")).expect("a link");
        text(&at("further"), "new").expect("a file");
        text(&at("dangling"), "made").expect("a file");
        let said = |name: &str| std::fs::read_to_string(at(name)).expect("it is there");
        assert_eq!((said("real"), said("none yet")), ("new".into(), "made".into()));
        assert!(["link", "further", "dangling"].iter().all(|name| at(name).is_symlink()));
        let mode = |name: &str| at(name).metadata().expect("it is there").permissions().mode();
        assert_eq!(mode("real") & 0o777, 0o600);
        std::fs::write(at("plain"), "").expect("a file");
        assert_eq!(mode("none yet"), mode("plain"), "as any new file");
    }

    #[test]
    fn what_fails_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "old").expect("a file");
        let failed: io::Result<()> = write(&file, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "old");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn a_path_leads_to_text_or_nothing_is_made() {
        use std::os::unix::ffi::OsStrExt as _;
        let dir = tempfile::tempdir().expect("a scratch directory");
        let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"odd\xff"));
        std::fs::create_dir(&odd).expect("a directory");
        let link = dir.path().join("link");
        symlink(&odd, &link).expect("a link");
        for path in [link.clone(), link.join("new"), link.join("new/below")] {
            let words = make_directory(&path, "--out").expect_err("no text").message;
            assert!(words.contains("which is not UTF-8; name another path"), "{words}");
        }
        assert_eq!(std::fs::read_dir(&odd).expect("a directory").count(), 0);
        assert!(make_directory(&dir.path().join("a/b"), "--out").is_ok());
        assert!(dir.path().join("a/b").is_dir());
    }
}
