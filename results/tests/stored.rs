//! Run directories, as a user meets them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

use tribunal_results::store::{Keep, RunDir, Runs, VERDICTS, to_delete};
use tribunal_results::{Class, assemble};

use crate::common;

fn seconds(seconds: u64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_run_can_be_judged_again_from_its_directory() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let runs = Runs::at(scratch.path().join("deep/runs"));
    let run = runs.create("quick start/../x", seconds(1_795_232_832)).expect("created");
    assert!(run.id().starts_with("20261121T034712Z-quick-start-..-x-"), "{}", run.id());
    let (info, history, answers) = common::invalid(&common::Shape::default());
    run.save_plan(&info.plan).expect("plan");
    let cut = run.load_info().expect("a plan is enough");
    assert!(cut.environment.stopped_early.is_some(), "a run without an environment says so");
    run.save_environment(&info.environment).expect("environment");
    let again = run.load_info().expect("both");
    assert_eq!(again, info);
    let report = assemble(&again, &history, &answers);
    run.save_verdicts(&report).expect("verdicts");
    assert_eq!(run.load_verdicts().expect("read"), report);
    let link = runs.root().join("latest");
    assert!(!link.exists(), "a run that has not begun is not the latest");
    runs.begin(&run).expect("linked");
    let latest = RunDir::open(link).expect("latest");
    assert_eq!(latest.id(), run.id());
    let list = runs.list().expect("listed");
    assert_eq!(list.len(), 1, "the link is not a run");
    let head = list[0].head.as_ref().expect("a head");
    assert_eq!((head.class, &head.headline), (Class::Anomaly, &report.headline));
    let logs = run.logs("../../etc").expect("logs");
    assert!(logs.starts_with(run.path()), "{}", logs.display());
}

#[test]
fn names_are_unique_within_a_second() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let runs = Runs::at(scratch.path());
    let ids: std::collections::BTreeSet<String> =
        (0..50).map(|_| runs.create("s", seconds(7)).expect("created").id()).collect();
    assert_eq!(ids.len(), 50);
}

#[test]
fn retention_keeps_the_newest_and_the_failures() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let runs = Runs::at(scratch.path());
    let (info, history, answers) = common::valid();
    let pass = assemble(&info, &history, &answers);
    let (info, history, answers) = common::unknown();
    let fail = assemble(&info, &history, &answers);
    let mut ids = Vec::new();
    for (at, report) in
        [(1, Some(&pass)), (2, Some(&fail)), (3, Some(&pass)), (4, None), (5, Some(&pass))]
    {
        let run = runs.create("s", seconds(at * 86_400)).expect("created");
        if let Some(report) = report {
            run.save_verdicts(report).expect("verdicts");
        }
        ids.push(run.id());
    }
    let list = runs.list().expect("listed");
    let doomed = |newest, failures, current| to_delete(&list, &Keep { newest, failures }, current);
    assert_eq!(doomed(1, false, None), ids[..4]);
    assert_eq!(doomed(1, true, None), [ids[0].clone(), ids[2].clone()]);
    assert_eq!(doomed(0, true, Some(&ids[2])), [ids[0].clone(), ids[4].clone()]);
    assert_eq!(doomed(9, false, None), Vec::<String>::new());
    let gone = runs.prune(&Keep { newest: 2, failures: true }, None).expect("pruned");
    assert_eq!(gone, [ids[0].clone(), ids[2].clone()]);
    assert_eq!(runs.list().expect("listed").len(), 3);
}

#[test]
fn a_head_is_read_without_the_rest_and_newer_majors_are_refused() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let run = Runs::at(scratch.path()).create("s", seconds(1)).expect("created");
    let (info, history, answers) = common::valid();
    let text = assemble(&info, &history, &answers).to_json();
    let cut = text.find("\"counts\"").expect("counts follow the run");
    run.write(VERDICTS, &text.as_bytes()[..cut + 30]).expect("written");
    let list = Runs::at(scratch.path()).list().expect("listed");
    assert_eq!(list[0].head.as_ref().map(|head| head.class), Some(Class::Pass));
    assert!(run.load_verdicts().expect_err("cut short").to_string().contains("verdicts.json"));
    let newer = text.replace("\"schema_version\": \"1.6\"", "\"schema_version\": \"2.0\"");
    run.write(VERDICTS, newer.as_bytes()).expect("written");
    let error = run.load_verdicts().expect_err("newer").to_string();
    assert!(error.contains("newer than 1.6") && error.contains("use the release"), "{error}");
    let minor =
        text.replace("\"schema_version\": \"1.6\"", "\"schema_version\": \"1.9\", \"x\": 1");
    run.write(VERDICTS, minor.as_bytes()).expect("written");
    run.load_verdicts().expect("a newer minor only adds fields");
}

