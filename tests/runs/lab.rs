//! Nodes that outlive a run: one controller at a time, and only with the right host keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Running, gone, local_nodes, suite, text, tribunal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A lab of three nodes, gone with this value.
struct Lab {
    dir: TempDir,
    inventory: PathBuf,
}

impl Lab {
    fn up() -> Lab {
        let dir = TempDir::new().expect("a scratch directory");
        let state = dir.path().join("lab");
        let output = tribunal(&["up", "--nodes", "local:3", "--dir", text(&state)]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let path = String::from_utf8_lossy(&output.stdout).trim().to_string();
        Lab { dir, inventory: path.into() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn run<'a>(&'a self, suite: &'a Path, out: &'a Path) -> Vec<&'a str> {
        vec!["run", text(suite), "--nodes", text(&self.inventory), "--out", text(out)]
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A test that failed must not leave its lab.
        let _ = tribunal(&["down", text(&self.inventory)]);
    }
}

#[test]
fn of_controllers_that_start_together_one_gets_all_nodes() {
    if !local_nodes() {
        return;
    }
    let lab = Lab::up();
    let outs: Vec<PathBuf> = (0..3).map(|run| lab.path().join(format!("run{run}"))).collect();
    let how = ["run", "--target", "raftkv", "--nemesis", "none", "--time", "1s"];
    let on = ["--nodes", text(&lab.inventory)];
    let start = |out| Running::start(lab.path(), &[&how[..], &on, &["--out", text(out)]].concat());
    let running: Vec<Running> = outs.iter().map(|out| start(out)).collect();
    let ended: Vec<_> = running.into_iter().map(Running::end).collect();
    let won = ended.iter().filter(|it| it.code() != 69).count();
    let said: Vec<String> = ended.iter().map(|it| it.words()).collect();
    assert_eq!(won, 1, "{said:#?}");
    for refused in ended.iter().filter(|it| it.code() == 69) {
        assert!(refused.stderr.contains("node is held by controller run "), "{}", refused.words());
    }
}

#[test]
fn a_lab_serves_one_controller_at_a_time_and_goes_when_told() {
    if !local_nodes() {
        return;
    }
    let lab = Lab::up();
    let suite = suite(lab.path());
    let (first, second) = (lab.path().join("first"), lab.path().join("second"));
    let mut running =
        Running::start(lab.path(), &[&lab.run(&suite, &first)[..], &["--time", "12s"]].concat());
    let history = first.join("history.log");
    running.until("history", || fs::metadata(&history).is_ok_and(|file| file.len() > 20_000));
    let refused = Running::start(lab.path(), &lab.run(&suite, &second)).end();
    assert_eq!(refused.code(), 69, "{}", refused.words());
    let words = &refused.stderr;
    assert!(words.contains("claim") || words.contains("lease"), "{words}");
    assert!(words.contains("run "), "names who holds the nodes: {words}");
    let ended = running.end();
    assert_eq!(ended.code(), 0, "the first was not disturbed: {}", ended.words());

    let healed = tribunal(&["heal", "--nodes", text(&lab.inventory)]);
    let said = String::from_utf8_lossy(&healed.stdout);
    assert_eq!(healed.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("nothing to heal").count(), 3, "{said}");

    let down = tribunal(&["down", text(&lab.inventory)]);
    assert_eq!(down.status.code(), Some(0), "{}", String::from_utf8_lossy(&down.stderr));
    assert!(!lab.path().join("lab").exists(), "and its directory");
    gone(&BTreeMap::new(), lab.path());
    let gone = Running::start(lab.path(), &lab.run(&suite, &second)).end();
    assert_eq!(gone.code(), 64, "an inventory that is gone: {}", gone.words());
}

#[test]
fn a_wrong_host_key_is_refused() {
    if !local_nodes() {
        return;
    }
    let lab = Lab::up();
    let suite = suite(lab.path());
    let inventory = fs::read_to_string(&lab.inventory).expect("an inventory");
    let table: toml::Table = inventory.parse().expect("an inventory is TOML");
    let known = PathBuf::from(table["known_hosts"].as_str().expect("a path"));
    let keys = fs::read_to_string(&known).expect("known hosts");
    // Every host gets the key of another.
    let lines: Vec<(&str, &str)> = keys.lines().filter_map(|line| line.split_once(' ')).collect();
    let swapped = lines.iter().zip(lines.iter().cycle().skip(1));
    let swapped: String = swapped.map(|((host, _), (_, key))| format!("{host} {key}\n")).collect();
    assert_ne!(swapped, keys);
    fs::write(&known, swapped).expect("our own file");
    let out = lab.path().join("run");
    let refused = Running::start(lab.path(), &lab.run(&suite, &out)).end();
    assert_eq!(refused.code(), 69, "{}", refused.words());
    assert!(refused.stderr.contains("host key"), "{}", refused.words());
    assert!(!out.join("report.html").exists());
}

/// Whatever stands there is somebody's.
#[test]
fn a_lab_takes_a_new_or_an_empty_directory() {
    if !local_nodes() {
        return;
    }
    let dir = TempDir::new().expect("a scratch directory");
    for name in ["keeper.log", "state", ".hidden"] {
        let place = dir.path().join(format!("lab-{name}"));
        fs::create_dir(&place).expect("a scratch directory");
        let own = place.join(name);
        fs::write(&own, "mine").expect("a scratch file");
        let refused = tribunal(&["up", "--nodes", "local:1", "--dir", text(&place)]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(64), "{said}");
        assert!(said.contains(&format!("is not empty, there is {name}")), "{said}");
        assert_eq!(fs::read_to_string(&own).expect("it stands"), "mine");
    }
    let place = dir.path().join("both");
    fs::create_dir(&place).expect("a scratch directory");
    let up = || Running::start(dir.path(), &["up", "--nodes", "local:1", "--dir", text(&place)]);
    let ended = [up(), up()].map(Running::end);
    let codes = ended.map(|it| it.code());
    assert!(codes.contains(&0) && codes.iter().any(|code| [64, 69].contains(code)), "{codes:?}");
    let down = tribunal(&["down", text(&place.join("inventory.toml"))]);
    assert_eq!(down.status.code(), Some(0), "{}", String::from_utf8_lossy(&down.stderr));
    assert!(!place.exists(), "empty again, and gone");
}

/// So that the same command may be given again when what was missing is there.
#[test]
fn a_lab_that_cannot_be_started_leaves_nothing() {
    if !local_nodes() {
        return;
    }
    let dir = TempDir::new().expect("a scratch directory");
    let place = dir.path().join("lab");
    for _ in 0..2 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
        command.args(["up", "--nodes", "local:1", "--dir", text(&place)]);
        command.env("PATH", dir.path()).current_dir(dir.path());
        let failed = Running::spawn(command).end();
        assert_eq!(failed.code(), 69, "{}", failed.words());
        assert!(failed.stderr.contains("install"), "{}", failed.words());
        assert!(!place.exists(), "{}", failed.words());
    }
    fs::write(&place, "mine").expect("a scratch file");
    let refused = tribunal(&["up", "--nodes", "local:1", "--dir", text(&place)]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("is no directory; name one, or a new path"), "{said}");
}

#[test]
fn a_lab_whose_terminal_is_gone_is_taken_back() {
    if !local_nodes() {
        return;
    }
    let dir = TempDir::new().expect("a scratch directory");
    let place = dir.path().join("lab");
    let mut command = Command::new("env");
    // These tests may have been started with nohup.
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_tribunal")]);
    command.args(["up", "--nodes", "local:3", "--dir", text(&place)]).current_dir(dir.path());
    let mut running = Running::spawn(command);
    running.until_it_started_somebody();
    kill(Pid::from_raw(running.pid()), Signal::SIGHUP).expect("it runs");
    let ended = running.end();
    assert_eq!(ended.code(), 130, "{}", ended.words());
    assert!(!place.exists(), "{}", ended.words());
    ended.left_nothing(dir.path());
}
