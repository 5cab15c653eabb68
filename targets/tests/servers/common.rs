//! Runs a target's daemons as children of the test, and asks its clients.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::daemon::DaemonSpec;
use tribunal_harness::node::NodeInfo;
use tribunal_harness::target::Target;
use tribunal_history::{ErrorClass, Mop, NodeId, Observed, Op, RegisterOp, TxnOp, Value};

/// Servers of a target, ended when dropped.
pub(crate) struct Servers {
    pub(crate) nodes: Vec<NodeInfo>,
    children: Vec<(Child, DaemonSpec)>,
    _dir: tempfile::TempDir,
}

impl Servers {
    /// Starts `count` nodes on 127.0.0.`from` and up.
    pub(crate) fn start(
        target: &dyn Target,
        count: u16,
        from: u8,
        program: Option<&str>,
    ) -> Servers {
        let dir = tempfile::tempdir().unwrap();
        let nodes: Vec<NodeInfo> = (0..count)
            .map(|id| NodeInfo {
                id: NodeId(id),
                name: format!("n{}", id + 1),
                address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, from + id as u8)),
                dir: dir.path().join(format!("n{}", id + 1)).to_str().unwrap().into(),
            })
            .collect();
        let children = nodes
            .iter()
            .map(|node| {
                let daemon = target.daemons(node, &nodes).remove(0);
                std::fs::create_dir_all(&daemon.spec.dir).unwrap();
                let mut spec = daemon.spec;
                if let Some(program) = program {
                    spec.argv[0] = program.into();
                }
                (spawn(&spec), spec)
            })
            .collect();
        Servers { nodes, children, _dir: dir }
    }

    /// SIGKILL, and the wait for the end.
    pub(crate) fn kill(&mut self, node: usize) {
        self.children[node].0.kill().unwrap();
        self.children[node].0.wait().unwrap();
    }

    /// Starts it again with the same line.
    pub(crate) fn restart(&mut self, node: usize) {
        let (child, spec) = &mut self.children[node];
        *child = spawn(spec);
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn signal(&self, node: usize, name: &str) {
        let pid = self.children[node].0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (child, _) in &mut self.children {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(spec: &DaemonSpec) -> Child {
    let mut command = Command::new(&spec.argv[0]);
    command.args(&spec.argv[1..]).envs(spec.env.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A read's answer, or how it failed.
pub(crate) async fn read(
    client: &mut dyn Client,
    key: &str,
) -> Result<Observed<Value>, ClientError> {
    let op = RegisterOp::Read { key: Value::text(key), value: Observed::Pending };
    match ask(client, op).await? {
        Op::Register(RegisterOp::Read { value, .. }) => Ok(value),
        other => panic!("a read was answered by {other}"),
    }
}

/// One attempt, with the deadline an executor would set.
pub(crate) async fn ask(client: &mut dyn Client, op: RegisterOp) -> Result<Op, ClientError> {
    ask_any(client, Op::Register(op)).await
}

async fn ask_any(client: &mut dyn Client, invoked: Op) -> Result<Op, ClientError> {
    match tokio::time::timeout(Duration::from_secs(5), client.invoke(&invoked)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ClientError::indefinite(ErrorClass::TIMEOUT, "5 s")),
    }
}

/// A write.
pub(crate) fn write(key: &str, value: i64) -> RegisterOp {
    RegisterOp::Write { key: Value::text(key), value: Value::Int(value) }
}

/// A compare-and-set.
pub(crate) fn cas(key: &str, from: impl Into<Option<i64>>, to: i64) -> RegisterOp {
    let from = from.into().map_or(Value::Nil, Value::Int);
    RegisterOp::Cas { key: Value::text(key), from, to: Value::Int(to) }
}

/// What every register target must do through each node of a healthy cluster.
pub(crate) async fn registers_work(target: &dyn Target, servers: &Servers) {
    for (i, node) in servers.nodes.iter().enumerate() {
        let mut client = target.connect(node).await.unwrap();
        let key = format!("k{i}");
        assert_eq!(read(&mut *client, &key).await.unwrap(), Observed::Absent);
        ask(&mut *client, cas(&key, None, 1)).await.unwrap();
        for wrong in [cas(&key, None, 2), cas(&key, 7, 2)] {
            let error = ask(&mut *client, wrong).await.unwrap_err();
            assert!(
                matches!(&error, ClientError::Definite { class, .. }
                if *class == ErrorClass::MISMATCH),
                "{error}"
            );
        }
        ask(&mut *client, cas(&key, 1, -3)).await.unwrap();
        assert_eq!(read(&mut *client, &key).await.unwrap(), Observed::Present(Value::Int(-3)));
        ask(&mut *client, write(&key, 9)).await.unwrap();
        let other = &servers.nodes[(i + 1) % servers.nodes.len()];
        let mut other = target.connect(other).await.unwrap();
        assert_eq!(read(&mut *other, &key).await.unwrap(), Observed::Present(Value::Int(9)));
    }
}

/// A transaction, asked as it was invoked; what it saw, as text.
async fn txn(client: &mut dyn Client, mops: &[Mop]) -> Result<String, ClientError> {
    let op = Op::Txn(TxnOp { mops: mops.to_vec() });
    ask_any(client, op).await.map(|answer| answer.to_string())
}

/// What every target of transactions must do through each node of a healthy cluster.
pub(crate) async fn transactions_work(target: &dyn Target, servers: &Servers) {
    let list = |key: &str| Mop::ReadList { key: Value::text(key), elements: Observed::Pending };
    let append = |key: &str, to| Mop::Append { key: Value::text(key), element: Value::Int(to) };
    let (mut x, mut y) = (String::new(), String::new());
    for (i, node) in (1..).zip(&servers.nodes) {
        let mut client = target.connect(node).await.unwrap();
        let mops = [list("lx"), append("lx", i), list("lx"), append("ly", 10 * i)];
        let before = if x.is_empty() { "nil".into() } else { format!("[{}]", x.trim()) };
        x = format!("{x} {i}");
        y = format!("{y} {}", 10 * i);
        let seen = txn(&mut *client, &mops).await.unwrap();
        let now = format!("r(\"lx\") -> [{}]", x.trim());
        let expected =
            format!("r(\"lx\") -> {before} append(\"lx\", {i}) {now} append(\"ly\", {})", 10 * i);
        assert_eq!(seen, expected);
        let both = txn(&mut *client, &[list("lx"), list("ly"), list("lz")]).await.unwrap();
        assert_eq!(both, format!("{now} r(\"ly\") -> [{}] r(\"lz\") -> nil", y.trim()));
    }
    conflicts_are_refused(target, servers).await;
    ranges_work(target, servers).await;
    no_two_miss_each_other(target, servers).await;
}

fn scan(predicate: &str) -> Mop {
    Mop::ReadPredicate { predicate: predicate.into(), matches: Observed::Pending }
}

fn put(key: i64, value: i64) -> Mop {
    Mop::Write { key: Value::Int(key), value: Value::Int(value) }
}

/// Ranges go by the numbers of keys, end before their end, and show what was put before.
async fn ranges_work(target: &dyn Target, servers: &Servers) {
    let mut client = target.connect(&servers.nodes[0]).await.unwrap();
    let mops = [scan("keys 98..102"), put(99, 1), put(100, 2), put(102, 3), scan("keys 98..102")];
    let seen = txn(&mut *client, &mops).await.unwrap();
    let expected =
        "r(keys 98..102) -> {} w(99, 1) w(100, 2) w(102, 3) r(keys 98..102) -> {99: 1, 100: 2}";
    assert_eq!(seen, expected);
    for node in &servers.nodes {
        let mut client = target.connect(node).await.unwrap();
        let seen = txn(&mut *client, &[scan("keys 99..103"), scan("keys 0..99")]).await.unwrap();
        assert_eq!(seen, "r(keys 99..103) -> {99: 1, 100: 2, 102: 3} r(keys 0..99) -> {}");
    }
    let error = txn(&mut *client, &[scan("value > 3")]).await.unwrap_err();
    assert!(matches!(error, ClientError::Definite { .. }), "{error}");
}

/// Clients that each read a range and add a key of their own to it, at once: who succeeds has seen
/// all who did so before, so that no two have seen as many.
async fn no_two_miss_each_other(target: &dyn Target, servers: &Servers) {
    let clients = (0..12).map(async |i: i64| {
        let node = &servers.nodes[i as usize % servers.nodes.len()];
        let mut client = target.connect(node).await.unwrap();
        let mut sizes = Vec::new();
        for n in 0..8 {
            let mops = vec![scan("keys 1000..2000"), put(1000 + 8 * i + n, 1)];
            match ask_any(&mut *client, Op::Txn(TxnOp { mops })).await {
                Ok(Op::Txn(TxnOp { mops })) => match &mops[0] {
                    Mop::ReadPredicate { matches: Observed::Present(found), .. } => {
                        sizes.push(found.len());
                    }
                    other => panic!("{other}"),
                },
                Err(ClientError::Definite { class, .. })
                    if class == ErrorClass::new("conflict") => {}
                other => panic!("{other:?}"),
            }
        }
        sizes
    });
    let mut sizes = at_once(clients).await;
    sizes.sort_unstable();
    assert!((12..96).contains(&sizes.len()), "{} of 96 added", sizes.len());
    assert_eq!(sizes, (0..sizes.len()).collect::<Vec<_>>());
}

/// What all of them give, carried out at once.
async fn at_once<T>(tasks: impl Iterator<Item = impl Future<Output = Vec<T>>>) -> Vec<T> {
    let mut all = Vec::new();
    let mut tasks: Vec<_> = tasks.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        tasks.retain_mut(|task| match task.as_mut().poll(cx) {
            std::task::Poll::Ready(done) => {
                all.extend(done);
                false
            }
            std::task::Poll::Pending => true,
        });
        if tasks.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    all
}

/// Clients that append to one list at once: each append is there once, or was refused.
async fn conflicts_are_refused(target: &dyn Target, servers: &Servers) {
    let key = Value::text("contended");
    let clients = (0..12).map(async |i: usize| {
        let mut client = target.connect(&servers.nodes[i % servers.nodes.len()]).await.unwrap();
        let mut appended = Vec::new();
        for n in 0..10 {
            let element = (10 * i + n) as i64;
            let append = Mop::Append { key: key.clone(), element: Value::Int(element) };
            match txn(&mut *client, &[append]).await {
                Ok(_) => appended.push(element),
                Err(ClientError::Definite { class, .. })
                    if class == ErrorClass::new("conflict") => {}
                Err(error) => panic!("{error}"),
            }
        }
        appended
    });
    let mut appended = at_once(clients).await;
    assert!((1..120).contains(&appended.len()), "{} of 120 appended", appended.len());
    let read = Mop::ReadList { key: key.clone(), elements: Observed::Pending };
    let mut client = target.connect(&servers.nodes[0]).await.unwrap();
    let answer = ask_any(&mut *client, Op::Txn(TxnOp { mops: vec![read] })).await.unwrap();
    let Op::Txn(TxnOp { mops }) = answer else { panic!("{answer}") };
    let [Mop::ReadList { elements: Observed::Present(elements), .. }] = &mops[..] else {
        panic!("{mops:?}")
    };
    let mut elements = elements.clone();
    elements.sort();
    appended.sort_unstable();
    assert_eq!(elements, appended.into_iter().map(Value::Int).collect::<Vec<_>>());
}
