//! MobileNetV2 as the backbone of a segmenter: features at a quarter and at a sixteenth of the size.

use burn::tensor::s;
use tapetum_nn::{prelude::*, weights::WeightReader};

use super::normalized::{NormalizedConvolution, NormalizedDepthwise, Rectifier};

/// Channels of the coarse features.
pub(super) const N_COARSE: usize = 320;
/// Channels of the fine features.
pub(super) const N_FINE: usize = 24;

/// Expansion, channels, blocks and stride of each stage ([Sandler 2018] Table 2).
const STAGES: [[usize; 4]; 7] = [
    [1, 16, 1, 1],
    [6, N_FINE, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, N_COARSE, 1, 1],
];
/// Blocks that belong to the fine features.
const N_FINE_BLOCKS: usize = 3;
/// Where strides end and dilation begins.
const OUTPUT_STRIDE: usize = 16;
/// Channels of the first convolution.
const N_FIRST: usize = 32;

/// The smallest side of an image that the first convolution, which pads nothing, has a result for.
pub(super) const SIDE_MIN: usize = 3;

/// The network without its classifier.
#[derive(Debug)]
pub(super) struct MobileNetV2 {
    pub(super) first: NormalizedConvolution,
    pub(super) blocks: Vec<InvertedResidual>,
}

impl MobileNetV2 {
    /// Reads `backbone.low_level_features.{0…3}` and `backbone.high_level_features.{4…17}`.
    pub(super) fn read(reader: &mut WeightReader, device: &Device) -> Self {
        let name = feature_name(0);
        let names = [&*format!("{name}.0"), &*format!("{name}.1")];
        let (shape, relu6) = ([N_FIRST, 3, 3, 3], Rectifier::Relu6);
        let first = NormalizedConvolution::read(reader, names, shape, relu6, device);
        let blocks = blocks().into_iter().enumerate();
        let blocks = blocks.map(|(idx, shape)| {
            InvertedResidual::read(reader, &feature_name(idx + 1), shape, device)
        });
        let blocks = blocks.collect();
        Self { first: first.padded(0).halving(), blocks }
    }

    /// # Shapes
    /// `image`: `[batch, 3, height, width]` of at least [`SIDE_MIN`]; results: `[batch, 24, …]` at a quarter
    /// of the size and `[batch, 320, …]` at a sixteenth.
    pub(super) fn forward(&self, image: Tensor<4>) -> [Tensor<4>; 2] {
        let (fine, coarse) = self.blocks.split_at(N_FINE_BLOCKS);
        let fine = through(fine, self.first.forward(image));
        let coarse = through(coarse, fine.clone());
        [fine, coarse]
    }
}

fn through(blocks: &[InvertedResidual], input: Tensor<4>) -> Tensor<4> {
    blocks.iter().fold(input, |features, block| block.forward(features))
}

fn feature_name(idx: usize) -> String {
    let level = if idx <= N_FINE_BLOCKS { "low" } else { "high" };
    format!("backbone.{level}_level_features.{idx}")
}

/// What a block is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BlockShape {
    n_in: usize,
    n_out: usize,
    expansion: usize,
    stride: usize,
    dilation: usize,
}

/// All blocks in order. Beyond [`OUTPUT_STRIDE`] a stage's stride becomes dilation, from the second block
/// of that stage on.
fn blocks() -> Vec<BlockShape> {
    let mut blocks = Vec::new();
    let (mut n_in, mut reached, mut dilation) = (N_FIRST, 2, 1);
    for [expansion, n_out, n_blocks, stride] in STAGES {
        let dilation_before = dilation;
        let stride = if reached == OUTPUT_STRIDE {
            dilation *= stride;
            1
        } else {
            reached *= stride;
            stride
        };
        for idx in 0..n_blocks {
            let (stride, dilation) =
                if idx == 0 { (stride, dilation_before) } else { (1, dilation) };
            blocks.push(BlockShape { n_in, n_out, expansion, stride, dilation });
            n_in = n_out;
        }
    }
    blocks
}

/// Expand by a point-wise convolution, filter every channel, project by another ([Sandler 2018] §3.3).
#[derive(Debug)]
pub(super) struct InvertedResidual {
    /// Pads its input, so that what the filter reads beyond the borders is not zero but what becomes of
    /// zero here. Absent where nothing is expanded.
    expand: Option<NormalizedConvolution>,
    filter: NormalizedDepthwise,
    pub(super) project: NormalizedConvolution,
    shape: BlockShape,
}

impl InvertedResidual {
    fn read(reader: &mut WeightReader, name: &str, shape: BlockShape, device: &Device) -> Self {
        let BlockShape { n_in, n_out, expansion, dilation, .. } = shape;
        let n_expanded = n_in * expansion;
        let is_expanded = expansion != 1;
        let part = |part: &str| format!("{name}.conv.{part}");
        let expand = is_expanded.then(|| {
            let names = [&*part("0.0"), &*part("0.1")];
            let (shape, relu6) = ([n_expanded, n_in, 1, 1], Rectifier::Relu6);
            NormalizedConvolution::read(reader, names, shape, relu6, device).padded(dilation)
        });
        // Number of the filter among the parts.
        let at = usize::from(is_expanded);
        let names = [&*part(&format!("{at}.0")), &*part(&format!("{at}.1"))];
        let filter = NormalizedDepthwise::read(reader, names, n_expanded, dilation, device);
        let names = [&*part(&format!("{}", at + 1)), &*part(&format!("{}", at + 2))];
        let (weight, linear) = ([n_out, n_expanded, 1, 1], Rectifier::Linear);
        let project = NormalizedConvolution::read(reader, names, weight, linear, device);
        Self { expand, filter, project, shape }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let BlockShape { n_in, n_out, stride, dilation, .. } = self.shape;
        let [_, _, height, width] = input.dims();
        let filtered = match &self.expand {
            Some(expand) => {
                let filtered = self.filter.forward(expand.forward(input.clone()));
                inner(filtered, dilation, [height, width], stride)
            }
            // What pads the input pads what is filtered.
            None => inner(self.filter.forward(input.clone()), 0, [height, width], stride),
        };
        let projected = self.project.forward(filtered);
        if stride == 1 && n_in == n_out { ops::add(input, projected) } else { projected }
    }
}

/// Without the `border`, every `stride`-th pixel of `[height, width]`, in the order of the memory.
fn inner(image: Tensor<4>, border: usize, [height, width]: [usize; 2], stride: usize) -> Tensor<4> {
    if border == 0 && stride == 1 {
        return image;
    }
    let step = stride as isize;
    let image = image.permute([0, 2, 3, 1]);
    let image =
        image.slice(s![.., border..border + height; step, border..border + width; step, ..]);
    image.permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_end_at_a_sixteenth_and_become_dilation() {
        let blocks = blocks();
        let of = |value: fn(&BlockShape) -> usize| blocks.iter().map(value).collect::<Vec<_>>();
        assert_eq!(of(|block| block.stride), [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(of(|block| block.dilation), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
        assert_eq!(blocks[N_FINE_BLOCKS - 1].n_out, N_FINE);
        assert_eq!(blocks[16].n_out, N_COARSE);
    }
}
