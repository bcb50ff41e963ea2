//! The selective scan: a linear recurrence over an image, whose rates depend on the pixel.

use burn::tensor::Tensor;
use tapetum_kernels::{
    Instructions, ScanDirection, ScanGradients, ScanShape, selective_scan as selective_scan_kernel,
    selective_scan_backward,
};

#[cfg(feature = "gpu")]
use super::gpu;
use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run7},
};

/// What is scanned; all images in image order, whatever the direction.
#[derive(Debug, Clone)]
pub struct ScanInputs {
    /// The image `x`: `[batch, channels, height, width]`.
    pub x: Tensor<4>,
    /// The step before its bias and softplus, `dt`: `[batch, channels, height, width]`.
    pub step: Tensor<4>,
    /// Added to every step: `[channels]`.
    pub step_bias: Tensor<1>,
    /// The decay `A`, not positive: `[channels, states]`.
    pub decay: Tensor<2>,
    /// How the image enters the states, `B`: `[batch, states, height, width]`.
    pub input: Tensor<4>,
    /// How the states leave, `C`: `[batch, states, height, width]`.
    pub output: Tensor<4>,
    /// How the image passes by, `D`: `[channels]`.
    pub skip: Tensor<1>,
}

/// Scans an image in one direction ([Gu 2023] Algorithm 2, with `B̄ = Δ B` as in the authors'
/// `selective_scan_ref`; over images as in Semi-LLIE's SS2D).
///
/// At each position `l` in the order of `direction`, for each channel and its states `n`:
/// `Δ = softplus(dt_l + bias)`, `h_n ← exp(Δ A_n) h_n + Δ x_l B_{l,n}`, starting from 0, and
/// `y_l = Σ_n C_{l,n} h_n + D x_l`.
///
/// # Shapes
/// Result, `y`: `[batch, channels, height, width]`, in image order.
///
/// # Panics
/// When the shapes do not fit.
pub fn selective_scan(inputs: ScanInputs, direction: ScanDirection) -> Tensor<4> {
    inputs.check();
    let (device, dtype) = (inputs.x.device(), inputs.x.dtype());
    #[cfg(feature = "gpu")]
    if gpu::has_kernels(&device, dtype) {
        return gpu::selective_scan(inputs, direction);
    }
    if !has_kernels(&device, dtype) {
        return composed::selective_scan(inputs, direction);
    }
    let ScanInputs { x, step, step_bias, decay, input, output, skip } = inputs;
    let tensors = [
        x.into_dispatch(),
        step.into_dispatch(),
        step_bias.into_dispatch(),
        decay.into_dispatch(),
        input.into_dispatch(),
        output.into_dispatch(),
        skip.into_dispatch(),
    ];
    run7(Scan(direction), tensors)
}

impl ScanInputs {
    fn check(&self) {
        let shape = self.x.dims();
        let [batch, n_channels, height, width] = shape;
        assert_eq!(self.step.dims(), shape, "a step for every value of x");
        let of_channels = [self.step_bias.dims(), self.skip.dims()];
        assert_eq!(of_channels, [[n_channels]; 2], "a bias and a way past for each channel");
        let [n_decays, n_states] = self.decay.dims();
        assert_eq!(n_decays, n_channels, "decays of each channel");
        let mixed = [self.input.dims(), self.output.dims()];
        let expected = [batch, n_states, height, width];
        assert_eq!(mixed, [expected; 2], "ways in and out for the states of every pixel");
    }
}

#[derive(Debug)]
struct Scan(ScanDirection);

impl Operation<7> for Scan {
    fn input_orders(&self) -> [Order; 7] {
        use Order::{ChannelsLast, RowMajor};
        [ChannelsLast, ChannelsLast, RowMajor, RowMajor, ChannelsLast, ChannelsLast, RowMajor]
    }

    fn output_shape(&self, [x, ..]: [&[usize]; 7]) -> Vec<usize> {
        x.to_vec()
    }

    fn forward(&self, inputs: &[Values; 7], output: &mut [f32]) {
        let (best, shape) = (Instructions::best(), shape(inputs));
        selective_scan_kernel(best, &shape, self.0, &kernel_inputs(inputs), output);
    }

    fn backward(
        &self,
        inputs: &[Values; 7],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 7],
    ) {
        let mut unused = Default::default();
        let [x, step, step_bias, decay, input, output, skip] =
            or_unused(gradients, &mut unused, inputs);
        let mut gradients = ScanGradients { x, step, step_bias, decay, input, output, skip };
        let (shape, inputs) = (shape(inputs), kernel_inputs(inputs));
        selective_scan_backward(
            Instructions::best(),
            &shape,
            self.0,
            &inputs,
            output_gradient,
            &mut gradients,
        );
    }
}

fn shape([x, _, _, decay, ..]: &[Values; 7]) -> ScanShape {
    ScanShape {
        batch: x.shape[0],
        height: x.shape[2],
        width: x.shape[3],
        channels: x.shape[1],
        states: decay.shape[1],
    }
}

fn kernel_inputs<'a>(inputs: &[Values<'a>; 7]) -> tapetum_kernels::ScanInputs<'a> {
    let [x, step, step_bias, decay, input, output, skip] =
        inputs.each_ref().map(|input| input.values);
    tapetum_kernels::ScanInputs { x, step, step_bias, decay, input, output, skip }
}
