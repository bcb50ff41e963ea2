//! The quadratic light-enhancement curve, applied in steps.

use burn::tensor::Tensor;
use tapetum_kernels::{CurveGradients, CurveInputs, Instructions, curve, curve_backward};

use super::{
    composed,
    operation::{Operation, Order, Values, has_kernels, run2},
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
        run2(Curves, [image.into_dispatch(), raw_curve_maps.into_dispatch()])
    } else {
        composed::apply_curves(image, raw_curve_maps)
    }
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
        [image, maps]: &[Values; 2],
        _output: Option<&[f32]>,
        output_gradient: &[f32],
        [image_gradient, maps_gradient]: [Option<&mut [f32]>; 2],
    ) {
        let inputs = CurveInputs { image: image.values, maps: maps.values };
        let mut unused = [Vec::new(), Vec::new()];
        let [for_image, for_maps] = &mut unused;
        let gradients = CurveGradients {
            image: or_unused(image_gradient, for_image, image.values.len()),
            maps: or_unused(maps_gradient, for_maps, maps.values.len()),
        };
        curve_backward(Instructions::best(), &inputs, output_gradient, gradients);
    }
}

/// The gradient that is asked for, or room for one that comes along unasked.
fn or_unused<'a>(
    gradient: Option<&'a mut [f32]>,
    unused: &'a mut Vec<f32>,
    n_values: usize,
) -> &'a mut [f32] {
    gradient.unwrap_or_else(|| {
        unused.resize(n_values, 0.0);
        unused
    })
}
