//! Activation functions and their derivatives, as epilogues of other kernels and over slices.

use crate::{
    elementwise::{each, each_pair, for_chunk_pairs, for_chunks},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
    math,
};

/// A function of every value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `x`.
    Identity,
    /// `max(0, x)`; its derivative at 0 is 0.
    Relu,
    /// `x` above 0, else this slope times `x`; its derivative at 0 is the slope.
    LeakyRelu(f32),
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `x / (1 + e^-x)`.
    Silu,
    /// `x` times the share of the normal distribution below `x` (the form with erf).
    Gelu,
}

impl Activation {
    /// Whether the derivative follows from the function's value alone, so that the input need not be
    /// kept.
    pub fn has_gradient_from_output(self) -> bool {
        match self {
            Self::Identity | Self::Relu | Self::Tanh | Self::Sigmoid => true,
            // Other slopes lose the sign of the input.
            Self::LeakyRelu(slope) => slope > 0.0,
            Self::Silu | Self::Gelu => false,
        }
    }

    /// The function of every lane; NaN stays NaN where it does not pass `exp`.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set.
    #[inline(always)]
    pub(crate) unsafe fn apply<V: Lanes>(self, x: V) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Identity => x,
                // Of the two, a maximum with NaN is the second.
                Self::Relu => V::splat(0.0).max(x),
                Self::LeakyRelu(slope) => x.if_positive(x, x.mul(V::splat(slope))),
                Self::Tanh => math::tanh(x),
                Self::Sigmoid => math::sigmoid(x),
                Self::Silu => x.mul(math::sigmoid(x)),
                Self::Gelu => x.mul(math::normal(x).0),
            }
        }
    }

    /// The gradient of the input, given the output `y` and its gradient.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set.
    ///
    /// # Panics
    /// Unless [`Self::has_gradient_from_output`].
    #[inline(always)]
    #[allow(dead_code, reason = "an epilogue of the convolutions")]
    pub(crate) unsafe fn gradient_from_output<V: Lanes>(self, y: V, gradient: V) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            let one = V::splat(1.0);
            match self {
                Self::Identity => gradient,
                Self::Relu => y.if_positive(gradient, V::splat(0.0)),
                Self::LeakyRelu(slope) => y.if_positive(gradient, gradient.mul(V::splat(slope))),
                Self::Tanh => gradient.mul(one.sub(y.mul(y))),
                Self::Sigmoid => gradient.mul(y.mul(one.sub(y))),
                Self::Silu | Self::Gelu => unreachable!("{self:?} needs its input"),
            }
        }
    }

    /// The gradient of the input, given the input `x` and the output's gradient.
    ///
    /// # Safety
    /// The machine has the lanes' instruction set.
    #[inline(always)]
    pub(crate) unsafe fn gradient_from_input<V: Lanes>(self, x: V, gradient: V) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            let one = V::splat(1.0);
            match self {
                Self::Identity => gradient,
                Self::Relu => x.if_positive(gradient, V::splat(0.0)),
                Self::LeakyRelu(slope) => x.if_positive(gradient, gradient.mul(V::splat(slope))),
                Self::Tanh => {
                    let y = math::tanh(x);
                    gradient.mul(one.sub(y.mul(y)))
                }
                Self::Sigmoid => {
                    let y = math::sigmoid(x);
                    gradient.mul(y.mul(one.sub(y)))
                }
                Self::Silu => {
                    let share = math::sigmoid(x);
                    let slope = share.mul(one.add_product(x, one.sub(share)));
                    gradient.mul(slope)
                }
                Self::Gelu => {
                    let (below, density) = math::normal(x);
                    gradient.mul(below.add_product(x, density))
                }
            }
        }
    }
}

/// The activation of every value.
///
/// # Panics
/// When the slices differ in length, or the instruction set is missing.
pub fn activate(
    instructions: Instructions,
    activation: Activation,
    input: &[f32],
    output: &mut [f32],
) {
    for_chunks(input, output, |input, output| {
        instructions.run(Activate { activation, input, output });
    });
}

/// The gradient of the activation's input.
///
/// # Panics
/// When the slices differ in length, or the instruction set is missing.
pub fn activation_gradient(
    instructions: Instructions,
    activation: Activation,
    input: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    for_chunk_pairs(input, output_gradient, input_gradient, |input, gradient, output| {
        instructions.run(Gradient { activation, input, gradient, output });
    });
}

struct Activate<'a> {
    activation: Activation,
    input: &'a [f32],
    output: &'a mut [f32],
}

struct Gradient<'a> {
    activation: Activation,
    input: &'a [f32],
    gradient: &'a [f32],
    output: &'a mut [f32],
}

/// The same expression with the activation as a constant, so that no loop branches on it.
macro_rules! for_constant {
    ($activation:ident => $expression:expr) => {{
        use Activation as A;
        match $activation {
            A::Identity => {
                let $activation = A::Identity;
                $expression
            }
            A::Relu => {
                let $activation = A::Relu;
                $expression
            }
            A::LeakyRelu(slope) => {
                let $activation = A::LeakyRelu(slope);
                $expression
            }
            A::Tanh => {
                let $activation = A::Tanh;
                $expression
            }
            A::Sigmoid => {
                let $activation = A::Sigmoid;
                $expression
            }
            A::Silu => {
                let $activation = A::Silu;
                $expression
            }
            A::Gelu => {
                let $activation = A::Gelu;
                $expression
            }
        }
    }};
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { activation, input, output } = self;
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe {
            for_constant!(activation => each::<V>(input, output, |x| activation.apply(x)));
        }
    }
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { activation, input, gradient, output } = self;
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe {
            for_constant!(activation => {
                each_pair::<V>(input, gradient, output, |x, g| activation.gradient_from_input(x, g));
            });
        }
    }
}
