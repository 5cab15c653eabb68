//! Which address of a node is its data address, when nobody said. Pure.
//!
//! The way in is no guide: behind Vagrant's forwarded ports every node is 127.0.0.1 to us and
//! 10.0.2.15 to itself. So: the address we came in by, if the node has it; else the network that
//! every node is on under an address of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What is known of one node.
pub(crate) struct Known<'a> {
    /// As the inventory says.
    pub(crate) given: Option<IpAddr>,
    /// The control address.
    pub(crate) control: &'a str,
    /// Of the node's interfaces, loopback excepted.
    pub(crate) reported: &'a [IpAddr],
}

/// A data address per node, or why there is none.
pub(crate) fn learn(nodes: &[Known<'_>]) -> Vec<Result<IpAddr, String>> {
    let shared = common_network(nodes);
    nodes.iter().map(|node| choose(node, shared)).collect()
}

fn choose(node: &Known<'_>, shared: Option<[u8; 3]>) -> Result<IpAddr, String> {
    if let Some(address) = node.given {
        return Ok(address);
    }
    if let Ok(control) = node.control.parse::<IpAddr>()
        && node.reported.contains(&control)
    {
        return Ok(control);
    }
    let inside = |address: &&IpAddr| shared.is_some() && network(address) == shared;
    node.reported.iter().find(inside).copied().ok_or_else(|| {
        let list: Vec<String> = node.reported.iter().map(IpAddr::to_string).collect();
        format!(
            "cannot tell which of its addresses the others reach ({}); give `address` in an \
             inventory",
            list.join(", ")
        )
    })
}

/// The first /24 in which every node that needs one has an address that no other node has.
fn common_network(nodes: &[Known<'_>]) -> Option<[u8; 3]> {
    let needy: Vec<&Known<'_>> = nodes.iter().filter(|node| node.given.is_none()).collect();
    let mut owners: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for address in nodes.iter().flat_map(|node| node.reported.iter().collect::<BTreeSet<_>>()) {
        *owners.entry(*address).or_default() += 1;
    }
    let own = |node: &Known<'_>| -> BTreeSet<[u8; 3]> {
        let alone = node.reported.iter().filter(|address| owners.get(address) == Some(&1));
        alone.filter_map(network).collect()
    };
    let mut all = needy.iter().map(|node| own(node));
    let first = all.next()?;
    all.fold(first, |common, next| &common & &next).into_iter().next()
}

fn network(address: &IpAddr) -> Option<[u8; 3]> {
    match address {
        IpAddr::V4(v4) if !v4.is_link_local() && !v4.is_loopback() => {
            let [a, b, c, _] = v4.octets();
            Some([a, b, c])
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nodes: &[(&str, &[&str])]) -> Vec<String> {
        let reported: Vec<Vec<IpAddr>> =
            nodes.iter().map(|(_, all)| all.iter().map(|a| a.parse().unwrap()).collect()).collect();
        let known: Vec<Known<'_>> = nodes
            .iter()
            .zip(&reported)
            .map(|((control, _), reported)| Known { given: None, control, reported })
            .collect();
        learn(&known).into_iter().map(|a| a.map_or_else(|e| e, |a| a.to_string())).collect()
    }

    #[test]
    fn behind_forwarded_ports() {
        let seen = check(&[
            ("127.0.0.1", &["10.0.2.15", "fe80::1", "192.168.56.11"]),
            ("127.0.0.1", &["10.0.2.15", "fe80::2", "192.168.56.12"]),
        ]);
        assert_eq!(seen, ["192.168.56.11", "192.168.56.12"]);
    }

    #[test]
    fn the_way_in_when_the_node_has_it() {
        let seen = check(&[
            ("10.0.0.1", &["172.17.0.1", "10.0.0.1"]),
            ("10.0.1.2", &["172.17.0.1", "10.0.1.2"]),
        ]);
        assert_eq!(seen, ["10.0.0.1", "10.0.1.2"]);
    }

    #[test]
    fn by_name_over_one_network() {
        let seen = check(&[("a", &["10.0.0.1"]), ("b", &["10.0.0.2", "10.9.0.2"])]);
        assert_eq!(seen, ["10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn no_guess_where_it_would_be_one() {
        let seen = check(&[("a", &["10.0.2.15"]), ("b", &["10.0.2.15"])]);
        assert!(seen[0].contains("cannot tell which of its addresses"), "{seen:?}");
        let seen = check(&[("a", &["10.0.0.1"]), ("b", &["10.0.1.1"])]);
        assert!(seen[1].contains("give `address`"), "{seen:?}");
    }
}
