//! A name that there is not costs nothing, exits with 64, and says in one line what there is.

use std::process::Command;

fn complaint(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().expect("xtask runs");
    assert_eq!(out.status.code(), Some(64), "{args:?}");
    assert!(out.stdout.is_empty(), "{args:?}");
    String::from_utf8(out.stderr).expect("text")
}

#[test]
fn unknown_names_say_what_there_is() {
    expect_test::expect![[r#"
        xtask: error: no benchmark is called "nosuch"; there are dispatcher, generator, cluster, codec, linearizable, report, transactions, demo
        xtask: error: no nightly check is called "nosuch"; there are matrix, clean, etcd, faults, leases, fuzz, oracle, all
    "#]]
    .assert_eq(&(complaint(&["bench", "nosuch"]) + &complaint(&["nightly", "nosuch"])));
    let families = complaint(&["generate", "nosuch"]);
    assert!(families.starts_with("xtask: error: no family is called \"nosuch\"; there are unique"));
    assert_eq!(families.lines().count(), 1);
}
