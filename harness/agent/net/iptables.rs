//! Partitions by iptables where there is no nft: chains of our own at position 1, so that an
//! earlier ACCEPT of others cannot void them, in one transaction per family that waits for the
//! lock.
//!
//! The control path is let through by RETURN, not ACCEPT: rules of others still see it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::{Elements, Seen};
use crate::exec::tool;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Four,
    Six,
}

impl Family {
    const BOTH: [Family; 2] = [Family::Four, Family::Six];

    fn tool(self) -> &'static str {
        match self {
            Family::Four => "iptables",
            Family::Six => "ip6tables",
        }
    }

    /// Where nft finds the table of the tool.
    fn table(self) -> &'static str {
        match self {
            Family::Four => "ip",
            Family::Six => "ip6",
        }
    }

    fn has(self, address: &IpAddr) -> bool {
        match self {
            Family::Four => address.is_ipv4(),
            Family::Six => address.is_ipv6(),
        }
    }

    fn digit(self) -> char {
        match self {
            Family::Four => '4',
            Family::Six => '6',
        }
    }

    /// Set of a direction: `trb4i_RUN`.
    fn set(self, direction: char, run: &str) -> String {
        format!("trb{}{direction}_{run}", self.digit())
    }
}

/// Makes sets and chains, with these cuts.
pub(crate) fn set_load(run: &str, control: &[SocketAddr], cuts: &Elements) -> io::Result<()> {
    for family in Family::BOTH {
        for direction in ['i', 'o'] {
            let inet = if family == Family::Four { "inet" } else { "inet6" };
            let set = family.set(direction, run);
            tool(
                &["ipset", "create", &set, "hash:ip", "family", inet, "timeout", "10", "-exist"],
                "",
            )?;
        }
    }
    set_change(run, cuts)?;
    for family in Family::BOTH {
        let matching = |direction: char, side: &str| {
            vec![format!("-m set --match-set {} {side}", family.set(direction, run))]
        };
        restore(family, control, &matching('i', "src"), &matching('o', "dst"))?;
    }
    Ok(())
}

/// Adds or renews entries. ipset counts whole seconds: rounded up, the reaper is more exact.
pub(crate) fn set_change(run: &str, cuts: &Elements) -> io::Result<()> {
    let mut script = String::new();
    each(cuts, |direction, address, ms| {
        let set = family(address).set(direction, run);
        let _ = writeln!(script, "add {set} {address} timeout {} -exist", ms.div_ceil(1000).max(1));
    });
    ipset(&script)
}

/// Removes entries; sets that are gone hold none.
pub(crate) fn set_open(run: &str, cuts: &Elements) -> io::Result<()> {
    let names = sets()?;
    let mut script = String::new();
    each(cuts, |direction, address, _| {
        let set = family(address).set(direction, run);
        if names.contains(&set) {
            let _ = writeln!(script, "del {set} {address} -exist");
        }
    });
    ipset(&script)
}

/// Which entries are there while the chains that use them are hooked in.
pub(crate) fn set_look(run: &str, cuts: &Elements) -> io::Result<Seen> {
    let (names, mut present, mut error) = (sets()?, 0, None);
    for family in Family::BOTH {
        if !hooked(family)? {
            continue;
        }
        each(cuts, |direction, address, _| {
            let set = family.set(direction, run);
            if !family.has(address) || !names.contains(&set) {
                return;
            }
            match tool(&["ipset", "test", &set, &address.to_string()], "") {
                Ok(_) => present += 1,
                // Exit code 1 says that it is not in the set.
                Err(absent) if absent.to_string().contains("NOT in set") => {}
                Err(other) => error = Some(other),
            }
        });
    }
    error.map_or_else(|| Ok(Seen { present, met: dropped()? }), Err)
}

/// Makes the chains hold exactly these cuts, a rule per address.
pub(crate) fn rewrite(control: &[SocketAddr], cuts: &Elements) -> io::Result<()> {
    for family in Family::BOTH {
        let rules = |addresses: Vec<&IpAddr>, side: &str| -> Vec<String> {
            let own = addresses.into_iter().filter(|address| family.has(address));
            own.map(|address| format!("{side} {address}")).collect()
        };
        let from = rules(cuts.peers("in").collect(), "-s");
        let to = rules(cuts.peers("out").collect(), "-d");
        restore(family, control, &from, &to)?;
    }
    Ok(())
}

/// Which rules are there while the chains are hooked in.
pub(crate) fn look(cuts: &Elements) -> io::Result<Seen> {
    let mut present = 0;
    for family in Family::BOTH {
        if !hooked(family)? {
            continue;
        }
        let listed = |chain: &str| tool(&[family.tool(), "-w", "5", "-S", chain], "");
        let (inward, outward) = (listed("TRB_IN")?, listed("TRB_OUT")?);
        each(cuts, |direction, address, _| {
            let (text, side) = if direction == 'i' { (&inward, "-s") } else { (&outward, "-d") };
            let rule = format!("{side} {address}/");
            let found = text.lines().any(|line| line.contains(&rule) && line.ends_with("DROP"));
            present += usize::from(family.has(address) && found);
        });
    }
    Ok(Seen { present, met: dropped()? })
}

