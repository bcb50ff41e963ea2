//! The curve network as one fused plan for the CPU: all layers and the curve run band by band.

use tapetum_image::{Image, Srgb};
use tapetum_nn::{
    FastEnhancer, Weights, WeightsError,
    device::DeviceKind,
    enhance::{from_tensor, to_tensor},
    kernels::{BandLayer, BandPlan, Compute, Instructions, Precision, apply_curves_to_row},
    prelude::*,
};

use super::{
    CARD,
    fast::FastCurve,
    network::{CurveNetwork, LAYERS},
    weights,
};

/// What each layer reads: 0 is the image, `n` the output of the `n`-th layer.
const SOURCES: [&[usize]; 7] = [&[0], &[1], &[2], &[3], &[3, 4], &[2, 5], &[1, 6]];

/// Working memory of the network through tensors on a graphics card, in bytes per pixel: the results of all
/// layers that are read again, their concatenations, and what the card's memory is cut into.
const TENSOR_BYTES_PER_PIXEL: u64 = 2_000;

/// The curve network with its plan. On the CPU images go through the plan; tensors, and images on a graphics
/// card, go through the network.
pub struct FusedCurveNetwork {
    network: CurveNetwork,
    /// In `f32` and in `bf16`.
    plans: [BandPlan; 2],
    /// Weight and bias of each layer.
    values: [(Vec<f32>, Vec<f32>); 7],
    /// Where the network's tensors are.
    device: DeviceKind,
}

impl FusedCurveNetwork {
    /// Builds both from the tensors that [`weights::read`] expects.
    ///
    /// # Errors
    /// A tensor is missing, left over or of another shape.
    pub fn read(weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let network = weights::read(weights, device)?;
        let values_of = |name: &str| weights.tensors[name].values.clone();
        let values = LAYERS.map(|(name, _)| {
            (values_of(&format!("{name}.weight")), values_of(&format!("{name}.bias")))
        });
        let layers = layers(&values);
        let plans = [Precision::F32, Precision::Bf16].map(|precision| {
            let compute = Compute { instructions: Instructions::best(), precision };
            BandPlan::new(compute, 3, &layers)
        });
        Ok(Self { network, plans, values, device: DeviceKind::of(device) })
    }
}

impl Network for FusedCurveNetwork {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        self.network.enhance(low)
    }

    fn working_bytes_per_pixel(&self) -> u64 {
        match self.device {
            DeviceKind::Cpu => CARD.working_bytes_per_pixel,
            DeviceKind::Cuda | DeviceKind::Vulkan => TENSOR_BYTES_PER_PIXEL,
        }
    }

    fn enhance_image(&self, low: &Image<Srgb>, device: &Device) -> Image<Srgb> {
        if DeviceKind::of(device) != DeviceKind::Cpu {
            return from_tensor(self.enhance(to_tensor(low, device)));
        }
        let mut pixels = vec![0.0; low.pixels.len()];
        let width = low.width() as usize;
        let plan = match ops::precision().of_kernels() {
            Precision::F32 => &self.plans[0],
            Precision::Bf16 => &self.plans[1],
        };
        plan.run(&low.pixels, width, apply_curves_to_row, &mut pixels);
        Image::new(low.width(), low.height(), pixels)
    }

    fn fast(&self, reduced: &Image<Srgb>, factor: u32) -> Option<Box<dyn FastEnhancer>> {
        let layers = layers(&self.values);
        let precision = ops::precision().of_kernels();
        Some(Box::new(FastCurve::estimate(&layers, precision, reduced, factor)))
    }

    fn n_parameters(&self) -> usize {
        self.network.n_parameters()
    }
}

fn layers(values: &[(Vec<f32>, Vec<f32>); 7]) -> Vec<BandLayer<'_>> {
    let layers = values.iter().zip(SOURCES).enumerate();
    let layers = layers.map(|(idx, ((weight, bias), sources))| {
        // The last layer's tanh belongs to the curve.
        BandLayer { sources, weight, bias, is_relu: idx + 1 < SOURCES.len() }
    });
    layers.collect()
}
