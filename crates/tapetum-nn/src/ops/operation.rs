//! Kernels as operations of the engine: what an operation computes is said on slices, and this file
//! takes care of tensors, memory and the graph of gradients.

use std::{
    collections::HashSet,
    fmt::Debug,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use burn::backend::{
    Autodiff, Backend, Dispatch, DispatchDevice, DispatchTensor, Flex,
    autodiff::{
        NodeId,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    flex::{FlexTensor, Layout},
    tensor::FloatTensor,
};
use burn::tensor::{DType, Device, Shape, Tensor};

use tapetum_kernels::Instructions;

use super::buffers;

/// How an operation wants the values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Row-major in the tensor's own shape.
    RowMajor,
    /// A tensor `[batch, channels, height, width]` with its channels side by side, that is row-major as
    /// `[batch, height, width, channels]`.
    ChannelsLast,
}

/// A tensor's values in the order that was asked for.
pub(crate) struct Values<'a> {
    /// In the tensor's own order of dimensions.
    pub(crate) shape: &'a [usize],
    pub(crate) values: &'a [f32],
}

/// An operation of `N` tensors with one result.
pub(crate) trait Operation<const N: usize>: Debug + Send + Sync + 'static {
    /// The orders of the inputs; their gradients have the same.
    fn input_orders(&self) -> [Order; N];

    /// The order of the result and of its gradient.
    fn output_order(&self) -> Order {
        Order::ChannelsLast
    }

    /// The shape of the result.
    fn output_shape(&self, shapes: [&[usize]; N]) -> Vec<usize>;

    /// Computes the result; what `output` holds before is unspecified.
    fn forward(&self, inputs: &[Values; N], output: &mut [f32]);

    /// Whether [`Self::backward`] reads the result.
    fn needs_output(&self) -> bool {
        false
    }

    /// Computes the gradients that are asked for; what they hold before is unspecified.
    fn backward(
        &self,
        inputs: &[Values; N],
        output: Option<&[f32]>,
        output_gradient: &[f32],
        gradients: [Option<&mut [f32]>; N],
    );
}

/// Whether kernels run on these tensors: `f32` on the CPU.
pub(crate) fn has_kernels(device: &Device, dtype: DType) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_)) && dtype == DType::F32
}

/// Runs an operation of one tensor.
pub(crate) fn run1<const D: usize, const E: usize>(
    operation: impl Operation<1>,
    a: Tensor<D>,
) -> Tensor<E> {
    let a = a.into_dispatch();
    Tensor::from_dispatch(<Dispatch as KernelBackend>::run1(a, Arc::new(operation)))
}

/// Runs an operation of two tensors.
pub(crate) fn run2<const E: usize>(
    operation: impl Operation<2>,
    [a, b]: [DispatchTensor; 2],
) -> Tensor<E> {
    Tensor::from_dispatch(<Dispatch as KernelBackend>::run2(a, b, Arc::new(operation)))
}

/// Runs an operation of three tensors.
pub(crate) fn run3<const E: usize>(
    operation: impl Operation<3>,
    [a, b, c]: [DispatchTensor; 3],
) -> Tensor<E> {
    Tensor::from_dispatch(<Dispatch as KernelBackend>::run3(a, b, c, Arc::new(operation)))
}

/// Runs an operation of four tensors.
pub(crate) fn run4<const E: usize>(
    operation: impl Operation<4>,
    [a, b, c, d]: [DispatchTensor; 4],
) -> Tensor<E> {
    Tensor::from_dispatch(<Dispatch as KernelBackend>::run4(a, b, c, d, Arc::new(operation)))
}

/// Runs an operation of five tensors.
pub(crate) fn run5<const E: usize>(
    operation: impl Operation<5>,
    [a, b, c, d, e]: [DispatchTensor; 5],
) -> Tensor<E> {
    Tensor::from_dispatch(<Dispatch as KernelBackend>::run5(a, b, c, d, e, Arc::new(operation)))
}

/// Runs an operation of seven tensors.
pub(crate) fn run7<const E: usize>(
    operation: impl Operation<7>,
    [a, b, c, d, e, f, g]: [DispatchTensor; 7],
) -> Tensor<E> {
    let operation = Arc::new(operation);
    Tensor::from_dispatch(<Dispatch as KernelBackend>::run7(a, b, c, d, e, f, g, operation))
}

