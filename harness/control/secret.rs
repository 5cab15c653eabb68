//! A password, kept out of everything that is printed.
//!
//! It comes from an environment variable or a file descriptor and from nowhere else: not from a
//! flag (every user sees those in the process list), not from an inventory (those are committed).

use std::fmt;
use std::fs::File;
use std::io::Read as _;

/// Environment variable with the SSH password.
pub const PASSWORD_VARIABLE: &str = "TRIBUNAL_SSH_PASSWORD";

/// Environment variable with the number of a file descriptor to read the password from.
pub const PASSWORD_FD_VARIABLE: &str = "TRIBUNAL_SSH_PASSWORD_FD";

/// Text that `Debug` does not show and that is overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into().into_bytes())
    }

    /// The password the user gave, if any.
    ///
    /// # Errors
    /// A descriptor that cannot be read, or a password that is not UTF-8.
    pub fn from_environment() -> Result<Option<Secret>, String> {
        if let Ok(number) = std::env::var(PASSWORD_FD_VARIABLE) {
            return from_descriptor(&number).map(Some);
        }
        match std::env::var(PASSWORD_VARIABLE) {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(format!("the password in {PASSWORD_VARIABLE} is not UTF-8; use a key instead"))
            }
        }
    }

    /// The text itself. Give it to the protocol and to nothing else.
    pub(crate) fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Or the compiler may drop writes to memory that nobody reads again.
        std::hint::black_box(&self.0);
    }
}

fn from_descriptor(number: &str) -> Result<Secret, String> {
    let trouble = |what: String| {
        format!("{PASSWORD_FD_VARIABLE}={number}: {what}; give the number of an open descriptor")
    };
    let fd: u32 = number.parse().map_err(|_| trouble("not a number".into()))?;
    let mut text = String::new();
    File::open(format!("/proc/self/fd/{fd}"))
        .and_then(|file| file.take(4096).read_to_string(&mut text))
        .map_err(|error| trouble(error.to_string()))?;
    let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_bad_descriptor_is_named() {
        assert!(from_descriptor("x").unwrap_err().contains("not a number"));
        assert!(from_descriptor("99999").unwrap_err().contains("open descriptor"));
    }
}
