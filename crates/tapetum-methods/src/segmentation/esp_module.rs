//! The ESP module: an efficient spatial pyramid of dilated convolutions.

use tapetum_nn::{prelude::*, weights::WeightReader};

use super::frozen::{Convolution, NormalizedPrelu, concatenated};

/// Added to the variance of a batch normalisation (authors' `Model.py`).
pub(super) const EPSILON: f32 = 1e-3;
/// Distances between the taps of the pyramid's convolutions: `2^(k-1)` for `k = 1…K`, `K = 5` (§3).
const DILATIONS: [usize; 5] = [1, 2, 4, 8, 16];

/// Reduce, split, transform, merge: a point-wise convolution to a fifth of the channels, then five dilated
/// convolutions of it side by side (§3, Fig. 1).
#[derive(Debug)]
pub(super) struct EspModule {
    reduce: Convolution,
    pub(super) transform: [Convolution; 5],
    pub(super) prelu: NormalizedPrelu,
    is_residual: bool,
}

impl EspModule {
    /// `channels` are those of the input and of the output. Keeps the size.
    pub(super) fn read(
        reader: &mut WeightReader,
        name: &str,
        channels: [usize; 2],
        device: &Device,
    ) -> Self {
        let prelu =
            NormalizedPrelu::read(reader, &format!("{name}.bn"), channels[1], EPSILON, device);
        Self::read_around(prelu, reader, name, channels, 1, device)
    }

    /// The form that halves the size: its first convolution is 3x3 and strided.
    pub(super) fn read_halving(
        reader: &mut WeightReader,
        name: &str,
        channels: [usize; 2],
        device: &Device,
    ) -> Self {
        let prelu = NormalizedPrelu::read(reader, name, channels[1], EPSILON, device);
        let module = Self::read_around(prelu, reader, name, channels, 3, device);
        Self { reduce: module.reduce.halving(), ..module }
    }

    fn read_around(
        prelu: NormalizedPrelu,
        reader: &mut WeightReader,
        name: &str,
        [n_in, n_out]: [usize; 2],
        kernel: usize,
        device: &Device,
    ) -> Self {
        let n_reduced = n_out / DILATIONS.len();
        let mut conv = |part: &str, shape| {
            Convolution::read(reader, &format!("{name}.{part}.conv"), shape, device)
        };
        let reduce = conv("c1", [n_reduced, n_in, kernel, kernel]);
        let transform = DILATIONS.map(|dilation| {
            // The undilated one makes up for what five equal parts lack.
            let n_transformed = if dilation == 1 { n_out - 4 * n_reduced } else { n_reduced };
            conv(&format!("d{dilation}"), [n_transformed, n_reduced, 3, 3]).dilated(dilation)
        });
        Self { reduce, transform, prelu, is_residual: false }
    }

    /// The same with its input added before the normalisation.
    pub(super) fn residual(self) -> Self {
        Self { is_residual: true, ..self }
    }

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let merged = fused_pyramid(&self.transform, self.reduce.forward(input.clone()));
        let merged = if self.is_residual { ops::add(input, merged) } else { merged };
        self.prelu.forward(merged)
    }
}

/// Hierarchical feature fusion (§3.1): the dilated results are summed one by one, each sum is kept, and all
/// are concatenated after the undilated result.
fn fused_pyramid([undilated, dilated @ ..]: &[Convolution; 5], input: Tensor<4>) -> Tensor<4> {
    let mut parts = vec![undilated.forward(input.clone())];
    let mut sum: Option<Tensor<4>> = None;
    for convolution in dilated {
        let result = convolution.forward(input.clone());
        let next = match sum {
            Some(sum) => ops::add(sum, result),
            None => result,
        };
        parts.push(next.clone());
        sum = Some(next);
    }
    concatenated(parts)
}
