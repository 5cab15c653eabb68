//! What is refused before anything begins, and what is listed.

use std::process::Command;

use tempfile::TempDir;

use crate::support::{code, file, path, stderr, stdout, tribunal};

#[test]
fn usage_errors_end_with_64_and_help_with_0() {
    for args in [
        &["frobnicate"][..],
        &["run", "--colour"],
        &["run"],
        &["run", "--target", "nope"],
        &["run", "--target", "raftkv", "--workload", "nope"],
        &["run", "--target", "raftkv", "--nemesis", "quake"],
        &["run", "--target", "raftkv", "--time", "30"],
        &["run", "--target", "raftkv", "--time", "0s"],
        &["run", "--target", "raftkv", "--nodes", "local:0"],
        &["run", "no-such-suite.toml"],
        &["check", "no-such-file"],
        &["check", "Cargo.toml", "-m", "nope"],
        &["report", "no-such-run"],
        &["check", "latest", "--runs-dir", "no-such-directory"],
        &["down", "no-such-inventory.toml"],
    ] {
        let output = tribunal(args);
        assert_eq!(code(&output), 64, "{args:?}: {}{}", stdout(&output), stderr(&output));
        assert!(!stderr(&output).is_empty(), "{args:?} says why");
    }
    assert_eq!(code(&tribunal(&["--help"])), 0);
    assert_eq!(code(&tribunal(&["--version"])), 0);
}

#[test]
fn what_a_suite_says_wrongly_is_named_with_its_place() {
    let dir = TempDir::new().expect("a scratch directory");
    let head = "schema = 1\n[target]\nname = \"raftkv\"\n";
    for (text, place) in [
        ("[load]\nrate = -3\n", "s.toml:5:8"),
        ("[load]\nconcurrency = \"x\"\n", "s.toml:5:15"),
        ("[load]\nconcurrency = \"3689348814741910324n\"\n", "s.toml:5:15"),
        ("[load]\ntime = \"0s\"\n", "s.toml:5:8"),
        ("[check]\nlive = \"on\"\n", "s.toml:5:8"),
        ("bugs = [\"nope\"]\n", "s.toml:4:9"),
        ("options = { nope = 1 }\n", "s.toml:4:20"),
        ("[workload]\nname = \"nope\"\n", "s.toml:5:8"),
        ("[workload]\nname = \"register\"\noptions = { nope = 1 }\n", "s.toml:6:20"),
    ] {
        let suite = file(&dir, "s.toml", &format!("{head}{text}"));
        for command in ["plan", "run"] {
            let output = tribunal(&[command, path(&suite)]);
            let words = stderr(&output);
            assert_eq!(code(&output), 64, "{command} {text}: {words}{}", stdout(&output));
            assert!(words.contains(place), "{command} {text}: {words}");
        }
    }
    let output = tribunal(&["plan", "--target", "nope", "--nodes", "local:3"]);
    assert_eq!(code(&output), 64, "{}", stdout(&output));
}

#[test]
fn a_run_that_cannot_begin_leaves_no_directory() {
    let dir = TempDir::new().expect("a scratch directory");
    let runs = dir.path().join("runs");
    let suite = &["run", "suites/quickstart.toml", "--runs-dir", path(&runs)];
    for (flags, wanted) in
        [(&["--time", "100ms"][..], 64), (&["--nodes", "127.0.0.1:1", "--nemesis", "none"], 69)]
    {
        let output = tribunal(&[suite, flags].concat());
        assert_eq!(code(&output), wanted, "{flags:?}: {}", stderr(&output));
        let left = std::fs::read_dir(&runs).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{flags:?} left something below {}", runs.display());
    }
}

#[test]
fn a_wrong_suite_key_is_named_with_its_place() {
    let dir = TempDir::new().expect("a scratch directory");
    let suite = file(&dir, "s.toml", "schema = 1\n[load]\nconcurency = 3\n");
    let output = tribunal(&["run", path(&suite)]);
    assert_eq!(code(&output), 64);
    let words = stderr(&output);
    assert!(words.contains("s.toml:3:1") && words.contains("concurency"), "{words}");
}

