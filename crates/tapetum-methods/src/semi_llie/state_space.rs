//! SS2D: an image scanned in four directions by state-space models whose rates depend on the pixel.

use tapetum_nn::{
    layers::{Builder, Convolution, DepthwiseConvolution, Initial, LayerNorm},
    ops::{Activation, PaddingMode, ScanDirection, ScanInputs},
    prelude::*,
};

use super::{
    layers::{
        DECAY_LOGARITHM, LINEAR, STEP_BIAS, convolution, depthwise_convolution, norm, project,
    },
    network::N_CHANNELS,
};

/// Channels that are scanned, `D`.
const N_INNER: usize = 2 * N_CHANNELS;
/// States of each channel, `N`.
const N_STATES: usize = 16;
/// Rank of the steps, `R`.
const N_STEPS: usize = N_CHANNELS.div_ceil(16);
/// Directions, `K`.
const N_DIRECTIONS: usize = ScanDirection::ALL.len();

/// Two-scale depthwise filters, four scans and a gate (authors' `model_multiscale_mamba_lowlight.py`, `SS2D`).
#[derive(Module, Debug)]
pub(super) struct StateSpace {
    /// `W^x`: from a pixel to its steps, `B` and `C`; `[directions, R + 2 N, D]`.
    mixing: Param<Tensor<3>>,
    /// `W^dt`: from steps of rank `R` to one for each channel; `[directions, D, R]`.
    step: Param<Tensor<3>>,
    /// `b^dt`: `[directions, D]`.
    step_bias: Param<Tensor<2>>,
    /// `ln(-A)`: `[directions * D, N]`.
    decay_logarithm: Param<Tensor<2>>,
    /// `D`: `[directions * D]`.
    skip: Param<Tensor<1>>,
    /// What is scanned, then its gate: `[2 D, channels]`.
    input: Param<Tensor<2>>,
    filter_3: DepthwiseConvolution,
    filter_5: DepthwiseConvolution,
    mix: Convolution,
    norm: LayerNorm,
    /// `[channels, D]`.
    output: Param<Tensor<2>>,
}

impl StateSpace {
    pub(super) fn build(builder: &mut Builder, name: &str) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let n_mixed = N_STEPS + 2 * N_STATES;
        let mixing = [N_DIRECTIONS, n_mixed, N_INNER];
        let (step, step_bias) = ([N_DIRECTIONS, N_INNER, N_STEPS], [N_DIRECTIONS, N_INNER]);
        let decay = [N_DIRECTIONS * N_INNER, N_STATES];
        let bound = |fan_in: usize| Initial::Uniform(1.0 / (fan_in as f32).sqrt());
        Self {
            mixing: builder.parameter(at("x_proj_weight"), mixing, bound(N_INNER)),
            step: builder.parameter(at("dt_projs_weight"), step, bound(N_STEPS)),
            step_bias: builder.parameter(at("dt_projs_bias"), step_bias, STEP_BIAS),
            decay_logarithm: builder.parameter(at("A_logs"), decay, DECAY_LOGARITHM),
            skip: builder.parameter(at("Ds"), [decay[0]], Initial::Constant(1.0)),
            input: builder.parameter(at("in_proj.weight"), [2 * N_INNER, N_CHANNELS], LINEAR),
            filter_3: depthwise_convolution(builder, &at("conv2d"), N_INNER, 3),
            filter_5: depthwise_convolution(builder, &at("conv2d_55"), N_INNER, 5),
            mix: convolution(builder, &at("point_wise_conv"), [N_INNER, 2 * N_INNER, 1, 1], 1),
            norm: norm(builder, &at("out_norm"), N_INNER),
            output: builder.parameter(at("out_proj.weight"), [N_CHANNELS, N_INNER], LINEAR),
        }
    }

    /// # Shapes
    /// `image` and result: `[batch, channels, height, width]`.
    pub(super) fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let input = self.input.val();
        let rows = |first| input.clone().narrow(0, first, N_INNER);
        let scanned = self.scan(self.filtered(project(image.clone(), rows(0))));
        let scanned = self.norm.forward(scanned);
        let gate = project(image, rows(N_INNER));
        project(ops::gated(scanned, gate, Activation::Silu), self.output.val())
    }

    /// Both scales, the coarser on top of the finer before its activation.
    fn filtered(&self, image: Tensor<4>) -> Tensor<4> {
        let fine = self.filter_3.forward(image, PaddingMode::Zeros, Activation::Identity);
        let coarse = self.filter_5.forward(fine.clone(), PaddingMode::Zeros, Activation::Silu);
        self.mix
            .forward_of_two([ops::activate(fine, Activation::Silu), coarse], Activation::Identity)
    }

    /// The sum over the directions.
    ///
    /// # Shapes
    /// `image` and result: `[batch, D, height, width]`.
    fn scan(&self, image: Tensor<4>) -> Tensor<4> {
        let directions = ScanDirection::ALL.into_iter().enumerate();
        let scans = directions.map(|(idx, direction)| {
            ops::selective_scan(self.scan_inputs(image.clone(), idx), direction)
        });
        scans.reduce(ops::add).expect("there are four directions")
    }

    fn scan_inputs(&self, image: Tensor<4>, direction: usize) -> ScanInputs {
        let of_direction = |tensor: Tensor<3>| tensor.narrow(0, direction, 1).squeeze_dim::<2>(0);
        let mixing = of_direction(self.mixing.val());
        let mixed = |first, n| project(image.clone(), mixing.clone().narrow(0, first, n));
        let first = direction * N_INNER;
        let decay = self.decay_logarithm.val().narrow(0, first, N_INNER);
        ScanInputs {
            step: project(mixed(0, N_STEPS), of_direction(self.step.val())),
            step_bias: self.step_bias.val().narrow(0, direction, 1).squeeze_dim(0),
            decay: -decay.exp(),
            input: mixed(N_STEPS, N_STATES),
            output: mixed(N_STEPS + N_STATES, N_STATES),
            skip: self.skip.val().narrow(0, first, N_INNER),
            x: image,
        }
    }
}
