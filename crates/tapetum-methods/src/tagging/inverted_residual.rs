//! Networks of inverted residuals: what MobileNetV2 and EfficientNet-Lite have in common.

use tapetum_nn::{prelude::*, weights::WeightReader};

use super::{
    encoder::{Input, SemanticEncoder, Semantics, with_mean},
    folded::{FoldedConv, LayerHabits, LayerPlan},
};

/// Blocks of the same width, only the first of which may halve the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stage {
    /// Hidden channels for each channel of a block's input.
    pub(super) expansion: usize,
    pub(super) n_out: usize,
    pub(super) n_blocks: usize,
    pub(super) stride: usize,
    pub(super) kernel: usize,
}

/// A whole network before its weights are read.
#[derive(Debug)]
pub(super) struct NetworkPlan {
    pub(super) name: &'static str,
    pub(super) stages: &'static [Stage],
    pub(super) habits: LayerHabits,
    /// Of the first layer's convolution and normalisation.
    pub(super) first_names: [&'static str; 2],
    /// Of the last layer's.
    pub(super) head_names: [&'static str; 2],
    /// Of a block's three layers, by the block's index and whether it expands; the first is not used where
    /// it does not.
    pub(super) block_names: fn(usize, bool) -> [[String; 2]; 3],
    /// Name and classes of the linear layer at the end, if there is one.
    pub(super) classifier: Option<(&'static str, usize)>,
}

/// Channels of the first layer's result.
const N_FIRST: usize = 32;
/// Channels of the last layer's result.
const N_HEAD: usize = 1280;
/// Strides of the levels of the pyramid.
const PYRAMID_STRIDES: [usize; 3] = [4, 8, 16];

/// A network of inverted residuals as an encoder.
#[derive(Debug)]
pub(super) struct MobileEncoder {
    name: &'static str,
    input: Input,
    first: FoldedConv,
    blocks: Vec<InvertedResidual>,
    /// Indices of the last block of each stride of [`PYRAMID_STRIDES`].
    pyramid_idxs: Vec<usize>,
    head: FoldedConv,
    classifier: Option<Classifier>,
}

#[derive(Debug)]
struct Classifier {
    /// `[classes, N_HEAD]`.
    weight: Tensor<2>,
    /// `[classes]`.
    bias: Tensor<1>,
}

impl MobileEncoder {
    pub(super) fn read(
        reader: &mut WeightReader,
        plan: &NetworkPlan,
        input: Input,
        device: &Device,
    ) -> Self {
        let mut layer =
            |plan_of_layer| FoldedConv::read(reader, plan_of_layer, plan.habits, device);
        let rectified = |names: [&str; 2], shape, stride| LayerPlan {
            names: names.map(str::to_owned),
            shape,
            stride,
            is_rectified: true,
        };
        let first = layer(rectified(plan.first_names, [N_FIRST, 3, 3, 3], 2));
        let shapes = blocks(plan.stages);
        let blocks = shapes.iter().enumerate().map(|(idx, &shape)| {
            InvertedResidual::read(&mut layer, (plan.block_names)(idx, shape.expansion > 1), shape)
        });
        let blocks = blocks.collect();
        let n_last = shapes.last().expect("a network has blocks").n_out;
        let head = layer(rectified(plan.head_names, [N_HEAD, n_last, 1, 1], 1));
        let classifier = plan.classifier.map(|(name, n)| Classifier::read(reader, name, n, device));
        let pyramid_idxs = pyramid_idxs(&shapes);
        Self { name: plan.name, input, first, blocks, pyramid_idxs, head, classifier }
    }

    /// The results of these blocks, and the level of each of the pyramid that is among them.
    fn run(
        &self,
        features: Tensor<4>,
        blocks: &[InvertedResidual],
        first_idx: usize,
    ) -> (Tensor<4>, Vec<Tensor<4>>) {
        let mut pyramid = Vec::new();
        let mut features = features;
        for (idx, block) in (first_idx..).zip(blocks) {
            features = block.forward(features);
            if self.pyramid_idxs.contains(&idx) {
                pyramid.push(features.clone());
            }
        }
        (features, pyramid)
    }

    /// The features of the coarsest level of the pyramid, and the whole pyramid.
    fn climb(&self, image: Tensor<4>) -> (Tensor<4>, Vec<Tensor<4>>) {
        let features = self.first.forward(self.input.prepare(image));
        self.run(features, &self.blocks[..self.n_pyramid_blocks()], 0)
    }

    fn n_pyramid_blocks(&self) -> usize {
        self.pyramid_idxs.last().map_or(0, |idx| idx + 1)
    }
}

impl SemanticEncoder for MobileEncoder {
    fn encode(&self, image: Tensor<4>) -> Semantics {
        let (features, pyramid) = self.climb(image);
        let n_done = self.n_pyramid_blocks();
        let (features, _) = self.run(features, &self.blocks[n_done..], n_done);
        let features = self.head.forward(features);
        let [batch, width, rows, columns] = features.dims();
        let places = features.permute([0, 2, 3, 1]).reshape([batch, rows * columns, width]);
        let tokens = with_mean(places);
        let mean = tokens.clone().narrow(1, 0, 1);
        let logits = match &self.classifier {
            Some(classifier) => classifier.forward(mean),
            None => mean,
        };
        let n_tags = self.n_tags();
        Semantics { tokens, logits: logits.reshape([batch, n_tags]), pyramid }
    }

    fn pyramid(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        self.climb(image).1
    }

    fn n_tags(&self) -> usize {
        self.classifier.as_ref().map_or(N_HEAD, |classifier| classifier.bias.dims()[0])
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

impl Classifier {
    fn read(reader: &mut WeightReader, name: &str, n_classes: usize, device: &Device) -> Self {
        let shape = [n_classes, N_HEAD];
        let weight = reader.take(&format!("{name}.weight"), &shape);
        let bias = reader.take(&format!("{name}.bias"), &shape[..1]);
        Self {
            weight: Tensor::from_data(TensorData::new(weight, shape), device),
            bias: Tensor::from_data(TensorData::new(bias, [n_classes]), device),
        }
    }

    fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        ops::linear(features, self.weight.clone(), Some(self.bias.clone()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BlockShape {
    n_in: usize,
    n_out: usize,
    expansion: usize,
    stride: usize,
    kernel: usize,
}

fn blocks(stages: &[Stage]) -> Vec<BlockShape> {
    let mut blocks = Vec::new();
    let mut n_in = N_FIRST;
    for &Stage { expansion, n_out, n_blocks, stride, kernel } in stages {
        for idx in 0..n_blocks {
            let stride = if idx == 0 { stride } else { 1 };
            blocks.push(BlockShape { n_in, n_out, expansion, stride, kernel });
            n_in = n_out;
        }
    }
    blocks
}

/// Where the size is halved next, or never again.
fn pyramid_idxs(blocks: &[BlockShape]) -> Vec<usize> {
    let strides: Vec<usize> = blocks
        .iter()
        .scan(2, |reached, block| {
            *reached *= block.stride;
            Some(*reached)
        })
        .collect();
    let last_of = |stride| strides.iter().rposition(|reached| *reached == stride);
    PYRAMID_STRIDES.into_iter().filter_map(last_of).collect()
}

/// Expand by a point-wise convolution, filter every channel, project by another ([Sandler 2018] §3.3).
#[derive(Debug)]
struct InvertedResidual {
    /// Absent where nothing is expanded.
    expand: Option<FoldedConv>,
    filter: FoldedConv,
    project: FoldedConv,
    is_residual: bool,
}

impl InvertedResidual {
    fn read(
        layer: &mut impl FnMut(LayerPlan) -> FoldedConv,
        [expand, filter, project]: [[String; 2]; 3],
        shape: BlockShape,
    ) -> Self {
        let BlockShape { n_in, n_out, expansion, stride, kernel } = shape;
        let n_hidden = n_in * expansion;
        let mut layer = |names, shape, stride, is_rectified| {
            layer(LayerPlan { names, shape, stride, is_rectified })
        };
        Self {
            expand: (expansion > 1).then(|| layer(expand, [n_hidden, n_in, 1, 1], 1, true)),
            filter: layer(filter, [n_hidden, 1, kernel, kernel], stride, true),
            project: layer(project, [n_out, n_hidden, 1, 1], 1, false),
            is_residual: stride == 1 && n_in == n_out,
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let expanded = match &self.expand {
            Some(expand) => expand.forward(input.clone()),
            None => input.clone(),
        };
        let projected = self.project.forward(self.filter.forward(expanded));
        if self.is_residual { ops::add(input, projected) } else { projected }
    }
}
