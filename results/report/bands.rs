//! Faults in force, behind the picture of a proof: a shaded band each, with a name where there is
//! room for it. Names stand in rows, never on one another; what has no room keeps its tooltip.

use serde::Serialize;

use super::axis::Axis;
use super::page::Scene;
use crate::bounded::{shortened, visible};
use crate::run_report::Finding;

/// Bands drawn at most; the badges above the picture name more.
const MOST: usize = 12;
/// Rows of names at most.
const ROWS: usize = 3;
/// Height of one row, and where the first one's text stands.
const ROW: u32 = 14;
const FIRST: u32 = 15;
/// Width of one character of the monospaced 11-pixel names.
const CHAR: f64 = 6.7;
/// Room before a name, and between two.
const GAP: f64 = 5.0;

/// One band on one scale.
#[derive(Serialize)]
pub(super) struct Band {
    x: String,
    width: String,
    title: String,
    name: Option<Name>,
}

/// A name and where its text begins.
#[derive(Serialize)]
struct Name {
    x: String,
    y: u32,
    text: String,
}

/// The bands of one scale.
pub(super) struct Bands {
    pub(super) bands: Vec<Band>,
    /// Pixels that the rows of names after the first take.
    pub(super) height: u32,
}

/// The faults whose windows the proof spans, where the drawing covers them.
pub(super) fn bands(
    scene: &Scene<'_>,
    finding: &Finding,
    axis: &Axis,
    (scale, left): (usize, f64),
) -> Bands {
    let end = scene.history.end().0;
    let named = |id: &String| scene.report.faults.iter().find(|fault| &fault.id == id);
    let faults = finding.spanned_faults.iter().filter_map(named).take(MOST);
    let window = |fault: &crate::Fault| {
        let (from, to) = fault.window(end)?;
        let (x, right) = (axis.at_time(from)[scale], axis.at_time(to)[scale]);
        let seen = x < axis.right[scale] && right > left;
        seen.then(|| (x, right, visible(&shortened(&format!("{} {}", fault.id, fault.kind), 24))))
    };
    let windows: Vec<(f64, f64, String)> = faults.filter_map(window).collect();
    place(windows, left, axis.right[scale])
}

/// Each name in the lowest row that is free where its band begins.
fn place(mut windows: Vec<(f64, f64, String)>, left: f64, end: f64) -> Bands {
    windows.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut taken = [f64::NEG_INFINITY; ROWS];
    let mut rows = 1;
    let band = |(x, right, text): (f64, f64, String)| {
        let need = text.chars().count() as f64 * CHAR;
        // A name that would leave the picture ends with it.
        let from = (x + GAP).min(end - need).max(left + GAP);
        let row = taken.iter().position(|taken| *taken <= from);
        let name = row.map(|row| {
            taken[row] = from + need + GAP;
            rows = rows.max(row + 1);
            Name { x: format!("{from:.1}"), y: FIRST + row as u32 * ROW, text: text.clone() }
        });
        let width = format!("{:.1}", (right - x).max(2.0));
        Band { x: format!("{x:.1}"), width, title: text, name }
    };
    let bands = windows.into_iter().map(band).collect();
    Bands { bands, height: (rows as u32 - 1) * ROW }
}

#[cfg(test)]
mod tests {
    use super::{CHAR, place};

    fn names(windows: &[(f64, f64, &str)]) -> (Vec<Option<(f64, u32)>>, u32) {
        let windows = windows.iter().map(|(x, to, name)| (*x, *to, (*name).to_owned())).collect();
        let placed = place(windows, 0.0, 400.0);
        let name = |band: &super::Band| {
            let name = band.name.as_ref()?;
            Some((name.x.parse().expect("a number"), name.y))
        };
        (placed.bands.iter().map(name).collect(), placed.height)
    }

    #[test]
    fn names_that_have_room_stand_in_one_row() {
        let (names, height) = names(&[(200.0, 300.0, "F2 kill"), (10.0, 90.0, "F1 kill")]);
        assert_eq!(names, [Some((15.0, 15)), Some((205.0, 15))]);
        assert_eq!(height, 0);
    }

    #[test]
    fn names_that_would_meet_are_stacked_and_the_fourth_is_left_out() {
        let close = [(0.0, 1.0, "F1 kill"), (1.0, 9.0, "F2 kill"), (2.0, 3.0, "F3 kill")];
        let (three, height) = names(&close);
        let rows: Vec<u32> = three.iter().flatten().map(|name| name.1).collect();
        assert_eq!((rows, height), (vec![15, 29, 43], 28));
        let (four, height) = names(&[&close[..], &[(3.0, 5.0, "F4 kill")]].concat());
        assert_eq!((four[3], height), (None, 28));
    }

    #[test]
    fn a_name_ends_with_the_picture() {
        let (names, _) = names(&[(390.0, 400.0, "F1 partition")]);
        let wanted = 400.0 - 12.0 * CHAR;
        assert!((names[0].expect("there is room").0 - wanted).abs() < 0.1);
    }
}
