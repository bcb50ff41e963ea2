//! Networks trained to classify photographs, whose inner features metrics and losses compare. Their
//! weights are read, never trained; gradients flow through to the image.

mod alexnet;
mod binomial;
mod fixed_conv;
mod inception;
mod input_scale;
mod vgg16;
mod vgg_input;

pub use self::{
    alexnet::{AlexNet, AlexNetVariant},
    inception::{Inception, InceptionVariant},
    input_scale::{ChannelOrder, InputScale},
    vgg_input::VggInput,
    vgg16::{Vgg16, Vgg16Pooling, Vgg16Stage},
};
