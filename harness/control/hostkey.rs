//! Which host keys are trusted, and what to say about one that is not.
//!
//! The check stands between the key exchange and authentication: an impostor learns neither a
//! password nor which keys we hold. A mismatch is never repaired by us; a person decides.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest as _, Sha256};
use ssh2::{CheckResult, HostKeyType, KnownHostFileKind, Session};
use tribunal_agent::base64;

/// How a host key is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// It must be in this `known_hosts` file.
    Strict(PathBuf),
    /// It must be this one, as in `known_hosts` without the name: `ssh-ed25519 AAAA...`.
    Pinned(String),
    /// The first key seen is written into this file and must be the same ever after.
    Tofu(PathBuf),
    /// Anyone may answer. Named in the report.
    InsecureAcceptAny,
}

impl HostKeys {
    /// Key types we know for this host, so that the server is asked for one we can compare: it
    /// would otherwise show its favourite, and an honest host would look like a stranger.
    pub(crate) fn preferred(&self, host: &str, port: u16) -> Vec<String> {
        let kinds = match self {
            HostKeys::Strict(path) | HostKeys::Tofu(path) => match std::fs::read_to_string(path) {
                Ok(text) => {
                    entries(&text).filter(|e| e.names(host, port)).map(|e| e.kind).collect()
                }
                // `verify` reads it again and reports.
                Err(_unreadable) => Vec::new(),
            },
            HostKeys::Pinned(key) => key.split_whitespace().take(1).map(String::from).collect(),
            HostKeys::InsecureAcceptAny => Vec::new(),
        };
        kinds.into_iter().flat_map(signatures).collect()
    }

    /// Judges the key the server has shown.
    ///
    /// # Errors
    /// A sentence with file, line, host and both fingerprints, and what to do.
    pub(crate) fn verify(&self, session: &Session, host: &str, port: u16) -> Result<(), Refusal> {
        let Some((key, kind)) = session.host_key() else {
            return Err(Refusal::new("the server showed no host key", "check what listens there"));
        };
        let shown = Shown { host, port, kind: kind_name(kind), key };
        match self {
            HostKeys::Strict(path) => strict(session, path, &shown),
            HostKeys::Pinned(line) => pinned(line, &shown),
            HostKeys::Tofu(path) => tofu(path, &shown),
            HostKeys::InsecureAcceptAny => Ok(()),
        }
    }
}

/// A key that was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) problem: String,
    pub(crate) next: String,
}

impl Refusal {
    fn new(problem: impl Into<String>, next: impl Into<String>) -> Refusal {
        Refusal { problem: problem.into(), next: next.into() }
    }
}

/// What the server showed.
struct Shown<'a> {
    host: &'a str,
    port: u16,
    kind: &'static str,
    key: &'a [u8],
}

/// One line of `known_hosts`.
struct Entry {
    line: usize,
    revoked: bool,
    hosts: Vec<String>,
    kind: String,
    key: String,
}

impl Entry {
    fn names(&self, host: &str, port: u16) -> bool {
        self.hosts.iter().any(|name| *name == host_name(host, port))
    }
}

impl Shown<'_> {
    fn line(&self) -> String {
        let key = base64::encode(self.key);
        format!("{} {} {key}\n", host_name(self.host, self.port), self.kind)
    }
}

fn strict(session: &Session, path: &Path, shown: &Shown<'_>) -> Result<(), Refusal> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Refusal::new(
            format!("cannot read {}: {error}", path.display()),
            "give an existing known_hosts file, or trust on first use (--host-keys tofu)",
        )
    })?;
    match compare(&text, shown, path)? {
        true => Ok(()),
        // Our scan does not open hashed names; libssh2 does.
        false => match hashed(session, path, shown)? {
            CheckResult::Match => Ok(()),
            CheckResult::Mismatch | CheckResult::NotFound | CheckResult::Failure => {
                Err(Refusal::new(
                    format!(
                        "{} is not in {}; it shows {} {}",
                        host_name(shown.host, shown.port),
                        path.display(),
                        shown.kind,
                        fingerprint(shown.key)
                    ),
                    "compare with `ssh-keygen -lf` on the host, then add the key there, or trust \
                     on first use (--host-keys tofu)",
                ))
            }
        },
    }
}

