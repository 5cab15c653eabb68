//! Nodes from `vagrant ssh-config`, or any file in that form.
//!
//! `HostName` is often 127.0.0.1 with a forwarded port, so it is the control address and nothing
//! more; data addresses come from the agents. `StrictHostKeyChecking no` and the null known-hosts
//! file in that output are not obeyed: the first key seen is kept.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::ClusterError;
use super::inventory::{Host, HostKeyMode, Inventory, input, lock_beside};

/// Runs `vagrant ssh-config` here and parses what it says.
///
/// # Errors
/// Vagrant is missing, or fails, or says nothing usable.
pub(crate) fn ask(mode: Option<HostKeyMode>) -> Result<Inventory, ClusterError> {
    let output = Command::new("vagrant").arg("ssh-config").output().map_err(|error| {
        input(
            "vagrant ssh-config",
            format!(
                "cannot run it: {error}; install vagrant, or save its output and give the file"
            ),
        )
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let problem = format!("{}: {}; is the environment up?", output.status, said.trim());
        return Err(input("vagrant ssh-config", problem));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text, Path::new("vagrant ssh-config"), Path::new("Vagrantfile"), mode)
}

/// Reads a file in the form of `ssh_config`.
///
/// # Errors
/// `file:line` and what is wrong there.
pub(crate) fn read(path: &Path, mode: Option<HostKeyMode>) -> Result<Inventory, ClusterError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| input(path.display(), format!("cannot read it: {error}")))?;
    parse(&text, path, path, mode)
}

/// One `Host` block while it is read.
struct Block {
    place: String,
    name: String,
    host: Option<String>,
    port: u16,
    user: String,
    key: Option<PathBuf>,
}

fn parse(
    text: &str,
    path: &Path,
    beside: &Path,
    mode: Option<HostKeyMode>,
) -> Result<Inventory, ClusterError> {
    let mut blocks: Vec<Block> = Vec::new();
    // Whether the block being read is a node; a pattern is none.
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), index + 1);
        let words = split(line).map_err(|problem| input(&place, problem))?;
        let Some((key, values)) = words.split_first() else { continue };
        let value = values.first().map(String::as_str).unwrap_or_default();
        if key.eq_ignore_ascii_case("host") {
            inside = values.len() == 1 && !value.contains(['*', '?', '!']);
            if inside {
                blocks.push(Block::new(place, value));
            }
        } else if inside && let Some(block) = blocks.last_mut() {
            block.set(key, value).map_err(|problem| input(&place, problem))?;
        }
    }
    if blocks.is_empty() {
        return Err(input(path.display(), "no Host block in it; is the environment up?"));
    }
    let mode = mode.unwrap_or(HostKeyMode::Tofu);
    Inventory::checked(blocks.into_iter().map(|block| block.host(mode, beside)).collect())
}

impl Block {
    fn new(place: String, name: &str) -> Block {
        let (host, key) = (None, None);
        Block { place, name: name.into(), host, port: 22, user: "root".into(), key }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key.to_ascii_lowercase().as_str() {
            "hostname" => self.host = Some(value.into()),
            "user" => self.user = value.into(),
            "port" => {
                self.port = value.parse().map_err(|_| format!("{value:?} is no port"))?;
            }
            // The first of several: ssh would try them all, we count attempts.
            "identityfile" => _ = self.key.get_or_insert_with(|| value.into()),
            "proxyjump" | "proxycommand" if !value.eq_ignore_ascii_case("none") => {
                return Err(format!("{key} is not supported; give an address that needs none"));
            }
            _unknown => {}
        }
        Ok(())
    }

    fn host(self, mode: HostKeyMode, beside: &Path) -> (String, Host) {
        let known = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let host = Host {
            control: self.host.unwrap_or_else(|| self.name.clone()),
            name: self.name,
            address: None,
            port: self.port,
            user: self.user,
            key: self.key,
            host_keys: mode.with(known.join(".ssh/known_hosts"), lock_beside(beside)),
            roles: Vec::new(),
            netns: None,
        };
        (self.place, host)
    }
}

/// Words of a line: by blanks, one `=` after the first, double quotes around blanks.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && !rest.starts_with('#') {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (word, after) = quoted.split_once('"').ok_or("a quote is not closed")?;
            words.push(word.to_owned());
            rest = after.trim_start();
            continue;
        }
        let separators: &[char] = if words.is_empty() { &[' ', '\t', '='] } else { &[' ', '\t'] };
        let end = rest.find(separators).unwrap_or(rest.len());
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
        if words.len() == 1 {
            rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let path = Path::new("vm/ssh-config");
        let shown = match parse(text, path, path, None) {
            Err(error) => {
                format!("{error}\n").replace("; ", ";\n").replace("no usable", "no\nusable")
            }
            Ok(inventory) => inventory.hosts.into_iter().fold(String::new(), |mut all, h| {
                let key = h.key.unwrap_or_default();
                writeln!(
                    all,
                    "{} {}@{}:{} {}\n  {:?} {:?}",
                    h.name,
                    h.user,
                    h.control,
                    h.port,
                    key.display(),
                    h.host_keys,
                    h.address
                )
                .unwrap();
                all
            }),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn what_vagrant_prints() {
        check(
            r#"Host n1
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "/home/a b/.vagrant/machines/n1/private_key"
  IdentitiesOnly yes
  LogLevel FATAL
  PubkeyAcceptedKeyTypes +ssh-rsa

Host n2
  HostName 127.0.0.1
  User vagrant
  Port 2200
  IdentityFile /x/k1
  IdentityFile /x/k2
"#,
            expect![[r#"
                n1 vagrant@127.0.0.1:2222 /home/a b/.vagrant/machines/n1/private_key
                  Tofu("vm/ssh-config.hosts.lock") None
                n2 vagrant@127.0.0.1:2200 /x/k1
                  Tofu("vm/ssh-config.hosts.lock") None
            "#]],
        );
    }

    #[test]
    fn what_people_write() {
        check(
            "# mine\nUser nobody\nHost *\n  Port 9\nHost=n1\n hostname = n1.example.org\n\
             Host n2 # comment\nHost a b\n  Port 1\n",
            expect![[r#"
                n1 root@n1.example.org:22 
                  Tofu("vm/ssh-config.hosts.lock") None
                n2 root@n2:22 
                  Tofu("vm/ssh-config.hosts.lock") None
            "#]],
        );
    }

    #[test]
    fn mistakes_have_their_line() {
        check(
            "",
            expect![[r#"
                vm/ssh-config: no Host block in it;
                is the environment up?
            "#]],
        );
        check(
            "Host n1\n  Port x\n",
            expect![[r#"
            vm/ssh-config:2: "x" is no port
        "#]],
        );
        check(
            "Host n1\n  IdentityFile \"/a b\n",
            expect![[r#"
            vm/ssh-config:2: a quote is not closed
        "#]],
        );
        check(
            "Host n1\n\n  ProxyJump bastion\n",
            expect![[r#"
                vm/ssh-config:3: ProxyJump is not supported;
                give an address that needs none
            "#]],
        );
        check(
            "Host n1\nHost n1\n",
            expect![[r#"
                vm/ssh-config:2: a second node named n1;
                each host once, please
            "#]],
        );
        check(
            "Host n1\n  HostName -x\n",
            expect![[r#"
                vm/ssh-config:1: "-x" is no
                usable name;
                use 1 to 253 of letters, digits, `_.:@-`, not beginning with `-`
            "#]],
        );
    }
}