/// Removes chains and sets of every run; whether there were any.
pub(crate) fn remove() -> io::Result<bool> {
    let mut any = false;
    for family in Family::BOTH {
        let rules = rules(family)?;
        let has = |line: &str| rules.lines().any(|found| found == line);
        let mut script = String::from("*filter\n");
        for (hook, chain) in [("INPUT", "TRB_IN"), ("OUTPUT", "TRB_OUT")] {
            if has(&format!("-A {hook} -j {chain}")) {
                let _ = writeln!(script, "-D {hook} -j {chain}");
            }
        }
        for chain in ["TRB_IN", "TRB_OUT"] {
            if has(&format!("-N {chain}")) {
                any = true;
                let _ = writeln!(script, "-F {chain}\n-X {chain}");
            }
        }
        if script.lines().count() > 1 {
            apply(family, &format!("{script}COMMIT\n"))?;
        }
    }
    for set in super::tolerate_missing(sets())?.unwrap_or_default() {
        tool(&["ipset", "destroy", &set], "")?;
        any = true;
    }
    Ok(any)
}

/// Rules of a family. Of a table that only nft can read, none, if it has no chain of ours: there
/// iptables fails, and could not have put one in.
fn rules(family: Family) -> io::Result<String> {
    let error = match tool(&[family.tool(), "-w", "5", "-S"], "") {
        Ok(rules) => return Ok(rules),
        Err(error) => error,
    };
    let Ok(table) = tool(&["nft", "-s", "list", "table", family.table(), "filter"], "") else {
        return Err(error);
    };
    let ours = ["chain TRB_IN {", "chain TRB_OUT {"];
    match table.lines().any(|line| ours.contains(&line.trim())) {
        false => Ok(String::new()),
        true => Err(error),
    }
}

fn restore(
    family: Family,
    control: &[SocketAddr],
    from: &[String],
    to: &[String],
) -> io::Result<()> {
    let mut script = String::from("*filter\n:TRB_IN - [0:0]\n:TRB_OUT - [0:0]\n");
    for at in control.iter().filter(|at| family.has(&at.ip())) {
        let (address, port) = (at.ip(), at.port());
        let _ = writeln!(script, "-A TRB_IN -s {address} -p tcp --dport {port} -j RETURN");
        let _ = writeln!(script, "-A TRB_OUT -d {address} -p tcp --sport {port} -j RETURN");
    }
    if family == Family::Six {
        for chain in ["TRB_IN", "TRB_OUT"] {
            for kind in ["neighbour-solicitation", "neighbour-advertisement"] {
                let _ = writeln!(script, "-A {chain} -p icmpv6 --icmpv6-type {kind} -j RETURN");
            }
        }
    }
    for (chain, rules) in [("TRB_IN", from), ("TRB_OUT", to)] {
        for rule in rules {
            let _ = writeln!(script, "-A {chain} {rule} -j DROP");
        }
    }
    let listed = tool(&[family.tool(), "-w", "5", "-S"], "")?;
    for (hook, chain) in [("INPUT", "TRB_IN"), ("OUTPUT", "TRB_OUT")] {
        if !listed.lines().any(|line| line == format!("-A {hook} -j {chain}")) {
            let _ = writeln!(script, "-I {hook} 1 -j {chain}");
        }
    }
    apply(family, &format!("{script}COMMIT\n"))
}

fn hooked(family: Family) -> io::Result<bool> {
    let listed = tool(&[family.tool(), "-w", "5", "-S"], "")?;
    let jump = |line: &str| listed.lines().any(|found| found == line);
    Ok(jump("-A INPUT -j TRB_IN") && jump("-A OUTPUT -j TRB_OUT"))
}

/// Packets that met a DROP of ours, by set.
fn dropped() -> io::Result<BTreeMap<&'static str, u64>> {
    let mut sums = BTreeMap::new();
    for family in Family::BOTH {
        for (set, chain) in [("in", "TRB_IN"), ("out", "TRB_OUT")] {
            // Without the chain nothing was dropped; hooked() has told so already.
            let argv = [family.tool(), "-w", "5", "-nvxL", chain];
            let Ok(listed) = tool(&argv, "") else { continue };
            let drops = listed.lines().filter(|line| line.contains(" DROP "));
            let packets =
                drops.filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            *sums.entry(set).or_default() += packets.sum::<u64>();
        }
    }
    Ok(sums)
}

fn apply(family: Family, script: &str) -> io::Result<()> {
    tool(&[&format!("{}-restore", family.tool()), "--noflush", "-w", "5"], script).map(drop)
}

fn ipset(script: &str) -> io::Result<()> {
    if script.is_empty() { Ok(()) } else { tool(&["ipset", "restore"], script).map(drop) }
}

fn sets() -> io::Result<Vec<String>> {
    let listed = tool(&["ipset", "list", "-n"], "")?;
    let ours = listed.lines().map(str::trim).filter(|name| {
        let run = name.strip_prefix("trb").and_then(|rest| rest.split_once('_'));
        run.is_some_and(|(_, run)| crate::home::is_run(run))
    });
    Ok(ours.map(String::from).collect())
}

fn family(address: &IpAddr) -> Family {
    if address.is_ipv4() { Family::Four } else { Family::Six }
}

/// Of the elements only those of partitions: no other fault is done by iptables.
fn each(cuts: &Elements, mut visit: impl FnMut(char, &IpAddr, u64)) {
    for (element, ms) in cuts.iter() {
        match element.set {
            "in" => visit('i', &element.peer, ms),
            "out" => visit('o', &element.peer, ms),
            _ => {}
        }
    }
}
