//! The kernels as operations of the engine, with their gradients in its graph.

use burn::backend::{
    Autodiff, Backend, Dispatch, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    fusion::custom::TensorSpec,
    tensor::FloatTensor,
};
use burn::tensor::{Shape, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use tapetum_kernels::ScanDirection;

use super::{
    curves::{curves, curves_backward},
    products::{self, Product},
    resize::{bilinear, bilinear_backward},
    scan::{Inputs, Path, scan},
    scan_gradients::{self, n_parts, scan_backward},
};
use crate::ops::ScanInputs;

/// See [`crate::ops::apply_curves`].
pub(crate) fn apply_curves(image: Tensor<4>, raw_curve_maps: Tensor<4>) -> Tensor<4> {
    let [image, maps] = [image, raw_curve_maps].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as GpuKernels>::curves(image, maps))
}

/// See [`crate::ops::resize2d`]: bilinear, between half pixels or between `corners`.
pub(crate) fn resize_bilinear(input: Tensor<4>, size: [usize; 2], corners: bool) -> Tensor<4> {
    let input = input.into_dispatch();
    Tensor::from_dispatch(<Dispatch as GpuKernels>::bilinear(input, size, corners))
}

/// Values rounded to so many significant bits, 2 to 23, ties to even; the gradient passes.
pub(crate) fn rounded<const D: usize>(values: Tensor<D>, n_bits: u32) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as GpuKernels>::rounded(values.into_dispatch(), n_bits))
}

/// A product of `f32` that is one on any card.
pub(crate) fn product<const D: usize>(
    left: Tensor<D>,
    right: Tensor<D>,
    product: Product,
) -> Tensor<D> {
    let [left, right] = [left, right].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as GpuKernels>::product(left, right, product))
}

/// See [`crate::ops::selective_scan`].
pub(crate) fn selective_scan(inputs: ScanInputs, direction: ScanDirection) -> Tensor<4> {
    let ScanInputs { x, step, step_bias, decay, input, output, skip } = inputs;
    let n_channels = x.dims()[1];
    let passing = x.clone() * skip.reshape([1, n_channels, 1, 1]);
    let scanned = <Dispatch as GpuKernels>::scan(
        x.into_dispatch(),
        step.into_dispatch(),
        step_bias.into_dispatch(),
        decay.into_dispatch(),
        input.into_dispatch(),
        output.into_dispatch(),
        direction,
    );
    Tensor::<4>::from_dispatch(scanned) + passing
}

/// Kernels of ours, and their backward passes.
#[backend_extension(Cube, Autodiff, Fusion)]
#[allow(clippy::too_many_arguments, reason = "the macro takes no lists")]
pub(crate) trait GpuKernels: Backend {
    #[fusion(dtype = image, shape = image)]
    fn curves(image: FloatTensor<Self>, maps: FloatTensor<Self>) -> FloatTensor<Self>;

    #[fusion(meta = |image: &TensorSpec, maps: &TensorSpec, _: &TensorSpec| (image.clone(), maps.clone()))]
    fn curves_backward(
        image: FloatTensor<Self>,
        maps: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    #[fusion(meta = |image: &TensorSpec, size: &[usize; 2], _: &bool| resized(image, size))]
    fn bilinear(image: FloatTensor<Self>, size: [usize; 2], corners: bool) -> FloatTensor<Self>;

    #[fusion(meta = |gradient: &TensorSpec, size: &[usize; 2], _: &bool| resized(gradient, size))]
    fn bilinear_backward(
        gradient: FloatTensor<Self>,
        size: [usize; 2],
        corners: bool,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = values, shape = values)]
    fn rounded(values: FloatTensor<Self>, n_bits: u32) -> FloatTensor<Self>;

