//! VGG in the layouts that its weights come in, against torchvision's, and gradients through it.

use tapetum_nn::{
    Weights,
    backbones::{ChannelOrder, InputScale, Vgg, VggDepth, VggPooling, VggStage},
    prelude::{Device, Tensor, TensorData},
    weights::TensorValues,
};

/// Block, place in the block, number in torchvision's list, inputs and outputs of each convolution of VGG-16.
const CONVOLUTIONS: [[usize; 5]; 13] = [
    [1, 0, 0, 3, 64],
    [1, 1, 2, 64, 64],
    [2, 0, 5, 64, 128],
    [2, 1, 7, 128, 128],
    [3, 0, 10, 128, 256],
    [3, 1, 12, 256, 256],
    [3, 2, 14, 256, 256],
    [4, 0, 17, 256, 512],
    [4, 1, 19, 512, 512],
    [4, 2, 21, 512, 512],
    [5, 0, 24, 512, 512],
    [5, 1, 26, 512, 512],
    [5, 2, 28, 512, 512],
];

/// The same of VGG-19.
const CONVOLUTIONS_19: [[usize; 5]; 16] = [
    [1, 0, 0, 3, 64],
    [1, 1, 2, 64, 64],
    [2, 0, 5, 64, 128],
    [2, 1, 7, 128, 128],
    [3, 0, 10, 128, 256],
    [3, 1, 12, 256, 256],
    [3, 2, 14, 256, 256],
    [3, 3, 16, 256, 256],
    [4, 0, 19, 256, 512],
    [4, 1, 21, 512, 512],
    [4, 2, 23, 512, 512],
    [4, 3, 25, 512, 512],
    [5, 0, 28, 512, 512],
    [5, 1, 30, 512, 512],
    [5, 2, 32, 512, 512],
    [5, 3, 34, 512, 512],
];

#[test]
fn every_layout_gives_the_same_features() {
    let layouts: [fn([usize; 5]) -> [String; 2]; 4] = [
        torchvision,
        |[block, _, number, ..]| {
            [".weight", ".bias"].map(|part| format!("net.slice{block}.{number}{part}"))
        },
        |[block, _, number, ..]| {
            [".weight", ".bias"].map(|part| format!("stage{block}.{number}{part}"))
        },
        |[block, place, ..]| {
            let place = if place == 0 { String::new() } else { format!("_{place}") };
            ["0", "1"].map(|part| format!("block{block}/layers/conv2d{place}/vars/{part}"))
        },
    ];
    let stages = [VggStage::Relu1_2, VggStage::Relu3_1, VggStage::Relu5_3];
    let features = layouts.map(|names| {
        let is_keras = names(CONVOLUTIONS[0])[0].contains('/');
        let weights = filled(&CONVOLUTIONS, names, is_keras);
        let network =
            Vgg::read(&weights, VggDepth::Sixteen, VggPooling::Max, &Device::flex()).unwrap();
        network
            .features(image(&Device::flex()), &stages)
            .into_iter()
            .map(TensorValues::of)
            .collect()
    });
    let [first, others @ ..]: [Vec<TensorValues>; 4] = features;
    let shapes: Vec<&[usize]> = first.iter().map(|tensor| tensor.shape.as_slice()).collect();
    assert_eq!(shapes, [[1, 64, 16, 18], [1, 256, 4, 4], [1, 512, 1, 1]]);
    assert!(first.iter().all(|tensor| tensor.values.iter().any(|&value| value > 0.0)));
    assert!(others.iter().all(|other| *other == first));
}

