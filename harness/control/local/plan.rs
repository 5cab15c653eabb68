//! What a local cluster consists of, decided before anything is touched. Pure.
//!
//! Two networks: data, where servers, clients and faults are; control, where sshd and the agent
//! are and no fault ever is. Both are made of addresses of the benchmarking range, which is never
//! routed, and live in namespaces of their own, so any number of clusters may use the same ones.
//! Neighbours are permanent: address resolution would suffer the faults too, and a cut that
//! swallows ARP turns silence into "no route to host".

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use tribunal_agent::launch::LaunchPlan;

/// Most nodes of a local cluster.
pub const LOCAL_LIMIT: usize = 200;

/// Directory inside a node with what its sshd needs.
const INSIDE: &str = "/etc/tribunal";

/// A cluster, decided.
#[derive(Clone, Debug)]
pub struct LocalPlan {
    /// Distinguishes the MAC addresses of clusters.
    pub id: u16,
    /// Everything of the cluster on this machine is beneath it.
    pub state: PathBuf,
    /// Whether this kernel speaks IPv6.
    pub ipv6: bool,
    /// In order.
    pub nodes: Vec<LocalNode>,
}

/// A node, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNode {
    /// `n1` to `nN`.
    pub name: String,
    /// 1 to N.
    pub number: u8,
}

/// One of the two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Net {
    Data,
    Control,
}

/// Private key of the controller of local nodes whose state is kept in `state`.
pub fn key_of(state: &Path) -> PathBuf {
    state.join("id_ed25519")
}

impl LocalPlan {
    /// A cluster of `count` nodes whose files are beneath `state`.
    ///
    /// # Errors
    /// No node, or more than addresses.
    pub fn new(count: usize, id: u16, state: &Path, ipv6: bool) -> Result<LocalPlan, String> {
        if count == 0 || count > LOCAL_LIMIT {
            return Err(format!("local:{count}: give 1 to {LOCAL_LIMIT} nodes"));
        }
        let nodes = (1..=count as u8)
            .map(|number| LocalNode { name: format!("n{number}"), number })
            .collect();
        Ok(LocalPlan { id, state: state.into(), ipv6, nodes })
    }

    /// Private key of the controller.
    pub fn key(&self) -> PathBuf {
        key_of(&self.state)
    }

    /// Host keys of the nodes.
    pub fn known_hosts(&self) -> PathBuf {
        self.state.join("known_hosts")
    }

    /// Commands for `ip -batch` in the switch namespace. `namespaces` are paths by which `ip` can
    /// open the controller's and the nodes' namespaces, the controller's first.
    pub(super) fn switch_commands(&self, namespaces: &[String]) -> String {
        let mut text = String::from("link set lo up\n");
        for net in Net::BOTH {
            let bridge = net.bridge();
            line(&mut text, format_args!("link add {bridge} type bridge"));
            line(&mut text, format_args!("link set {bridge} up"));
        }
        let nodes = self.nodes.iter().map(|node| (node.name.as_str(), node.number));
        for ((name, number), namespace) in std::iter::once(("ctrl", 0)).chain(nodes).zip(namespaces)
        {
            for net in Net::BOTH {
                let (port, mac) = (net.port(name), net.mac(self.id, number));
                let (device, bridge) = (net.device(), net.bridge());
                let peer = format!("name {device} address {mac} netns {namespace}");
                line(&mut text, format_args!("link add {port} type veth peer {peer}"));
                line(&mut text, format_args!("link set {port} master {bridge} up"));
            }
        }
        text
    }

    /// Commands for `ip -batch` in the namespace of a member; 0 is the controller.
    pub(super) fn member_commands(&self, number: u8) -> String {
        let mut text = String::from("link set lo up\n");
        for net in Net::BOTH {
            let device = net.device();
            line(&mut text, format_args!("addr add {}/24 dev {device}", net.v4(number)));
            if let Some(address) = self.v6(net, number) {
                line(&mut text, format_args!("addr add {address}/64 dev {device} nodad"));
            }
            line(&mut text, format_args!("link set {device} up"));
            let everyone = std::iter::once(0).chain(self.nodes.iter().map(|node| node.number));
            for other in everyone.filter(|other| *other != number) {
                // Nodes speak to the controller only on the control network.
                if net == Net::Control && number != 0 && other != 0 {
                    continue;
                }
                self.neighbour(&mut text, net, other);
            }
        }
        text
    }

