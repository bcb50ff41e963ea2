//! VGG-16 in the layouts that its weights come in, and gradients through it.

use tapetum_nn::{
    Weights,
    backbones::{ChannelOrder, InputScale, Vgg16, Vgg16Pooling, Vgg16Stage},
    prelude::{Device, Tensor, TensorData},
    weights::TensorValues,
};

/// Block, place in the block, number in torchvision's list, inputs and outputs of each convolution.
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

#[test]
fn every_layout_gives_the_same_features() {
    let layouts: [fn([usize; 5]) -> [String; 2]; 4] = [
        |[_, _, number, ..]| [".weight", ".bias"].map(|part| format!("features.{number}{part}")),
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
    let stages = [Vgg16Stage::Relu1_2, Vgg16Stage::Relu3_1, Vgg16Stage::Relu5_3];
    let features = layouts.map(|names| {
        let is_keras = names(CONVOLUTIONS[0])[0].contains('/');
        let weights = filled(names, is_keras);
        let network = Vgg16::read(&weights, Vgg16Pooling::Max, &Device::flex()).unwrap();
        network
            .features(image(&Device::flex()), &stages)
            .into_iter()
            .map(TensorValues::of)
            .collect()
    });
    let [torchvision, others @ ..]: [Vec<TensorValues>; 4] = features;
    let shapes: Vec<&[usize]> = torchvision.iter().map(|tensor| tensor.shape.as_slice()).collect();
    assert_eq!(shapes, [[1, 64, 16, 18], [1, 256, 4, 4], [1, 512, 1, 1]]);
    assert!(torchvision.iter().all(|tensor| tensor.values.iter().any(|&value| value > 0.0)));
    assert!(others.iter().all(|other| *other == torchvision));
}

#[test]
fn gradients_flow_to_the_image() {
    let weights = filled(
        |[_, _, number, ..]| [".weight", ".bias"].map(|part| format!("features.{number}{part}")),
        false,
    );
    for pooling in [Vgg16Pooling::Max, Vgg16Pooling::MaxThenBlur, Vgg16Pooling::L2] {
        let network = Vgg16::read(&weights, pooling, &Device::flex()).unwrap();
        let loss = |image: Tensor<4>| {
            let features = network.features(image, &[Vgg16Stage::Relu2_1]).remove(0);
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
    let mut weights = filled(
        |[_, _, number, ..]| [".weight", ".bias"].map(|part| format!("features.{number}{part}")),
        false,
    );
    let tensor = TensorValues { shape: vec![1], values: vec![0.0] };
    weights.tensors.insert("classifier.0.bias".to_owned(), tensor.clone());
    assert!(Vgg16::read(&weights, Vgg16Pooling::Max, &Device::flex()).is_ok());
    weights.tensors.insert("features.30.weight".to_owned(), tensor);
    weights.tensors.remove("features.12.bias");
    let error = Vgg16::read(&weights, Vgg16Pooling::Max, &Device::flex()).unwrap_err().to_string();
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

fn scalar(tensor: Tensor<1>) -> f32 {
    TensorValues::of(tensor).values[0]
}

fn image(device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..3 * 16 * 18).map(|idx| (idx as f32 * 0.37).sin()).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, 16, 18]), device)
}

/// The same values under the names of a layout; Keras keeps kernels as `[height, width, in, out]`.
fn filled(names: fn([usize; 5]) -> [String; 2], is_keras: bool) -> Weights {
    let mut weights = Weights::default();
    for convolution in CONVOLUTIONS {
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
