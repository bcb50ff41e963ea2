//! The curve network as one fused plan for the CPU: all layers and the curve run band by band.

use tapetum_image::{Image, Srgb};
use tapetum_nn::{
    Weights, WeightsError,
    kernels::{BandLayer, BandPlan, Compute, Instructions, Precision, apply_curves_to_row},
    prelude::*,
};

use super::{
    CARD,
    network::{CurveNetwork, LAYERS},
    weights,
};

/// What each layer reads: 0 is the image, `n` the output of the `n`-th layer.
const SOURCES: [&[usize]; 7] = [&[0], &[1], &[2], &[3], &[3, 4], &[2, 5], &[1, 6]];

/// The curve network with its plan. Images go through the plan, tensors through the network.
pub struct FusedCurveNetwork {
    network: CurveNetwork,
    /// In `f32` and in `bf16`.
    plans: [BandPlan; 2],
}

impl FusedCurveNetwork {
    /// Builds both from the tensors that [`weights::read`] expects.
    ///
    /// # Errors
    /// A tensor is missing, left over or of another shape.
    pub fn read(weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let network = weights::read(weights, device)?;
        let values = |name: &str| weights.tensors[name].values.as_slice();
        let tensors = LAYERS
            .map(|(name, _)| (values(&format!("{name}.weight")), values(&format!("{name}.bias"))));
        let layers: Vec<BandLayer> = tensors
            .into_iter()
            .zip(SOURCES)
            .enumerate()
            .map(|(idx, ((weight, bias), sources))| {
                // The last layer's tanh belongs to the curve.
                BandLayer { sources, weight, bias, is_relu: idx + 1 < SOURCES.len() }
            })
            .collect();
        let plans = [Precision::F32, Precision::Bf16].map(|precision| {
            let compute = Compute { instructions: Instructions::best(), precision };
            BandPlan::new(compute, 3, &layers)
        });
        Ok(Self { network, plans })
    }
}

impl Network for FusedCurveNetwork {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        self.network.enhance(low)
    }

    fn enhance_image(&self, low: &Image<Srgb>, _device: &Device) -> Image<Srgb> {
        let mut pixels = vec![0.0; low.pixels.len()];
        let width = low.width() as usize;
        let plan = match ops::precision() {
            Precision::F32 => &self.plans[0],
            Precision::Bf16 => &self.plans[1],
        };
        plan.run(&low.pixels, width, apply_curves_to_row, &mut pixels);
        Image::new(low.width(), low.height(), pixels)
    }

    fn n_parameters(&self) -> usize {
        self.network.n_parameters()
    }
}
