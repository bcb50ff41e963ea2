//! MobileNetV2 as the backbone of a segmenter: features at a quarter and at a sixteenth of the size.

use tapetum_nn::prelude::*;

use super::layer::{Layer, LayerPlan, Rectifier};

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
#[derive(Module, Debug)]
pub(super) struct MobileNetV2<L> {
    pub(super) first: L,
    pub(super) blocks: Vec<InvertedResidual<L>>,
}

impl<L> MobileNetV2<L> {
    /// Layers `backbone.low_level_features.{0…3}` and `backbone.high_level_features.{4…17}`.
    pub(super) fn build(layer: &mut impl FnMut(LayerPlan) -> L) -> Self {
        let name = feature_name(0);
        let names = [format!("{name}.0"), format!("{name}.1")];
        let first = LayerPlan::normalized(names, [N_FIRST, 3, 3, 3], Rectifier::Relu6);
        let first = layer(first.padded(0).halving());
        let blocks = blocks().into_iter().enumerate();
        let blocks = blocks
            .map(|(idx, shape)| InvertedResidual::build(layer, &feature_name(idx + 1), shape));
        Self { first, blocks: blocks.collect() }
    }

    /// All layers.
    pub(super) fn layers(&self) -> impl Iterator<Item = &L> {
        std::iter::once(&self.first).chain(self.blocks.iter().flat_map(InvertedResidual::layers))
    }
}

impl<L: Layer> MobileNetV2<L> {
    /// # Shapes
    /// `image`: `[batch, 3, height, width]` of at least [`SIDE_MIN`]; results: `[batch, 24, …]` at a quarter
    /// of the size and `[batch, 320, …]` at a sixteenth.
    pub(super) fn forward(&self, image: Tensor<4>, pass: &mut L::Pass) -> [Tensor<4>; 2] {
        let (fine, coarse) = self.blocks.split_at(N_FINE_BLOCKS);
        let first = self.first.forward(image, pass);
        let fine = fine.iter().fold(first, |features, block| block.forward(features, pass));
        let coarse =
            coarse.iter().fold(fine.clone(), |features, block| block.forward(features, pass));
        [fine, coarse]
    }
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
#[derive(Module, Debug)]
pub(super) struct InvertedResidual<L> {
    /// Pads its input, so that what the filter reads beyond the borders is not zero but what becomes of
    /// zero here. Absent where nothing is expanded.
    expand: Option<L>,
    filter: L,
    pub(super) project: L,
    #[module(skip)]
    shape: BlockShape,
}

impl<L> InvertedResidual<L> {
    fn build(layer: &mut impl FnMut(LayerPlan) -> L, name: &str, shape: BlockShape) -> Self {
        let BlockShape { n_in, n_out, expansion, stride, dilation } = shape;
        let n_expanded = n_in * expansion;
        let is_expanded = expansion != 1;
        let plan = |parts: [&str; 2], weight_shape, rectifier| {
            let names = parts.map(|part| format!("{name}.conv.{part}"));
            LayerPlan::normalized(names, weight_shape, rectifier)
        };
        let relu6 = Rectifier::Relu6;
        let expand = plan(["0.0", "0.1"], [n_expanded, n_in, 1, 1], relu6).padded(dilation);
        // Where nothing is expanded, what pads the input pads what is filtered.
        let (filter, project, border) = if is_expanded {
            (["1.0", "1.1"], ["2", "3"], dilation)
        } else {
            (["0.0", "0.1"], ["1", "2"], 0)
        };
        let filter = plan(filter, [n_expanded, 1, 3, 3], relu6);
        let project = plan(project, [n_out, n_expanded, 1, 1], Rectifier::Linear);
        Self {
            expand: is_expanded.then(|| layer(expand)),
            filter: layer(filter.depthwise(dilation, border, stride)),
            project: layer(project),
            shape,
        }
    }

    fn layers(&self) -> impl Iterator<Item = &L> {
        self.expand.iter().chain([&self.filter, &self.project])
    }
}

impl<L: Layer> InvertedResidual<L> {
    fn forward(&self, input: Tensor<4>, pass: &mut L::Pass) -> Tensor<4> {
        let BlockShape { n_in, n_out, stride, .. } = self.shape;
        let expanded = match &self.expand {
            Some(expand) => expand.forward(input.clone(), pass),
            None => input.clone(),
        };
        let filtered = self.filter.forward(expanded, pass);
        let projected = self.project.forward(filtered, pass);
        if stride == 1 && n_in == n_out { ops::add(input, projected) } else { projected }
    }
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
