//! One history in several formats: what it means, what is lost, what is packed.

use tempfile::TempDir;

use crate::support::{INVALID, VALID, code, file, path, stderr, stdout, tribunal};

#[test]
fn convert_says_what_is_lost_and_leaves_nothing_half_done() {
    let dir = TempDir::new().expect("a scratch directory");
    let text = "w 0 1\n=====\nr 0 1\n-----\nr 1 0\n";
    let sessions = file(&dir, "sessions.txt", text);
    let edn = dir.path().join("sessions.edn");
    let output = tribunal(&["convert", path(&sessions), path(&edn)]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).ends_with("sessions.edn: 3 operations as edn\n"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).contains("the format has no times"), "{}", stderr(&output));
    assert!(stderr(&output).contains("lost in edn: 1 order that is none"), "{}", stderr(&output));
    // And back, whatever the endings say.
    let back = dir.path().join("back.edn");
    let args = ["convert", path(&edn), path(&back), "--from", "edn", "--to", "awdit"];
    assert_eq!(code(&tribunal(&args)), 0);
    assert_eq!(std::fs::read_to_string(&back).expect("written"), text);
    let refused = [
        (vec![path(&edn), "x.porcupine"], "says no format; name one with --to"),
        (
            vec![path(&edn), "x.edn", "--to", "nonsense"],
            "--to \"nonsense\" is not known; there are",
        ),
        (vec![path(&edn), "x.log", "--from", "polysi"], "sessions.edn:1:1:"),
        (vec!["no-such-file", "x.edn"], "no-such-file"),
    ];
    for (args, part) in refused {
        let output = tribunal(&[&["convert"], &args[..]].concat());
        assert_eq!(code(&output), 64, "{args:?}");
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
    let register = file(&dir, "valid.edn", VALID);
    let out = dir.path().join("out.json");
    let output = tribunal(&["convert", path(&register), path(&out), "--to", "dbcop"]);
    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains("not the value nil"), "{}", stderr(&output));
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a directory").collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn a_copy_never_takes_the_place_of_what_was_recorded() {
    let dir = TempDir::new().expect("a scratch directory");
    let history = file(&dir, "h.edn", "{:process 0, :type :invoke, :f :read, :value nil}\n");
    let before = std::fs::read(&history).expect("it is there");
    let link = dir.path().join("link.edn");
    std::os::unix::fs::symlink(&history, &link).expect("a link");
    for output in [&history, &link] {
        let converted = tribunal(&["convert", path(&history), path(output)]);
        assert_eq!(code(&converted), 64, "{}", stdout(&converted));
        assert!(stderr(&converted).contains("is the input too"), "{}", stderr(&converted));
    }
    assert_eq!(std::fs::read(&history).expect("it is there"), before);
}

#[test]
fn a_compare_and_set_that_timed_out_asserts_nothing_in_any_format() {
    let dir = TempDir::new().expect("a scratch directory");
    for class in ["timeout", "no-leader"] {
        let failed = format!("\"op\":{CAS},\"error\":\"{class}\"}}");
        let text = format!(
            "{{\"schema\":\"tribunal.history\",\"schema_version\":1}}\n\
             {{\"id\":0,\"time\":1,\"process\":0,\"kind\":\"invoke\",\"op\":{WRITE}}}\n\
             {{\"id\":1,\"time\":5,\"process\":0,\"kind\":\"ok\",\"op\":{WRITE}}}\n\
             {{\"id\":2,\"time\":6,\"process\":1,\"kind\":\"invoke\",\"op\":{CAS}}}\n\
             {{\"id\":3,\"time\":7,\"process\":1,\"kind\":\"fail\",{failed}\n"
        );
        let told = file(&dir, &format!("{class}.jsonl"), &text);
        let log = dir.path().join(format!("{class}.log"));
        let converted = tribunal(&["convert", path(&told), path(&log), "--to", "porcupine"]);
        assert_eq!(code(&converted), 0, "{}", stderr(&converted));
        for history in [&told, &log] {
            let checked = tribunal(&["check", path(history), "-m", "cas-register"]);
            assert_eq!(code(&checked), 0, "{}", stdout(&checked));
        }
    }
}

