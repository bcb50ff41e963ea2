//! Activations, their derivatives and sums against the formulas in f64.

use tapetum_kernels::{Activation, Instructions, activate, activation_gradient, add, add_scaled};

use crate::comparison::{check, differences, has_nonzero, numbers, random, shifted, wide};

const ALL: [Activation; 9] = [
    Activation::Identity,
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::LeakyRelu(-0.5),
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
];

/// Around a register, a row of them, and two parallel pieces.
const LENGTHS: [usize; 8] = [0, 1, 7, 16, 17, 33, 1000, 40_001];

/// The formulas.
pub(crate) fn activated(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) if x <= 0.0 => f64::from(slope) * x,
        Activation::LeakyRelu(_) => x,
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => x * normal_share(x),
        Activation::GeluTanh => {
            let scale = (2.0 / std::f64::consts::PI).sqrt();
            x / 2.0 * (1.0 + (scale * (x + 0.044_715 * x.powi(3))).tanh())
        }
    }
}

/// Its derivative, by differences.
pub(crate) fn slope(activation: Activation, x: f64) -> f64 {
    differences(&[x], |x| activated(activation, x[0]))[0]
}

/// Share of the normal distribution below `x`, by the series of its integral.
fn normal_share(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
        if term.abs() < 1e-18 {
            break;
        }
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn activations_equal_their_formulas() {
    let mut numbers = numbers(10);
    for activation in ALL {
        for n in LENGTHS {
            let x = random(n, 6.0, &mut numbers);
            let expected: Vec<f64> = wide(&x).iter().map(|x| activated(activation, *x)).collect();
            let input = shifted(&x);
            // Of functions with 4e-7 error, times an input of 6 at most.
            check(&format!("{activation:?} {n}"), &expected, [2.5e-6, 6e-7], |set, output| {
                activate(set, activation, &input[1..], output);
            });
        }
    }
}

#[test]
fn derivatives_equal_differences_of_the_formulas() {
    let mut numbers = numbers(11);
    for activation in ALL {
        for n in LENGTHS {
            let x = random(n, 6.0, &mut numbers);
            let gradient = random(n, 1.0, &mut numbers);
            let pairs = wide(&x).into_iter().zip(wide(&gradient));
            let expected: Vec<f64> = pairs.map(|(x, g)| g * slope(activation, x)).collect();
            assert!(n < 7 || has_nonzero(&expected));
            let (input, gradient) = (shifted(&x), shifted(&gradient));
            // As above; the differences are off by 1e-9.
            check(&format!("{activation:?} {n}"), &expected, [3e-6, 6e-7], |set, output| {
                activation_gradient(set, activation, &input[1..], &gradient[1..], output);
            });
        }
    }
}

#[test]
fn derivatives_at_zero_are_those_of_pytorch() {
    for instructions in Instructions::available() {
        for (activation, expected) in [
            (Activation::Relu, 0.0),
            (Activation::LeakyRelu(0.25), 0.25),
            (Activation::Tanh, 1.0),
            (Activation::Sigmoid, 0.25),
            (Activation::Silu, 0.5),
        ] {
            let mut found = [f32::NAN];
            activation_gradient(instructions, activation, &[0.0], &[1.0], &mut found);
            assert!((found[0] - expected).abs() < 1e-6, "{activation:?}: {}", found[0]);
        }
    }
}

#[test]
fn broken_values_do_not_pass_a_relu_unseen() {
    for instructions in Instructions::available() {
        for activation in [Activation::Relu, Activation::LeakyRelu(0.1)] {
            let mut found = [0.0; 3];
            activate(instructions, activation, &[f32::NAN, 1.0, -0.0], &mut found);
            assert!(found[0].is_nan() && found[1..] == [1.0, 0.0], "{found:?}");
        }
    }
}

#[test]
fn outputs_suffice_where_the_derivative_follows_from_them() {
    let known = ALL.into_iter().filter(|activation| activation.has_gradient_from_output());
    let expected = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu(0.2),
        Activation::Tanh,
        Activation::Sigmoid,
    ];
    assert_eq!(known.collect::<Vec<_>>(), expected);
}

#[test]
fn sums_are_exact_to_a_rounding() {
    let mut numbers = numbers(12);
    for n in LENGTHS {
        let [a, b] = [(); 2].map(|()| random(n, 1.0, &mut numbers));
        let [wide_a, wide_b] = [wide(&a), wide(&b)];
        let sums = |scale: f64| -> Vec<f64> {
            wide_a.iter().zip(&wide_b).map(|(a, b)| a + scale * b).collect()
        };
        let (shifted_a, shifted_b) = (shifted(&a), shifted(&b));
        // Sums below 2 and a product, rounded once or twice.
        check(&format!("add {n}"), &sums(1.0), [1.3e-7, 6e-8], |set, output| {
            add(set, &shifted_a[1..], &shifted_b[1..], output);
        });
        check(&format!("add scaled {n}"), &sums(-0.75), [1.3e-7, 6e-8], |set, output| {
            output.copy_from_slice(&a);
            add_scaled(set, -0.75, &shifted_b[1..], output);
        });
    }
}
