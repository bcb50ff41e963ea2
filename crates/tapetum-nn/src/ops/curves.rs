//! The quadratic light-enhancement curve, applied in steps.

use burn::tensor::Tensor;
use tapetum_kernels::{CurveGradients, CurveInputs, Instructions, curve, curve_backward};

#[cfg(feature = "gpu")]
use super::gpu;
use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, or_unused, run2},
};

/// Applies `u_n = u_{n-1} + r_n (u_{n-1}² - u_{n-1})` for each step's curve map `r_n = tanh(m_n)`,
/// starting at the image; negative maps brighten. A value in 0..1 stays there ([Guo 2020] Eq. 3; SCL-LLE
/// `lowlight_model.py`).
///
/// # Shapes
/// `image`: `[batch, 3, height, width]`; `raw_curve_maps`: the `m`, `[batch, 3 * steps, height, width]`,
/// the first step's three maps first; result: as `image`.
pub fn apply_curves(image: Tensor<4>, raw_curve_maps: Tensor<4>) -> Tensor<4> {
    if has_kernels(&image.device(), image.dtype()) {
        return run2(Curves, [image.into_dispatch(), raw_curve_maps.into_dispatch()]);
    }
    #[cfg(feature = "gpu")]
    if gpu::has_kernels(&image.device(), image.dtype()) {
        return gpu::apply_curves(image, raw_curve_maps);
    }
    composed::apply_curves(image, raw_curve_maps)
}

#[derive(Debug)]
struct Curves;

impl Operation<2> for Curves {
    fn input_orders(&self) -> [Order; 2] {
        [Order::ChannelsLast; 2]
    }

    fn output_shape(&self, [image, maps]: [&[usize]; 2]) -> Vec<usize> {
        assert_eq!([image[0], 3, image[2], image[3]], image, "an image of three channels");
        assert_eq!(image[2..], maps[2..], "maps as large as the image");
        image.to_vec()
    }

    fn forward(&self, [image, maps]: &[Values; 2], output: &mut [f32]) {
        curve(Instructions::best(), image.values, maps.values, output);
    }

    fn backward(
        &self,
        inputs: &[Values; 2],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; 2],
    ) {
        let mut unused = Default::default();
        let [image, maps] = or_unused(gradients, &mut unused, inputs);
        let gradients = CurveGradients { image, maps };
        let inputs = CurveInputs { image: inputs[0].values, maps: inputs[1].values };
        curve_backward(Instructions::best(), &inputs, output_gradient, gradients);
    }
}
