//! Limits of the sshd that serves this agent, as that sshd reads its configuration.
//!
//! What counts is the configuration of the process that listens, which may be another file than the
//! usual one: its title says with which arguments it was started.

use std::fs;

use crate::exec::tool;
use crate::failure::Outcome;
use crate::proc;
use crate::protocol::{Failure, SshLimits};

/// Steps from an agent to the sshd that listens: session, its privileged parent, listener.
const ANCESTORS: usize = 16;

/// Asks `sshd -T`, outside of any `Match` block. Root may; others are told so.
pub(crate) fn limits() -> Outcome<SshLimits> {
    let argv = listener().unwrap_or_else(|| vec!["sshd".to_owned()]);
    let mut asked: Vec<&str> = argv.iter().map(String::as_str).collect();
    asked.push("-T");
    let text = tool(&asked, "").map_err(|error| {
        let advice = "; as root: sshd -T | grep -i max";
        Failure::new("unsupported", format!("{error}{advice}"))
    })?;
    parse(&text).ok_or_else(|| {
        let words = "sshd -T names no MaxSessions or MaxStartups as documented";
        Failure::new("unsupported", words.to_owned())
    })
}

/// Program and arguments of the sshd above this process.
fn listener() -> Option<Vec<String>> {
    let mut pid = std::process::id() as i32;
    for _ in 0..ANCESTORS {
        pid = proc::stat(pid)?.parent;
        let title = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        if let Some(argv) = arguments(&String::from_utf8_lossy(&title)) {
            return Some(argv);
        }
    }
    None
}

/// Those that choose a configuration, of a title such as
/// `sshd: /usr/sbin/sshd -D -f FILE [listener] 0 of 10-100 startups`.
fn arguments(title: &str) -> Option<Vec<String>> {
    let (started, _) = title.strip_prefix("sshd: ")?.split_once(" [listener]")?;
    let mut words = started.split(' ').filter(|word| !word.is_empty());
    let mut argv = vec![words.next().filter(|program| program.starts_with('/'))?.to_owned()];
    while let Some(word) = words.next() {
        if matches!(word, "-f" | "-o" | "-h" | "-p") {
            argv.extend([word.to_owned(), words.next()?.to_owned()]);
        }
    }
    Some(argv)
}

fn parse(text: &str) -> Option<SshLimits> {
    let value = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::trim)
    };
    let mut startups = value("maxstartups")?.split(':');
    let mut next = || startups.next()?.parse().ok();
    Some(SshLimits {
        max_sessions: value("maxsessions")?.parse().ok()?,
        startups_begin: next()?,
        startups_rate_pct: next()?,
        startups_full: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_the_listener_counts() {
        let title = "sshd: /usr/sbin/sshd -D -e -f /etc/other -o UseDNS=no [listener] 0 of 10-100 \
                     startups";
        let wanted = ["/usr/sbin/sshd", "-f", "/etc/other", "-o", "UseDNS=no"];
        assert_eq!(arguments(title).unwrap(), wanted);
        assert_eq!(arguments("sshd: /usr/sbin/sshd [listener] 0").unwrap(), wanted[..1]);
        for other in ["sshd: root@notty", "sshd: root [priv]", "/bin/sh", "", "sshd: x [listener]"]
        {
            assert_eq!(arguments(other), None, "{other:?}");
        }
    }

    #[test]
    fn limits_are_read_as_sshd_prints_them() {
        let limits = SshLimits {
            max_sessions: 4,
            startups_begin: 10,
            startups_rate_pct: 30,
            startups_full: 100,
        };
        let text = "port 22\nmaxauthtries 6\nmaxsessions 4\nmaxstartups 10:30:100\n";
        assert_eq!(parse(text), Some(limits));
        for bad in ["", "maxsessions 4", "maxsessions x\nmaxstartups 1:2:3", "maxstartups 1:2:3"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
