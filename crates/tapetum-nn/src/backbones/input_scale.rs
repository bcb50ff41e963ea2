//! The numbers a network was trained to see in place of 0..1.

use burn::tensor::{Tensor, TensorData};

/// Which colour is the first channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as Caffe and OpenCV have it.
    Bgr,
}

/// `(scale · image - mean) / deviation`, channel by channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputScale {
    /// The value that 1 becomes.
    pub scale: f32,
    /// Taken away, in the order of the channels after reordering.
    pub mean: [f32; 3],
    /// Divided by, in the order of the channels after reordering.
    pub deviation: [f32; 3],
    /// The order of the network's channels.
    pub order: ChannelOrder,
}

impl InputScale {
    /// Mean and deviation of ImageNet, as all of torchvision's classifiers take it.
    pub const TORCHVISION: Self = Self {
        scale: 1.0,
        mean: [0.485, 0.456, 0.406],
        deviation: [0.229, 0.224, 0.225],
        order: ChannelOrder::Rgb,
    };

    /// What the packages of LPIPS do to an image of -1..1, here for one of 0..1.
    pub const LPIPS: Self = Self {
        scale: 2.0,
        mean: [0.970, 0.912, 0.812],
        deviation: [0.458, 0.448, 0.450],
        order: ChannelOrder::Rgb,
    };

    /// Caffe's mean, as holistically-nested edge detection takes it.
    pub const CAFFE: Self = Self {
        scale: 255.0,
        mean: [104.006_99, 116.668_77, 122.678_92],
        deviation: [1.0; 3],
        order: ChannelOrder::Bgr,
    };

    /// -1..1.
    pub const SYMMETRIC: Self =
        Self { scale: 2.0, mean: [1.0; 3], deviation: [1.0; 3], order: ChannelOrder::Rgb };

    /// `(image - 128) / 128` of 0..255, as TensorFlow's Inception takes it.
    pub const TENSORFLOW: Self =
        Self { scale: 255.0, mean: [128.0; 3], deviation: [128.0; 3], order: ChannelOrder::Rgb };

    /// The image as the network takes it.
    ///
    /// # Shapes
    /// `image` and result: `[batch, 3, height, width]`; `image` is RGB, 0..1.
    pub fn apply(&self, image: Tensor<4>) -> Tensor<4> {
        let image = match self.order {
            ChannelOrder::Rgb => image,
            ChannelOrder::Bgr => image.flip([1]),
        };
        let device = image.device();
        let channels = |values: [f32; 3]| {
            Tensor::<1>::from_data(TensorData::from(values), &device).reshape([1, 3, 1, 1])
        };
        (image * self.scale - channels(self.mean)) / channels(self.deviation)
    }
}
