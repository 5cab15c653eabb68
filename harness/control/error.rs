//! Why there is no cluster.

use std::fmt;
use std::path::PathBuf;

/// Why a cluster, or a node of it, could not be had. Every variant is a sentence that names what,
/// where, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// What the user wrote about the nodes cannot be understood.
    #[error("{place}: {problem}")]
    Input {
        /// `file:line`, or the flag.
        place: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A step failed on one node.
    #[error("node {node}: {step}: {problem}; {next}")]
    Node {
        /// Node name.
        node: String,
        /// What was tried.
        step: Step,
        /// What happened.
        problem: String,
        /// What to do.
        next: String,
    },
    /// The machine of the controller cannot carry the cluster.
    #[error("local cluster: {step}: {problem}; {next}")]
    Local {
        /// What was tried.
        step: String,
        /// What happened.
        problem: String,
        /// What to do.
        next: String,
    },
    /// A file of the controller.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        problem: String,
    },
    /// More than one node failed.
    #[error("{}", Lines(.0))]
    Several(Vec<ClusterError>),
}

/// What was tried on a node. A closed set, so that callers and tests need not read sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Starting the node itself (local clusters).
    Launch,
    /// Resolving the name.
    Resolve,
    /// TCP connection.
    Connect,
    /// SSH key exchange.
    Handshake,
    /// Comparing the host key with the one we know.
    HostKey,
    /// Authentication.
    Login,
    /// Putting the agent there.
    Push,
    /// Starting the agent.
    Agent,
    /// First questions to the agent.
    Preflight,
    /// Taking the node for a run.
    Claim,
    /// Moving a file.
    Transfer,
}

impl ClusterError {
    /// A failed step on a node.
    pub(crate) fn node(
        node: &str,
        step: Step,
        problem: impl fmt::Display,
        next: impl Into<String>,
    ) -> ClusterError {
        ClusterError::Node {
            node: node.into(),
            step,
            problem: problem.to_string(),
            next: next.into(),
        }
    }

    /// A failed step on the controller's machine.
    pub(crate) fn local(
        step: impl Into<String>,
        problem: impl fmt::Display,
        next: impl Into<String>,
    ) -> ClusterError {
        ClusterError::Local { step: step.into(), problem: problem.to_string(), next: next.into() }
    }

    /// A file that cannot be used.
    pub(crate) fn file(path: impl Into<PathBuf>, problem: impl fmt::Display) -> ClusterError {
        ClusterError::File { path: path.into(), problem: problem.to_string() }
    }

    /// One error, or a list of them.
    pub(crate) fn several(mut errors: Vec<ClusterError>) -> ClusterError {
        match errors.len() {
            1 => errors.remove(0),
            _more => ClusterError::Several(errors),
        }
    }

    /// Whether the user's words are at fault (exit 64) rather than the world (exit 69).
    pub fn is_usage(&self) -> bool {
        match self {
            ClusterError::Input { .. } => true,
            ClusterError::Several(errors) => errors.iter().any(ClusterError::is_usage),
            ClusterError::Node { .. } | ClusterError::Local { .. } | ClusterError::File { .. } => {
                false
            }
        }
    }

    /// The step that failed, if one node's step did.
    pub fn step(&self) -> Option<Step> {
        match self {
            ClusterError::Node { step, .. } => Some(*step),
            ClusterError::Several(errors) => errors.first().and_then(ClusterError::step),
            ClusterError::Input { .. } | ClusterError::Local { .. } | ClusterError::File { .. } => {
                None
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Launch => "start the node",
            Step::Resolve => "resolve the address",
            Step::Connect => "connect",
            Step::Handshake => "ssh handshake",
            Step::HostKey => "check the host key",
            Step::Login => "log in",
            Step::Push => "push the agent",
            Step::Agent => "start the agent",
            Step::Preflight => "ask the agent",
            Step::Claim => "claim the node",
            Step::Transfer => "move a file",
        })
    }
}

struct Lines<'a>(&'a [ClusterError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}
