//! The network namespace in which the controller's sockets live while a local cluster is up.
//!
//! Addresses of local clusters are the same for all of them; they cannot collide because nothing
//! of them is in the root namespace. So every thread that opens sockets to nodes enters first.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use super::error::ClusterError;

/// Patience with one look at a port.
const LOOK: Duration = Duration::from_secs(1);

/// Where sockets to the nodes must be opened. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Network(Option<Arc<File>>);

impl Network {
    /// The namespace the process is in anyway.
    pub const fn here() -> Network {
        Network(None)
    }

    /// The namespace behind an open descriptor.
    pub(crate) fn held(file: Arc<File>) -> Network {
        Network(Some(file))
    }

    /// The namespace at a path (`/proc/PID/fd/N`, `/run/netns/NAME`).
    ///
    /// # Errors
    /// The path, and what became of it.
    pub fn open(path: &Path) -> Result<Network, ClusterError> {
        let file = File::open(path).map_err(|error| {
            ClusterError::local(
                format!("open network namespace {}", path.display()),
                error,
                "the cluster behind this inventory may be down; start it again with `tribunal up`",
            )
        })?;
        Ok(Network(Some(Arc::new(file))))
    }

    /// Moves the calling thread there for the rest of its life. Call it on each thread of a
    /// runtime that opens sockets to nodes (`on_thread_start`), never on a thread that also needs
    /// the outside.
    ///
    /// # Errors
    /// The kernel says no: no privilege, or the thread shares file system state.
    pub fn enter(&self) -> Result<(), ClusterError> {
        let Some(file) = &self.0 else { return Ok(()) };
        setns(file.as_ref(), CloneFlags::CLONE_NEWNET).map_err(|error| {
            ClusterError::local(
                "enter the controller's network namespace",
                error,
                "run as root; local clusters need it",
            )
        })
    }

    /// Path by which others can open it while this lives; `None` for the namespace we are in.
    pub fn path(&self) -> Option<String> {
        let file = self.0.as_ref()?;
        Some(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()))
    }

    /// Whether sockets can be opened from any thread.
    pub fn is_here(&self) -> bool {
        self.0.is_none()
    }

    /// Runs `work` on a thread of its own in there, and waits for it.
    ///
    /// # Errors
    /// No thread, no entry, or a panic of `work`.
    pub(crate) fn run<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, ClusterError> + Send,
    ) -> Result<T, ClusterError> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.enter()?;
                work()
            });
            worker.join().map_err(|_| {
                ClusterError::local("work in a network namespace", "panicked", "report this bug")
            })?
        })
    }

    /// Whether something accepts connections at `address` now, seen from in here. Silence counts
    /// as no.
    ///
    /// # Errors
    /// No thread, or no entry.
    pub async fn accepts(&self, address: SocketAddr) -> Result<bool, String> {
        let network = self.clone();
        let (done, outcome) = tokio::sync::oneshot::channel();
        thread::Builder::new()
            .name(format!("port {address}"))
            .spawn(move || {
                let entered = network.enter().map_err(|error| error.to_string());
                let look = || TcpStream::connect_timeout(&address, LOOK).is_ok();
                let _ = done.send(entered.map(|()| look()));
            })
            .map_err(|error| format!("no thread to look at {address}: {error}"))?;
        outcome.await.map_err(|_| format!("the look at {address} panicked"))?
    }

    /// Waits until something accepts connections at `address`: polled every 20 ms from in here.
    ///
    /// # Errors
    /// What the last attempt said, after `patience`.
    pub async fn await_port(&self, address: SocketAddr, patience: Duration) -> Result<(), String> {
        let network = self.clone();
        let (done, outcome) = tokio::sync::oneshot::channel();
        thread::Builder::new()
            .name(format!("port {address}"))
            .spawn(move || {
                let _ = done.send(poll_port(&network, address, patience));
            })
            .map_err(|error| format!("no thread to wait for {address}: {error}"))?;
        outcome.await.map_err(|_| format!("the wait for {address} panicked"))?
    }
}

fn poll_port(network: &Network, address: SocketAddr, patience: Duration) -> Result<(), String> {
    network.enter().map_err(|error| error.to_string())?;
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let attempt = left.clamp(Duration::from_millis(1), Duration::from_secs(1));
        match TcpStream::connect_timeout(&address, attempt) {
            Ok(_stream) => return Ok(()),
            Err(error) if Instant::now() >= deadline => {
                return Err(format!("nothing accepts at {address} after {patience:?}: {error}"));
            }
            Err(_not_yet) => thread::sleep(Duration::from_millis(20)),
        }
    }
}