fn hashed(session: &Session, path: &Path, shown: &Shown<'_>) -> Result<CheckResult, Refusal> {
    let trouble = |error: ssh2::Error| {
        Refusal::new(
            format!("cannot use {}: {}", path.display(), error.message()),
            "repair the file, or name another",
        )
    };
    let mut known = session.known_hosts().map_err(trouble)?;
    known.read_file(path, KnownHostFileKind::OpenSSH).map_err(trouble)?;
    Ok(known.check_port(shown.host, shown.port, shown.key))
}

/// Whether the text knows the key. A different key of the same kind, or a revoked one, is refused.
fn compare(text: &str, shown: &Shown<'_>, path: &Path) -> Result<bool, Refusal> {
    let key = base64::encode(shown.key);
    let named: Vec<Entry> = entries(text).filter(|e| e.names(shown.host, shown.port)).collect();
    if let Some(entry) = named.iter().find(|e| e.revoked && e.key == key) {
        return Err(Refusal::new(
            format!("{}:{}: this key is marked as revoked", path.display(), entry.line),
            "give the host a new key",
        ));
    }
    if named.iter().any(|e| !e.revoked && e.key == key) {
        return Ok(true);
    }
    let Some(known) = named.iter().find(|e| !e.revoked && e.kind == shown.kind) else {
        return Ok(false);
    };
    Err(mismatch(shown, &known.key, &format!("{}:{}", path.display(), known.line)))
}

fn mismatch(shown: &Shown<'_>, known: &str, place: &str) -> Refusal {
    let known =
        base64::decode(known).map_or("a key that does not parse".into(), |k| fingerprint(&k));
    Refusal::new(
        format!(
            "the host key of {} is not the known one: {place} has {known}, the server shows {}",
            host_name(shown.host, shown.port),
            fingerprint(shown.key)
        ),
        format!(
            "somebody may stand in between; if the host was made anew, remove that line ({place}) \
             and run again"
        ),
    )
}

fn pinned(line: &str, shown: &Shown<'_>) -> Result<(), Refusal> {
    let known = line.split_whitespace().nth(1).unwrap_or_default();
    match known == base64::encode(shown.key) {
        true => Ok(()),
        false => Err(mismatch(shown, known, "the inventory's host_key")),
    }
}

/// Reads, compares and appends under one lock: nodes are connected in parallel, and two
/// controllers may meet a host for the first time together.
fn tofu(path: &Path, shown: &Shown<'_>) -> Result<(), Refusal> {
    let trouble = |error: &dyn std::fmt::Display| {
        Refusal::new(
            format!("cannot keep host keys in {}: {error}", path.display()),
            "make the directory writable, or use mode strict",
        )
    };
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| trouble(&error))?;
    let mut file: Flock<File> =
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| trouble(&error))?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| trouble(&error))?;
    if compare(&text, shown, path)? {
        return Ok(());
    }
    file.write_all(shown.line().as_bytes())
        .and_then(|()| file.sync_data())
        .map_err(|error| trouble(&error))
}

fn entries(text: &str) -> impl Iterator<Item = Entry> + '_ {
    text.lines().enumerate().filter_map(|(index, line)| {
        let mut words = line.split_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@'));
        let hosts = words.next().filter(|word| !word.starts_with('#'))?;
        // `@cert-authority` names the signer of keys, not a key of the host; libssh2 knows no
        // certificates.
        if marker.is_some_and(|m| m != "@revoked") {
            return None;
        }
        Some(Entry {
            line: index + 1,
            revoked: marker.is_some(),
            hosts: hosts.split(',').map(String::from).collect(),
            kind: words.next()?.to_owned(),
            key: words.next()?.to_owned(),
        })
    })
}

