//! A lab's nodes as the machine under them sees them: `/proc`, `nsenter`, `nft`. No agent asked.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Rules of somebody else. Counters begin at numbers, so a rule that was rewritten is seen, and
/// match addresses that nobody has, so they stay as they are.
const FOREIGN: &str = "
table inet fortress {
  set friends { type ipv4_addr; flags interval; elements = { 192.0.2.0/28, 198.51.100.7 } }
  counter strangers { packets 3 bytes 180 }
  chain guard {
    type filter hook input priority 5; policy accept;
    ip saddr @friends counter packets 7 bytes 420 accept
    ip saddr 203.0.113.9 counter name strangers drop
  }
}
table ip ledger {
  chain out { type filter hook output priority 10; policy accept;
    ip daddr 203.0.113.0/24 tcp dport 5432 counter packets 11 bytes 660 drop
  }
}
";

/// One node of a lab.
pub(crate) struct Node {
    /// Name in the inventory.
    pub(crate) name: String,
    /// Address its peers use.
    pub(crate) address: String,
    /// Its PID 1, as seen here.
    pid: i32,
}

/// What is on a node.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Tables of ours.
    tables: Vec<String>,
    /// Elements of ours: cuts in force.
    pub(crate) cuts: bool,
    /// Processes in state T.
    pub(crate) stopped: usize,
    /// Processes of the database.
    pub(crate) daemons: usize,
    /// Peers that a fresh connection does not reach.
    unreachable: Vec<String>,
}

impl Seen {
    /// What no healed node has, in words.
    pub(crate) fn trouble(&self) -> Option<String> {
        let mut words = self.tables.clone();
        if self.stopped > 0 {
            words.push(format!("{} processes in state T", self.stopped));
        }
        if self.daemons == 0 {
            words.push("the database was not started again".into());
        }
        words.extend(self.unreachable.iter().map(|peer| format!("{peer} is cut off")));
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// The nodes behind a lab's inventory: children of children of its keeper, told apart by hostname.
pub(crate) fn nodes_of(inventory: &Path) -> Result<Vec<Node>> {
    let text =
        fs::read_to_string(inventory).with_context(|| format!("read {}", inventory.display()))?;
    let value = |line: &str, key: &str| {
        let (found, value) = line.split_once(" = ")?;
        (found == key).then(|| value.trim_matches('"').to_string())
    };
    let all = |key| text.lines().filter_map(|line| value(line, key)).collect::<Vec<_>>();
    let keeper: i32 = all("pid").first().context("no keeper in it")?.parse()?;
    let mut nodes = Vec::new();
    for launcher in children(keeper)? {
        for pid in children(launcher)? {
            let name = enter(pid, "-u", &["cat", "/proc/sys/kernel/hostname"])?;
            let at = all("name").iter().position(|known| known == name.trim());
            let at = at.with_context(|| format!("{} is no node", name.trim()))?;
            let address = all("address")[at].clone();
            nodes.push(Node { name: name.trim().into(), address, pid });
        }
    }
    if nodes.len() != all("name").len() {
        bail!("{} of {} nodes found", nodes.len(), all("name").len());
    }
    nodes.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(nodes)
}

/// Looks at one node; connects to `peers` if there are any.
pub(crate) fn look(node: &Node, peers: &[&str]) -> Result<Seen> {
    let mut seen = Seen::default();
    for table in our_tables(node)? {
        let rules = enter(node.pid, "-n", &["nft", "list", "table", "inet", &table]);
        // A table may go between the two looks.
        seen.cuts |= rules.is_ok_and(|rules| rules.contains(" expires "));
        seen.tables.push(format!("table {table}"));
    }
    for pid in inside(node)? {
        let Some((name, state)) = name_and_state(pid) else { continue };
        seen.stopped += usize::from(state == 'T');
        seen.daemons += usize::from(name == "tribunal-target" && state != 'Z');
    }
    // A fresh connection to a port that nobody listens on: a refusal came from the peer.
    for peer in peers.iter().filter(|peer| **peer != node.address) {
        let dial = format!("exec 3<>/dev/tcp/{peer}/9");
        let out = Command::new("nsenter")
            .args(["-t", &node.pid.to_string(), "-n", "timeout", "2", "bash", "-c", &dial])
            .env("LC_ALL", "C")
            .output()
            .context("start nsenter")?;
        let refused = String::from_utf8_lossy(&out.stderr).contains("Connection refused");
        if !out.status.success() && !refused {
            seen.unreachable.push((*peer).to_string());
        }
    }
    Ok(seen)
}

/// Puts the rules of somebody else on a node.
pub(crate) fn plant(node: &Node) -> Result<()> {
    let mut child = Command::new("nsenter")
        .args(["-t", &node.pid.to_string(), "-n", "nft", "-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .context("start nsenter")?;
    child.stdin.take().context("no stdin")?.write_all(FOREIGN.as_bytes())?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{}: nft: {status}", node.name);
    }
    Ok(())
}

/// Everything in a node's firewall, to the byte, except tables of ours.
pub(crate) fn foreign_rules(node: &Node) -> Result<String> {
    let rules = enter(node.pid, "-n", &["nft", "list", "ruleset"])?;
    let mut kept = String::new();
    let mut ours = false;
    for line in rules.lines() {
        ours |= line.starts_with("table inet tribunal_");
        if !ours {
            kept.push_str(line);
            kept.push('\n');
        }
        ours &= line != "}";
    }
    Ok(kept)
}

/// `kill -9` of the agents that serve a controller on a node; reapers live on.
pub(crate) fn kill_agent(node: &Node) -> Result<()> {
    let mut killed = 0;
    for pid in inside(node)? {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let name = name_and_state(pid).map(|(name, _)| name).unwrap_or_default();
        if name.starts_with("tribunal-agent") && !words.contains(&b"reap".as_slice()) {
            let status = Command::new("kill").args(["-9", &pid.to_string()]).status()?;
            killed += usize::from(status.success());
        }
    }
    if killed == 0 {
        bail!("{}: no agent found to kill", node.name);
    }
    Ok(())
}

fn our_tables(node: &Node) -> Result<Vec<String>> {
    let tables = enter(node.pid, "-n", &["nft", "list", "tables"])?;
    let names = tables.lines().filter_map(|line| line.strip_prefix("table inet "));
    Ok(names.filter(|name| name.starts_with("tribunal_")).map(String::from).collect())
}

/// Processes in the pid namespace of a node.
fn inside(node: &Node) -> Result<Vec<i32>> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(node.pid).with_context(|| format!("{} is gone", node.name))?;
    let pids =
        fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| namespace(*pid).as_ref() == Some(&own)).collect())
}

fn name_and_state(pid: i32) -> Option<(String, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_string();
    Some((name, after.trim_start().chars().next()?))
}

fn children(pid: i32) -> Result<Vec<i32>> {
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("children"))?;
        all.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Ok(all)
}

/// Output of a command in one of a process's namespaces.
fn enter(pid: i32, namespace: &str, argv: &[&str]) -> Result<String> {
    let out = Command::new("nsenter")
        .args(["-t", &pid.to_string(), namespace])
        .args(argv)
        .output()
        .context("start nsenter")?;
    if !out.status.success() {
        bail!("{}: {}", argv.join(" "), String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