#[test]
fn both_depths_equal_torchvision_before_and_after_each_relu() {
    use VggStage::*;
    let ends_16 = [Conv2_2, Relu2_2, Conv3_3, Relu3_3, Conv4_3, Relu4_3, Conv5_3, Relu5_3];
    let expected_16 = [
        [9.7722719e+01, 1.4790427e-01, 1.6043186e-01],
        [7.7239556e+01, 4.7113995e-01, 1.6043186e-01],
        [6.3244812e+01, -4.5853976e-02, -1.6486689e+00],
        [4.2995061e+01, 3.6595695e-01, 0.0],
        [2.0935713e+01, 1.6871796e-02, -6.2510499e-01],
        [1.5243179e+01, 1.9347933e-01, 0.0],
        [9.6809662e-01, 3.9959368e-03, 3.6898548e-02],
        [7.2940913e-01, 1.9347040e-02, 3.6898548e-02],
    ];
    let ends_19 = [Conv1_2, Relu1_2, Conv3_4, Relu3_4, Conv4_4, Relu4_4, Conv5_4, Relu5_4];
    let expected_19 = [
        [1.2620365e+02, 5.6474777e-02, 5.0923808e-02],
        [9.4414218e+01, 3.9270941e-01, 5.0923808e-02],
        [5.1193232e+01, -8.2803673e-03, 6.0500451e-01],
        [3.5856878e+01, 3.0992876e-01, 6.0500451e-01],
        [1.1046710e+01, 4.9827117e-03, 5.5348081e-02],
        [7.9067108e+00, 9.9941208e-02, 5.5348081e-02],
        [6.8967055e-01, -1.3766268e-03, 2.4517648e-02],
        [4.6890422e-01, 1.2113297e-02, 2.4517648e-02],
    ];
    for (depth, stages, expected) in
        [(VggDepth::Sixteen, ends_16, expected_16), (VggDepth::Nineteen, ends_19, expected_19)]
    {
        let network = torchvision_network(depth);
        let features = network.features(image(&Device::flex()), &stages);
        assert_eq!(features.len(), stages.len());
        for ((feature, stage), expected) in features.into_iter().zip(stages).zip(expected) {
            assert_described(&format!("{depth:?} {stage:?}"), feature, expected);
        }
    }
}

#[test]
fn gradients_before_the_last_relu_equal_torchvision() {
    for (depth, deepest, expected) in [
        (VggDepth::Sixteen, VggStage::Conv5_3, [2.0964377e-04, 7.0536837e-07, -1.2805598e-05]),
        (VggDepth::Nineteen, VggStage::Conv5_4, [1.2844550e-05, -8.4073576e-09, 5.2666709e-07]),
    ] {
        let image = image(&Device::flex().autodiff()).require_grad();
        let feature = torchvision_network(depth).features(image.clone(), &[deepest]).remove(0);
        let gradients = (feature.clone() * feature).mean().backward();
        assert_described(&format!("{depth:?}"), image.grad(&gradients).unwrap(), expected);
    }
}

#[test]
fn the_weights_of_one_depth_are_refused_for_the_other() {
    for (convolutions, other, missing, unexpected) in [
        (&CONVOLUTIONS[..], VggDepth::Nineteen, "features.16.weight", "features.17.weight"),
        (&CONVOLUTIONS_19, VggDepth::Sixteen, "features.17.weight", "features.16.weight"),
    ] {
        let weights = filled(convolutions, torchvision, false);
        let error = Vgg::read(&weights, other, VggPooling::Max, &Device::flex()).unwrap_err();
        let error = error.to_string();
        let (first, second) = error.split_once("; unexpected: ").unwrap();
        assert!(first.contains(missing) && second.contains(unexpected), "{error}");
    }
}

#[test]
fn gradients_flow_to_the_image() {
    let weights = filled(&CONVOLUTIONS, torchvision, false);
    for pooling in [VggPooling::Max, VggPooling::MaxThenBlur, VggPooling::L2] {
        let network = Vgg::read(&weights, VggDepth::Sixteen, pooling, &Device::flex()).unwrap();
        let loss = |image: Tensor<4>| {
            let features = network.features(image, &[VggStage::Relu2_1]).remove(0);
            (features.clone() * features).mean()
        };
        let tracked = image(&Device::flex().autodiff()).require_grad();
        let gradients = loss(tracked.clone()).backward();
        let gradient = tracked.grad(&gradients).unwrap();
        // A small step against the gradient lowers the loss by what the gradient says.
        let plain = image(&Device::flex());
        let step = 1e-3 / scalar((gradient.clone() * gradient.clone()).sum()).sqrt();
        let [before, after] =
            [0.0, step].map(|step| scalar(loss(plain.clone() - gradient.clone() * step)));
        let expected = step * scalar((gradient.clone() * gradient).sum());
        let found = before - after;
        assert!((found / expected - 1.0).abs() < 0.03, "{pooling:?}: {found}, expected {expected}");
    }
}

