//! Cuts by nft: a table of our own whose set elements end by themselves.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::{Cuts, Seen};
use crate::exec::tool;
use crate::home::is_run;

const PREFIX: &str = "tribunal_";

/// Loads the table anew, with these cuts in it, in one transaction: a packet meets the old table
/// or the new one, never none.
pub(crate) fn load(run: &str, control: &[SocketAddr], cuts: &Cuts) -> io::Result<()> {
    apply(&format!("{}{}{}", removal(run), table(run, control), elements(run, cuts)))
}

/// Adds or renews cuts.
pub(crate) fn change(run: &str, cuts: &Cuts) -> io::Result<()> {
    apply(&elements(run, cuts))
}

/// Ends cuts. Without our table there is nothing to end.
pub(crate) fn open(run: &str, cuts: &Cuts) -> io::Result<()> {
    let mut script = String::new();
    each(cuts, |set, address, _| {
        let element = format!("element inet {PREFIX}{run} {set} {{ {address}");
        let _ = writeln!(script, "add {element} timeout 1s }}\ndelete {element} }}");
    });
    match apply(&script) {
        Err(error) if is_absent(&error) => Ok(()),
        other => other,
    }
}

/// Removes the table; one that is not there is made and removed, so that this cannot fail for it.
pub(crate) fn remove(run: &str) -> io::Result<()> {
    apply(&removal(run))
}

/// Runs that have a table here.
pub(crate) fn runs() -> io::Result<Vec<String>> {
    let listed = tool(&["nft", "list", "tables", "inet"], "")?;
    let names = listed.lines().filter_map(|line| line.trim().strip_prefix("table inet "));
    let runs = names.filter_map(|name| name.trim().strip_prefix(PREFIX));
    Ok(runs.filter(|run| is_run(run)).map(String::from).collect())
}

/// Which elements are there, and what the counters say.
pub(crate) fn look(run: &str, cuts: &Cuts) -> io::Result<Seen> {
    let name = format!("{PREFIX}{run}");
    let text = match tool(&["nft", "-j", "list", "table", "inet", &name], "") {
        Err(error) if is_absent(&error) => return Ok(Seen { present: 0, dropped: [0, 0] }),
        other => other?,
    };
    let listing: Value = serde_json::from_str(&text).map_err(io::Error::other)?;
    Ok(judge(&listing, cuts))
}

/// A chain that lacks its drop rule makes its elements void, so rules are counted as well.
fn judge(listing: &Value, cuts: &Cuts) -> Seen {
    let empty = Vec::new();
    let entries = listing["nftables"].as_array().unwrap_or(&empty);
    let counter = |name: &str| {
        let named = entries.iter().map(|entry| &entry["counter"]);
        let mut packets =
            named.filter(|found| found["name"] == name).map(|found| found["packets"].as_u64());
        packets.next().flatten().unwrap_or(0)
    };
    let mut present = 0;
    each(cuts, |set, address, _| {
        let sets = entries.iter().map(|entry| &entry["set"]);
        let elements = sets
            .filter(|found| found["name"] == set)
            .filter_map(|found| found["elem"].as_array().filter(|_| has_rule(entries, set)));
        let wanted = address.to_string();
        let alive = elements.flatten().any(|element| {
            let inner = &element["elem"];
            inner["val"] == wanted.as_str() && inner["expires"].as_u64().is_some()
        });
        present += usize::from(alive);
    });
    Seen { present, dropped: [counter("c_in"), counter("c_out")] }
}

fn has_rule(entries: &[Value], set: &str) -> bool {
    let chain = if set.starts_with("in") { "t_in" } else { "t_out" };
    let reference = format!("@{set}");
    entries.iter().map(|entry| &entry["rule"]).filter(|rule| rule["chain"] == chain).any(|rule| {
        let parts = rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default();
        parts.iter().any(|part| part["match"]["right"] == reference.as_str())
            && parts.iter().any(|part| part.get("drop").is_some())
    })
}

fn apply(script: &str) -> io::Result<()> {
    if script.is_empty() {
        return Ok(());
    }
    tool(&["nft", "-f", "-"], script).map(drop)
}

/// nft's word for a table that is not there: our tables have all their sets from the start.
fn is_absent(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::NotFound
        && error.to_string().contains("No such file or directory")
}

fn removal(run: &str) -> String {
    format!("add table inet {PREFIX}{run}\ndelete table inet {PREFIX}{run}\n")
}

