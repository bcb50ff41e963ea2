//! Functions of every lane, without branches.

use crate::lanes::Lanes;

/// Horner's rule, the highest power first.
///
/// # Safety
/// The machine has the lanes' instruction set; so for every function here.
#[inline(always)]
unsafe fn polynomial<V: Lanes, const N: usize>(x: V, terms: [f32; N]) -> V {
    // SAFETY: the caller's promise; so for every block here.
    unsafe {
        let mut sum = V::splat(terms[0]);
        for term in &terms[1..] {
            sum = V::splat(*term).add_product(sum, x);
        }
        sum
    }
}

/// `e^x` to 2e-7 of its value; 1.2e-38 and 1.7e38 at the least and the most.
///
/// # Safety
/// See [`polynomial`].
#[inline(always)]
pub(crate) unsafe fn exp<V: Lanes>(x: V) -> V {
    // ln 2 in two parts, the first short enough that its products are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // (e^r - 1 - r) / r² on ±ln 2 / 2 (Cephes `expf`).
    const TERMS: [f32; 6] =
        [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
    unsafe {
        let x = x.max(V::splat(-87.336_54)).min(V::splat(88.029_69));
        let whole = x.mul(V::splat(std::f32::consts::LOG2_E)).round();
        let rest = x.add_product(whole, V::splat(-LN_2_HIGH));
        let rest = rest.add_product(whole, V::splat(-LN_2_LOW));
        let power = rest.add_product(rest.mul(rest), polynomial(rest, TERMS));
        power.add(V::splat(1.0)).mul(whole.exp2_of_whole())
    }
}

/// `2^x` of several registers for `x` up to 0, to 3e-7 of its value; 1.2e-38 at the least.
///
/// The registers take each step together: one alone would mostly wait for its own last step.
///
/// # Safety
/// See [`polynomial`].
#[inline(always)]
pub(crate) unsafe fn exp2_of_negative<V: Lanes, const N: usize>(mut x: [V; N]) -> [V; N] {
    // 2^f on ±1/2, minimax but for the first two terms, so that it is exact at 0.
    const TERMS: [f32; 6] =
        [1.330_060_5e-3, 9.669_691e-3, 5.550_558_5e-2, 2.402_228_3e-1, std::f32::consts::LN_2, 1.0];
    unsafe {
        for x in &mut x {
            *x = x.max(V::splat(-126.0));
        }
        let mut whole = x;
        for whole in &mut whole {
            *whole = whole.round();
        }
        for (x, whole) in x.iter_mut().zip(whole) {
            *x = x.sub(whole);
        }
        let mut power = [V::splat(TERMS[0]); N];
        for term in &TERMS[1..] {
            for (power, x) in power.iter_mut().zip(x) {
                *power = V::splat(*term).add_product(*power, x);
            }
        }
        for (power, whole) in power.iter_mut().zip(whole) {
            *power = power.mul(whole.exp2_of_whole());
        }
        power
    }
}

/// Hyperbolic tangent to 4e-7: an odd rational minimax approximation; beyond the clamp it is 1 in
/// `f32`.
///
/// # Safety
/// See [`polynomial`].
#[inline(always)]
pub(crate) unsafe fn tanh<V: Lanes>(x: V) -> V {
    const NUMERATOR: [f32; 7] = [
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297e-8,
        1.485_722_4e-5,
        6.372_619_3e-4,
        4.893_524_6e-3,
    ];
    const DENOMINATOR: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    unsafe {
        let x = x.max(V::splat(-7.905_31)).min(V::splat(7.905_31));
        let square = x.mul(x);
        x.mul(polynomial(square, NUMERATOR)).div(polynomial(square, DENOMINATOR))
    }
}

/// `1 / (1 + e^-x)` to 2e-7.
///
/// # Safety
/// See [`polynomial`].
#[inline(always)]
pub(crate) unsafe fn sigmoid<V: Lanes>(x: V) -> V {
    unsafe {
        let one = V::splat(1.0);
        one.div(one.add(exp(V::splat(0.0).sub(x))))
    }
}

/// `ln(1 + e^x)` to 3e-7 of its value or of 1.
///
/// # Safety
/// See [`polynomial`].
#[inline(always)]
pub(crate) unsafe fn softplus<V: Lanes>(x: V) -> V {
    // ln(1 + t) = 2 artanh(t / (2 + t)), of which 0..1 is a third.
    const TERMS: [f32; 8] =
        [2.0 / 15.0, 2.0 / 13.0, 2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0];
    unsafe {
        let zero = V::splat(0.0);
        let t = exp(x.min(zero.sub(x)));
        let s = t.div(t.add(V::splat(2.0)));
        x.max(zero).add_product(s, polynomial(s.mul(s), TERMS))
    }
}

/// Normal distribution at `x`: the share below, and the density, to 2e-7.
///
/// # Safety
/// See [`polynomial`].
#[inline(always)]
pub(crate) unsafe fn normal<V: Lanes>(x: V) -> (V, V) {
    // erfc(z) = e^(-z²) (a₁ t + … + a₅ t⁵), t = 1 / (1 + p z) (Abramowitz and Stegun 7.1.26).
    const TERMS: [f32; 6] = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6, 0.0];
    const P: f32 = 0.327_591_1;
    unsafe {
        let zero = V::splat(0.0);
        let one = V::splat(1.0);
        let bell = exp(x.mul(x).mul(V::splat(-0.5)));
        let z = x.max(zero.sub(x)).mul(V::splat(std::f32::consts::FRAC_1_SQRT_2));
        let t = one.div(one.add_product(z, V::splat(P)));
        let tail = polynomial(t, TERMS).mul(bell).mul(V::splat(0.5));
        let below = x.if_positive(one.sub(tail), tail);
        // 1 / √(2π).
        (below, bell.mul(V::splat(0.398_942_3)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::{Instructions, Kernel};

    /// The five functions of one value.
    struct Functions(f32);

    impl Kernel for Functions {
        type Output = [f32; 6];

        #[inline(always)]
        unsafe fn run<V: Lanes>(self) -> [f32; 6] {
            // SAFETY: every buffer has sixteen values.
            unsafe {
                let x = V::splat(self.0);
                let (below, density) = normal(x);
                [exp(x), tanh(x), sigmoid(x), softplus(x), below, density].map(|result| {
                    let mut values = [0.0; 16];
                    result.store(values.as_mut_ptr());
                    values[0]
                })
            }
        }
    }

    /// Share of the normal distribution below `x`, by the series of its integral.
    fn normal_share(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..400 {
            term *= x * x / f64::from(2 * n + 1);
            sum += term;
        }
        0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
    }

    #[test]
    fn functions_are_close_on_every_instruction_set() {
        for instructions in Instructions::available() {
            for idx in -3000..=3000 {
                let x = idx as f32 * 0.01 + 0.003;
                let found = instructions.run(Functions(x));
                let x = f64::from(x);
                let expected = [
                    x.exp(),
                    x.tanh(),
                    1.0 / (1.0 + (-x).exp()),
                    (1.0 + x.exp()).ln(),
                    if x.abs() < 8.0 { normal_share(x) } else { f64::from(x > 0.0) },
                    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt(),
                ];
                for (which, (found, expected)) in found.into_iter().zip(expected).enumerate() {
                    let allowed = 4e-7 * expected.abs().max(if which == 0 { 0.0 } else { 1.0 });
                    let error = (f64::from(found) - expected).abs();
                    let name = instructions.name();
                    assert!(error <= allowed, "{name} {which} at {x}: {found} for {expected}");
                }
            }
            let [exp, tanh, ..] = instructions.run(Functions(f32::INFINITY));
            assert!(exp > 1e38 && exp.is_finite());
            assert_eq!(tanh, instructions.run(Functions(20.0))[1]);
            assert!(instructions.run(Functions(-200.0))[0] < 2e-38);
        }
    }

    /// `2^x`.
    struct Exp2OfNegative(f32);

    impl Kernel for Exp2OfNegative {
        type Output = f32;

        #[inline(always)]
        unsafe fn run<V: Lanes>(self) -> f32 {
            // SAFETY: the machine has the lanes' instruction set.
            unsafe { exp2_of_negative([V::splat(self.0)])[0].largest() }
        }
    }

    #[test]
    fn powers_of_two_are_close_on_every_instruction_set() {
        for instructions in Instructions::available() {
            for idx in 0..6000 {
                let x = idx as f32 * -0.021;
                let found = f64::from(instructions.run(Exp2OfNegative(x)));
                let expected = f64::from(x).exp2();
                let name = instructions.name();
                assert!((found - expected).abs() <= 3e-7 * expected, "{name} at {x}: {found}");
            }
            assert_eq!(instructions.run(Exp2OfNegative(0.0)), 1.0);
            assert!(instructions.run(Exp2OfNegative(f32::NEG_INFINITY)) < 2e-38);
        }
    }
}
