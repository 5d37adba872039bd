//! The exponential function in arithmetic alone, the same bits on every machine.
//!
//! Does not branch, so that loops over it become vector code. Invariant: only additions,
//! multiplications, divisions and bit moves, each rounded as IEEE 754 says.

/// Adding it to a number below 2^51 in magnitude leaves the nearest whole number in the low
/// bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// ln 2, its first 32 bits and the rest.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 1 / k! for k from 12 down to 2.
const FACTORS: [f64; 11] = [
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// e to the `x`, within two units in the last place; `x` is kept within 708 of 0.
///
/// `x = k ln 2 + r` with k whole and r within 0.35 of 0; the series of e^r up to r^12 is off by
/// less than 2e-16.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    let x = if x > 708.0 { 708.0 } else { x };
    let x = if x < -708.0 { -708.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (x - k * LN_2_HIGH) - k * LN_2_LOW;
    let mut sum = FACTORS[0];
    for factor in &FACTORS[1..] {
        sum = sum * r + factor;
    }
    let series = sum * r * r + r + 1.0;
    // The low bits of `shifted` are k.
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023).wrapping_shl(52));
    series * power
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::{exp, sigmoid};

    #[test]
    fn as_the_standard_library() {
        for step in -70_000..70_000 {
            let x = f64::from(step) * 0.010_1;
            assert!((exp(x) / x.exp() - 1.0).abs() < 5e-16, "e^{x}");
            let expected = 1.0 / (1.0 + (-x).exp());
            assert!((sigmoid(x) / expected - 1.0).abs() < 1e-15, "{x}");
        }
        assert!(exp(1e300).is_finite() && exp(-1e300) >= 0.0);
    }
}