/// What schema 1.0 did not have is absent, not an error.
#[test]
fn verdicts_of_an_earlier_minor_load() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let run = Runs::at(scratch.path()).create("s", seconds(1)).expect("created");
    let (info, history, answers) = common::invalid(&common::Shape::default());
    let report = assemble(&info, &history, &answers);
    let text = report.to_json();
    let mut listing = false;
    let new = ["\"state_before\":", "\"points\":", "\"subjects\":"];
    let old = text.lines().filter(|line| {
        let (line, within) = (line.trim(), listing);
        listing = (listing || line == "\"subjects\": [") && line != "],";
        !within && !new.iter().any(|it| line.starts_with(it))
    });
    let old = old.collect::<Vec<_>>().join("\n").replace("\"1.6\"", "\"1.0\"");
    assert!(old.len() < text.len());
    run.write(VERDICTS, old.as_bytes()).expect("written");
    let mut wanted = report;
    wanted.schema_version = "1.0".to_owned();
    for finding in &mut wanted.findings {
        finding.evidence.points = 0;
        finding.subjects.clear();
        finding.evidence.operations.iter_mut().for_each(|op| op.state_before = None);
    }
    assert_eq!(run.load_verdicts().expect("read"), wanted);
}

#[test]
fn failures_name_the_path_and_what_to_do() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let blocked = scratch.path().join("file");
    fs::write(&blocked, "").expect("written");
    let error = Runs::at(&blocked).create("s", seconds(1)).expect_err("a file is in the way");
    let text = error.to_string();
    assert!(text.contains("file") && text.contains("choose another directory"), "{text}");
    let run = Runs::at(scratch.path().join("runs")).create("s", seconds(1)).expect("created");
    let error = run.load_verdicts().expect_err("none yet").to_string();
    assert!(error.contains("verdicts.json") && error.contains("list runs"), "{error}");
    fs::set_permissions(run.path(), fs::Permissions::from_mode(0o555)).expect("set");
    match run.write("x.json", b"{}") {
        Ok(()) => println!("skipped: this user may write anywhere"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("x.json") && text.contains("make it writable"), "{text}");
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_file_and_says_so() {
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        println!("skipped: no /dev/full on this system");
        return;
    }
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let run = Runs::at(scratch.path()).create("s", seconds(1)).expect("created");
    run.write("plan.json", b"old").expect("written");
    // The temporary name leads to a device that is always full.
    std::os::unix::fs::symlink(full, run.path().join(".plan.json.tmp")).expect("linked");
    let error = run.write("plan.json", &[b'x'; 1 << 20]).expect_err("full").to_string();
    assert!(error.contains("plan.json") && error.contains("free some space"), "{error}");
    assert_eq!(fs::read(run.file("plan.json")).expect("still there"), b"old");
}

/// It would be replaced, or stop a run that has already begun.
#[test]
fn what_stands_in_place_of_the_latest_link_is_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let runs = Runs::at(scratch.path());
    let latest = scratch.path().join("latest");
    std::fs::create_dir(&latest).unwrap();
    let refused = runs.create("s", UNIX_EPOCH).unwrap_err().to_string();
    assert!(refused.contains("latest") && refused.contains("move what stands in its way"));
    std::fs::remove_dir(&latest).unwrap();
    std::fs::write(&latest, "mine").unwrap();
    assert!(runs.create("s", UNIX_EPOCH).is_err());
    assert_eq!(std::fs::read_to_string(&latest).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1, "and nothing was made");
}