#[test]
fn a_plan_is_the_same_bytes_each_time() {
    let plan = |seed: &str| {
        let args = ["plan", "suites/quickstart.toml", "--seed", seed, "--time", "12s", "--json"];
        let output = tribunal(&args);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        output.stdout
    };
    assert_eq!(plan("7"), plan("7"));
    assert_ne!(plan("7"), plan("8"));
}

#[test]
fn every_suite_that_ships_can_be_planned() {
    let listed = stdout(&tribunal(&["list", "suites"]));
    assert!(listed.contains("suites/negative/raftkv-lost-write.toml"), "{listed}");
    for suite in listed.lines() {
        let output = tribunal(&["plan", suite, "--seed", "1"]);
        assert_eq!(code(&output), 0, "{suite}: {}", stderr(&output));
        assert!(stdout(&output).contains("F0 "), "{suite} plans no fault");
    }
}

#[test]
fn an_unreachable_node_is_infrastructure() {
    let output = tribunal(&[
        "run",
        "--target",
        "raftkv",
        "--nodes",
        "127.0.0.1:1,127.0.0.1:2",
        "--time",
        "1s",
    ]);
    assert_eq!(code(&output), 69, "{}", stderr(&output));
    assert!(stderr(&output).contains("127.0.0.1"), "{}", stderr(&output));
}

#[test]
fn everything_can_be_listed() {
    let output = tribunal(&["list"]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    for name in ["raftkv", "etcd", "register", "partition", "kill", "pause", "linearizable"] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
}

#[test]
fn what_stands_in_a_directory_is_not_the_place_of_a_run() {
    let dir = TempDir::new().expect("a scratch directory");
    for name in ["suite.toml", "plan.json", "history.log", ".report.html.tmp", "logs", "notes"] {
        let out = dir.path().join(format!("with {name}"));
        std::fs::create_dir(&out).expect("a directory");
        std::fs::write(out.join(name), "mine").expect("a file");
        let run = ["run", "--target", "raftkv", "--nodes", "127.0.0.9", "--out", path(&out)];
        let refused = tribunal(&run);
        assert_eq!(code(&refused), 64, "{}", stderr(&refused));
        assert!(stderr(&refused).contains(&format!("there is {name};")), "{name}");
        assert_eq!(std::fs::read_to_string(out.join(name)).expect("it stays"), "mine");
        assert_eq!(std::fs::read_dir(&out).expect("a directory").count(), 1);
    }
    for link in ["history.log", "cluster"] {
        let out = dir.path().join(format!("linked {link}"));
        std::fs::create_dir(&out).expect("a directory");
        std::os::unix::fs::symlink("nowhere", out.join(link)).expect("a link");
        let refused =
            tribunal(&["run", "--target", "raftkv", "--nodes", "127.0.0.9", "--out", path(&out)]);
        assert_eq!(code(&refused), 64, "{}", stderr(&refused));
        assert!(out.join(link).is_symlink(), "it stays");
    }
    let nowhere = dir.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &nowhere).expect("a link");
    let run = ["run", "--target", "raftkv", "--nodes", "127.0.0.9", "--out", path(&nowhere)];
    let refused = tribunal(&run);
    assert_eq!(code(&refused), 64, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("is no directory; name one"), "{}", stderr(&refused));
}

#[test]
fn a_flag_is_blamed_for_what_it_says_and_the_suite_for_the_rest() {
    let dir = TempDir::new().expect("a scratch directory");
    let suite = "schema = 1\n[target]\nname = \"raftkv\"\noptions = { bogus = 1 }\n\
                 [workload]\nname = \"register\"\n[load]\nconcurrency = 0\n";
    let bad = file(&dir, "bad.toml", suite);
    let good = suite.replace("{ bogus = 1 }", "{}").replace("= 0", "= 3");
    let good = file(&dir, "good.toml", &good);
    let said = |suite: &std::path::Path, flags: &[&str]| {
        let refused = tribunal(&[&["plan", path(suite)], flags].concat());
        assert_eq!(code(&refused), 64, "{flags:?}: {}", stdout(&refused));
        stderr(&refused).replace(path(dir.path()), "")
    };
    assert!(said(&bad, &[]).contains("/bad.toml:4:"), "{}", said(&bad, &[]));
    for flags in
        [&["--concurrency", "0"][..], &["--bug", "nope"], &["-o", "foo=1"], &["-w", "values=odd"]]
    {
        let said = said(&good, flags);
        assert!(!said.contains("good.toml:"), "{flags:?}: {said}");
    }
}

