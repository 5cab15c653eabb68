//! The fewest of some things that still do what all of them did.

/// A smallest part of `all` for which `fails` holds, as it does for all: without any one of it,
/// `fails` did not hold. Delta debugging (Zeller & Hildebrandt, TSE 2002): O(n^2) questions at
/// worst, O(k log n) where the k that matter are few. Nothing is asked twice.
///
/// # Errors
/// As `fails`.
pub(super) fn smallest<E>(
    all: &[usize],
    mut fails: impl FnMut(&[usize]) -> Result<bool, E>,
) -> Result<Vec<usize>, E> {
    let mut asked: Vec<(Vec<usize>, bool)> = Vec::new();
    let mut ask = |part: &[usize]| -> Result<bool, E> {
        if let Some((_, answer)) = asked.iter().find(|(known, _)| known == part) {
            return Ok(*answer);
        }
        let answer = fails(part)?;
        asked.push((part.to_vec(), answer));
        Ok(answer)
    };
    if ask(&[])? {
        return Ok(Vec::new());
    }
    let (mut kept, mut parts) = (all.to_vec(), 2);
    'smaller: while kept.len() > 1 {
        let size = kept.len().div_ceil(parts);
        let chunks: Vec<&[usize]> = kept.chunks(size).collect();
        for chunk in &chunks {
            if chunks.len() > 1 && ask(chunk)? {
                kept = chunk.to_vec();
                parts = 2;
                continue 'smaller;
            }
        }
        for without in (0..chunks.len()).filter(|_| chunks.len() > 2) {
            let rest = chunks.iter().enumerate().filter(|(at, _)| *at != without);
            let rest: Vec<usize> = rest.flat_map(|(_, chunk)| chunk.iter().copied()).collect();
            if ask(&rest)? {
                kept = rest;
                parts = (parts - 1).max(2);
                continue 'smaller;
            }
        }
        if size == 1 {
            break;
        }
        parts = (2 * parts).min(kept.len());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::smallest;

    /// What is found where exactly the parts fail that hold all of `needed`, and how many questions
    /// it took.
    fn found(n: usize, needed: &[usize]) -> (Vec<usize>, usize) {
        let (all, mut questions): (Vec<usize>, _) = ((0..n).collect(), 0);
        let found = smallest(&all, |part| {
            questions += 1;
            Ok::<_, Infallible>(needed.iter().all(|it| part.contains(it)))
        });
        let Ok(found) = found;
        (found, questions)
    }

    #[test]
    fn exactly_what_is_needed_is_found() {
        for n in 1..=9 {
            for needed in 0_u32..1 << n {
                let needed: Vec<usize> = (0..n).filter(|at| needed >> at & 1 == 1).collect();
                let (kept, questions) = found(n, &needed);
                assert_eq!(kept, needed, "of {n}");
                assert!(questions <= n * n + 3 * n + 1, "{questions} for {needed:?} of {n}");
            }
        }
        let (kept, questions) = found(16, &[3, 12]);
        assert_eq!(kept, [3, 12]);
        assert!(questions <= 40, "{questions}");
    }

    /// Where several parts do, each of the one that is found is needed.
    #[test]
    fn nothing_of_it_can_be_left_out() {
        let fails = |part: &[usize]| part.len() >= 3 || part.contains(&4) && part.contains(&5);
        let all: Vec<usize> = (0..8).collect();
        let Ok(kept) = smallest(&all, |part| Ok::<_, Infallible>(fails(part)));
        assert!(fails(&kept));
        for without in &kept {
            let rest: Vec<usize> = kept.iter().copied().filter(|it| it != without).collect();
            assert!(!fails(&rest), "{kept:?} without {without}");
        }
    }

    #[test]
    fn an_error_ends_it() {
        let mut left = 3;
        let found = smallest(&[0, 1, 2, 3], |_| {
            left -= 1;
            if left == 0 { Err("no cluster") } else { Ok(false) }
        });
        assert_eq!(found, Err("no cluster"));
    }
}
