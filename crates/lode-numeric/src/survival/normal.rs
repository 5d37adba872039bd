//! The normal distribution, and what an estimate's standard error says by it.
//!
//! Invariant: both tails are as exact as the middle; a p-value of 1e-200 is that, not 0.

use crate::Error;
use crate::Result;

/// A coefficient with its uncertainty.
///
/// # Method
/// `z = value / standard_error`, `p = 2 (1 - Phi(|z|))` (Wald's test against 0), and the
/// interval `value -+ Phi^-1((1 + confidence) / 2) * standard_error`.
///
/// # Source
/// D. Hosmer, S. Lemeshow, S. May, "Applied Survival Analysis", 2nd ed., 2008, section 3.3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The coefficient.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Value over standard error.
    pub z: f64,
    /// Chance of a |z| this large if the coefficient were 0.
    pub p: f64,
    /// Lower end of the confidence interval.
    pub low: f64,
    /// Upper end of the confidence interval.
    pub high: f64,
}

impl Estimate {
    /// The estimate of a value and its variance, with an interval of `confidence`, 0 to 1.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a confidence that is not above 0 and below 1.
    pub fn new(value: f64, variance: f64, confidence: f64) -> Result<Self> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(Error::OutOfRange {
                what: "confidence",
                expected: "above 0 and below 1",
                found: confidence,
            });
        }
        let standard_error = variance.max(0.0).sqrt();
        let z = if standard_error > 0.0 {
            value / standard_error
        } else {
            0.0
        };
        let width = two_sided(confidence) * standard_error;
        Ok(Self {
            value,
            standard_error,
            z,
            p: erfc(z.abs() / std::f64::consts::SQRT_2),
            low: value - width,
            high: value + width,
        })
    }
}

/// The z within which a normal number falls with chance `confidence`, by bisection.
pub(super) fn two_sided(confidence: f64) -> f64 {
    let outside = 1.0 - confidence;
    let (mut low, mut high) = (0.0_f64, 40.0_f64);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if erfc(middle / std::f64::consts::SQRT_2) > outside {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// `2 / sqrt(pi) * integral of exp(-t^2) from x to infinity`, for `x >= 0`.
///
/// # Source
/// W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
/// Computation 23, 1969, pages 631-637: relative error below 1e-15.
fn erfc(x: f64) -> f64 {
    debug_assert!(x >= 0.0, "expected x of at least 0, found {x}");
    if x <= 0.468_75 {
        let square = x * x;
        return 1.0 - x * ratio(&SMALL_TOP, &SMALL_BOTTOM, square);
    }
    let scaled = if x <= 4.0 {
        ratio(&MIDDLE_TOP, &MIDDLE_BOTTOM, x)
    } else {
        let inverse = 1.0 / (x * x);
        let tail = inverse * ratio(&LARGE_TOP, &LARGE_BOTTOM, inverse);
        (ONE_OVER_SQRT_PI - tail) / x
    };
    // exp(-x^2) with x cut after 4 binary digits: the square of that part is exact.
    let cut = (x * 16.0).trunc() / 16.0;
    let rest = (x - cut) * (x + cut);
    (-cut * cut).exp() * (-rest).exp() * scaled
}

/// A quotient of polynomials, coefficients of the highest power first.
fn ratio(top: &[f64], bottom: &[f64], x: f64) -> f64 {
    let value = |terms: &[f64]| terms.iter().fold(0.0, |sum, term| sum * x + term);
    value(top) / value(bottom)
}

const ONE_OVER_SQRT_PI: f64 = 0.564_189_583_547_756_3;

const SMALL_TOP: [f64; 5] = [
    1.857_777_061_846_031_5e-1,
    3.161_123_743_870_565_5,
    1.138_641_541_510_501_6e2,
    3.774_852_376_853_02e2,
    3.209_377_589_138_469_4e3,
];
const SMALL_BOTTOM: [f64; 5] = [
    1.0,
    2.360_129_095_234_412_2e1,
    2.440_246_379_344_441_7e2,
    1.282_616_526_077_372_3e3,
    2.844_236_833_439_171e3,
];
const MIDDLE_TOP: [f64; 9] = [
    2.153_115_354_744_038_3e-8,
    5.641_884_969_886_701e-1,
    8.883_149_794_388_375,
    6.611_919_063_714_163e1,
    2.986_351_381_974_001e2,
    8.819_522_212_417_69e2,
    1.712_047_612_634_070_7e3,
    2.051_078_377_826_071_6e3,
    1.230_339_354_797_997_2e3,
];
const MIDDLE_BOTTOM: [f64; 9] = [
    1.0,
    1.574_492_611_070_983_5e1,
    1.176_939_508_913_125e2,
    5.371_811_018_620_099e2,
    1.621_389_574_566_690_3e3,
    3.290_799_235_733_459_7e3,
    4.362_619_090_143_247e3,
    3.439_367_674_143_721_6e3,
    1.230_339_354_803_749_3e3,
];
const LARGE_TOP: [f64; 6] = [
    1.631_538_713_730_209_7e-2,
    3.053_266_349_612_323_6e-1,
    3.603_448_999_498_044_5e-1,
    1.257_817_261_112_292_6e-1,
    1.608_378_514_874_228e-2,
    6.587_491_615_298_378e-4,
];
const LARGE_BOTTOM: [f64; 6] = [
    1.0,
    2.568_520_192_289_822,
    1.872_952_849_923_467_3,
    5.279_051_029_514_285e-1,
    6.051_834_131_244_132e-2,
    2.335_204_976_268_691_8e-3,
];

#[cfg(test)]
mod tests;
