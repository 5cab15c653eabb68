//! Logarithm and exponential from addition, multiplication and division alone.
//!
//! `f64::ln` and `powf` are the platform's, which may differ in the last bit; a plan must have the
//! same bytes on every machine. IEEE 754 fixes the four operations used here to the bit.

/// Natural logarithm of a positive normal number, to about 1e-15 relative to `max(1, |ln x|)`.
pub(super) fn ln(x: f64) -> f64 {
    debug_assert!(x.is_normal() && x > 0.0);
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    let mut mantissa = f64::from_bits(bits & !(0x7ff << 52) | 1023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)); |z| <= 0.172, so 12 odd powers reach 1e-20.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let series = (0..12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    2.0 * z * series + f64::from(exponent) * std::f64::consts::LN_2
}

/// `e^x` for `-700 < x <= 0`.
pub(super) fn exp(x: f64) -> f64 {
    debug_assert!((-700.0..=0.0).contains(&x));
    let halves = (x / std::f64::consts::LN_2) as i32;
    let rest = x - f64::from(halves) * std::f64::consts::LN_2;
    let series = (1..20).rev().fold(1.0, |sum, k| 1.0 + sum * rest / f64::from(k));
    series * f64::from_bits(((1023 + i64::from(halves)) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::{exp, ln};

    #[test]
    fn agrees_with_the_platform_closely() {
        for k in 1..100_000 {
            let x = f64::from(k) / 317.0;
            assert!((ln(x) - x.ln()).abs() <= 4e-15 * x.ln().abs().max(1.0), "ln {x}");
            let y = -f64::from(k) / 150.0;
            assert!((exp(y) / y.exp() - 1.0).abs() < 4e-13, "exp {y}");
        }
        assert_eq!((ln(1.0), exp(0.0)), (0.0, 1.0));
    }
}
