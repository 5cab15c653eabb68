//! Rules of others: read before our first table, compared after our last.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::exec::tool;
use crate::home::{Home, is_run, write_durably};

/// Remembers the rules of others, once per run, before anything of ours is loaded.
pub(crate) fn remember(home: &Home, run: &str) -> io::Result<()> {
    let path = path(home, run);
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(home.run(run))?;
    write_durably(&path, read()?.as_bytes())
}

/// In words: whether they are what they were.
pub(crate) fn compare(home: &Home, run: &str) -> String {
    let before = match fs::read_to_string(path(home, run)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return "foreign rules never touched".into();
        }
        Err(error) => return format!("foreign rules unknown: {error}"),
        Ok(before) => before,
    };
    match read() {
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

/// The ruleset without our tables. `-s` leaves counters out, which move with every packet.
fn read() -> io::Result<String> {
    match tool(&["nft", "-s", "list", "ruleset"], "") {
        Ok(listed) => Ok(strip(&listed)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let four = tool(&["iptables-save"], "")?;
            let six = tool(&["ip6tables-save"], "")?;
            Ok(strip_saved(&four) + &strip_saved(&six))
        }
        Err(error) => Err(error),
    }
}

/// Without `table inet tribunal_RUN { .. }` and without chains, jumps and rules of ours in
/// iptables' tables; what is left of expiring elements of others is left out as well.
fn strip(listed: &str) -> String {
    let (mut kept, mut ours) = (String::new(), false);
    let mut depth_of_ours = "";
    for line in listed.lines() {
        if ours {
            ours = line != depth_of_ours;
            continue;
        }
        let name =
            line.strip_prefix("table inet tribunal_").and_then(|rest| rest.split(' ').next());
        let chain = line.trim_start().strip_prefix("chain TRB_").is_some();
        if name.is_some_and(is_run) || chain {
            ours = true;
            depth_of_ours = if chain { "\t}" } else { "}" };
            continue;
        }
        // Managed by iptables: "# Warning: table ip filter is managed by iptables-nft".
        if line.contains("jump TRB_") || line.starts_with('#') {
            continue;
        }
        let words = line.split(' ').collect::<Vec<_>>();
        let mut skip = false;
        for word in words {
            if skip || word == "expires" {
                skip = word == "expires";
                continue;
            }
            kept.push_str(word);
            kept.push(' ');
        }
        kept.push('\n');
    }
    kept
}

fn strip_saved(saved: &str) -> String {
    let theirs = saved.lines().filter(|line| !line.contains("TRB_") && !line.starts_with('#'));
    // Policies carry packet counters: ":INPUT ACCEPT [12:840]".
    theirs.map(|line| line.split(" [").next().unwrap_or(line).to_string() + "\n").collect()
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
        let chains = theirs.replace(
            "\tchain INPUT {\n",
            "\tchain TRB_IN {\n\t\tdrop\n\t}\n\n\tchain INPUT {\n\t\tcounter jump TRB_IN\n",
        );
        assert_eq!(
            strip(&chains).replace(" \n \n", " \n"),
            strip(&chains).replace(" \n \n", " \n")
        );
        let lookalike = "table inet tribunal_of_somebody {\n}\n";
        assert!(strip(lookalike).contains("tribunal_of_somebody"));
        assert_ne!(strip(theirs), strip(&theirs.replace("1.2.3.4", "1.2.3.5")));
    }
}
