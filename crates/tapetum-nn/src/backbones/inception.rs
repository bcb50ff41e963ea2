//! Inception v3 ([Szegedy 2016]) up to its last average: the 2048 features that FID compares.

use burn::tensor::{Device, Tensor};

use super::fixed_conv::FixedConv;
use crate::{
    ops::{self, ConvOptions, PaddingMode, PoolOptions},
    weights::{WeightReader, Weights, WeightsError},
};

/// Whose weights, which the number of classes tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InceptionVariant {
    /// TensorFlow's of 2015-12-05 with 1008 classes, as pytorch-fid converted it: averages leave out
    /// what is outside of the image, and the last block takes the largest value in place of one.
    TensorFlow2015,
    /// torchvision's `inception_v3` with 1000 classes: averages count zeros outside of the image.
    Torchvision,
}

/// Inception v3 without its classifier.
#[derive(Debug)]
pub struct Inception {
    /// Which weights the file had.
    pub variant: InceptionVariant,
    stem: Vec<Step>,
    blocks: Vec<Vec<Branch>>,
}

impl Inception {
    /// Number of features.
    pub const N_FEATURES: usize = 2048;

    /// Reads a state dict of torchvision's `inception_v3`, or of pytorch-fid's, which has the same names;
    /// `fc.weight` tells them apart. The classifiers are not used.
    ///
    /// # Errors
    /// When a tensor of the features is missing, unknown, or has another shape.
    pub fn read(weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let variant = variant_of(weights)?;
        let features = features_of(weights);
        let mut reader = BlockReader { reader: WeightReader::new(&features), variant, device };
        let stem = stem(&mut reader);
        let blocks = blocks(&mut reader);
        reader.reader.finish("Inception v3")?;
        Ok(Self { variant, stem, blocks })
    }

    /// The mean of each of the last block's channels.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`, -1..1, made for 299x299; result: `[batch, 2048]`.
    ///
    /// # Panics
    /// When a side is less than 75 pixels.
    pub fn features(&self, image: Tensor<4>) -> Tensor<2> {
        let value = self.stem.iter().fold(image, |value, step| step.apply(value));
        let value = self.blocks.iter().fold(value, |value, block| {
            let branches = block.iter().flat_map(|branch| branch.apply(value.clone()));
            Tensor::cat(branches.collect(), 1)
        });
        let [batch, n_features, _, _] = value.dims();
        ops::global_average_pool(value).reshape([batch, n_features])
    }
}

fn variant_of(weights: &Weights) -> Result<InceptionVariant, WeightsError> {
    let n_classes = weights.tensors.get("fc.weight").and_then(|tensor| tensor.shape.first());
    let problem = match n_classes {
        Some(1008) => return Ok(InceptionVariant::TensorFlow2015),
        Some(1000) => return Ok(InceptionVariant::Torchvision),
        Some(found) => format!("expected 1008 or 1000 classes in fc.weight, got {found}"),
        None => "missing: fc.weight, whose rows tell which weights these are".to_owned(),
    };
    Err(WeightsError::Mismatch { method: "Inception v3".to_owned(), detail: problem })
}

/// All but the two classifiers and counters of training.
fn features_of(weights: &Weights) -> Weights {
    let is_feature = |name: &str| {
        !["fc.", "AuxLogits."].iter().any(|prefix| name.starts_with(prefix))
            && !name.ends_with(".num_batches_tracked")
    };
    let tensors = weights.tensors.iter().filter(|(name, _)| is_feature(name));
    let tensors = tensors.map(|(name, values)| (name.clone(), values.clone())).collect();
    Weights { tensors, header: weights.header.clone() }
}

/// One thing done to an image.
#[derive(Debug)]
enum Step {
    Convolve(Box<FixedConv>),
    /// The mean of 3x3 pixels; those outside are left out.
    AverageInside,
    /// The mean of 3x3 pixels; those outside are zeros.
    AverageWithZeros,
    /// The largest of 3x3 pixels, at every pixel.
    Largest,
    /// The largest of 3x3 pixels, at every second pixel.
    LargestOfEverySecond,
}

impl Step {
    fn apply(&self, value: Tensor<4>) -> Tensor<4> {
        let window = PoolOptions::tiles([3, 3]);
        let around = PoolOptions { stride: [1, 1], padding: [1, 1], ..window };
        match self {
            Self::Convolve(convolution) => convolution.forward(value),
            Self::AverageInside => ops::average_pool2d(value, &around),
            Self::AverageWithZeros => average_with_zeros(value),
            Self::Largest => ops::max_pool2d(value, &around),
            Self::LargestOfEverySecond => {
                ops::max_pool2d(value, &PoolOptions { stride: [2, 2], ..window })
            }
        }
    }
}

