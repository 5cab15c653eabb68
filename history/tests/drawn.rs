//! The drawn notation: what it says and what it refuses.

use expect_test::{Expect, expect};
use tribunal_history::{History, drawn};

fn told(history: &History) -> String {
    history.events().map(|event| format!("{:>2} {event}\n", event.time.0)).collect()
}

fn check(drawing: &str, expected: Expect) {
    let answer = match drawn::parse(drawing) {
        Ok(history) => told(&history),
        Err(error) => format!("{error}\n"),
    };
    expected.assert_eq(&answer);
}

#[test]
fn registers() {
    check(
        "p0 |--w1--|   |--r--|
         p1 |--c1:2@k--x
         p2   |--r-7@3--?
         p3   |-rnil-...
         p4   |-wnil-…",
        expect![[r#"
             3 #0 0.000 s p0 invoke write nil := 1
            10 #1 0.000 s p0 ok write nil := 1
            12 #2 0.000 s p1 invoke cas "k" 1 => 2
            14 #3 0.000 s p0 invoke read nil -> ?
            14 #4 0.000 s p2 invoke read 3 -> ?
            14 #5 0.000 s p3 invoke read nil -> ?
            14 #6 0.000 s p4 invoke write nil := nil
            20 #7 0.000 s p0 ok read nil -> ?
            23 #8 0.000 s p1 fail cas "k" 1 => 2
            24 #9 0.000 s p2 info read 3 -> ?
        "#]],
    );
}

#[test]
fn equal_columns_are_concurrent() {
    check(
        "p0 |--w1--|
p1        |--r0--|  ; starts in the column in which the write ends
",
        expect![[r#"
             3 #0 0.000 s p0 invoke write nil := 1
            10 #1 0.000 s p1 invoke read nil -> ?
            10 #2 0.000 s p0 ok write nil := 1
            17 #3 0.000 s p1 ok read nil -> 0
        "#]],
    );
}

#[test]
fn transactions() {
    check(
        "p0 |--[r(x)=1 w(y)=2 r(z)=nil r(q)]--|",
        expect![[r#"
             3 #0 0.000 s p0 invoke r("x") -> ? w("y", 2) r("z") -> ? r("q") -> ?
            37 #1 0.000 s p0 ok r("x") -> 1 w("y", 2) r("z") -> nil r("q") -> ?
        "#]],
    );
    check(
        "p0 |--[a(1)=2 r(1)=[2 nil] r(2)=nil]--|
p1 |-[r(2)]-x",
        expect![[r#"
             3 #0 0.000 s p0 invoke append(1, 2) r(1) -> ? r(2) -> ?
             3 #1 0.000 s p1 invoke r(2) -> ?
            12 #2 0.000 s p1 fail r(2) -> ?
            38 #3 0.000 s p0 ok append(1, 2) r(1) -> [2 nil] r(2) -> nil
        "#]],
    );
}

#[test]
fn what_is_no_drawing_is_refused_with_its_place() {
    check(
        "q0 |--w1--|",
        expect![[r#"
        line 1, column 1: expected `p`, found `q`
    "#]],
    );
    check(
        "\n p |--w1--|",
        expect![[r#"
        line 2, column 3: a line must start with a process, like p0
    "#]],
    );
    check(
        "p0 |--w1--|\np0 |--r1--|",
        expect![[r#"
        line 2, column 3: p0 has a line already; draw on that one
    "#]],
    );
    check(
        "p0 |--w1--|  --r1--|",
        expect![[r#"
        line 1, column 14: expected `|`, found `-`
    "#]],
    );
    check(
        "p0 |--w--|",
        expect![[r#"
            line 1, column 8: expected a value: an integer, nil or a word
        "#]],
    );
    check(
        "p0 |--w99999999999999999999--|",
        expect![[r#"
        line 1, column 8: `99999999999999999999` is not an integer of 64 bits
    "#]],
    );
    check(
        "p0 |--d1--|",
        expect![[r#"
        line 1, column 7: expected an operation: r, w, c or a transaction in brackets
    "#]],
    );
    check(
        "p0 |--c1--|",
        expect![[r#"
        line 1, column 9: expected `:`, found `-`
    "#]],
    );
    check(
        "p0 |--w1--",
        expect![[r#"
        line 1, column 11: an operation must end in `|`, `x`, `?` or `…`
    "#]],
    );
    check(
        "p0 |--w1--|--r1--|",
        expect![[r#"
        line 1, column 12: leave a space before the next operation of a process
    "#]],
    );
    check(
        "p0 |--[w(x)]--|",
        expect![[r#"
        line 1, column 12: w(key) needs `=` and a value
    "#]],
    );
    check(
        "p0 |--[r(x)=[1",
        expect![[r#"
        line 1, column 15: expected a value: an integer, nil or a word
    "#]],
    );
    check(
        "p0 |--w1--?  |--r1--|",
        expect![[r#"
        line 1, column 14: p0 invoked at event 2 after its info at event 1 retired it
    "#]],
    );
}
