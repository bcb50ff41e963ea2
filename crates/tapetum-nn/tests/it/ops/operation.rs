//! What all operations share: gradients that are asked for or not, and memory.

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use tapetum_nn::ops::{
    self, Activation, ConvOptions, PaddingMode, ScanDirection, ScanInputs, composed,
};

use super::{
    Leaf, Numbers, check_same,
    selective_scan::{leaves, scan_inputs},
    values, weighted_sum,
};

#[test]
fn gradients_equal_finite_differences() {
    let mut numbers = Numbers::new(27);
    let input: Tensor<4> = numbers.tensor([1, 2, 4, 5]);
    let weight: Tensor<4> = numbers.tensor([3, 2, 3, 3]);
    let bias: Tensor<1> = numbers.tensor([3]);
    let loss = |weight: Tensor<4>| {
        let options = ConvOptions::same(3);
        let hidden =
            ops::conv2d(input.clone(), weight, Some(bias.clone()), &options, Activation::Tanh);
        ops::apply_curves(hidden.clone(), hidden).powi_scalar(2).sum()
    };
    let gradients = loss(weight.clone()).backward();
    let gradient = values(&weight.grad(&gradients).unwrap());
    for idx in (0..54).step_by(7) {
        let moved = |by: f32| {
            let mut moved = values(&weight);
            moved[idx] += by;
            let data = TensorData::new(moved, [3, 2, 3, 3]);
            f64::from(loss(Tensor::from_data(data, &weight.device())).into_scalar::<f32>())
        };
        let step = 1e-2;
        let expected = (moved(step) - moved(-step)) / f64::from(2.0 * step);
        // The third derivative and the rounding of the loss, each about 1e-4 of it.
        let error = (f64::from(gradient[idx]) - expected).abs();
        assert!(error < 5e-3 * expected.abs().max(1.0), "{idx}: {} for {expected}", gradient[idx]);
    }
}

/// The inputs that gradients are asked for: all, or a single one.
struct Asked(Option<usize>);

impl Asked {
    fn of<const D: usize>(&self, idx: usize, tensor: &Tensor<D>) -> Tensor<D> {
        if self.0.is_none_or(|only| only == idx) {
            tensor.clone()
        } else {
            Tensor::from_inner(tensor.clone().inner())
        }
    }
}

fn check_alone<const D: usize>(leaves: &[&dyn Leaf], run: impl Fn(&Asked) -> Tensor<D>) {
    let all = weighted_sum(run(&Asked(None))).backward();
    for (idx, leaf) in leaves.iter().enumerate() {
        let alone = weighted_sum(run(&Asked(Some(idx)))).backward();
        assert_eq!(leaf.gradient(&alone), leaf.gradient(&all), "input {idx}");
    }
}

#[test]
fn a_gradient_asked_for_alone_is_the_same() {
    let mut numbers = Numbers::new(28);
    let [input, other] = numbers.both_orders([2, 6, 5, 7]);
    let (weight, bias) = (numbers.tensor([6, 1, 3, 3]), numbers.tensor([6]));
    check_alone(&[&input, &weight, &bias], |asked| {
        let (input, weight) = (asked.of(0, &input), asked.of(1, &weight));
        let (bias, activation) = (Some(asked.of(2, &bias)), Activation::Silu);
        ops::depthwise_conv2d(input, weight, bias, 1, PaddingMode::Zeros, activation)
    });
    let weight = numbers.tensor([6]);
    check_alone(&[&input, &weight, &bias], |asked| {
        ops::layer_norm(asked.of(0, &input), asked.of(1, &weight), asked.of(2, &bias), 1e-5)
    });
    check_alone(&[&input, &other], |asked| ops::add(asked.of(0, &input), asked.of(1, &other)));
    let [image, maps] = [numbers.tensor([2, 3, 5, 7]), numbers.tensor([2, 6, 5, 7])];
    check_alone(&[&image, &maps], |asked| {
        ops::apply_curves(asked.of(0, &image), asked.of(1, &maps))
    });
    let [inputs, _] = scan_inputs(&mut numbers, [2, 5, 3, 4], 3);
    check_alone(&leaves(&inputs), |asked| {
        let inputs = ScanInputs {
            x: asked.of(0, &inputs.x),
            step: asked.of(1, &inputs.step),
            step_bias: asked.of(2, &inputs.step_bias),
            decay: asked.of(3, &inputs.decay),
            input: asked.of(4, &inputs.input),
            output: asked.of(5, &inputs.output),
            skip: asked.of(6, &inputs.skip),
        };
        ops::selective_scan(inputs, ScanDirection::ColumnMajorReversed)
    });
}

#[test]
fn memory_of_results_is_used_again_without_mixing_them_up() {
    let device = Device::flex();
    let image = |value: f32| Tensor::<4>::full([1, 4, 300, 300], value, &device);
    let weight = Tensor::<4>::ones([4, 4, 1, 1], &device);
    let options = ConvOptions::same(1);
    let run =
        |value| ops::conv2d(image(value), weight.clone(), None, &options, Activation::Identity);
    let first = run(1.0);
    for round in 0..4 {
        // Changed in place by the engine, then dropped.
        let other = run(2.0 + round as f32) * 3.0;
        assert_eq!(other.max().into_scalar::<f32>(), 12.0 * (2.0 + round as f32));
    }
    assert_eq!(first.clone().min().into_scalar::<f32>(), 4.0);
    assert_eq!(first.max().into_scalar::<f32>(), 4.0);
    let random = Tensor::<4>::random([1, 4, 300, 300], Distribution::Default, &device);
    assert_eq!(values(&random), values(&ops::activate(random.clone(), Activation::Relu)));
}

#[test]
fn gradients_of_a_tensor_that_is_read_several_times_add_up() {
    let mut numbers = Numbers::new(29);
    let input: Tensor<4> = numbers.tensor([2, 3, 5, 6]);
    let weight: Tensor<4> = numbers.tensor([4, 3, 3, 3]);
    let wide: Tensor<4> = numbers.tensor([4, 8, 1, 1]);
    let [same, point] = [3, 1].map(ConvOptions::same);
    let (tanh, none) = (Activation::Tanh, Activation::Identity);
    // Read by two operations on kernels, twice by one of them, and by one of the engine's.
    let hidden = ops::conv2d(input.clone(), weight.clone(), None, &same, tanh);
    let both = [hidden.clone(), hidden.clone()];
    let output = ops::conv2d_of_two(both, wide.clone(), None, &point, none)
        + ops::activate(hidden.clone(), Activation::Sigmoid)
        + hidden * 0.5;
    let hidden = composed::conv2d(input.clone(), weight.clone(), None, &same, tanh);
    let both = Tensor::cat(vec![hidden.clone(), hidden.clone()], 1);
    let reference = composed::conv2d(both, wide.clone(), None, &point, none)
        + composed::activate(hidden.clone(), Activation::Sigmoid)
        + hidden * 0.5;
    check_same(&[&input, &weight, &wide], 2e-5, "three readers", output, reference);
}