    fn neighbour(&self, text: &mut String, net: Net, other: u8) {
        let (device, mac) = (net.device(), net.mac(self.id, other));
        let v4 = IpAddr::V4(net.v4(other));
        for address in std::iter::once(v4).chain(self.v6(net, other).map(IpAddr::V6)) {
            let words = format!("{address} lladdr {mac} nud permanent dev {device}");
            line(text, format_args!("neigh replace {words}"));
        }
    }

    fn v6(&self, net: Net, number: u8) -> Option<Ipv6Addr> {
        // The digits of the IPv4 address, read as hexadecimal: 198.18.7.11 and ...::11.
        let last = u16::from_str_radix(&host_part(number).to_string(), 16).ok()?;
        (self.ipv6 && net == Net::Data).then(|| Ipv6Addr::new(0xfd54, 0x7269, 7, 0, 0, 0, 0, last))
    }

    /// Names of all nodes by data address, for each node's `/etc/hosts`.
    fn hosts_file(&self) -> String {
        let mut text = String::from("127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
        for node in &self.nodes {
            line(&mut text, format_args!("{} {}", node.data(), node.name));
        }
        text
    }

    /// The launcher's orders for one node.
    pub(super) fn launch(&self, node: &LocalNode, keys: &NodeKeys, netns: &str) -> LaunchPlan {
        let state = self.state.join("nodes").join(&node.name);
        let config = format!("{INSIDE}/sshd_config");
        let mut plan = LaunchPlan::new(&node.name, netns, &state.display().to_string(), &config)
            .file("/etc/hosts", 0o644, self.hosts_file())
            .file(&config, 0o600, sshd_config(node))
            .file(&format!("{INSIDE}/host_key"), 0o600, keys.host_key.clone())
            .file(&format!("{INSIDE}/authorized_keys"), 0o600, keys.authorized.clone());
        // The controller's private key is in the lower layer otherwise.
        plan.mask = vec![self.state.display().to_string(), "/home".into()];
        plan
    }
}

/// Keys that go into a node.
#[derive(Clone)]
pub(super) struct NodeKeys {
    /// Private, in OpenSSH's form.
    pub(super) host_key: String,
    /// The controller's public key.
    pub(super) authorized: String,
}

impl LocalNode {
    /// Address of the data network.
    pub fn data(&self) -> IpAddr {
        IpAddr::V4(Net::Data.v4(self.number))
    }

    /// Address of the control network.
    pub fn control(&self) -> IpAddr {
        IpAddr::V4(Net::Control.v4(self.number))
    }
}

impl Net {
    const BOTH: [Net; 2] = [Net::Data, Net::Control];

    fn bridge(self) -> &'static str {
        match self {
            Net::Data => "br-data",
            Net::Control => "br-ctl",
        }
    }

    fn device(self) -> &'static str {
        match self {
            Net::Data => "eth0",
            Net::Control => "ctl0",
        }
    }

    /// The end of a link that is on the bridge.
    fn port(self, name: &str) -> String {
        match self {
            Net::Data => format!("{name}-d"),
            Net::Control => format!("{name}-c"),
        }
    }

    fn v4(self, number: u8) -> Ipv4Addr {
        match self {
            Net::Data => Ipv4Addr::new(198, 18, 7, host_part(number)),
            Net::Control => Ipv4Addr::new(198, 18, 8, host_part(number)),
        }
    }

    fn mac(self, id: u16, number: u8) -> String {
        let [high, low] = id.to_be_bytes();
        let net = match self {
            Net::Data => 0,
            Net::Control => 1,
        };
        format!("02:54:{high:02x}:{low:02x}:{net:02x}:{number:02x}")
    }
}

/// The controller is 1, node i is 10 + i.
fn host_part(number: u8) -> u8 {
    match number {
        0 => 1,
        node => 10 + node,
    }
}

