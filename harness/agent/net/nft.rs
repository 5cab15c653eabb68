//! Faults on links by nft: a table of our own whose set elements end by themselves.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Element, Elements, Seen};
use crate::exec::tool;
use crate::home::is_run;
use crate::links::{self, Rule};

const PREFIX: &str = "tribunal_";

/// Chains of our table: name, hook. `fwd` alone is a word of nft's.
const CHAINS: [(&str, &str); 3] = [("t_in", "input"), ("t_out", "output"), ("t_fwd", "forward")];

/// Loads the table anew, with these elements in it, in one transaction: a packet meets the old
/// table or the new one, never none.
pub(crate) fn load(run: &str, control: &[SocketAddr], elements: &Elements) -> io::Result<()> {
    apply(&format!("{}{}{}", removal(run), table(run, control), renewal(run, elements)))
}

/// Adds or renews elements.
pub(crate) fn change(run: &str, elements: &Elements) -> io::Result<()> {
    apply(&renewal(run, elements))
}

/// Ends elements. Without our table there is nothing to end.
pub(crate) fn open(run: &str, elements: &Elements) -> io::Result<()> {
    let mut script = String::new();
    for (element, _) in elements.iter() {
        let (add, delete) = (timed(run, element, 1000), deletion(run, element));
        let _ = write!(script, "{}{add}{delete}", told(run, element));
    }
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
pub(crate) fn look(run: &str, elements: &Elements) -> io::Result<Seen> {
    let name = format!("{PREFIX}{run}");
    let text = match tool(&["nft", "-j", "list", "table", "inet", &name], "") {
        Err(error) if is_absent(&error) => "{}".into(),
        other => other?,
    };
    let listing: Value = serde_json::from_str(&text).map_err(io::Error::other)?;
    Ok(judge(&listing, elements))
}

/// A chain that lacks a rule of its kind makes its elements void, so rules are counted as well.
fn judge(listing: &Value, elements: &Elements) -> Seen {
    let empty = Vec::new();
    let entries = listing["nftables"].as_array().unwrap_or(&empty);
    let alive = |element: &Element| {
        let (set, key) = (element.family_set(), value_of(element));
        let sets = entries.iter().flat_map(|entry| [&entry["set"], &entry["map"]]);
        let sets = sets.filter(|found| found["name"] == *set);
        let mut elements = sets.filter_map(|found| found["elem"].as_array()).flatten();
        elements.any(|found| {
            // Of a map each is a pair.
            let inner = if found.is_array() { &found[0]["elem"] } else { &found["elem"] };
            inner["val"] == key && inner["expires"].as_u64().is_some()
        })
    };
    let in_force = |(element, _): &(&Element, u64)| {
        let mut rules = links::all().flat_map(|link| link.rules);
        rules.all(|rule| rule.set != element.set || has_rule(entries, rule, element))
            && alive(element)
    };
    let present = elements.iter().filter(in_force).count();
    let counters = entries.iter().map(|entry| &entry["counter"]);
    let packets = |set: &str| {
        let name = format!("c_{set}");
        let mut named = counters.clone().filter(|found| found["name"] == *name);
        named.find_map(|found| found["packets"].as_u64())
    };
    let sets = links::all().flat_map(|link| link.sets());
    Seen { present, met: sets.filter_map(|set| Some((set, packets(set)?))).collect() }
}

/// Whether a rule that this node's own packets meet is there; what it forwards is the business of
/// whoever lives behind it.
fn has_rule(entries: &[Value], rule: &Rule, element: &Element) -> bool {
    let reference = format!("@{}", element.family_set());
    let verdict = rule.verdict.split(' ').next().unwrap_or_default();
    let has = |chain: &str, wanted: &dyn Fn(&[Value]) -> bool| {
        let rules = entries.iter().map(|entry| &entry["rule"]);
        rules
            .filter(|found| found["chain"] == chain)
            .any(|found| wanted(found["expr"].as_array().map(Vec::as_slice).unwrap_or_default()))
    };
    let ends = |parts: &[Value]| parts.iter().any(|part| part.get(verdict).is_some());
    let reads =
        |parts: &[Value], right: Value| parts.iter().any(|part| part["match"]["right"] == right);
    let jumps = |parts: &[Value]| parts.iter().any(|part| part["vmap"]["data"] == *reference);
    match element.value {
        _ if rule.chain == "t_fwd" => true,
        None => has(rule.chain, &|parts| ends(parts) && reads(parts, reference.as_str().into())),
        Some(value) => {
            has(rule.chain, &jumps)
                && has(&chain_of(element.set, value), &|parts| {
                    ends(parts) && reads(parts, value.into())
                })
        }
    }
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

/// What no fault meets: the control path, and neighbour discovery, as ARP is let through, which
/// nft inet never sees.
const EXEMPT: [(&str, &str); 2] = [
    (
        "t_in",
        "    ip saddr . tcp dport @ctl4 accept
    ip6 saddr . tcp dport @ctl6 accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
",
    ),
    (
        "t_out",
        "    ip daddr . tcp sport @ctl4 accept
    ip6 daddr . tcp sport @ctl6 accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
",
    ),
];

/// Priority -300 is before connection tracking and NAT: established connections are cut too and
/// addresses are those on the wire. `accept` ends our chain only, so a packet of the control path
/// still meets the rules of others.
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
    let mut text = format!(
        "table inet {PREFIX}{run} {{
  set ctl4 {{ type ipv4_addr . inet_service;{control4} }}
  set ctl6 {{ type ipv6_addr . inet_service;{control6} }}
"
    );
    for (link, set) in links::all().flat_map(|link| link.sets().map(move |set| (link, set))) {
        let (what, value) = if link.is_told() { ("map", " : verdict") } else { ("set", "") };
        for digit in [4, 6] {
            let port = if link.at_ports() { " . inet_proto . inet_service" } else { "" };
            let kind = format!("type ipv{digit}_addr{port}{value}; flags timeout;");
            let _ = writeln!(text, "  {what} {set}{digit} {{ {kind} }}");
        }
        let _ = writeln!(text, "  counter c_{set} {{}}");
    }
    for (chain, hook) in CHAINS {
        let _ = writeln!(text, "  chain {chain} {{");
        let _ = writeln!(text, "    type filter hook {hook} priority -300; policy accept;");
        text += EXEMPT.iter().find(|(of, _)| *of == chain).map_or("", |(_, rules)| rules);
        let rules = links::all().flat_map(|link| link.rules);
        for rule in rules.filter(|rule| rule.chain == chain) {
            let Rule { side, set, condition, verdict, .. } = rule;
            for (family, digit) in [("ip", 4), ("ip6", 6)] {
                let _ = match rule.is_told() {
                    true => writeln!(text, "    {family} {side} vmap @{set}{digit}"),
                    false => writeln!(
                        text,
                        "    {family} {side} @{set}{digit} {condition} counter name c_{set} {verdict}"
                    ),
                };
            }
        }
        text += "  }\n";
    }
    text + "}\n"
}

/// A plain `add` does not extend the time of an element that is there; add, delete, add does,
/// also when it is absent, and the transaction lets no packet through in between.
fn renewal(run: &str, elements: &Elements) -> String {
    let mut script = String::new();
    for (element, ms) in elements.iter() {
        let (add, delete) = (timed(run, element, ms), deletion(run, element));
        let _ = write!(script, "{}{add}{delete}{add}", told(run, element));
    }
    script
}

fn timed(run: &str, element: &Element, ms: u64) -> String {
    let (set, key) = (element.family_set(), key_of(element));
    let jump = element.value.map(|value| format!(" : jump {}", chain_of(element.set, value)));
    let (ms, jump) = (ms.max(1), jump.unwrap_or_default());
    format!("add element inet {PREFIX}{run} {set} {{ {key} timeout {ms}ms{jump} }}\n")
}

fn deletion(run: &str, element: &Element) -> String {
    let (set, key) = (element.family_set(), key_of(element));
    format!("delete element inet {PREFIX}{run} {set} {{ {key} }}\n")
}

/// As nft reads it.
fn key_of(element: &Element) -> String {
    let port = element.port.map(|port| format!(" . tcp . {port}"));
    format!("{}{}", element.peer, port.unwrap_or_default())
}

/// As nft's JSON has it.
fn value_of(element: &Element) -> Value {
    let peer = element.peer.to_string();
    match element.port {
        Some(port) => json!({ "concat": [peer, "tcp", port] }),
        None => peer.into(),
    }
}

/// The chain of a value, made anew if it is there: nothing of it lasts but its counter, which is
/// that of the set.
fn told(run: &str, element: &Element) -> String {
    let Some(value) = element.value else { return String::new() };
    let mut rules = links::all().flat_map(|link| link.rules).filter(|rule| rule.set == element.set);
    let Some(Rule { set, condition, verdict, .. }) = rules.next() else { return String::new() };
    let chain = format!("chain inet {PREFIX}{run} {}", chain_of(set, value));
    let rule =
        format!("{} counter name c_{set} {verdict}", condition.replace("{}", &value.to_string()));
    let name = chain.trim_start_matches("chain ");
    format!("add {chain}\nflush {chain}\nadd rule {name} {rule}\n")
}

fn chain_of(set: &str, value: i64) -> String {
    format!("t_{set}_{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts() -> Elements {
        let mut cuts = Elements::default();
        let (from, to) = (["10.0.0.7".parse().unwrap()], ["fd00::7".parse().unwrap()]);
        cuts.add(links::find("partition").unwrap(), None, ([&from, &to], &[]), 1500);
        cuts
    }

    #[test]
    fn a_renewal_adds_deletes_and_adds() {
        let script = renewal("0000abcd", &cuts());
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
        assert_eq!((seen.present, seen.met("in"), seen.met("out")), (1, 5, 0));
        assert_eq!(judge(&listing(&[set, counter]), &cuts()).present, 0);
        let accepting = rule.replace("drop", "accept");
        assert_eq!(judge(&listing(&[set, &accepting]), &cuts()).present, 0);
        let nothing = judge(&Value::Null, &cuts());
        assert_eq!((nothing.present, nothing.met("in"), nothing.met("out")), (0, 0, 0));
    }
}
