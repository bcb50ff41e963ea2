//! The facts about a method that the pipeline, the command line and the documentation read.

/// What a method is and what its network asks of its input.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodCard {
    /// The name on the command line, e.g. `scl-lle`.
    pub name: &'static str,
    /// The paper's own short name, e.g. `SCL-LLE`.
    pub title: &'static str,
    /// Authors, title, venue and year.
    pub citation: &'static str,
    /// One sentence: when to choose it.
    pub purpose: &'static str,
    /// Number of learned values of the default configuration.
    pub n_parameters: usize,
    /// Multiplications per pixel of the input, counting one multiply-accumulate as one; `None` where
    /// they were not counted, as for methods that are no network.
    pub macs_per_pixel: Option<u64>,
    /// Which image sizes the network takes.
    pub size_rule: SizeRule,
    /// What cutting the image into tiles does to the result.
    pub tiling: Tiling,
    /// Working memory of one forward pass on the CPU, in bytes per pixel of the tile, halo included.
    pub working_bytes_per_pixel: u64,
    /// Name of the weights used when the user names none; `None` for a method without weights.
    pub default_weights: Option<&'static str>,
    /// Names of the weights that make a photograph so many times larger on each side; empty for a method that
    /// keeps its size.
    pub weights_by_scale: &'static [(u32, &'static str)],
}

/// Which image sizes a network takes; the pipeline pads to it and crops back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeRule {
    /// Any height and width from 1.
    Any,
}

/// What cutting the image into tiles does to the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiling {
    /// An output pixel depends on input pixels at most `receptive_field_px` away in each direction,
    /// and the network pads with zeros: tiles that overlap by that much give the whole-image result.
    Exact {
        /// Radius of the receptive field in pixels.
        receptive_field_px: u32,
    },
    /// Every output pixel may depend on every input pixel, and tiles come close: where the memory does not
    /// hold the whole image as one, it is cut into tiles as large as the memory does hold. A tile reaches
    /// `overlap_px` into its neighbours; results are mixed by linear ramps over the middle half of what
    /// both see. What is found over the whole image is not to be found in each tile alone: see
    /// [`Network::for_tiles`](crate::Network::for_tiles).
    Approximate {
        /// How far a tile reaches into each neighbour, in pixels: length of a ramp, and twice the radius
        /// of the receptive field for which the result would be that of the whole image.
        overlap_px: u32,
        /// Tiles begin at multiples of this, so that a network that halves the image, or makes channels of squares of
        /// pixels, does so with the same pixels as in the whole; 1 where it does neither.
        step_px: u32,
    },
    /// Every output pixel may depend on every input pixel: the whole image is one tile, or is refused
    /// where the memory does not hold it.
    WholeImageOnly,
}