#[test]
fn what_nil_means_goes_with_a_history_into_other_formats() {
    let dir = TempDir::new().expect("a scratch directory");
    let nil = r#"{"f":"read","key":null,"value":null}"#;
    let text = format!(
        "{{\"schema\":\"tribunal.history\",\"schema_version\":1}}\n\
         {{\"id\":0,\"time\":1,\"process\":0,\"kind\":\"invoke\",\"op\":{WRITE}}}\n\
         {{\"id\":1,\"time\":5,\"process\":0,\"kind\":\"ok\",\"op\":{WRITE}}}\n\
         {{\"id\":2,\"time\":6,\"process\":1,\"kind\":\"invoke\",\"op\":{nil}}}\n\
         {{\"id\":3,\"time\":7,\"process\":1,\"kind\":\"ok\",\"op\":{nil}}}\n"
    );
    let ours = file(&dir, "ours.jsonl", &text);
    let jepsen = "{:process 0, :type :invoke, :f :write, :value 1}
        {:process 0, :type :ok, :f :write, :value 1}
        {:process 1, :type :invoke, :f :read, :value nil}
        {:process 1, :type :ok, :f :read, :value nil}";
    let theirs = file(&dir, "theirs.edn", jepsen);
    // In ours a read of nil saw nothing; in Jepsen's it asserts nothing.
    for (history, expected) in [(&ours, 1), (&theirs, 0)] {
        for ending in ["edn", "jsonl", "log"] {
            let other = dir.path().join(format!("other.{ending}"));
            let back = dir.path().join("back.jsonl");
            for (from, to) in [(history, &other), (&other, &back)] {
                let converted = tribunal(&["convert", path(from), path(to)]);
                assert_eq!(code(&converted), 0, "{}", stderr(&converted));
                let checked = tribunal(&["check", path(to), "-m", "register"]);
                assert_eq!(code(&checked), expected, "{ending}: {}", stdout(&checked));
            }
        }
        let log = dir.path().join("porcupine");
        let to = ["convert", path(history), path(&log), "--to", "porcupine"];
        let converted = tribunal(&to);
        let says = stderr(&converted).contains("--dialect knossos");
        assert_eq!(says, expected == 0, "{}", stderr(&converted));
    }
}

const WRITE: &str = r#"{"f":"write","key":null,"value":1}"#;
const CAS: &str = r#"{"f":"cas","key":null,"from":1,"to":2}"#;

#[test]
fn the_same_events_mean_the_same_as_edn_and_as_json() {
    let dir = TempDir::new().expect("a scratch directory");
    let edn = VALID.replace(":f :read, :value 1", ":f :read, :value nil");
    let json = edn.replace(":process", "\"process\":").replace(":type :", "\"type\": \"");
    let json = json.replace(":f :", "\"f\": \"").replace("nil", "null");
    let json = json.replace(":value", "\"value\":").replace("invoke,", "invoke\",");
    let json = json.replace("ok,", "ok\",").replace("write,", "write\",");
    let json = json.replace("read,", "read\",");
    for (name, text) in [("nil.edn", &edn), ("nil.json", &json)] {
        let output = tribunal(&["check", path(&file(&dir, name, text)), "--json"]);
        assert_eq!(code(&output), 0, "{text}{}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("\"dialect\": \"knossos\""), "{}", stdout(&output));
    }
}

/// One frame with one block that is stored as it is (RFC 8878, 3.1.1).
fn zstd(text: &str) -> Vec<u8> {
    let size = u8::try_from(text.len()).expect("a short text");
    let block = (u32::from(size) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, size], &block[..3], text.as_bytes()].concat()
}

#[test]
fn packed_histories_are_judged_and_torn_ones_say_what_to_do() {
    let dir = TempDir::new().expect("a scratch directory");
    let packed = zstd(INVALID);
    let (whole, torn) = (dir.path().join("whole.edn.zst"), dir.path().join("torn.edn.zst"));
    std::fs::write(&whole, &packed).expect("scratch files can be written");
    std::fs::write(&torn, &packed[..packed.len() - 9]).expect("scratch files can be written");
    assert_eq!(code(&tribunal(&["check", path(&whole)])), 1);
    let output = tribunal(&["check", path(&torn)]);
    assert_eq!(code(&output), 64, "what is left is valid, and judged by nobody");
    let wanted = format!("{}: packed with zstd, and damaged or cut short", path(&torn));
    assert!(stderr(&output).contains(&wanted), "{}", stderr(&output));
    assert!(stderr(&output).contains("copy it again"), "{}", stderr(&output));
    let output = tribunal(&["check", path(&whole), "--memory-limit", "100"]);
    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains("unpacks to more than 100 bytes"), "{}", stderr(&output));
}
