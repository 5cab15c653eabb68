//! What the provider of local nodes tells the launcher of one node.
//!
//! `tribunal-agent node` reads one [`LaunchPlan`] as JSON from stdin up to its end, becomes the
//! node, and reports on stdout, one line each:
//!
//! ```text
//! step NAME          about to do this step
//! pid N              process id of the node's PID 1, as seen by the provider: kill this one
//! ready              the next thing is the execve; stdout is closed after it
//! error TEXT         `node n3: mount overlay: ...`; the launcher then ends with code 1
//! ```
//!
//! stderr is inherited by the node's PID 1 (`sshd -e` logs there). The launcher lives as long as
//! the node, waits for its PID 1 and ends with 128 + signal or its exit code; when the thread that
//! started the launcher dies, launcher and node are killed by the kernel.

use serde::{Deserialize, Serialize};

/// Capabilities that reach through the node into the host, by bit number: a node that may set the
/// clock, load modules, reboot, touch raw devices or make device nodes is no node.
pub const DROPPED_CAPABILITIES: [u8; 5] = [
    25, // CAP_SYS_TIME
    16, // CAP_SYS_MODULE
    22, // CAP_SYS_BOOT
    17, // CAP_SYS_RAWIO
    27, // CAP_MKNOD
];

/// One node, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchPlan {
    /// Name for error messages (`n3`).
    pub name: String,
    /// Hostname inside.
    pub hostname: String,
    /// Network namespace: `/run/netns/NAME`, `/proc/PID/fd/N` or `/proc/self/fd/N` (inherited).
    pub netns: String,
    /// Lower layers of the root, uppermost first; usually `["/"]`. No `:` or `,` in a name.
    pub lower: Vec<String>,
    /// Upper layer: survives a power cut. Made if missing.
    pub upper: String,
    /// Work directory of the overlay, on the same file system as `upper`. Made if missing.
    pub work: String,
    /// Where the new root is mounted. Made if missing.
    pub root: String,
    /// Directories that are hidden beneath an empty tmpfs inside (the run directory, users'
    /// homes). One that does not exist inside is skipped: there is nothing to hide.
    pub mask: Vec<String>,
    /// Directories of the node's own, empty at first and kept over a power cut. They lie in
    /// `UPPER-own` and are bound over what the lower layers have there, past the overlay.
    pub fresh: Vec<String>,
    /// Files written inside after all mounts: `/etc/hosts`, the sshd configuration, host key,
    /// authorized keys. Parents are made.
    pub files: Vec<NodeFile>,
    /// Symbolic links made inside after the files, replacing what is there: (link, target).
    pub links: Vec<(String, String)>,
    /// Capabilities dropped from the bounding set; see [`DROPPED_CAPABILITIES`].
    pub drop: Vec<u8>,
    /// Program and arguments of PID 1, usually `["/usr/sbin/sshd", "-D", "-e", "-f", CFG]`.
    pub exec: Vec<String>,
}

/// One file of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// Absolute path inside.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Contents.
    pub text: String,
}

impl LaunchPlan {
    /// A plan with the usual values: root image `/`, sshd as PID 1, hostname written to
    /// `/etc/hostname`. Every path in it is absolute.
    pub fn new(name: &str, netns: &str, state: &str, sshd_config: &str) -> LaunchPlan {
        let argv = ["/usr/sbin/sshd", "-D", "-e", "-f", sshd_config];
        LaunchPlan {
            name: name.into(),
            hostname: name.into(),
            netns: netns.into(),
            lower: vec!["/".into()],
            upper: format!("{state}/upper"),
            work: format!("{state}/work"),
            root: format!("{state}/root"),
            mask: Vec::new(),
            fresh: vec!["/var/lib/tribunal".into()],
            files: vec![NodeFile {
                path: "/etc/hostname".into(),
                mode: 0o644,
                text: format!("{name}\n"),
            }],
            links: Vec::new(),
            drop: DROPPED_CAPABILITIES.to_vec(),
            exec: argv.map(String::from).to_vec(),
        }
    }

    /// Adds a file.
    pub fn file(mut self, path: &str, mode: u32, text: impl Into<String>) -> LaunchPlan {
        self.files.push(NodeFile { path: path.into(), mode, text: text.into() });
        self
    }
}
