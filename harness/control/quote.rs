//! The only place that builds text for a shell.
//!
//! `sshd` hands a command to the login shell of the user, so one string cannot be avoided: the one
//! that starts the agent. POSIX single quotes take every byte but `'` literally; a NUL ends a C
//! string early and a newline ends a command in some shells' history expansion, so both are
//! refused instead of quoted. Everything after the bootstrap travels as data.

/// Quotes the words so that a POSIX shell sees exactly them.
///
/// # Errors
/// The word that holds a NUL or a line break, or that there is no word at all.
pub(crate) fn command(words: &[&str]) -> Result<String, String> {
    if words.is_empty() {
        return Err("an empty command cannot be started".into());
    }
    let quoted: Result<Vec<String>, String> = words.iter().map(|w| word(w)).collect();
    Ok(quoted?.join(" "))
}

/// Quotes one word.
///
/// # Errors
/// NUL, line feed and carriage return are refused.
pub(crate) fn word(text: &str) -> Result<String, String> {
    if let Some(bad) = text.chars().find(|c| matches!(c, '\0' | '\n' | '\r')) {
        return Err(format!("{text:?} holds {bad:?}, which no command line may carry; rename it"));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Whether a host, user, node or interface name is one we use: `^[A-Za-z0-9_.:@-]{1,253}$`, and
/// not beginning with `-`, which programs take for an option.
///
/// # Errors
/// A sentence with the name and the rule.
pub(crate) fn valid_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.:@-".contains(c);
    if name.is_empty() || name.len() > 253 || !name.chars().all(fits) || name.starts_with('-') {
        return Err(format!(
            "{name:?} is no usable name; use 1 to 253 of letters, digits, `_.:@-`, not beginning \
             with `-`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const HOSTILE: &[&str] = &[
        "",
        " ",
        "a b",
        "'",
        "''",
        "a'b",
        "'; touch canary; '",
        "$(touch canary)",
        "`touch canary`",
        "a|id",
        "~root",
        "#c",
        "!x",
        "\\",
        "\\'",
        "\"",
        "$HOME",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "&",
        ";",
        "<",
        ">",
        "-n",
        "--",
        "\t",
        "ümläut",
        "\u{1}\u{7f}",
        "%s",
        "a=b",
        "(",
        ")",
    ];

    #[test]
    fn a_real_shell_sees_the_words_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        for hostile in HOSTILE {
            let line = command(&["printf", "%s\\0", hostile, "end"]).unwrap();
            let seen = Command::new("sh").arg("-c").arg(&line).current_dir(&dir).output().unwrap();
            let expected = format!("{hostile}\0end\0");
            assert_eq!(seen.stdout, expected.as_bytes(), "through `{line}`");
            assert!(!dir.path().join("canary").exists(), "`{line}` ran something");
        }
    }

    #[test]
    fn every_byte_that_utf8_allows_survives() {
        let all: String = (1_u32..0x250)
            .filter_map(char::from_u32)
            .filter(|c| !matches!(c, '\n' | '\r'))
            .collect();
        let line = command(&["printf", "%s", &all]).unwrap();
        let seen = Command::new("sh").arg("-c").arg(line).output().unwrap();
        assert_eq!(seen.stdout, all.as_bytes());
    }

    #[test]
    fn what_cannot_be_carried_is_refused() {
        for bad in ["a\nb", "a\0", "\r"] {
            assert!(word(bad).unwrap_err().contains("no command line may carry"), "{bad:?}");
        }
        assert!(command(&[]).is_err());
    }

    #[test]
    fn names() {
        for good in ["n1", "root@10.0.0.1", "fe80::1", "a_b-c.d", &"x".repeat(253)] {
            assert_eq!(valid_name(good), Ok(()), "{good}");
        }
        for bad in ["", "-oProxyCommand=x", "a b", "a;b", "a/b", "ü", "a\n", &"x".repeat(254)] {
            assert!(valid_name(bad).is_err(), "{bad:?}");
        }
    }
}
