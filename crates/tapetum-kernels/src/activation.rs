//! Activation functions and their derivatives, as epilogues of other kernels and over slices.

use crate::{
    elementwise::{Binary, Unary, each, each_pair, for_chunk_pairs, for_chunks},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
    math,
};

/// The expression once for every activation, which is then a constant, so that no loop branches on it.
macro_rules! for_constant {
    ($activation:expr, $constant:ident => $expression:expr) => {{
        macro_rules! with {
            ($value:expr) => {{
                let $constant = $value;
                $expression
            }};
        }
        match $activation {
            Activation::Identity => with!(Activation::Identity),
            Activation::Relu => with!(Activation::Relu),
            Activation::LeakyRelu(slope) => with!(Activation::LeakyRelu(slope)),
            Activation::Tanh => with!(Activation::Tanh),
            Activation::Sigmoid => with!(Activation::Sigmoid),
            Activation::Silu => with!(Activation::Silu),
            Activation::Gelu => with!(Activation::Gelu),
            Activation::GeluTanh => with!(Activation::GeluTanh),
        }
    }};
}

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
    /// `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`, close to [`Self::Gelu`] ([Hendrycks 2016] §2).
    GeluTanh,
}

impl Activation {
    /// Whether the derivative follows from the function's value alone, so that the input need not be
    /// kept.
    pub fn has_gradient_from_output(self) -> bool {
        match self {
            Self::Identity | Self::Relu | Self::Tanh | Self::Sigmoid => true,
            // Other slopes lose the sign of the input.
            Self::LeakyRelu(slope) => slope > 0.0,
            Self::Silu | Self::Gelu | Self::GeluTanh => false,
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
                Self::GeluTanh => x.mul(math::sigmoid(gelu_exponent(x).0)),
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
                Self::Silu | Self::Gelu | Self::GeluTanh => {
                    unreachable!("{self:?} needs its input")
                }
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
                Self::GeluTanh => {
                    let (exponent, derivative) = gelu_exponent(x);
                    let share = math::sigmoid(exponent);
                    let slope = share.mul(one.sub(share)).mul(derivative);
                    gradient.mul(share.add_product(x, slope))
                }
            }
        }
    }
}

/// `2 √(2/π) (x + 0.044715 x³)`, whose logistic function is `(1 + tanh(..)) / 2`, and its derivative.
///
/// # Safety
/// The machine has the lanes' instruction set.
#[inline(always)]
unsafe fn gelu_exponent<V: Lanes>(x: V) -> (V, V) {
    const SCALE: f32 = 2.0 * 0.797_884_6;
    const CUBIC: f32 = SCALE * 0.044_715;
    // SAFETY: the caller's promise.
    unsafe {
        let square = x.mul(x);
        let exponent = x.mul(V::splat(SCALE).add_product(square, V::splat(CUBIC)));
        (exponent, V::splat(SCALE).add_product(square, V::splat(3.0 * CUBIC)))
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

impl Activation {
    /// The activation of every value, written over it; nothing to do for [`Self::Identity`].
    ///
    /// # Safety
    /// The machine has the lanes' instruction set.
    #[inline(always)]
    pub(crate) unsafe fn apply_in_place<V: Lanes>(self, values: &mut [f32]) {
        let (pointer, n) = (values.as_mut_ptr(), values.len());
        if self != Self::Identity {
            // SAFETY: the caller's promise; reads and writes are those of one slice.
            unsafe {
                for_constant!(self, function => each::<V>(Apply(function), pointer, pointer, n));
            }
        }
    }
}

/// An activation as a function.
#[derive(Clone, Copy)]
struct Apply(Activation);

impl Unary for Apply {
    #[inline(always)]
    unsafe fn of<V: Lanes>(self, x: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { self.0.apply(x) }
    }
}

/// The gradient of an activation's input as a function of the input and the output's gradient.
#[derive(Clone, Copy)]
struct ApplyGradient(Activation);

impl Binary for ApplyGradient {
    #[inline(always)]
    unsafe fn of<V: Lanes>(self, x: V, gradient: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { self.0.gradient_from_input(x, gradient) }
    }
}

/// The gradient of the activation's input, written over the input.
pub(crate) fn activation_gradient_in_place(
    instructions: Instructions,
    activation: Activation,
    values: &mut [f32],
    output_gradient: &[f32],
) {
    for_chunks(output_gradient, values, |gradient, values| {
        instructions.run(GradientInPlace { activation, gradient, values });
    });
}

struct Activate<'a> {
    activation: Activation,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let (input, output, n) = (self.input.as_ptr(), self.output.as_mut_ptr(), self.input.len());
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe {
            for_constant!(self.activation, function => {
                each::<V>(Apply(function), input, output, n);
            });
        }
    }
}

struct Gradient<'a> {
    activation: Activation,
    input: &'a [f32],
    gradient: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let inputs = [self.input.as_ptr(), self.gradient.as_ptr()];
        let (output, n) = (self.output.as_mut_ptr(), self.input.len());
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe { gradients::<V>(self.activation, inputs, output, n) }
    }
}

struct GradientInPlace<'a> {
    activation: Activation,
    gradient: &'a [f32],
    values: &'a mut [f32],
}

impl Kernel for GradientInPlace<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let (values, n) = (self.values.as_mut_ptr(), self.values.len());
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe { gradients::<V>(self.activation, [values, self.gradient.as_ptr()], values, n) }
    }
}

/// # Safety
/// As [`each_pair`].
#[inline(always)]
unsafe fn gradients<V: Lanes>(
    activation: Activation,
    inputs: [*const f32; 2],
    output: *mut f32,
    n: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for_constant!(activation, function => {
            each_pair::<V>(ApplyGradient(function), inputs, output, n);
        });
    }
}
