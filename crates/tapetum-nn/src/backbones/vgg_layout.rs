//! Where VGG's convolutions stand in the network, and what files call them.

use super::{
    fixed_conv::{best_layout, part},
    vgg::{VggDepth, VggPooling, VggStage},
};
use crate::weights::{TensorValues, Weights};

/// Channels of each block, and stages of the convolutions before it in the deepest network.
const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];
const STAGES_BEFORE: [usize; 5] = [0, 4, 8, 16, 24];

/// Where a convolution stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// Among all of the network.
    pub(super) idx: usize,
    /// From 0.
    pub(super) block: usize,
    /// Within its block.
    pub(super) place: usize,
}

impl At {
    pub(super) fn shape(self) -> [usize; 4] {
        let n_out = CHANNELS[self.block];
        let n_in = match (self.block, self.place) {
            (0, 0) => 3,
            (block, 0) => CHANNELS[block - 1],
            _ => n_out,
        };
        [n_out, n_in, 3, 3]
    }

    pub(super) fn is_after_pooling(self) -> bool {
        self.block > 0 && self.place == 0
    }

    /// The numbers of its [`VggStage`]s, before and after its ReLU.
    pub(super) fn stages(self) -> [usize; 2] {
        let linear = STAGES_BEFORE[self.block] + 2 * self.place;
        [linear, linear + 1]
    }

    pub(super) fn holds(self, stage: VggStage) -> bool {
        self.stages().contains(&(stage as usize))
    }

    /// Its number in a list of all layers, where a convolution and its ReLU count two and each change of
    /// size `per_pooling`.
    fn number(self, per_pooling: usize) -> usize {
        2 * self.idx + per_pooling * self.block
    }
}

/// Whose names a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Torchvision,
    Lpips,
    ShiftTolerant,
    Dists,
    Keras,
}

impl Layout {
    const ALL: [Self; 5] =
        [Self::Torchvision, Self::Lpips, Self::ShiftTolerant, Self::Dists, Self::Keras];

    /// The one whose names the file knows most of.
    pub(super) fn of(weights: &Weights, depth: VggDepth) -> Self {
        best_layout(weights, &Self::ALL, |layout| {
            let name = |at| format!("{}{}", layout.name(at), layout.suffixes()[0]);
            depth.convolutions().map(name).collect()
        })
    }

    /// The convolutions and filters of a file, with PyTorch's suffixes and order of dimensions.
    pub(super) fn features(self, weights: &Weights) -> Weights {
        let features = part(weights, self.prefix());
        if self == Self::Keras { from_keras(features) } else { features }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Torchvision => "features.",
            Self::Lpips | Self::ShiftTolerant => "net.slice",
            Self::Dists => "stage",
            Self::Keras => "block",
        }
    }

    pub(super) fn name(self, at: At) -> String {
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

    /// The filter that such a file keeps before the `first` convolution of a block, if its features were
    /// made with one.
    pub(super) fn filter(self, first: At, pooling: VggPooling) -> Option<String> {
        let (prefix, slice) = (self.prefix(), first.block + 1);
        match (self, pooling) {
            (Self::ShiftTolerant, VggPooling::MaxThenBlur) => {
                Some(format!("{prefix}{slice}.{}.filt", first.number(2) - 1))
            }
            (Self::Dists, VggPooling::L2) => {
                Some(format!("{prefix}{slice}.{}.filter", first.number(1) - 1))
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