/// The gradients that are asked for, and room for those that come along unasked.
pub(crate) fn or_unused<'a, const N: usize>(
    gradients: [Option<&'a mut [f32]>; N],
    unused: &'a mut [Vec<f32>; N],
    inputs: &[Values; N],
) -> [&'a mut [f32]; N] {
    let mut all = gradients.into_iter().zip(unused).zip(inputs);
    std::array::from_fn(|_| {
        let ((gradient, unused), input) = all.next().expect("three of the same length");
        gradient.unwrap_or_else(|| {
            unused.resize(input.values.len(), 0.0);
            unused
        })
    })
}

/// What the engine hands to the backend of a tensor. An arm for each number of inputs, as the macro
/// takes no lists.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait KernelBackend: Backend {
    fn run1(a: FloatTensor<Self>, operation: Arc<dyn Operation<1>>) -> FloatTensor<Self>;

    fn run2(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        operation: Arc<dyn Operation<2>>,
    ) -> FloatTensor<Self>;

    fn run3(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        operation: Arc<dyn Operation<3>>,
    ) -> FloatTensor<Self>;

    fn run4(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        operation: Arc<dyn Operation<4>>,
    ) -> FloatTensor<Self>;

    fn run5(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        e: FloatTensor<Self>,
        operation: Arc<dyn Operation<5>>,
    ) -> FloatTensor<Self>;

    #[allow(clippy::too_many_arguments, reason = "the macro takes no lists")]
    fn run7(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        e: FloatTensor<Self>,
        f: FloatTensor<Self>,
        g: FloatTensor<Self>,
        operation: Arc<dyn Operation<7>>,
    ) -> FloatTensor<Self>;
}

macro_rules! implement {
    ($($name:ident: $n:literal ($($input:ident),*);)*) => {
        impl KernelBackend for Flex {
            $(
                fn $name(
                    $($input: FlexTensor,)*
                    operation: Arc<dyn Operation<$n>>,
                ) -> FlexTensor {
                    let inputs = ordered(operation.as_ref(), [$($input),*]);
                    computed(operation.as_ref(), &inputs)
                }
            )*
        }

        impl<C: CheckpointStrategy> KernelBackend for Autodiff<Flex, C> {
            $(
                fn $name(
                    $($input: FloatTensor<Self>,)*
                    operation: Arc<dyn Operation<$n>>,
                ) -> FloatTensor<Self> {
                    tracked::<C, $n>([$($input),*], operation)
                }
            )*
        }
    };
}

implement! {
    run1: 1 (a);
    run2: 2 (a, b);
    run3: 3 (a, b, c);
    run4: 4 (a, b, c, d);
    run5: 5 (a, b, c, d, e);
    run7: 7 (a, b, c, d, e, f, g);
}

fn tracked<C: CheckpointStrategy, const N: usize>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
    operation: Arc<dyn Operation<N>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes = inputs.each_ref().map(FloatTensor::<Autodiff<Flex, C>>::node);
    let inputs = inputs.map(FloatTensor::<Autodiff<Flex, C>>::into_primitive);
    let inputs = ordered(operation.as_ref(), inputs);
    let output = computed(operation.as_ref(), &inputs);
    match KernelBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(preparation) => {
            let kept = operation.needs_output().then(|| output.clone());
            preparation.finish(Kept { operation, inputs, output: kept }, output)
        }
        OpsKind::UnTracked(preparation) => preparation.finish(output),
    }
}

/// What the backward pass of an operation needs.
#[derive(Debug, Clone)]
struct Kept<const N: usize> {
    operation: Arc<dyn Operation<N>>,
    /// In the order that the operation wants.
    inputs: [FlexTensor; N],
    output: Option<FlexTensor>,
}

#[derive(Debug)]
struct KernelBackward;

impl<const N: usize> Backward<Flex, N> for KernelBackward {
    type State = Kept<N>;