fn sshd_config(node: &LocalNode) -> String {
    format!(
        "ListenAddress {}\nHostKey {INSIDE}/host_key\nAuthorizedKeysFile {INSIDE}/authorized_keys\n\
         PidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nUsePAM no\nUseDNS no\nPrintMotd no\nMaxSessions 64\n\
         MaxStartups 100\nSubsystem sftp internal-sftp\n",
        node.control()
    )
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{words}");
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn plan(count: usize) -> LocalPlan {
        LocalPlan::new(count, 0xabcd, Path::new("/runs/7"), true).unwrap()
    }

    #[test]
    fn commands_for_one_node() {
        let paths = ["/proc/1/fd/4", "/proc/1/fd/5"].map(String::from);
        let plan = plan(1);
        let switch = plan.switch_commands(&paths);
        let all =
            format!("{switch}---\n{}---\n{}", plan.member_commands(0), plan.member_commands(1));
        expect![[r#"
            link set lo up
            link add br-data type bridge
            link set br-data up
            link add br-ctl type bridge
            link set br-ctl up
            link add ctrl-d type veth peer name eth0 address 02:54:ab:cd:00:00 netns /proc/1/fd/4
            link set ctrl-d master br-data up
            link add ctrl-c type veth peer name ctl0 address 02:54:ab:cd:01:00 netns /proc/1/fd/4
            link set ctrl-c master br-ctl up
            link add n1-d type veth peer name eth0 address 02:54:ab:cd:00:01 netns /proc/1/fd/5
            link set n1-d master br-data up
            link add n1-c type veth peer name ctl0 address 02:54:ab:cd:01:01 netns /proc/1/fd/5
            link set n1-c master br-ctl up
            ---
            link set lo up
            addr add 198.18.7.1/24 dev eth0
            addr add fd54:7269:7::1/64 dev eth0 nodad
            link set eth0 up
            neigh replace 198.18.7.11 lladdr 02:54:ab:cd:00:01 nud permanent dev eth0
            neigh replace fd54:7269:7::11 lladdr 02:54:ab:cd:00:01 nud permanent dev eth0
            addr add 198.18.8.1/24 dev ctl0
            link set ctl0 up
            neigh replace 198.18.8.11 lladdr 02:54:ab:cd:01:01 nud permanent dev ctl0
            ---
            link set lo up
            addr add 198.18.7.11/24 dev eth0
            addr add fd54:7269:7::11/64 dev eth0 nodad
            link set eth0 up
            neigh replace 198.18.7.1 lladdr 02:54:ab:cd:00:00 nud permanent dev eth0
            neigh replace fd54:7269:7::1 lladdr 02:54:ab:cd:00:00 nud permanent dev eth0
            addr add 198.18.8.11/24 dev ctl0
            link set ctl0 up
            neigh replace 198.18.8.1 lladdr 02:54:ab:cd:01:00 nud permanent dev ctl0
        "#]]
        .assert_eq(&all);
    }

    #[test]
    fn nothing_is_used_twice_and_every_name_fits() {
        let plan = plan(LOCAL_LIMIT);
        let paths: Vec<String> = (0..=LOCAL_LIMIT).map(|i| format!("/proc/1/fd/{i}")).collect();
        let commands = plan.switch_commands(&paths);
        let words = |marker: &str| -> Vec<&str> {
            let after = commands.lines().filter_map(|line| line.split_once(marker));
            after.filter_map(|(_, rest)| rest.split(' ').next()).collect()
        };
        for marker in ["address ", "link add "] {
            let mut all = words(marker);
            let count = all.len();
            assert!(count > 2 * LOCAL_LIMIT);
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count, "{marker}");
        }
        assert!(words("link add ").iter().all(|name| name.len() <= 15));
        assert!(plan.hosts_file().contains("198.18.7.210 n200"));
    }

    #[test]
    fn too_few_and_too_many() {
        for count in [0, LOCAL_LIMIT + 1] {
            assert!(LocalPlan::new(count, 1, Path::new("/x"), true).is_err());
        }
    }

    #[test]
    fn without_ipv6_no_command_mentions_it() {
        let plan = LocalPlan::new(2, 1, Path::new("/x"), false).unwrap();
        assert!(!plan.member_commands(0).contains("fd54"));
    }
}