/// Priority -300 is before connection tracking and NAT: established connections are cut too and
/// addresses are those on the wire. `accept` ends our chain only, so a packet of the control path
/// still meets the rules of others. Neighbour discovery is let through as ARP is, which nft inet
/// never sees.
fn table(run: &str, control: &[SocketAddr]) -> String {
    let list = |six: bool| {
        let pairs = control.iter().filter(|at| at.is_ipv6() == six);
        let pairs: Vec<String> = pairs.map(|at| format!("{} . {}", at.ip(), at.port())).collect();
        if pairs.is_empty() {
            String::new()
        } else {
            format!(" elements = {{ {} }};", pairs.join(", "))
        }
    };
    let (control4, control6) = (list(false), list(true));
    format!(
        "table inet {PREFIX}{run} {{
  set ctl4 {{ type ipv4_addr . inet_service;{control4} }}
  set ctl6 {{ type ipv6_addr . inet_service;{control6} }}
  set in4  {{ type ipv4_addr; flags timeout; }}
  set in6  {{ type ipv6_addr; flags timeout; }}
  set out4 {{ type ipv4_addr; flags timeout; }}
  set out6 {{ type ipv6_addr; flags timeout; }}
  counter c_in {{}}
  counter c_out {{}}
  chain t_in {{
    type filter hook input priority -300; policy accept;
    ip saddr . tcp dport @ctl4 accept
    ip6 saddr . tcp dport @ctl6 accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
    ip saddr @in4 counter name c_in drop
    ip6 saddr @in6 counter name c_in drop
  }}
  chain t_out {{
    type filter hook output priority -300; policy accept;
    ip daddr . tcp sport @ctl4 accept
    ip6 daddr . tcp sport @ctl6 accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
    ip daddr @out4 counter name c_out drop
    ip6 daddr @out6 counter name c_out drop
  }}
  chain t_fwd {{
    type filter hook forward priority -300; policy accept;
    ip saddr @in4 counter name c_in drop
    ip6 saddr @in6 counter name c_in drop
    ip daddr @out4 counter name c_out drop
    ip6 daddr @out6 counter name c_out drop
  }}
}}
"
    )
}

/// A plain `add` does not extend the time of an element that is there; add, delete, add does,
/// also when it is absent, and the transaction lets no packet through in between.
fn elements(run: &str, cuts: &Cuts) -> String {
    let mut script = String::new();
    each(cuts, |set, address, ms| {
        let element = format!("element inet {PREFIX}{run} {set} {{ {address}");
        let timed = format!("add {element} timeout {}ms }}", ms.max(1));
        let _ = writeln!(script, "{timed}\ndelete {element} }}\n{timed}");
    });
    script
}

fn each(cuts: &Cuts, mut visit: impl FnMut(&'static str, &IpAddr, u64)) {
    for (address, ms) in &cuts.from {
        visit(if address.is_ipv4() { "in4" } else { "in6" }, address, *ms);
    }
    for (address, ms) in &cuts.to {
        visit(if address.is_ipv4() { "out4" } else { "out6" }, address, *ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts() -> Cuts {
        let mut cuts = Cuts::default();
        cuts.add(&["10.0.0.7".parse().unwrap()], &["fd00::7".parse().unwrap()], 1500);
        cuts
    }

    #[test]
    fn a_renewal_adds_deletes_and_adds() {
        let script = elements("0000abcd", &cuts());
        let lines: Vec<&str> = script.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "add element inet tribunal_0000abcd in4 { 10.0.0.7 timeout 1500ms }");
        assert_eq!(lines[1], "delete element inet tribunal_0000abcd in4 { 10.0.0.7 }");
        assert_eq!(lines[2], lines[0]);
        assert!(lines[3].contains("out6 { fd00::7 timeout"));
    }

    #[test]
    fn an_element_without_its_drop_rule_is_no_cut() {
        let set = r#"{"set":{"name":"in4","elem":[
            {"elem":{"val":"10.0.0.7","timeout":10,"expires":9}}]}}"#;
        let rule = r#"{"rule":{"chain":"t_in","expr":[
            {"match":{"right":"@in4"}},{"counter":"c_in"},{"drop":null}]}}"#;
        let counter = r#"{"counter":{"name":"c_in","packets":5}}"#;
        let listing = |entries: &[&str]| {
            let text = format!("{{\"nftables\":[{}]}}", entries.join(","));
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let seen = judge(&listing(&[set, rule, counter]), &cuts());
        assert_eq!(seen, Seen { present: 1, dropped: [5, 0] });
        assert_eq!(judge(&listing(&[set, counter]), &cuts()).present, 0);
        let accepting = rule.replace("drop", "accept");
        assert_eq!(judge(&listing(&[set, &accepting]), &cuts()).present, 0);
        assert_eq!(judge(&Value::Null, &cuts()), Seen { present: 0, dropped: [0, 0] });
    }
}