    #[fusion(meta = |left: &TensorSpec, right: &TensorSpec, product: &Product| multiplied(left, right, product))]
    fn product(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        product: Product,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = left, shape = left)]
    fn product_to_left(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        product: Product,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = right, shape = right)]
    fn product_to_right(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        product: Product,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = x, shape = x)]
    fn scan(
        x: FloatTensor<Self>,
        step: FloatTensor<Self>,
        step_bias: FloatTensor<Self>,
        decay: FloatTensor<Self>,
        input: FloatTensor<Self>,
        output: FloatTensor<Self>,
        direction: ScanDirection,
    ) -> FloatTensor<Self>;

    #[fusion(meta = gradient_specs)]
    fn scan_backward(
        x: FloatTensor<Self>,
        step: FloatTensor<Self>,
        step_bias: FloatTensor<Self>,
        decay: FloatTensor<Self>,
        input: FloatTensor<Self>,
        output: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        direction: ScanDirection,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// An image of another height and width.
fn resized(image: &TensorSpec, [height, width]: &[usize; 2]) -> TensorSpec {
    let shape = Shape::new([image.shape[0], image.shape[1], *height, *width]);
    TensorSpec { shape, ..image.clone() }
}

/// What a product gives.
fn multiplied(left: &TensorSpec, right: &TensorSpec, product: &Product) -> TensorSpec {
    TensorSpec { shape: product.shape(&left.shape, &right.shape), ..left.clone() }
}

/// Shapes of what `scan_backward` gives.
#[allow(clippy::too_many_arguments, reason = "those of the operation")]
fn gradient_specs(
    x: &TensorSpec,
    _step: &TensorSpec,
    _step_bias: &TensorSpec,
    decay: &TensorSpec,
    _input: &TensorSpec,
    _output: &TensorSpec,
    _gradient: &TensorSpec,
    _direction: &ScanDirection,
) -> (TensorSpec, TensorSpec, TensorSpec, TensorSpec) {
    let (batch, n_channels) = (x.shape[0], x.shape[1]);
    let (n_positions, n_states) = (x.shape[2] * x.shape[3], decay.shape[1]);
    let [n_chunks, n_blocks] = n_parts(n_positions, n_channels);
    let spec = |shape: Vec<usize>| TensorSpec { shape: Shape::from(shape), ..x.clone() };
    (
        x.clone(),
        x.clone(),
        spec(vec![batch * n_chunks, n_states, n_channels]),
        spec(vec![batch, n_blocks, n_positions, 2 * n_states]),
    )
}

impl GpuKernels for CubeBackend {
    fn curves(image: CubeTensor, maps: CubeTensor) -> CubeTensor {
        curves(image, maps)
    }

    fn curves_backward(
        image: CubeTensor,
        maps: CubeTensor,
        gradient: CubeTensor,
    ) -> (CubeTensor, CubeTensor) {
        curves_backward(image, maps, gradient)
    }

    fn bilinear(image: CubeTensor, size: [usize; 2], corners: bool) -> CubeTensor {
        bilinear(image, size, corners)
    }

    fn bilinear_backward(gradient: CubeTensor, size: [usize; 2], corners: bool) -> CubeTensor {
        bilinear_backward(gradient, size, corners)
    }

    fn rounded(values: CubeTensor, n_bits: u32) -> CubeTensor {
        products::rounded(values, n_bits)
    }

    fn product(left: CubeTensor, right: CubeTensor, product: Product) -> CubeTensor {
        product.exact(left, right)
    }

    fn product_to_left(
        left: CubeTensor,
        right: CubeTensor,
        gradient: CubeTensor,
        product: Product,
    ) -> CubeTensor {
        product.exact_to_left(left, right, gradient)
    }

    fn product_to_right(
        left: CubeTensor,
        right: CubeTensor,
        gradient: CubeTensor,
        product: Product,
    ) -> CubeTensor {
        product.exact_to_right(left, right, gradient)
    }

    fn scan(
        x: CubeTensor,
        step: CubeTensor,
        step_bias: CubeTensor,
        decay: CubeTensor,
        input: CubeTensor,
        output: CubeTensor,
        direction: ScanDirection,
    ) -> CubeTensor {
        scan(Inputs { x, step, step_bias, decay, input, output }, Path::from(direction))
    }

    fn scan_backward(
        x: CubeTensor,
        step: CubeTensor,
        step_bias: CubeTensor,
        decay: CubeTensor,
        input: CubeTensor,
        output: CubeTensor,
        gradient: CubeTensor,
        direction: ScanDirection,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let inputs = Inputs { x, step, step_bias, decay, input, output };
        let gradients = scan_backward(inputs, gradient, Path::from(direction));
        let scan_gradients::Gradients { x, step, decay, mixed } = gradients;
        (x, step, decay, mixed)
    }
}

impl<B: GpuKernels, C: CheckpointStrategy> GpuKernels for Autodiff<B, C> {
    fn curves(image: FloatTensor<Self>, maps: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [image.node(), maps.node()];
        let inputs = [image.into_primitive(), maps.into_primitive()];
        let [image, maps] = inputs.clone();
        let output = B::curves(image, maps);
        match CurvesBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => preparation.finish(inputs, output),
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }

    fn curves_backward(
        _image: FloatTensor<Self>,
        _maps: FloatTensor<Self>,
        _gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("gradients have no gradients")
    }

    fn bilinear(image: FloatTensor<Self>, size: [usize; 2], corners: bool) -> FloatTensor<Self> {
        let nodes = [image.node()];
        let image = image.into_primitive();
        let [_, _, height, width] = image.shape().dims();
        let output = B::bilinear(image, size, corners);
        match BilinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => preparation.finish(([height, width], corners), output),
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }

    fn bilinear_backward(
        _gradient: FloatTensor<Self>,
        _size: [usize; 2],
        _corners: bool,
    ) -> FloatTensor<Self> {
        unreachable!("gradients have no gradients")
    }

    fn rounded(values: FloatTensor<Self>, n_bits: u32) -> FloatTensor<Self> {
        let nodes = [values.node()];
        let output = B::rounded(values.into_primitive(), n_bits);
        match RoundedBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => preparation.finish((), output),
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }

    fn product(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        product: Product,
    ) -> FloatTensor<Self> {
        let nodes = [left.node(), right.node()];
        let factors = [left.into_primitive(), right.into_primitive()];
        let [left, right] = factors.clone();
        let output = B::product(left, right, product.clone());
        match ProductBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => preparation.finish((factors, product), output),
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }

    fn product_to_left(
        _left: FloatTensor<Self>,
        _right: FloatTensor<Self>,
        _gradient: FloatTensor<Self>,
        _product: Product,
    ) -> FloatTensor<Self> {
        unreachable!("gradients have no gradients")
    }

    fn product_to_right(
        _left: FloatTensor<Self>,
        _right: FloatTensor<Self>,
        _gradient: FloatTensor<Self>,
        _product: Product,
    ) -> FloatTensor<Self> {
        unreachable!("gradients have no gradients")
    }

    fn scan(
        x: FloatTensor<Self>,
        step: FloatTensor<Self>,
        step_bias: FloatTensor<Self>,
        decay: FloatTensor<Self>,
        input: FloatTensor<Self>,
        output: FloatTensor<Self>,
        direction: ScanDirection,
    ) -> FloatTensor<Self> {
        let inputs = [x, step, step_bias, decay, input, output];
        let nodes = inputs.each_ref().map(FloatTensor::<Self>::node);
        let inputs = inputs.map(FloatTensor::<Self>::into_primitive);
        let [x, step, step_bias, decay, input, output] = inputs.clone();
        let y = B::scan(x, step, step_bias, decay, input, output, direction);
        match ScanBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => preparation.finish((inputs, direction), y),
            OpsKind::UnTracked(preparation) => preparation.finish(y),
        }
    }

    fn scan_backward(
        _x: FloatTensor<Self>,
        _step: FloatTensor<Self>,
        _step_bias: FloatTensor<Self>,
        _decay: FloatTensor<Self>,
        _input: FloatTensor<Self>,
        _output: FloatTensor<Self>,
        _gradient: FloatTensor<Self>,
        _direction: ScanDirection,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("gradients have no gradients")
    }
}