fn average_with_zeros(value: Tensor<4>) -> Tensor<4> {
    let n_channels = value.dims()[1];
    let weight = Tensor::full([n_channels, 1, 3, 3], 1.0 / 9.0, &value.device().inner());
    ops::depthwise_conv2d(value, weight, None, 1, PaddingMode::Zeros, ops::Activation::Identity)
}

/// Steps one after the other, and the convolutions that each see what comes out.
#[derive(Debug)]
struct Branch {
    steps: Vec<Step>,
    fork: Vec<FixedConv>,
}

impl Branch {
    fn apply(&self, value: Tensor<4>) -> Vec<Tensor<4>> {
        let value = self.steps.iter().fold(value, |value, step| step.apply(value));
        if self.fork.is_empty() {
            return vec![value];
        }
        self.fork.iter().map(|convolution| convolution.forward(value.clone())).collect()
    }
}

/// How a kernel moves.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    size: [usize; 2],
    stride: usize,
    padding: [usize; 2],
}

/// A kernel that keeps the image's size.
const fn same(height: usize, width: usize) -> Kernel {
    Kernel { size: [height, width], stride: 1, padding: [height / 2, width / 2] }
}

/// A kernel of 3x3 that stays inside the image.
const fn inside(stride: usize) -> Kernel {
    Kernel { size: [3, 3], stride, padding: [0, 0] }
}

const POINT: Kernel = same(1, 1);

/// Name within its block, output channels and kernel of each convolution in a row.
type Chain<'a> = &'a [(&'a str, usize, Kernel)];

struct BlockReader<'a> {
    reader: WeightReader<'a>,
    variant: InceptionVariant,
    device: &'a Device,
}

impl BlockReader<'_> {
    /// A convolution without bias and its normalisation (`ε` 0.001), made one:
    /// `w' = w γ / √(σ² + ε)`, `b' = β - μ γ / √(σ² + ε)`.
    fn convolution(&mut self, name: &str, n_in: usize, n_out: usize, kernel: Kernel) -> FixedConv {
        let [height, width] = kernel.size;
        let shape = [n_out, n_in, height, width];
        let mut weight = self.reader.take(&format!("{name}.conv.weight"), &shape);
        let [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| self.reader.take(&format!("{name}.bn.{part}"), &[n_out]));
        let factor = |idx: usize| f64::from(scale[idx]) / (f64::from(variance[idx]) + 1e-3).sqrt();
        for (idx, row) in weight.chunks_exact_mut(n_in * height * width).enumerate() {
            let factor = factor(idx);
            row.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
        }
        let bias = (0..n_out).map(|idx| f64::from(shift[idx]) - f64::from(mean[idx]) * factor(idx));
        let options = ConvOptions {
            stride: [kernel.stride; 2],
            padding: kernel.padding,
            ..ConvOptions::same(1)
        };
        let bias = bias.map(|value| value as f32).collect();
        FixedConv::new((weight, shape), bias, options, self.device)
    }

    fn chain(&mut self, block: &str, mut n_in: usize, chain: Chain) -> Vec<Step> {
        let mut steps = Vec::with_capacity(chain.len());
        for &(name, n_out, kernel) in chain {
            let name = format!("{block}{name}");
            let convolution = self.convolution(&name, n_in, n_out, kernel);
            steps.push(Step::Convolve(Box::new(convolution)));
            n_in = n_out;
        }
        steps
    }

    fn branch(&mut self, block: &str, n_in: usize, chain: Chain) -> Branch {
        Branch { steps: self.chain(block, n_in, chain), fork: Vec::new() }
    }

    /// A convolution of every pixel after `pooling`.
    fn pooled(&mut self, block: &str, [n_in, n_out]: [usize; 2], pooling: Step) -> Branch {
        let mut steps = vec![pooling];
        steps.extend(self.chain(block, n_in, &[("branch_pool", n_out, POINT)]));
        Branch { steps, fork: Vec::new() }
    }

    /// `chain`, then 1x3 and 3x1 side by side.
    fn forked(&mut self, block: &str, n_in: usize, chain: Chain, names: [&str; 2]) -> Branch {
        let steps = self.chain(block, n_in, chain);
        let kernels = [same(1, 3), same(3, 1)];
        let fork = names
            .iter()
            .zip(kernels)
            .map(|(name, kernel)| self.convolution(&format!("{block}{name}"), 384, 384, kernel));
        Branch { steps, fork: fork.collect() }
    }

    fn average(&self) -> Step {
        match self.variant {
            InceptionVariant::TensorFlow2015 => Step::AverageInside,
            InceptionVariant::Torchvision => Step::AverageWithZeros,
        }
    }
}

fn stem(reader: &mut BlockReader) -> Vec<Step> {
    let first: Chain = &[
        ("Conv2d_1a_3x3", 32, inside(2)),
        ("Conv2d_2a_3x3", 32, inside(1)),
        ("Conv2d_2b_3x3", 64, same(3, 3)),
    ];
    let second: Chain = &[("Conv2d_3b_1x1", 80, POINT), ("Conv2d_4a_3x3", 192, inside(1))];
    let mut steps = reader.chain("", 3, first);
    steps.push(Step::LargestOfEverySecond);
    steps.extend(reader.chain("", 64, second));
    steps.push(Step::LargestOfEverySecond);
    steps
}

