//! Rules of others: read before our first table, compared after our last.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::Mechanism;
use crate::exec::tool;
use crate::home::{Home, is_run, write_durably};

/// Remembers the rules of others, once per run, before anything of ours is loaded.
pub(crate) fn remember(home: &Home, run: &str, mechanism: Mechanism) -> io::Result<()> {
    let path = path(home, run);
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(home.run(run))?;
    write_durably(&path, read(mechanism)?.as_bytes())
}

/// In words: whether they are what they were.
pub(crate) fn compare(home: &Home, run: &str, mechanism: Mechanism) -> String {
    let before = match fs::read_to_string(path(home, run)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return "foreign rules never touched".into();
        }
        Err(error) => return format!("foreign rules unknown: {error}"),
        Ok(before) => before,
    };
    match read(mechanism) {
        Err(error) => format!("foreign rules unknown: {error}"),
        Ok(after) if after == before => {
            format!("foreign rules equal ({:08x})", crc32c::crc32c(after.as_bytes()))
        }
        Ok(after) => {
            let line = before.lines().zip(after.lines()).find(|(old, new)| old != new);
            let (old, new) = line.unwrap_or(("(end)", "(more lines or fewer)"));
            format!("foreign rules changed: {:?} became {:?}", old.trim(), new.trim())
        }
    }
}

fn path(home: &Home, run: &str) -> PathBuf {
    home.run(run).join("foreign.rules")
}

/// The rules as the mechanism's own tool shows them, without ours.
fn read(mechanism: Mechanism) -> io::Result<String> {
    match mechanism {
        // `-s` leaves counters out, which move with every packet.
        Mechanism::Nft => Ok(strip(&tool(&["nft", "-s", "list", "ruleset"], "")?)),
        Mechanism::Ipset | Mechanism::Iptables => {
            let four = tool(&["iptables-save"], "")?;
            let six = tool(&["ip6tables-save"], "")?;
            Ok(strip_saved(&four) + &strip_saved(&six))
        }
    }
}

/// Without `table inet tribunal_RUN { .. }`, and without what is left of the time of others'
/// elements, which runs by itself.
fn strip(listed: &str) -> String {
    let (mut kept, mut ours) = (String::new(), false);
    for line in listed.lines() {
        if ours {
            ours = line != "}";
            continue;
        }
        let rest = line.strip_prefix("table inet tribunal_");
        if rest.and_then(|rest| rest.split(' ').next()).is_some_and(is_run) {
            ours = true;
            continue;
        }
        let mut words = line.split(' ');
        while let Some(word) = words.next() {
            if word == "expires" {
                words.next();
                continue;
            }
            kept.push_str(word);
            kept.push(' ');
        }
        kept.push('\n');
    }
    kept
}

/// Rules, chains and policies, but not the empty built-in chains of a table that iptables makes
/// when it is first asked, and that say nothing.
fn strip_saved(saved: &str) -> String {
    let says_something = |line: &&str| {
        let empty = line.starts_with(':') && line.contains(" ACCEPT ");
        !line.contains("TRB_") && !empty && !line.starts_with(['#', '*']) && *line != "COMMIT"
    };
    // Chains carry packet counters: ":INPUT DROP [12:840]".
    let plain = |line: &str| line.split(" [").next().unwrap_or(line).to_string() + "\n";
    saved.lines().filter(says_something).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tables_and_chains_are_left_out() {
        let theirs = "table ip filter {\n\tchain INPUT {\n\t\tip saddr 1.2.3.4 drop\n\t}\n}\n";
        let table = "table inet tribunal_0000abcd {\n\tset in4 {\n\t}\n\tchain t_in {\n\t}\n}\n";
        assert_eq!(strip(&format!("{theirs}{table}")), strip(theirs));
        assert_eq!(strip(&format!("{table}{theirs}")), strip(theirs));
        let lookalike = "table inet tribunal_of_somebody {\n}\n";
        assert!(strip(lookalike).contains("tribunal_of_somebody"));
        assert_ne!(strip(theirs), strip(&theirs.replace("1.2.3.4", "1.2.3.5")));
    }

    #[test]
    fn iptables_rules_of_others_are_seen_through_ours() {
        let before = "*filter\n:INPUT DROP [1:60]\n-A INPUT -s 1.2.3.4/32 -j ACCEPT\nCOMMIT\n";
        let after = "# Generated\n*filter\n:INPUT DROP [9:540]\n:TRB_IN - [0:0]\n\
                     -A INPUT -j TRB_IN\n-A INPUT -s 1.2.3.4/32 -j ACCEPT\nCOMMIT\n";
        assert_eq!(strip_saved(before), strip_saved(after));
        assert_ne!(strip_saved(before), strip_saved(&after.replace("DROP", "ACCEPT")));
        assert_ne!(strip_saved(before), strip_saved(&after.replace("1.2.3.4", "1.2.3.5")));
    }
}