#[test]
fn a_deeper_network_is_refused() {
    let mut weights = filled(&CONVOLUTIONS, torchvision, false);
    let tensor = TensorValues { shape: vec![1], values: vec![0.0] };
    weights.tensors.insert("classifier.0.bias".to_owned(), tensor.clone());
    assert!(Vgg::read(&weights, VggDepth::Sixteen, VggPooling::Max, &Device::flex()).is_ok());
    weights.tensors.insert("features.30.weight".to_owned(), tensor);
    weights.tensors.remove("features.12.bias");
    let error = Vgg::read(&weights, VggDepth::Sixteen, VggPooling::Max, &Device::flex())
        .unwrap_err()
        .to_string();
    for part in ["missing: features.12.bias", "unexpected: features.30.weight"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_scale_of_an_input_says_what_the_network_sees() {
    let pixel = TensorData::new(vec![0.0f32, 0.5, 1.0], [1, 3, 1, 1]);
    let pixel: Tensor<4> = Tensor::from_data(pixel, &Device::flex());
    let cases = [
        (InputScale::SYMMETRIC, [-1.0, 0.0, 1.0]),
        (InputScale::TENSORFLOW, [-1.0, -0.5 / 128.0, 127.0 / 128.0]),
        (InputScale::TORCHVISION, [-0.485 / 0.229, 0.044 / 0.224, 0.594 / 0.225]),
        (InputScale::LPIPS, [-0.97 / 0.458, 0.088 / 0.448, 1.188 / 0.45]),
        (InputScale::CAFFE, [150.993_01, 10.831_23, -122.678_92]),
    ];
    for (scale, expected) in cases {
        let found = TensorValues::of(scale.apply(pixel.clone())).values;
        let differs = found.iter().zip(expected).any(|(a, b): (&f32, f32)| (a - b).abs() > 1e-5);
        assert!(!differs, "{scale:?}: {found:?}, expected {expected:?}");
    }
    assert_eq!(InputScale::CAFFE.order, ChannelOrder::Bgr);
}

fn torchvision_network(depth: VggDepth) -> Vgg {
    let convolutions = match depth {
        VggDepth::Sixteen => &CONVOLUTIONS[..],
        VggDepth::Nineteen => &CONVOLUTIONS_19,
    };
    let weights = filled(convolutions, torchvision, false);
    Vgg::read(&weights, depth, VggPooling::Max, &Device::flex()).unwrap()
}

/// `expected`: norm, mean and middle value, from `tools/golden/vgg.py`.
fn assert_described(name: &str, found: Tensor<4>, [norm, mean, middle]: [f64; 3]) {
    let [_, channels, height, width] = found.dims();
    let values = TensorValues::of(found).values;
    let values: Vec<f64> = values.into_iter().map(f64::from).collect();
    let root_of_mean = norm / (values.len() as f64).sqrt();
    let found = [
        values.iter().map(|value| value * value).sum::<f64>().sqrt(),
        values.iter().sum::<f64>() / values.len() as f64,
        values[(channels / 2 * height + height / 2) * width + width / 2],
    ];
    for (found, expected) in found.into_iter().zip([norm, mean, middle]) {
        // Sums of thousands of products in `f32`, in up to sixteen layers.
        let bound = 2e-5 * expected.abs().max(root_of_mean);
        assert!((found - expected).abs() < bound, "{name}: {found:e} for {expected:e}");
    }
}

fn torchvision([_, _, number, ..]: [usize; 5]) -> [String; 2] {
    [".weight", ".bias"].map(|part| format!("features.{number}{part}"))
}

fn scalar(tensor: Tensor<1>) -> f32 {
    TensorValues::of(tensor).values[0]
}

fn image(device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..3 * 16 * 18).map(|idx| (idx as f32 * 0.37).sin()).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, 16, 18]), device)
}

/// The same values under the names of a layout; Keras keeps kernels as `[height, width, in, out]`.
fn filled(
    convolutions: &[[usize; 5]],
    names: fn([usize; 5]) -> [String; 2],
    is_keras: bool,
) -> Weights {
    let mut weights = Weights::default();
    for &convolution in convolutions {
        let [.., number, n_in, n_out] = convolution;
        let [weight, bias] = names(convolution);
        let noise = |idx: usize| {
            let mixed = (idx as u32 ^ (0x9e37 * number as u32)).wrapping_mul(0x85eb_ca6b);
            let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
            (mixed >> 16) as f32 / 32768.0 - 1.0
        };
        let scale = (6.0 / (n_in * 9) as f32).sqrt();
        let value = |out: usize, channel: usize, tap: usize| {
            scale * noise((out * n_in + channel) * 9 + tap)
        };
        let n_values = n_in * n_out * 9;
        let values = (0..n_values).map(|idx| {
            if is_keras {
                value(idx % n_out, idx / n_out % n_in, idx / (n_out * n_in))
            } else {
                value(idx / (n_in * 9), idx / 9 % n_in, idx % 9)
            }
        });
        let shape = if is_keras { vec![3, 3, n_in, n_out] } else { vec![n_out, n_in, 3, 3] };
        weights.insert(weight, TensorValues { shape, values: values.collect() });
        let values = (0..n_out).map(|idx| 0.05 * noise(idx + 7)).collect();
        weights.insert(bias, TensorValues { shape: vec![n_out], values });
    }
    weights
}
