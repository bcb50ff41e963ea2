//! The five convolutions of AlexNet in its one-column form ([Krizhevsky 2014]).

use burn::tensor::{Device, Tensor};

use super::{
    binomial::{blur_pool, check_filter},
    fixed_conv::{FixedConv, best_layout, part},
};
use crate::{
    ops::{self, Activation, ConvOptions, PoolOptions},
    weights::{WeightReader, Weights, WeightsError},
};

/// Which AlexNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlexNetVariant {
    /// The paper's: the first convolution moves by 4 pixels, windows of 3x3 by 2.
    Plain,
    /// [Ghildyal and Liu 2022]: both move by 1, and a binomial filter takes every second pixel.
    ShiftTolerant,
}

/// AlexNet without its classifier.
#[derive(Debug)]
pub struct AlexNet {
    convolutions: Vec<FixedConv>,
    variant: AlexNetVariant,
}

/// `[out, in, kernel, kernel]`.
const SHAPES: [[usize; 4]; 5] =
    [[64, 3, 11, 11], [192, 64, 5, 5], [384, 192, 3, 3], [256, 384, 3, 3], [256, 256, 3, 3]];

impl AlexNet {
    /// Reads the five convolutions, under the names of torchvision's `alexnet` (`features.N.weight`; its
    /// classifier is not looked at), or of the packages of LPIPS and ST-LPIPS (`net.sliceK.N.weight`).
    ///
    /// # Errors
    /// When one is missing, has another shape, or the file is of the other variant.
    pub fn read(
        weights: &Weights,
        variant: AlexNetVariant,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let layout = best_layout(weights, &layouts(variant), |layout| {
            (0..SHAPES.len()).map(|idx| format!("{}.weight", layout.name(idx))).collect()
        });
        let features = part(weights, layout.prefix);
        let mut reader = WeightReader::new(&features);
        let convolutions = SHAPES.iter().enumerate().map(|(idx, &shape)| {
            let options = options(idx, variant);
            FixedConv::read(&mut reader, &layout.name(idx), shape, options, device)
        });
        let convolutions = convolutions.collect();
        if variant == AlexNetVariant::ShiftTolerant {
            for (name, n_channels) in [("1.1", 64), ("2.4", 64), ("3.8", 192)] {
                check_filter(&mut reader, &format!("net.slice{name}.filt"), n_channels)?;
            }
        }
        reader.finish("AlexNet")?;
        Ok(Self { convolutions, variant })
    }

    /// What comes out of the five ReLUs.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`; results: `[batch, 64 | 192 | 384 | 256 | 256, …]`.
    ///
    /// # Panics
    /// When the image is smaller than [`AlexNet::side_min`].
    pub fn features(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        let mut results: Vec<Tensor<4>> = Vec::with_capacity(SHAPES.len());
        let mut value = image;
        for (idx, convolution) in self.convolutions.iter().enumerate() {
            if idx == 1 || idx == 2 {
                value = self.pool(value);
            }
            value = if idx == 0 { self.first(value) } else { convolution.forward(value) };
            results.push(value.clone());
        }
        results
    }

    /// The smallest side of an image whose features exist, in pixels.
    pub fn side_min(&self) -> usize {
        match self.variant {
            AlexNetVariant::Plain => 31,
            AlexNetVariant::ShiftTolerant => 21,
        }
    }

    fn first(&self, image: Tensor<4>) -> Tensor<4> {
        let convolution = &self.convolutions[0];
        match self.variant {
            AlexNetVariant::Plain => convolution.forward(image),
            AlexNetVariant::ShiftTolerant => {
                ops::activate(blur_pool(convolution.forward_linear(image)), Activation::Relu)
            }
        }
    }

    fn pool(&self, value: Tensor<4>) -> Tensor<4> {
        let windows = |step| PoolOptions { stride: [step; 2], ..PoolOptions::tiles([3, 3]) };
        match self.variant {
            AlexNetVariant::Plain => ops::max_pool2d(value, &windows(2)),
            AlexNetVariant::ShiftTolerant => blur_pool(ops::max_pool2d(value, &windows(1))),
        }
    }
}

fn options(idx: usize, variant: AlexNetVariant) -> ConvOptions {
    let same = ConvOptions::same(SHAPES[idx][2]);
    match (idx, variant) {
        (0, AlexNetVariant::Plain) => ConvOptions { stride: [4, 4], padding: [2, 2], ..same },
        (0, AlexNetVariant::ShiftTolerant) => ConvOptions { padding: [2, 2], ..same },
        _ => same,
    }
}

/// The numbers of the convolutions in a list of all layers, and whether the list is cut into slices.
#[derive(Debug, Clone, Copy)]
struct Layout {
    prefix: &'static str,
    has_slices: bool,
    numbers: [usize; 5],
}

impl Layout {
    fn name(&self, idx: usize) -> String {
        let (prefix, number) = (self.prefix, self.numbers[idx]);
        if self.has_slices {
            format!("{prefix}{}.{number}", idx + 1)
        } else {
            format!("{prefix}{number}")
        }
    }
}

fn layouts(variant: AlexNetVariant) -> Vec<Layout> {
    let sliced = |numbers| Layout { prefix: "net.slice", has_slices: true, numbers };
    match variant {
        AlexNetVariant::Plain => {
            let numbers = [0, 3, 6, 8, 10];
            vec![Layout { prefix: "features.", has_slices: false, numbers }, sliced(numbers)]
        }
        AlexNetVariant::ShiftTolerant => vec![sliced([0, 5, 9, 11, 13])],
    }
}
