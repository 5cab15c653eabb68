//! The recorder on real file systems: full, shared, torn.

use std::path::{Path, PathBuf};
use std::process::Command;

use tribunal_harness::clock::Clock;
use tribunal_harness::runner::{Ended, LoadConfig, RecordError, Recorder, run_load};
use tribunal_history::codec::native::read_log;
use tribunal_history::{FaultEdge, FaultEvent, Nanos, Outcome};

use crate::support::{Log, NoOp, Registers, always, header};

/// A small file system in memory, unmounted when dropped.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount(size: &str) -> Option<Tiny> {
        if !nix::unistd::Uid::effective().is_root() {
            println!("skipped: mounting a small file system needs root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let flags = nix::mount::MsFlags::empty();
        let options = format!("size={size}");
        match nix::mount::mount(Some("tmpfs"), dir.path(), Some("tmpfs"), flags, Some(&*options)) {
            Ok(()) => Some(Tiny(dir)),
            Err(errno) => {
                println!("skipped: mounting a small file system: {errno}");
                None
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("history.log")
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let flags = nix::mount::MntFlags::MNT_DETACH;
        nix::mount::umount2(self.0.path(), flags).expect("what was mounted can be unmounted");
    }
}

fn fault(edge: FaultEdge, time: Nanos) -> FaultEvent {
    let (kind, nodes, detail) = ("partition".into(), vec!["n1".into()], "{}".into());
    FaultEvent { time, fault: 0, edge, kind, nodes, detail }
}

#[test]
fn a_full_disk_ends_the_load_and_not_the_story() {
    let Some(disk) = Tiny::mount("4m") else { return };
    let recorder = Recorder::create(&disk.log(), &header(), Clock::start()).unwrap();
    let log = Log::over(recorder.clone());
    let outcome = log.run(LoadConfig::new(10, 2), Registers::new(u64::MAX), always(|| NoOp).0);
    let Ended::History(RecordError::Full { written, .. }) = outcome.ended else {
        panic!("{:?}", outcome.ended)
    };
    assert!(written > 2 << 20, "only {written} bytes of 4 MiB were used");
    assert!(recorder.note("a note").is_ok());
    let again = log.run(LoadConfig::new(1, 1), Registers::new(1), always(|| NoOp).0);
    assert!(matches!(again.ended, Ended::History(RecordError::Full { .. })), "{:?}", again.ended);
    assert_eq!(again.ops, 0);

    // The rest of the story has room: hundreds of fault edges, marks, End.
    recorder.mark("heal").unwrap();
    for _ in 0..1_000 {
        recorder.fault(&fault(FaultEdge::Healed, recorder.clock().now()), false).unwrap();
    }
    recorder.fault(&fault(FaultEdge::HealVerified, recorder.clock().now()), true).unwrap();
    recorder.end("disk full").unwrap();
    assert!(matches!(recorder.note("too late"), Err(RecordError::Ended { .. })));

    let file = read_log(&std::fs::read(disk.log()).unwrap()).unwrap();
    assert_eq!((file.torn, file.ended.as_deref()), (None, Some("disk full")));
    assert_eq!(file.history.faults().len(), 1_001);
    assert_eq!(file.history.len() as u64, outcome.ops);
    let ok = file.history.operations().filter(|op| op.outcome() == Outcome::Ok).count();
    assert_eq!((ok as u64, outcome.open), (outcome.ok, outcome.ops - outcome.ok));
    assert_eq!(std::fs::metadata(disk.log()).unwrap().len(), recorder.written());
}

#[test]
fn a_disk_too_small_for_the_reserve_is_refused_at_once() {
    let Some(disk) = Tiny::mount("512k") else { return };
    let refused = Recorder::create(&disk.log(), &header(), Clock::start());
    let Err(error @ RecordError::Full { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("free space"), "{error}");
}

#[test]
fn an_existing_history_is_never_overwritten() {
    let log = Log::new();
    let refused = Recorder::create(&log.path(), &header(), Clock::start());
    assert!(matches!(refused, Err(RecordError::Io { step: "create", .. })), "{refused:?}");
    let nowhere = Path::new("/nonexistent/history.log");
    let refused = Recorder::create(nowhere, &header(), Clock::start());
    assert!(matches!(refused, Err(RecordError::Io { step: "create", .. })), "{refused:?}");
}

#[test]
fn faults_of_other_threads_and_the_load_share_one_log() {
    let log = Log::new();
    let parts = log.parts(Registers::new(200_000), always(|| NoOp).0);
    let load = std::thread::spawn(move || run_load(LoadConfig::new(20, 2), parts).unwrap());
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let recorder = log.recorder.clone();
            std::thread::spawn(move || {
                for n in 0..200 {
                    let event = fault(FaultEdge::Verified, recorder.clock().now());
                    recorder.fault(&event, n % 50 == 0).unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let outcome = load.join().unwrap();
    log.recorder.end("done").unwrap();
    let file = log.read();
    assert_eq!((file.history.len() as u64, outcome.ok), (200_000, 200_000));
    assert_eq!((file.history.faults().len(), file.torn), (600, None));
}

#[test]
fn space_is_held_ahead_and_given_back() {
    let log = Log::new();
    log.run(LoadConfig::new(4, 1), Registers::new(1_000), always(|| NoOp).0);
    let blocks = |path: &Path| -> u64 {
        let told = Command::new("stat").args(["-c", "%b"]).arg(path).output().unwrap();
        String::from_utf8(told.stdout).unwrap().trim().parse::<u64>().unwrap() * 512
    };
    let held = blocks(&log.path());
    assert!(held >= 1 << 20, "{held} bytes held");
    log.recorder.end("done").unwrap();
    let kept = blocks(&log.path());
    assert!(kept <= log.recorder.written() + 8_192, "{kept} bytes kept");
}