    fn backward(
        self,
        ops: Ops<Kept<N>, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let Kept { operation, inputs, output } = ops.state;
        let operation = operation.as_ref();
        let output_gradient = gradients.consume::<Flex>(&ops.node);
        registered().remove(&ops.node.id);
        let output_gradient = dense(output_gradient, operation.output_order());
        let mut computed: [Option<buffers::Buffer>; N] = std::array::from_fn(|idx| {
            let n_values = inputs[idx].layout().num_elements();
            ops.parents[idx].as_ref().map(|_| buffers::take(n_values))
        });
        let output = output.map(|output| dense(output, operation.output_order()));
        operation.backward(
            &views(&inputs),
            output.as_ref().map(slice),
            slice(&output_gradient),
            computed.each_mut().map(|buffer| buffer.as_mut().map(buffers::Buffer::values_mut)),
        );
        let orders = operation.input_orders();
        let shapes = inputs.each_ref().map(|input| input.layout().shape().to_vec());
        for (idx, buffer) in computed.into_iter().enumerate() {
            if let (Some(mut buffer), Some(parent)) = (buffer, &ops.parents[idx]) {
                // Leaves keep their gradients, which could not be taken out to be added to.
                let is_leaf = parent.parents.is_empty();
                if !is_leaf && !registered().insert(parent.id) {
                    let other = dense(gradients.consume::<Flex>(parent), orders[idx]);
                    let best = Instructions::best();
                    tapetum_kernels::add_scaled(best, 1.0, slice(&other), buffer.values_mut());
                }
                let tensor = tensor_of(buffer, &shapes[idx], orders[idx]);
                gradients.register::<Flex>(parent.id, tensor);
            }
        }
    }
}

/// Nodes that have a gradient from an operation of ours already. Where a tensor is read twice, its
/// gradients are added here: the engine's addition does not see that their memory orders agree.
fn registered() -> MutexGuard<'static, HashSet<NodeId>> {
    static REGISTERED: LazyLock<Mutex<HashSet<NodeId>>> = LazyLock::new(Mutex::default);
    // Nodes whose own operation is the engine's stay behind; forgetting one costs time only.
    const N_MAX: usize = 1 << 12;
    let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    if registered.len() > N_MAX {
        registered.clear();
    }
    registered
}

/// The inputs' values in the orders the operation wants; free where they are so already.
fn ordered<const N: usize>(
    operation: &dyn Operation<N>,
    inputs: [FlexTensor; N],
) -> [FlexTensor; N] {
    let orders = operation.input_orders();
    let mut orders = orders.into_iter();
    inputs.map(|input| ordered_one(input, orders.next().expect("an order for each input")))
}

/// The same tensor over memory in that order.
fn ordered_one(tensor: FlexTensor, order: Order) -> FlexTensor {
    let dense = dense(tensor, order);
    match order {
        Order::RowMajor => dense,
        Order::ChannelsLast => dense.permute(&CHANNELS_FIRST),
    }
}

/// `[batch, height, width, channels]` as `[batch, channels, height, width]`.
const CHANNELS_FIRST: [usize; 4] = [0, 3, 1, 2];
/// And back: the dimensions of an image in the order of its memory.
pub(crate) const CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];

/// A row-major tensor of the values in that order.
fn dense(tensor: FlexTensor, order: Order) -> FlexTensor {
    match order {
        Order::RowMajor => tensor.to_contiguous(),
        Order::ChannelsLast => tensor.permute(&CHANNELS_LAST).to_contiguous(),
    }
}

/// All values behind a tensor whose memory is dense.
fn slice(tensor: &FlexTensor) -> &[f32] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<f32>()[start..start + tensor.layout().num_elements()]
}

fn views<const N: usize>(inputs: &[FlexTensor; N]) -> [Values<'_>; N] {
    inputs.each_ref().map(|input| Values { shape: input.layout().shape(), values: slice(input) })
}

fn computed<const N: usize>(operation: &dyn Operation<N>, inputs: &[FlexTensor; N]) -> FlexTensor {
    let inputs = views(inputs);
    let shape = operation.output_shape(inputs.each_ref().map(|input| input.shape));
    let mut output = buffers::take(shape.iter().product());
    operation.forward(&inputs, output.values_mut());
    tensor_of(output, &shape, operation.output_order())
}

fn tensor_of(buffer: buffers::Buffer, shape: &[usize], order: Order) -> FlexTensor {
    let row_major = |shape: &[usize]| Layout::contiguous(Shape::from(shape.to_vec()));
    match order {
        Order::RowMajor => FlexTensor::new(buffer.into_bytes(), row_major(shape), DType::F32),
        Order::ChannelsLast => {
            let layout = row_major(&CHANNELS_LAST.map(|axis| shape[axis]));
            FlexTensor::new(buffer.into_bytes(), layout, DType::F32).permute(&CHANNELS_FIRST)
        }
    }
}
