//! In which numbers a photograph is computed.

use burn::tensor::Device;
use tapetum_image::{Image, Srgb};
use tapetum_kernels::Instructions;

use super::EnhanceError;
use crate::{
    device::DeviceKind,
    network::Network,
    ops::{Precision, with_precision},
};

/// How far a result in `bf16` may be from that in `f32` where nobody asked for it: half an 8-bit level.
const DIFFERENCE_MAX: f32 = 2e-3;

/// In which numbers a network computes. A method without weights knows `f32` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrecisionMode {
    /// `f32`; `bf16` where the CPU has a matrix unit for it and a reduced copy of the photograph comes
    /// out the same to half an 8-bit level. The fast way, which is further off than that anyway, takes
    /// `bf16` wherever the CPU has instructions for it.
    #[default]
    Auto,
    /// These.
    Fixed(Precision),
}

impl PrecisionMode {
    /// Whether a device has the numbers that were asked for.
    pub(super) fn check(self, device: &Device) -> Result<(), EnhanceError> {
        match self {
            Self::Fixed(precision) if !precision.is_on(device) => {
                Err(EnhanceError::Precision { precision, device: DeviceKind::of(device) })
            }
            _ => Ok(()),
        }
    }

    /// Decides for one photograph.
    pub(super) fn decide(
        self,
        network: &dyn Network,
        preview: &Image<Srgb>,
        device: &Device,
    ) -> Precision {
        let has_matrix_unit =
            DeviceKind::of(device) == DeviceKind::Cpu && Instructions::best() == Instructions::Amx;
        match self {
            _ if network.card().default_weights.is_none() => Precision::F32,
            Self::Fixed(precision) => precision,
            Self::Auto if has_matrix_unit => closest(network, preview, device),
            Self::Auto => Precision::F32,
        }
    }

    /// Decides for the fast way, which is the CPU's.
    pub(super) fn decide_fast(self) -> Precision {
        match (self, Instructions::best()) {
            (Self::Fixed(Precision::F16), _) => Precision::F32,
            (Self::Fixed(precision), _) => precision,
            (Self::Auto, Instructions::Amx | Instructions::Avx512Bf16) => Precision::Bf16,
            (Self::Auto, _) => Precision::F32,
        }
    }
}

/// `bf16` if it makes no difference.
fn closest(network: &dyn Network, preview: &Image<Srgb>, device: &Device) -> Precision {
    let run = |precision| with_precision(precision, || network.enhance_image(preview, device));
    let [exact, rounded] = [Precision::F32, Precision::Bf16].map(run);
    let differences = exact.pixels.iter().zip(&rounded.pixels).map(|(a, b)| (a - b).abs());
    let is_close = differences.fold(0.0, f32::max) <= DIFFERENCE_MAX;
    if is_close { Precision::Bf16 } else { Precision::F32 }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::{
        card::{MethodCard, SizeRule, Tiling},
        ops,
    };

    static CARD: MethodCard = MethodCard {
        name: "rounding",
        title: "Rounding",
        citation: "none",
        purpose: "tests",
        n_parameters: 0,
        macs_per_pixel: None,
        size_rule: SizeRule::Any,
        tiling: Tiling::Exact { receptive_field_px: 0 },
        working_bytes_per_pixel: 0,
        default_weights: Some("rounding"),
        weights_by_scale: &[],
    };

    /// Differs by this in `bf16`.
    struct Rounding(f32);

    impl Network for Rounding {
        fn card(&self) -> &'static MethodCard {
            &CARD
        }

        fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
            match ops::precision() {
                Precision::F32 => low,
                Precision::Bf16 | Precision::F16 => low + self.0,
            }
        }

        fn n_parameters(&self) -> usize {
            0
        }
    }

    #[test]
    fn bf16_is_taken_only_where_the_photograph_stays_the_same() {
        let preview = Image::new(2, 2, vec![0.25; 12]);
        let closest = |rounding| closest(&Rounding(rounding), &preview, &Device::flex());
        assert_eq!(closest(1e-3), Precision::Bf16);
        assert_eq!(closest(1e-2), Precision::F32);
        let fixed = PrecisionMode::Fixed(Precision::Bf16);
        let decided = fixed.decide(&Rounding(1e-2), &preview, &Device::flex());
        assert_eq!(decided, Precision::Bf16);
    }
}
