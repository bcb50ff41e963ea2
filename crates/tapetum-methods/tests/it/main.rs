//! Tests of the methods against golden values.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod classical;
mod collaba;
mod collaba_losses;
mod collaba_spectral_norm;
mod collaba_training;
mod deeplab;
mod deeplab_training;
mod every_device;
mod every_method;
mod fast;
mod gradients;
mod lacr_vae;
mod lacr_vae_losses;
mod lacr_vae_training;
mod research;
mod scl_lle;
mod scl_lle_helpers;
mod scl_lle_losses;
mod segmentation;
mod semi_llie;
mod semi_llie_losses;
mod semi_llie_training;
mod tagging;
mod tagging_ram;
