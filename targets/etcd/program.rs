//! Where the etcd program comes from. What is given is read and checked before any node is
//! touched: a wrong path or digest is the user's to correct, and costs no cluster.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};
use tribunal_harness::target::TargetError;

use crate::options::Reader;

/// Where Debian's etcd-server puts it.
const INSTALLED: &str = "/usr/bin/etcd";

/// The program all nodes run.
#[derive(Debug)]
pub(super) enum Program {
    /// The node's own.
    Installed,
    /// One from here, to be pushed.
    Given(Given),
}

/// A program that was read and is what it was said to be.
pub(super) struct Given {
    /// The binary or archive.
    path: PathBuf,
    /// Its digest.
    sha256: String,
    /// The program itself.
    pub(super) bytes: Vec<u8>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}, {} bytes", self.bytes.len())
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, sha256 {}", self.path.display(), self.sha256)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Program::Installed => write!(f, "{INSTALLED} of each node"),
            Program::Given(given) => given.fmt(f),
        }
    }
}

impl Program {
    /// From the options `binary`, `archive` and `sha256`.
    pub(super) fn new(reader: &Reader<'_>) -> Result<Program, TargetError> {
        // Also in one word: archive=PATH,sha256=DIGEST.
        let archive = reader.text("archive");
        let split = archive.and_then(|text| text.split_once(",sha256="));
        let archive = split.map_or(archive, |(path, _)| Some(path));
        let want = split.map(|(_, digest)| digest).or(reader.text("sha256"));
        let want = want.map(str::to_lowercase);
        if let Some(text) = &want
            && !(text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            return Err(reader.bad("sha256", format!("{text:?}: want 64 hex digits")));
        }
        match (reader.text("binary"), archive) {
            (Some(_), Some(_)) => Err(reader.bad("archive", "give binary or archive, not both")),
            (None, None) if want.is_some() => {
                Err(reader.bad("sha256", "of what? give binary or archive"))
            }
            (None, None) => Ok(Program::Installed),
            (Some(path), None) => read(reader, "binary", path.into(), want).map(Program::Given),
            (None, Some(_)) if want.is_none() => {
                Err(reader.bad("sha256", "an archive is not used without one"))
            }
            (None, Some(path)) => {
                let mut given = read(reader, "archive", path.into(), want)?;
                given.bytes =
                    unpack(&given.path).map_err(|problem| reader.bad("archive", problem))?;
                Ok(Program::Given(given))
            }
        }
    }

    /// Its path on a node whose directory is `dir`.
    pub(super) fn path(&self, dir: &str) -> String {
        match self {
            Program::Installed => INSTALLED.into(),
            Program::Given(_) => format!("{dir}/etcd/etcd"),
        }
    }

    /// What to do when a node cannot run it.
    pub(super) fn remedy(&self) -> String {
        match self {
            Program::Installed => {
                "install the package etcd-server there, or give an etcd program with \
                 --option binary=PATH"
                    .into()
            }
            Program::Given(given) => {
                format!("give one that runs there; this is {}", given.path.display())
            }
        }
    }
}

fn read(
    reader: &Reader<'_>,
    option: &str,
    path: PathBuf,
    want: Option<String>,
) -> Result<Given, TargetError> {
    let shown = path.display();
    let bytes =
        std::fs::read(&path).map_err(|error| reader.bad(option, format!("{shown}: {error}")))?;
    let digest = Sha256::digest(&bytes);
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    match want {
        Some(want) if want != sha256 => {
            let problem = format!(
                "{shown} has {sha256}, not {want}; get the right file, or correct the digest"
            );
            Err(reader.bad("sha256", problem))
        }
        Some(_) | None => Ok(Given { path, sha256, bytes }),
    }
}

/// The member called `etcd`, by this machine's `tar`.
fn unpack(path: &Path) -> Result<Vec<u8>, String> {
    let tar = Command::new("tar")
        .args(["--extract", "--gzip", "--to-stdout", "--wildcards", "--file"])
        .arg(path)
        .args(["--no-anchored", "*/etcd"])
        .output()
        .map_err(|error| format!("tar: {error}"))?;
    match tar.status.success() && !tar.stdout.is_empty() {
        true => Ok(tar.stdout),
        false => {
            let said = String::from_utf8_lossy(&tar.stderr);
            Err(format!("{}: no program DIR/etcd in it: {}", path.display(), said.trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::Program;
    use crate::options::Reader;

    fn new(pairs: &[(&str, &str)]) -> Result<Program, String> {
        let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let options = pairs.collect();
        let reader = Reader::new("etcd", super::super::OPTIONS, &options);
        Program::new(&reader.unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_digest_is_checked_before_anything_starts() {
        let wrong = "0".repeat(64);
        let error = new(&[("binary", "/proc/self/exe"), ("sha256", &wrong)]).unwrap_err();
        assert!(error.contains("option sha256: /proc/self/exe has "), "{error}");
        assert!(error.contains(&format!("not {wrong}")), "{error}");
        let given = new(&[("binary", "/proc/self/exe")]).unwrap().to_string();
        let right = given.rsplit(' ').next().unwrap();
        new(&[("binary", "/proc/self/exe"), ("sha256", &right.to_uppercase())]).unwrap();
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(matches!(new(&[]), Ok(Program::Installed)));
        let digest = "0".repeat(64);
        for (options, part) in [
            (&[("archive", "x.tar.gz")][..], "not used without one"),
            (&[("archive", &*format!("x.tar.gz,sha256={digest}"))], "x.tar.gz: No such file"),
            (&[("binary", "/no/etcd")], "option binary: /no/etcd: No such file"),
            (&[("binary", "x"), ("sha256", "12")], "64 hex digits"),
            (&[("binary", "x"), ("archive", "y")], "not both"),
            (&[("sha256", &digest)], "of what?"),
        ] {
            let error = new(options).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_program_is_found_in_its_archive() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etcd-v1")).unwrap();
        for (name, text) in [("README", "words"), ("etcd", "program")] {
            std::fs::write(dir.path().join("etcd-v1").join(name), text).unwrap();
        }
        let (good, bad) = (dir.path().join("good.tar.gz"), dir.path().join("bad.tar.gz"));
        for (archive, member) in [(&good, "etcd-v1"), (&bad, "etcd-v1/README")] {
            let mut tar = Command::new("tar");
            tar.arg("-C").arg(dir.path()).arg("-czf").arg(archive).arg(member);
            assert!(tar.status().unwrap().success());
        }
        let sha256 = |path: &std::path::Path| {
            let path = path.to_str().unwrap();
            new(&[("binary", path)]).unwrap().to_string().rsplit(' ').next().unwrap().to_string()
        };
        let take = |path: &std::path::Path| {
            new(&[("archive", path.to_str().unwrap()), ("sha256", &sha256(path))])
        };
        match take(&good).unwrap() {
            Program::Given(given) => assert_eq!(given.bytes, b"program"),
            Program::Installed => panic!("an archive was given"),
        }
        assert!(take(&bad).unwrap_err().contains("no program DIR/etcd in it"));
    }
}