/// As OpenSSH writes it: the port only if it is not 22.
fn host_name(host: &str, port: u16) -> String {
    if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
}

/// As `ssh-keygen -lf` prints it.
fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", base64::encode(&Sha256::digest(key)).trim_end_matches('='))
}

fn signatures(kind: String) -> Vec<String> {
    match kind.as_str() {
        "ssh-rsa" => ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"].map(String::from).to_vec(),
        _other => vec![kind],
    }
}

fn kind_name(kind: HostKeyType) -> &'static str {
    match kind {
        HostKeyType::Rsa => "ssh-rsa",
        HostKeyType::Dss => "ssh-dss",
        HostKeyType::Ecdsa256 => "ecdsa-sha2-nistp256",
        HostKeyType::Ecdsa384 => "ecdsa-sha2-nistp384",
        HostKeyType::Ecdsa521 => "ecdsa-sha2-nistp521",
        HostKeyType::Ed25519 => "ssh-ed25519",
        HostKeyType::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"one key";

    fn shown(host: &str, port: u16) -> Shown<'_> {
        Shown { host, port, kind: "ssh-ed25519", key: KEY }
    }

    fn judge(text: &str) -> Result<bool, Refusal> {
        compare(text, &shown("n1", 2201), Path::new("known"))
    }

    #[test]
    fn lines_are_compared_by_host_port_and_kind() {
        let key = base64::encode(KEY);
        assert_eq!(judge(&format!("[n1]:2201 ssh-ed25519 {key} comment\n")), Ok(true));
        assert_eq!(judge(&format!("x,[n1]:2201 ssh-ed25519 {key}\n")), Ok(true));
        assert_eq!(judge(&format!("n1 ssh-ed25519 {key}\n")), Ok(false), "another port");
        assert_eq!(judge(&format!("# [n1]:2201 ssh-ed25519 {key}\n\n")), Ok(false));
        assert_eq!(judge("[n1]:2201 ssh-rsa AAAA\n"), Ok(false), "another kind of key");
    }

    #[test]
    fn another_key_is_refused_with_both_fingerprints() {
        let other = base64::encode(b"another");
        let refusal = judge(&format!("# first\n[n1]:2201 ssh-ed25519 {other}\n")).unwrap_err();
        let broken = format!("{}\n{}", refusal.problem, refusal.next)
            .replace(": ", ":\n")
            .replace(", ", ",\n")
            .replace("; ", ";\n");
        expect_test::expect![[r#"
            the host key of [n1]:2201 is not the known one:
            known:2 has SHA256:rkSKyGxOjk3sZFcpcI70GHOuecbf+E7/czYJiUh/COU,
            the server shows SHA256:++iEBe3qmZKMCvgfcAgnKyeJnIdPlfR2CUJV54JpKtM
            somebody may stand in between;
            if the host was made anew,
            remove that line (known:2) and run again"#]]
        .assert_eq(&broken);
        let key = base64::encode(KEY);
        let revoked = judge(&format!("@revoked [n1]:2201 ssh-ed25519 {key}\n")).unwrap_err();
        assert!(revoked.problem.contains("known:1: this key is marked as revoked"));
    }

    #[test]
    fn first_use_is_trusted_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts.lock");
        tofu(&path, &shown("n1", 22)).unwrap();
        tofu(&path, &shown("n1", 22)).unwrap();
        tofu(&path, &shown("n2", 2222)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            format!("n1 ssh-ed25519 {0}\n[n2]:2222 ssh-ed25519 {0}\n", base64::encode(KEY))
        );
        let impostor = Shown { key: b"other", ..shown("n1", 22) };
        assert!(tofu(&path, &impostor).unwrap_err().problem.contains("hosts.lock:1"));
    }
}