#[derive(Debug)]
struct CurvesBackward;

impl<B: GpuKernels> Backward<B, 2> for CurvesBackward {
    type State = [FloatTensor<B>; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [image, maps] = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let (to_image, to_maps) = B::curves_backward(image, maps, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip([to_image, to_maps]) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct BilinearBackward;

impl<B: GpuKernels> Backward<B, 1> for BilinearBackward {
    /// Height and width of the image, and whether corners are aligned.
    type State = ([usize; 2], bool);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (size, corners) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            gradients.register::<B>(parent.id, B::bilinear_backward(gradient, size, corners));
        }
    }
}

#[derive(Debug)]
struct RoundedBackward;

impl<B: GpuKernels> Backward<B, 1> for RoundedBackward {
    type State = ();

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            gradients.register::<B>(parent.id, gradient);
        }
    }
}

#[derive(Debug)]
struct ProductBackward;

impl<B: GpuKernels> Backward<B, 2> for ProductBackward {
    type State = ([FloatTensor<B>; 2], Product);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let ([left, right], product) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let [to_left, to_right] = ops.parents;
        if let Some(parent) = to_left {
            let (left, right, gradient) = (left.clone(), right.clone(), gradient.clone());
            let found = B::product_to_left(left, right, gradient, product.clone());
            gradients.register::<B>(parent.id, found);
        }
        if let Some(parent) = to_right {
            let found = B::product_to_right(left, right, gradient, product);
            gradients.register::<B>(parent.id, found);
        }
    }
}

#[derive(Debug)]
struct ScanBackward;

impl<B: GpuKernels> Backward<B, 6> for ScanBackward {
    type State = ([FloatTensor<B>; 6], ScanDirection);

    fn backward(
        self,
        ops: Ops<Self::State, 6>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let ([x, step, step_bias, decay, input, output], direction) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let [batch, n_channels, height, width] = x.shape().dims();
        let n_states = decay.shape()[1];
        let (to_x, to_step, to_decay, to_mixed) =
            B::scan_backward(x, step, step_bias, decay, input, output, gradient, direction);

        // `[channels]`, over all pixels of all images.
        let to_bias = B::float_sum_dim(to_step.clone(), 0);
        let to_bias = B::float_sum_dim(B::float_sum_dim(to_bias, 2), 3);
        let to_bias = B::float_reshape(to_bias, Shape::new([n_channels]));
        // `[channels, states]`.
        let to_decay = B::float_sum_dim(to_decay, 0);
        let to_decay = B::float_reshape(to_decay, Shape::new([n_states, n_channels]));
        let to_decay = B::float_swap_dims(to_decay, 0, 1);
        // `[batch, 2 states, height, width]`, those of `B` first.
        let to_mixed = B::float_sum_dim(to_mixed, 1);
        let to_mixed = B::float_reshape(to_mixed, Shape::new([batch, height, width, 2 * n_states]));
        let to_mixed = B::float_permute(to_mixed, &[0, 3, 1, 2]);
        let part = |first: usize| {
            let states = first..first + n_states;
            let ranges = [0..batch, states, 0..height, 0..width].map(Into::into);
            B::float_slice(to_mixed.clone(), &ranges)
        };
        let found = [to_x, to_step, to_bias, to_decay, part(0), part(n_states)];
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}
