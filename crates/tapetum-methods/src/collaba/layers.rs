//! How the layers start: as the authors' framework starts them, U(-1/√fan-in, 1/√fan-in) for weights and biases.

use tapetum_nn::{
    layers::{Builder, Convolution, Initial, SpectralConvolution},
    ops::ConvOptions,
};

/// A convolution with a bias, stride 1, that keeps the size. `shape`: `[out, in, kernel, kernel]`.
pub(super) fn convolution(builder: &mut Builder, name: &str, shape: [usize; 4]) -> Convolution {
    with_options(builder, name, shape, ConvOptions::same(shape[2]))
}

/// A convolution with a bias.
pub(super) fn with_options(
    builder: &mut Builder,
    name: &str,
    shape: [usize; 4],
    options: ConvOptions,
) -> Convolution {
    Convolution::build(builder, name, shape, options, [initial(&shape); 2])
}

/// A convolution without a bias, stride 1, that keeps the size.
pub(super) fn unbiased(builder: &mut Builder, name: &str, shape: [usize; 4]) -> Convolution {
    grouped(builder, name, shape, 1)
}

/// The same of channels in groups. `shape`: `[out, in / groups, kernel, kernel]`.
pub(super) fn grouped(
    builder: &mut Builder,
    name: &str,
    shape: [usize; 4],
    groups: usize,
) -> Convolution {
    let options = ConvOptions { groups, ..ConvOptions::same(shape[2]) };
    Convolution::without_bias(builder, name, shape, options, initial(&shape))
}

/// A convolution without a bias and with a spectral norm: of three pixels a side that keeps the size, or of four
/// that halves it.
pub(super) fn spectral(
    builder: &mut Builder,
    name: &str,
    shape: [usize; 4],
) -> SpectralConvolution {
    let same = ConvOptions::same(shape[2]);
    let options = match shape[2] {
        4 => ConvOptions { stride: [2, 2], padding: [1, 1], ..same },
        _ => same,
    };
    SpectralConvolution::build(builder, name, shape, options, initial(&shape))
}

fn initial(shape: &[usize]) -> Initial {
    let fan_in: usize = shape[1..].iter().product();
    Initial::Uniform(1.0 / (fan_in as f32).sqrt())
}
