//! Where nodes come from: what `--nodes` means.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::ClusterError;
use super::inventory::{HostKeyMode, Inventory, input};
use super::local::plan::LOCAL_LIMIT;
use super::processes::PROCESSES_LIMIT;
use super::vagrant;

/// Maker of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Namespaces on this machine, each with its own sshd. Needs root.
    Local(usize),
    /// Child processes on 127.0.0.x. Needs nothing; kill and pause only.
    Processes(usize),
    /// A TOML inventory.
    Inventory(PathBuf),
    /// A file in the form of `ssh_config`.
    SshConfig(PathBuf),
    /// What `vagrant ssh-config` says here.
    Vagrant,
    /// Host names between commas.
    Hosts(String),
}

impl FromStr for Provider {
    type Err = ClusterError;

    fn from_str(text: &str) -> Result<Provider, ClusterError> {
        let wrong = |problem: String| input(format!("--nodes {text}"), problem);
        let count = |number: &str, limit: usize| match number.parse::<usize>() {
            Ok(count) if (1..=limit).contains(&count) => Ok(count),
            _outside => Err(wrong(format!("{number:?} is no number from 1 to {limit}"))),
        };
        if let Some(number) = text.strip_prefix("local:") {
            return Ok(Provider::Local(count(number, LOCAL_LIMIT)?));
        }
        if let Some(number) = text.strip_prefix("processes:") {
            return Ok(Provider::Processes(count(number, PROCESSES_LIMIT)?));
        }
        let path = Path::new(text);
        let is_toml = path.extension().is_some_and(|ending| ending == "toml");
        match text {
            "vagrant" => Ok(Provider::Vagrant),
            "local" | "processes" => {
                Err(wrong(format!("say how many nodes, for example `{text}:5`")))
            }
            _file if path.is_file() && is_toml => Ok(Provider::Inventory(path.into())),
            _file if path.is_file() => Ok(Provider::SshConfig(path.into())),
            _missing if is_toml || text.contains('/') => {
                Err(wrong("there is no such file; give an inventory, or host names".into()))
            }
            hosts => {
                // Parsed again when it is used; here for the early message.
                Inventory::from_list(hosts, None)?;
                Ok(Provider::Hosts(hosts.into()))
            }
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provider::Local(count) => write!(f, "local:{count}"),
            Provider::Processes(count) => write!(f, "processes:{count}"),
            Provider::Inventory(path) | Provider::SshConfig(path) => {
                write!(f, "{}", path.display())
            }
            Provider::Vagrant => f.write_str("vagrant"),
            Provider::Hosts(list) => f.write_str(list),
        }
    }
}

impl Provider {
    /// Number of nodes, reading files but touching no node: what a dry run may know.
    ///
    /// # Errors
    /// As reading the inventory.
    pub fn count(&self) -> Result<usize, ClusterError> {
        match self {
            Provider::Local(count) | Provider::Processes(count) => Ok(*count),
            Provider::Inventory(_)
            | Provider::SshConfig(_)
            | Provider::Vagrant
            | Provider::Hosts(_) => {
                Ok(self.inventory(None)?.map_or(0, |inventory| inventory.hosts.len()))
            }
        }
    }

    /// Hosts made by others; `None` where we make the nodes.
    pub(crate) fn inventory(
        &self,
        mode: Option<HostKeyMode>,
    ) -> Result<Option<Inventory>, ClusterError> {
        match self {
            Provider::Local(_) | Provider::Processes(_) => Ok(None),
            Provider::Inventory(path) => {
                let mut inventory = Inventory::read(path)?;
                if let Some(mode) = mode {
                    inventory.force(mode, path);
                }
                Ok(Some(inventory))
            }
            Provider::SshConfig(path) => vagrant::read(path, mode).map(Some),
            Provider::Vagrant => vagrant::ask(mode).map(Some),
            Provider::Hosts(list) => Inventory::from_list(list, mode).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_nodes() {
        let parse = |text: &str| text.parse::<Provider>();
        assert_eq!(parse("local:5").unwrap(), Provider::Local(5));
        assert_eq!(parse("processes:3").unwrap(), Provider::Processes(3));
        assert_eq!(parse("vagrant").unwrap(), Provider::Vagrant);
        assert_eq!(parse("a,root@b:22").unwrap(), Provider::Hosts("a,root@b:22".into()));
        let dir = tempfile::tempdir().unwrap();
        for (name, toml) in [("x.toml", true), ("ssh-config", false)] {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            let found = parse(path.to_str().unwrap()).unwrap();
            assert_eq!(matches!(found, Provider::Inventory(_)), toml, "{found:?}");
        }
        for (text, problem) in [
            ("local:0", "no number from 1"),
            ("local:x", "no number from 1"),
            ("processes:999", "no number from 1"),
            ("local", "for example `local:5`"),
            ("missing.toml", "no such file"),
            ("dir/missing", "no such file"),
            ("a,,b;c", "no usable name"),
            ("", "no host in it"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(problem) && error.is_usage(), "{text}: {error}");
        }
    }
}