#[test]
fn what_is_no_file_is_written_and_never_replaced() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "h.edn", "{:process 0, :type :invoke, :f :read, :value nil}\n");
    let (link, real) = (dir.path().join("link.jsonl"), dir.path().join("real.jsonl"));
    std::fs::write(&real, "old").expect("a file");
    std::os::unix::fs::symlink("real.jsonl", &link).expect("a link");
    let converted = tribunal(&["convert", path(&history), path(&link)]);
    assert_eq!(code(&converted), 0, "{}", stderr(&converted));
    assert!(link.is_symlink());
    assert!(std::fs::read_to_string(&real).expect("it is there").contains("tribunal.history"));
    for (device, expected) in [("/dev/null", 0), ("/dev/full", 69)] {
        let mut command = Command::new("/usr/bin/unshare");
        // What goes wrong here goes wrong in a mount of its own.
        let script = "mount -t tmpfs tmpfs /mnt && mknod /mnt/it c 1 $1 && shift && \
                      { \"$@\"; code=$?; test -c /mnt/it && exit $code; }";
        let minor = if device == "/dev/null" { "3" } else { "7" };
        command.args(["-m", "sh", "-c", script, "sh", minor, env!("CARGO_BIN_EXE_tribunal")]);
        command.args(["convert", path(&history), "/mnt/it", "--to", "jsonl"]);
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        let ended = command.output().expect("it starts");
        assert_eq!(code(&ended), expected, "{device}: {}", stderr(&ended));
    }
}

/// Before anything starts, and without a trace.
#[test]
fn a_path_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = TempDir::new().expect("a scratch directory");
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    for words in [
        &["up", "--nodes", "local:1", "--dir"][..],
        &["run", "--target", "raftkv", "--nodes", "processes:3", "--out"],
        &["check", "-m", "register"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
        let output = command.args(words).arg(odd).current_dir(dir.path()).output();
        let output = output.expect("the binary starts");
        assert_eq!(code(&output), 64, "{words:?}");
        assert!(stderr(&output).contains("is not UTF-8; rename it"), "{}", stderr(&output));
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "{words:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_says_what_to_do() {
    let dir = TempDir::new().expect("a scratch directory");
    let file = file(&dir, "file", "mine");
    let below = file.join("below");
    for words in [
        &["up", "--nodes", "local:1", "--dir", path(&below)][..],
        &["run", "--target", "raftkv", "--nodes", "processes:3", "--out", path(&below)],
    ] {
        let output = tribunal(words);
        assert_eq!(code(&output), 64, "{}", stderr(&output));
        let advice = "name a directory that can be made";
        assert!(stderr(&output).contains(advice), "{}", stderr(&output));
    }
}

#[test]
fn lists_are_data_where_asked() {
    let listed = tribunal(&["list", "--json"]);
    assert_eq!(code(&listed), 0, "{}", stderr(&listed));
    let lists: serde_json::Value = serde_json::from_str(&stdout(&listed)).expect("json");
    let named = |list: &str, name: &str| {
        lists[list].as_array().is_some_and(|all| all.iter().any(|it| it["name"] == name))
    };
    assert!(named("targets", "raftkv") && named("workloads", "append") && named("faults", "kill"));
    let dir = TempDir::new().expect("a scratch directory");
    let runs = tribunal(&["--runs-dir", path(dir.path()), "list", "runs", "--json"]);
    assert_eq!(stdout(&runs).trim(), "[]");
}
