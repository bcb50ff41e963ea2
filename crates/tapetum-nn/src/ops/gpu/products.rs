//! Products of `f32` on cards whose tensor cores multiply less.
//!
//! For convolutions and matrix products in `f32` the engine may choose tensor cores that read 11 significant
//! bits of each factor (TF32) and add up in `f32`. So each factor is split into what they read and what is
//! left, which is exact, and three products of these parts take the place of one; the fourth is beyond `f32`.
//! [Markidis 2018] §IV has the same for 16-bit factors.

use burn::backend::{
    backend::ops::{FloatTensorOps, ModuleOps},
    tensor::FloatTensor,
};
use burn::tensor::{
    Shape,
    ops::{ConvOptions, ConvTransposeOptions},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;

use super::{channels_first, channels_last, cubes_for, empty_like};

/// Of `f32`.
const SIGNIFICANT_BITS: u32 = 24;

/// What is multiplied with what; neither has a bias.
#[derive(Debug, Clone)]
pub(crate) enum Product {
    /// An image with the weights of a convolution.
    Convolution(ConvOptions<2>),
    /// An image with the weights of a transposed convolution.
    Transposed(ConvTransposeOptions<2>),
    /// Matrices `[.., m, k]` and `[.., k, n]` with the same dimensions before.
    Matrices,
}

impl Product {
    /// The shape of the result.
    pub(super) fn shape(&self, left: &Shape, right: &Shape) -> Shape {
        let mut shape = left.to_vec();
        match self {
            Self::Convolution(options) => {
                shape[1] = right[0];
                for dim in 0..2 {
                    let reach = options.dilation[dim] * (right[dim + 2] - 1) + 1;
                    let (begin, end) = options.padding[dim];
                    shape[dim + 2] =
                        (left[dim + 2] + begin + end - reach) / options.stride[dim] + 1;
                }
            }
            Self::Transposed(options) => {
                shape[1] = right[1] * options.groups;
                for dim in 0..2 {
                    let reach = options.dilation[dim] * (right[dim + 2] - 1) + 1;
                    let side = (left[dim + 2] - 1) * options.stride[dim] + reach;
                    shape[dim + 2] = side + options.padding_out[dim] - 2 * options.padding[dim];
                }
            }
            Self::Matrices => {
                let last = shape.len() - 1;
                shape[last] = right[last];
            }
        }
        Shape::from(shape)
    }

    pub(super) fn exact(&self, left: CubeTensor, right: CubeTensor) -> CubeTensor {
        in_parts(left, right, |left, right| match self.clone() {
            Self::Convolution(options) => CubeBackend::conv2d(left, right, None, options),
            Self::Transposed(options) => CubeBackend::conv_transpose2d(left, right, None, options),
            Self::Matrices => CubeBackend::float_matmul(left, right),
        })
    }

    /// The gradient of the left factor, of which only the shape counts.
    pub(super) fn exact_to_left(
        &self,
        left: CubeTensor,
        right: CubeTensor,
        gradient: CubeTensor,
    ) -> CubeTensor {
        in_parts(right, gradient, |right, gradient| match self.clone() {
            Self::Convolution(options) => {
                CubeBackend::conv2d_x_backward(left.clone(), right, gradient, options)
            }
            Self::Transposed(options) => {
                CubeBackend::conv_transpose2d_x_backward(right, gradient, options)
            }
            Self::Matrices => CubeBackend::float_matmul(gradient, transposed(right)),
        })
    }

    /// The gradient of the right factor, of which only the shape counts.
    pub(super) fn exact_to_right(
        &self,
        left: CubeTensor,
        right: CubeTensor,
        gradient: CubeTensor,
    ) -> CubeTensor {
        in_parts(left, gradient, |left, gradient| match self.clone() {
            Self::Convolution(options) => {
                CubeBackend::conv2d_weight_backward(left, right.clone(), gradient, options)
            }
            Self::Transposed(options) => CubeBackend::conv_transpose2d_weight_backward(
                left,
                right.clone(),
                gradient,
                options,
            ),
            Self::Matrices => CubeBackend::float_matmul(transposed(left), gradient),
        })
    }
}

/// A product of sums is the sum of products.
fn in_parts(
    a: CubeTensor,
    b: CubeTensor,
    product: impl Fn(CubeTensor, CubeTensor) -> CubeTensor,
) -> CubeTensor {
    let ([a, a_rest], [b, b_rest]) = (split(a), split(b));
    let small = CubeBackend::float_add(product(a_rest, b.clone()), product(a.clone(), b_rest));
    CubeBackend::float_add(product(a, b), small)
}

fn transposed(matrices: FloatTensor<CubeBackend>) -> FloatTensor<CubeBackend> {
    let n_dims = matrices.meta.num_dims();
    CubeBackend::float_swap_dims(matrices, n_dims - 2, n_dims - 1)
}

/// What tensor cores read of each value, and the rest.
fn split(values: CubeTensor) -> [CubeTensor; 2] {
    let (values, back) = in_a_row(values);
    let [leading, rest] = [(); 2].map(|()| empty_like(&values));
    let (count, dim) = cubes_for(&values, values.meta.num_elements());
    split_kernel::launch(
        &values.client.clone(),
        count,
        dim,
        values.into_tensor_arg(),
        leading.clone().into_tensor_arg(),
        rest.clone().into_tensor_arg(),
    );
    [leading, rest].map(back)
}

/// Values rounded to so many significant bits.
pub(super) fn rounded(values: CubeTensor, n_bits: u32) -> CubeTensor {
    let (values, back) = in_a_row(values);
    let output = empty_like(&values);
    let (count, dim) = cubes_for(&values, values.meta.num_elements());
    let client = values.client.clone();
    let (values, result) = (values.into_tensor_arg(), output.clone().into_tensor_arg());
    rounded_kernel::launch(&client, count, dim, values, result, SIGNIFICANT_BITS - n_bits);
    back(output)
}

/// Dense memory in the order that convolutions take, and the way back.
fn in_a_row(values: CubeTensor) -> (CubeTensor, fn(CubeTensor) -> CubeTensor) {
    match values.meta.num_dims() {
        4 => (channels_last(values), channels_first),
        _ => (into_contiguous(values), |values| values),
    }
}

#[cube(launch)]
fn split_kernel(values: &Tensor<f32>, leading: &mut Tensor<f32>, rest: &mut Tensor<f32>) {
    let idx = ABSOLUTE_POS;
    if idx < values.len() {
        let value = values[idx];
        // All but the last 13 of 24 significant bits.
        let lead = f32::reinterpret(u32::reinterpret(value) & 0xffff_e000u32);
        leading[idx] = lead;
        rest[idx] = value - lead;
    }
}

/// In integers, as compilers may leave out a conversion there and back.
#[cube(launch)]
fn rounded_kernel(values: &Tensor<f32>, output: &mut Tensor<f32>, #[comptime] n_dropped: u32) {
    let idx = ABSOLUTE_POS;
    if idx < values.len() {
        let bits = u32::reinterpret(values[idx]);
        let is_odd = (bits >> n_dropped) & 1u32;
        let below_half = comptime!((1u32 << (n_dropped - 1)) - 1);
        let kept = comptime!(!((1u32 << n_dropped) - 1));
        let mut result = (bits + below_half + is_odd) & kept;
        // Neither infinite nor NaN.
        if bits & 0x7fff_ffffu32 >= 0x7f80_0000u32 {
            result = bits;
        }
        output[idx] = f32::reinterpret(result);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use burn::{
        backend::DispatchDevice,
        tensor::{Device, Tensor, TensorData, module, read_sync},
    };

    use super::{super::graph, *};
    use crate::{device::cards_under_test, weights::TensorValues};

    /// Values of many sizes, none of which fits 11 bits.
    fn values<const D: usize>(shape: [usize; D], salt: usize, device: &Device) -> Tensor<D> {
        let n_values = shape.iter().product::<usize>();
        let value = |idx: usize| {
            let angle = (idx * 7 + salt * 13 + 1) as f32;
            angle.sin() * (0.37 * angle).cos().powi(5)
        };
        Tensor::from_data(TensorData::new((0..n_values).map(value).collect(), shape), device)
    }

    /// The product and its gradients on every card in parts, and on the CPU by the engine.
    fn check<const D: usize>(
        [left, right]: [[usize; D]; 2],
        product: Product,
        plain: impl Fn(Tensor<D>, Tensor<D>) -> Tensor<D>,
    ) {
        let run = |device: &Device, work: &dyn Fn(Tensor<D>, Tensor<D>) -> Tensor<D>| {
            let device = device.clone().autodiff();
            let [left, right] = [(left, 1), (right, 2)]
                .map(|(shape, salt)| values(shape, salt, &device).require_grad());
            let output = work(left.clone(), right.clone());
            let weights = values(output.dims(), 3, &device);
            let gradients = (output.clone() * weights).sum().backward();
            let of = |tensor: &Tensor<D>| tensor.grad(&gradients).unwrap();
            [output.inner(), of(&left), of(&right)].map(|tensor| TensorValues::of(tensor).values)
        };
        for card in cards_under_test() {
            let found =
                run(&card.device, &|left, right| graph::product(left, right, product.clone()));
            let expected = run(&Device::flex(), &plain);
            for (idx, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found.len(), expected.len(), "{product:?} {idx}");
                let scale = expected.iter().fold(0.0f32, |peak, value| peak.max(value.abs()));
                let errors = found.iter().zip(expected).map(|(a, b)| (a - b).abs() / scale);
                let error = errors.fold(0.0, f32::max);
                assert!(error < 1e-5, "{product:?} {idx} on {card}: {error}");
            }
        }
    }

    #[test]
    fn products_in_parts_are_the_products_with_their_gradients() {
        for (stride, padding, groups) in [(1, 1, 1), (2, 0, 1), (1, 2, 3)] {
            let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], groups);
            let shapes = [[2, 6, 9, 7], [12, 6 / groups, 3, 3]];
            check(shapes, Product::Convolution(options.clone()), |left, right| {
                module::conv2d(left, right, None, options.clone())
            });
        }
        let options = ConvTransposeOptions::new([2, 2], [0, 0], [0, 0], [1, 1], 1);
        check([[1, 5, 4, 3], [5, 4, 2, 2]], Product::Transposed(options.clone()), |left, right| {
            module::conv_transpose2d(left, right, None, options.clone())
        });
        check([[2, 5, 37], [2, 37, 3]], Product::Matrices, Tensor::matmul);
    }

    #[test]
    fn rounding_is_to_the_nearest_and_to_the_even_of_two() {
        // With 8 bits: below and above half, half to even down and up, negative, and what has no bits.
        let cases = [
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (1.0 + 1.1 / 256.0, 1.0 + 2.0 / 256.0),
            (-3.0 - 0.9 / 128.0, -3.0),
            (0.0, 0.0),
            (f32::INFINITY, f32::INFINITY),
            (1e30, half::bf16::from_f32(1e30).to_f32()),
        ];
        for card in cards_under_test() {
            let values = Tensor::<1>::from_floats(cases.map(|(value, _)| value), &card.device);
            let found = TensorValues::of(graph::rounded(values, 8)).values;
            assert_eq!(found, cases.map(|(_, expected)| expected));
        }
    }

    #[test]
    fn parts_add_up_and_the_first_has_eleven_bits() {
        for card in cards_under_test() {
            let expected = TensorValues::of(values([3, 4, 5, 6], 4, &Device::flex())).values;
            let data = TensorData::new(expected.clone(), [3, 4, 5, 6]);
            let DispatchDevice::Cube(device) = card.device.as_dispatch() else { unreachable!() };
            let read = |part| read_sync(CubeBackend::float_into_data(part)).unwrap();
            let parts = split(CubeBackend::float_from_data(data, device));
            let [leading, rest] = parts.map(|part| read(part).try_into_vec::<f32>().unwrap());
            for ((value, lead), rest) in expected.iter().zip(&leading).zip(&rest) {
                assert_eq!(lead + rest, *value);
                assert_eq!(lead.to_bits() & 0x1fff, 0);
                assert!(rest.abs() <= value.abs() * 2f32.powi(-10));
            }
        }
    }
}
