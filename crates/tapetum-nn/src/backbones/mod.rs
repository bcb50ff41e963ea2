//! Networks trained to classify photographs, whose inner features metrics and losses compare. Their
//! weights are read, never trained; gradients flow through to the image.

mod alexnet;
mod binomial;
mod fixed_conv;
mod inception;
mod input_scale;
mod vgg;
mod vgg_input;
mod vgg_layout;

pub use self::{
    alexnet::{AlexNet, AlexNetVariant},
    inception::{Inception, InceptionVariant},
    input_scale::{ChannelOrder, InputScale},
    vgg::{Vgg, VggDepth, VggPooling, VggStage},
    vgg_input::VggInput,
};