fn blocks(reader: &mut BlockReader) -> Vec<Vec<Branch>> {
    let pooling = reader.average();
    let last_pooling = match reader.variant {
        InceptionVariant::TensorFlow2015 => Step::Largest,
        InceptionVariant::Torchvision => reader.average(),
    };
    vec![
        fine(reader, "Mixed_5b.", 192, 32),
        fine(reader, "Mixed_5c.", 256, 64),
        fine(reader, "Mixed_5d.", 288, 64),
        first_reduction(reader, "Mixed_6a."),
        middle(reader, "Mixed_6b.", 128),
        middle(reader, "Mixed_6c.", 160),
        middle(reader, "Mixed_6d.", 160),
        middle(reader, "Mixed_6e.", 192),
        second_reduction(reader, "Mixed_7a."),
        coarse(reader, "Mixed_7b.", 1280, pooling),
        coarse(reader, "Mixed_7c.", 2048, last_pooling),
    ]
}

/// Figure 5 of the paper, with one 5x5 left.
fn fine(reader: &mut BlockReader, name: &str, n_in: usize, n_pooled: usize) -> Vec<Branch> {
    let pooling = reader.average();
    let twice: Chain = &[
        ("branch3x3dbl_1", 64, POINT),
        ("branch3x3dbl_2", 96, same(3, 3)),
        ("branch3x3dbl_3", 96, same(3, 3)),
    ];
    vec![
        reader.branch(name, n_in, &[("branch1x1", 64, POINT)]),
        reader.branch(name, n_in, &[("branch5x5_1", 48, POINT), ("branch5x5_2", 64, same(5, 5))]),
        reader.branch(name, n_in, twice),
        reader.pooled(name, [n_in, n_pooled], pooling),
    ]
}

fn first_reduction(reader: &mut BlockReader, name: &str) -> Vec<Branch> {
    let twice: Chain = &[
        ("branch3x3dbl_1", 64, POINT),
        ("branch3x3dbl_2", 96, same(3, 3)),
        ("branch3x3dbl_3", 96, inside(2)),
    ];
    vec![
        reader.branch(name, 288, &[("branch3x3", 384, inside(2))]),
        reader.branch(name, 288, twice),
        Branch { steps: vec![Step::LargestOfEverySecond], fork: Vec::new() },
    ]
}

/// Figure 6 with n = 7.
fn middle(reader: &mut BlockReader, name: &str, n_inner: usize) -> Vec<Branch> {
    let pooling = reader.average();
    let (row, column) = (same(1, 7), same(7, 1));
    let once: Chain = &[
        ("branch7x7_1", n_inner, POINT),
        ("branch7x7_2", n_inner, row),
        ("branch7x7_3", 192, column),
    ];
    let twice: Chain = &[
        ("branch7x7dbl_1", n_inner, POINT),
        ("branch7x7dbl_2", n_inner, column),
        ("branch7x7dbl_3", n_inner, row),
        ("branch7x7dbl_4", n_inner, column),
        ("branch7x7dbl_5", 192, row),
    ];
    vec![
        reader.branch(name, 768, &[("branch1x1", 192, POINT)]),
        reader.branch(name, 768, once),
        reader.branch(name, 768, twice),
        reader.pooled(name, [768, 192], pooling),
    ]
}

fn second_reduction(reader: &mut BlockReader, name: &str) -> Vec<Branch> {
    let long: Chain = &[
        ("branch7x7x3_1", 192, POINT),
        ("branch7x7x3_2", 192, same(1, 7)),
        ("branch7x7x3_3", 192, same(7, 1)),
        ("branch7x7x3_4", 192, inside(2)),
    ];
    vec![
        reader.branch(name, 768, &[("branch3x3_1", 192, POINT), ("branch3x3_2", 320, inside(2))]),
        reader.branch(name, 768, long),
        Branch { steps: vec![Step::LargestOfEverySecond], fork: Vec::new() },
    ]
}

/// Figure 7.
fn coarse(reader: &mut BlockReader, name: &str, n_in: usize, pooling: Step) -> Vec<Branch> {
    let single: Chain = &[("branch3x3_1", 384, POINT)];
    let double: Chain = &[("branch3x3dbl_1", 448, POINT), ("branch3x3dbl_2", 384, same(3, 3))];
    vec![
        reader.branch(name, n_in, &[("branch1x1", 320, POINT)]),
        reader.forked(name, n_in, single, ["branch3x3_2a", "branch3x3_2b"]),
        reader.forked(name, n_in, double, ["branch3x3dbl_3a", "branch3x3dbl_3b"]),
        reader.pooled(name, [n_in, 192], pooling),
    ]
}
