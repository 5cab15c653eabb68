//! Durations, sizes and ranges with units, as people write them.

use std::time::Duration;

use tribunal_nemesis::schedule::{HOLD_LEAST, Range};

/// Longest of all times: nobody waits longer.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// `250ms`, `30s`, `2m`, `1.5h`; a year at most.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "" => return Err(format!("{text:?} has no unit; write {text}s or {text}ms")),
        other => return Err(format!("unknown unit {other:?}; use ms, s, m or h")),
    };
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) | Err(_) => Err(format!("{text:?} is out of range; 8784h, a year, is the most")),
    }
}

/// Patience with one operation: some, and not more than a day.
pub(crate) fn deadline(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("{text:?} leaves no time for any operation; write 5s")),
        long if long > Duration::from_secs(86_400) => {
            Err(format!("{text:?} is more than a day, the most for one operation; write 5s"))
        }
        deadline => Ok(deadline),
    }
}

/// `3s..6s`, or `3s` for exactly that.
pub(crate) fn range(text: &str) -> Result<Range, String> {
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (duration(from)?, duration(to)?),
        None => (duration(text)?, duration(text)?),
    };
    if from > to {
        return Err(format!("{text:?} runs backwards; write the shorter one first"));
    }
    Ok(Range { from, to })
}

/// A range of times for which a fault holds.
pub(crate) fn hold(text: &str) -> Result<Range, String> {
    let range = range(text)?;
    if range.from < HOLD_LEAST {
        return Err(format!(
            "hold {text:?} is too short to be measured; {HOLD_LEAST:?} is the least"
        ));
    }
    Ok(range)
}

/// `512MiB`, `4GiB`, `100KiB`, plain bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        other => return Err(format!("unknown unit {other:?}; use KiB, MiB or GiB")),
    };
    Ok((number * factor as f64) as u64)
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    match number.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok((number, unit)),
        _ => Err(format!("{text:?} is not a number with a unit")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5").unwrap_err(), "\"5\" has no unit; write 5s or 5ms");
        assert_eq!(
            duration("5 parsecs").unwrap_err(),
            "unknown unit \"parsecs\"; use ms, s, m or h"
        );
        assert_eq!(duration("fast").unwrap_err(), "\"fast\" is not a number with a unit");
        let words = "\"9000h\" is out of range; 8784h, a year, is the most";
        assert_eq!(duration("9000h").unwrap_err(), words);
        assert_eq!(deadline("5s"), Ok(Duration::from_secs(5)));
        assert!(deadline("0s").is_err() && deadline("25h").is_err());
        assert_eq!(duration("-1s").unwrap_err(), "\"-1s\" is not a number with a unit");
    }

    #[test]
    fn ranges_do_not_run_backwards() {
        let two = Duration::from_secs(2);
        assert_eq!(range("2s"), Ok(Range { from: two, to: two }));
        assert_eq!(
            range("3s..2s").unwrap_err(),
            "\"3s..2s\" runs backwards; write the shorter one first"
        );
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("512"), Ok(512));
    }
}
