//! Inventories as people write them, and what is said about mistakes.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;

fn show(outcome: Result<Inventory, ClusterError>) -> String {
    match outcome {
        Ok(inventory) => {
            let mut text = String::new();
            for h in inventory.hosts {
                let address = h.address.map_or("-".into(), |a| a.to_string());
                let key = h.key.map_or("-".into(), |k| k.display().to_string());
                writeln!(
                    text,
                    "{} data {address} ssh {}@{}:{}\n  key {key} {:?} {:?} netns {:?}",
                    h.name, h.user, h.control, h.port, h.host_keys, h.roles, h.netns
                )
                .unwrap();
            }
            text
        }
        // Broken where a sentence has a joint, so that the lines below can be read.
        Err(error) => format!("{error}\n")
            .replace("; ", ";\n")
            .replace("no usable name", "no\nusable name")
            .replace("expected one of", "\nexpected one of")
            .replace("`port`, ", "\n`port`, "),
    }
}

fn toml(text: &str, expected: Expect) {
    expected.assert_eq(&show(Inventory::from_toml(text, Path::new("lab/nodes.toml"))));
}

#[test]
fn a_whole_inventory() {
    toml(
        r#"
host_keys = "tofu"
[defaults]
user = "admin"
key = "id_ed25519"
[[node]]
name = "n1"
address = "10.1.0.11"
control_address = "192.0.2.11"
port = 2201
roles = ["storage", "gateway"]
[[node]]
name = "n2"
control_address = "n2.example.org"
user = "root"
key = "/keys/n2"
host_key = "ssh-ed25519 AAAA"
[[node]]
name = "n3"
address = "fd00::3"
host_keys = "insecure-accept-any"
"#,
        expect![[r#"
            n1 data 10.1.0.11 ssh admin@192.0.2.11:2201
              key lab/id_ed25519 Tofu("lab/nodes.hosts.lock") ["storage", "gateway"] netns None
            n2 data - ssh root@n2.example.org:22
              key /keys/n2 Pinned("ssh-ed25519 AAAA") [] netns None
            n3 data fd00::3 ssh admin@fd00::3:22
              key lab/id_ed25519 InsecureAcceptAny [] netns None
        "#]],
    );
}

#[test]
fn every_mistake_has_its_line() {
    let node = |more: &str| format!("[[node]]\nname = \"n1\"\naddress = \"10.0.0.1\"\n{more}");
    toml(
        "",
        expect![[r#"
            lab/nodes.toml: no [[node]] in it;
            add one per host
        "#]],
    );
    toml(
        "[[node]\n",
        expect![[r#"
        lab/nodes.toml:1: unclosed array table, expected `]`
    "#]],
    );
    toml(
        &node("adress = 3\n"),
        expect![[r#"
            lab/nodes.toml:4: unknown field `adress`, 
            expected one of `name`, `address`, `control_address`, 
            `port`, `user`, `key`, `host_key`, `host_keys`, `roles`, `netns`
        "#]],
    );
    toml(
        &node("port = 70000\n"),
        expect![[r#"
        lab/nodes.toml:4: invalid value: integer `70000`, expected u16
    "#]],
    );
    toml(
        &node("host_key = \"AAAA\"\n"),
        expect![[r#"
        lab/nodes.toml:1: host_key must be kind and key: "ssh-ed25519 AAAA..."
    "#]],
    );
    toml(
        "[[node]]\nname = \"n1\"\n",
        expect![[r#"
            lab/nodes.toml:1: neither address nor control_address;
            give at least one
        "#]],
    );
    toml(
        "[[node]]\nname = \"n1\"\naddress = \"n1.local\"\n",
        expect![[r#"
            lab/nodes.toml:1: address "n1.local" is no IP address;
            names go into control_address
        "#]],
    );
    toml(
        "[[node]]\nname = \"-n1\"\naddress = \"10.0.0.1\"\n",
        expect![[r#"
            lab/nodes.toml:1: "-n1" is no
            usable name;
            use 1 to 253 of letters, digits, `_.:@-`, not beginning with `-`
        "#]],
    );
    toml(
        "host_keys = \"none\"\n",
        expect![[r#"
            lab/nodes.toml:1: unknown variant `none`, 
            expected one of `strict`, `tofu`, `insecure`, `insecure-accept-any`
        "#]],
    );
}

#[test]
fn duplicates_are_refused() {
    let pair = |second: &str| {
        format!("[[node]]\nname = \"n1\"\naddress = \"10.0.0.1\"\n[[node]]\n{second}")
    };
    toml(
        &pair("name = \"n1\"\naddress = \"10.0.0.2\"\n"),
        expect![[r#"
            lab/nodes.toml:4: a second node named n1;
            each host once, please
        "#]],
    );
    toml(
        &pair("name = \"n2\"\naddress = \"10.0.0.1\"\n"),
        expect![[r#"
            lab/nodes.toml:4: n2 is n1 again (10.0.0.1:22);
            each host once, please
        "#]],
    );
    toml(
        &pair("name = \"n2\"\naddress = \"10.0.0.1\"\ncontrol_address = \"x\"\n"),
        expect![[r#"
            lab/nodes.toml:4: n2 has the address of n1;
            each host once, please
        "#]],
    );
    toml(
        &pair("name = \"n2\"\naddress = \"10.0.0.2\"\nnetns = \"/x\"\n"),
        expect![[r#"
            lab/nodes.toml:4: another netns than the nodes before;
            one cluster is in one;
            each host once, please
        "#]],
    );
}

#[test]
fn lists_of_hosts() {
    let list = |text: &str, expected: Expect| {
        let shown = show(Inventory::from_list(text, Some(HostKeyMode::InsecureAcceptAny)));
        expected.assert_eq(&shown);
    };
    list(
        "a,b:2222, root@c ,admin@[fd00::1]:2022,fd00::2",
        expect![[r#"
            a data - ssh root@a:22
              key - InsecureAcceptAny [] netns None
            b:2222 data - ssh root@b:2222
              key - InsecureAcceptAny [] netns None
            c data - ssh root@c:22
              key - InsecureAcceptAny [] netns None
            fd00::1:2022 data - ssh admin@fd00::1:2022
              key - InsecureAcceptAny [] netns None
            fd00::2 data - ssh root@fd00::2:22
              key - InsecureAcceptAny [] netns None
        "#]],
    );
    list(
        "a # first\nb\n\n# none\n",
        expect![[r#"
            a data - ssh root@a:22
              key - InsecureAcceptAny [] netns None
            b data - ssh root@b:22
              key - InsecureAcceptAny [] netns None
        "#]],
    );
    list(
        "a,a",
        expect![[r#"
            --nodes entry "a": a second node named a;
            each host once, please
        "#]],
    );
    list(
        "a,",
        expect![[r#"
            a data - ssh root@a:22
              key - InsecureAcceptAny [] netns None
        "#]],
    );
    list(
        " ",
        expect![[r#"
            --nodes: no host in it;
            give names between commas
        "#]],
    );
    list(
        "a;rm -rf",
        expect![[r#"
            --nodes entry "a;rm -rf": "a;rm -rf" is no
            usable name;
            use 1 to 253 of letters, digits, `_.:@-`, not beginning with `-`
        "#]],
    );
    list(
        "-oProxyCommand=x",
        expect![[r#"
            --nodes entry "-oProxyCommand=x": "-oProxyCommand=x" is no
            usable name;
            use 1 to 253 of letters, digits, `_.:@-`, not beginning with `-`
        "#]],
    );
    list(
        "a:ssh",
        expect![[r#"
        --nodes entry "a:ssh": "ssh" is no port
    "#]],
    );
}
