//! The light-enhancement curve: quadratic steps, each with a rate for every channel of every pixel.

use rayon::prelude::*;

use crate::{
    bands::N_OUT,
    instructions::{Instructions, Kernel},
    lanes::Lanes,
    math,
};

/// Channels of an image.
const N_RGB: usize = 3;
/// Pixels worked on together; their values of one step are a whole number of registers.
const N_BLOCK: usize = 16;
/// Values of a block for one step, and one that a copy of four may overwrite.
const N_STEP: usize = N_BLOCK * N_RGB + 1;
/// Pixels of one parallel piece.
const N_CHUNK: usize = 1 << 12;

/// Applies `u ← u + tanh(m) (u² - u)` for each step's three maps `m` to a row of pixels.
///
/// # Shapes
/// `image` and `output`: `[width, 3]`; `maps`: `[width, 32]`, of which the first 24 channels are the
/// maps before their tanh, the first step's three first.
///
/// # Panics
/// When the lengths do not fit together.
pub fn apply_curves_to_row(image: &[f32], maps: &[f32], output: &mut [f32]) {
    const N_STEPS: usize = 8;
    assert_eq!(image.len(), output.len(), "rows of one width");
    assert_eq!(image.len() / N_RGB * N_OUT, maps.len(), "32 maps a pixel");
    let maps = Maps { values: maps, n_steps: N_STEPS, n_channels: N_OUT };
    let scratch = &mut [0.0; N_STEPS * N_STEP];
    Instructions::best().run(Forward { image, maps, output, scratch });
}

/// `u ← u + tanh(m) (u² - u)`, from the image on, once for each step's three maps `m`.
///
/// # Shapes
/// `image` and `output`: `[pixels, 3]`; `maps`: `[pixels, 3 steps]` before their tanh, the first step's
/// three first.
///
/// # Panics
/// When the lengths do not fit together, or the instruction set is missing.
pub fn curve(instructions: Instructions, image: &[f32], maps: &[f32], output: &mut [f32]) {
    assert_eq!(image.len(), output.len(), "an output as large as the image");
    let n_steps = n_steps(image, maps);
    if n_steps == 0 {
        return output.copy_from_slice(image);
    }
    let n_values = N_CHUNK * N_RGB;
    let inputs = image.par_chunks(n_values).zip(maps.par_chunks(n_values * n_steps));
    output.par_chunks_mut(n_values).zip(inputs).for_each_init(
        || vec![0.0; n_steps * N_STEP],
        |scratch, (output, (image, values))| {
            let maps = Maps { values, n_steps, n_channels: N_RGB * n_steps };
            instructions.run(Forward { image, maps, output, scratch });
        },
    );
}

/// The gradients of [`curve`]'s inputs; its steps are computed again.
///
/// # Shapes
/// `output_gradient` and `image_gradient`: `[pixels, 3]`; `maps_gradient` as `maps`.
///
/// # Panics
/// As [`curve`].
pub fn curve_backward(
    instructions: Instructions,
    inputs: &CurveInputs,
    output_gradient: &[f32],
    gradients: CurveGradients,
) {
    let CurveInputs { image, maps } = *inputs;
    let n_steps = n_steps(image, maps);
    assert_eq!(image.len(), output_gradient.len(), "a gradient of the output's size");
    assert_eq!(image.len(), gradients.image.len(), "a gradient of the image's size");
    assert_eq!(maps.len(), gradients.maps.len(), "a gradient of the maps' size");
    if n_steps == 0 {
        return gradients.image.copy_from_slice(output_gradient);
    }
    let n_values = N_CHUNK * N_RGB;
    let inputs = image.par_chunks(n_values).zip(maps.par_chunks(n_values * n_steps));
    let inputs = inputs.zip(output_gradient.par_chunks(n_values));
    let maps_gradients = gradients.maps.par_chunks_mut(n_values * n_steps);
    let outputs = gradients.image.par_chunks_mut(n_values).zip(maps_gradients);
    outputs.zip(inputs).for_each_init(
        || vec![0.0; 2 * n_steps * N_STEP],
        |scratch, ((image_gradient, maps_gradient), ((image, values), gradient))| {
            let maps = Maps { values, n_steps, n_channels: N_RGB * n_steps };
            let outputs = CurveGradients { image: image_gradient, maps: maps_gradient };
            instructions.run(Backward { image, maps, gradient, outputs, scratch });
        },
    );
}

/// What a curve reads.
#[derive(Debug, Clone, Copy)]
pub struct CurveInputs<'a> {
    /// `[pixels, 3]`.
    pub image: &'a [f32],
    /// `[pixels, 3 steps]`, before their tanh.
    pub maps: &'a [f32],
}

/// Gradients of what a curve reads, in the same shapes.
#[derive(Debug)]
pub struct CurveGradients<'a> {
    /// Of the image.
    pub image: &'a mut [f32],
    /// Of the maps before their tanh.
    pub maps: &'a mut [f32],
}

fn n_steps(image: &[f32], maps: &[f32]) -> usize {
    assert!(image.len().is_multiple_of(N_RGB), "pixels of three channels");
    if image.is_empty() {
        return 0;
    }
    let n_steps = maps.len() / image.len();
    assert_eq!(maps.len(), n_steps * image.len(), "three maps a step and pixel");
    n_steps
}

/// Maps of many pixels.
#[derive(Clone, Copy)]
struct Maps<'a> {
    values: &'a [f32],
    n_steps: usize,
    /// Distance between pixels, at least three a step.
    n_channels: usize,
}

impl Maps<'_> {
    /// Copies a block's maps so that each step's lie next to each other, like the image's values.
    ///
    /// # Safety
    /// The block's pixels are there, and `to` has room for all steps.
    #[inline(always)]
    unsafe fn unpack(&self, first: usize, n_pixels: usize, to: *mut f32) {
        let last = self.n_steps - 1;
        // SAFETY: but for the last step, four values belong to a pixel; a step's room takes one more
        // than its values, and the next pixel overwrites it.
        unsafe {
            for pixel in 0..n_pixels {
                let from = self.values.as_ptr().add((first + pixel) * self.n_channels);
                let to = to.add(pixel * N_RGB);
                for step in 0..last {
                    copy::<4>(from.add(step * N_RGB), to.add(step * N_STEP));
                }
                copy::<3>(from.add(last * N_RGB), to.add(last * N_STEP));
            }
        }
    }

    /// The reverse, into maps of the same shape.
    ///
    /// # Safety
    /// `to` has the block's pixels, `from` all steps.
    #[inline(always)]
    unsafe fn pack(&self, first: usize, n_pixels: usize, from: *const f32, to: *mut f32) {
        let last = self.n_steps - 1;
        // SAFETY: the next step overwrites the fourth value.
        unsafe {
            for pixel in 0..n_pixels {
                let from = from.add(pixel * N_RGB);
                let to = to.add((first + pixel) * self.n_channels);
                for step in 0..last {
                    copy::<4>(from.add(step * N_STEP), to.add(step * N_RGB));
                }
                copy::<3>(from.add(last * N_STEP), to.add(last * N_RGB));
            }
        }
    }
}

/// Copies `N` values in one go.
///
/// # Safety
/// `from` and `to` hold `N` values.
#[inline(always)]
unsafe fn copy<const N: usize>(from: *const f32, to: *mut f32) {
    // SAFETY: the caller's promise; arrays of floats need no alignment beyond that of a float.
    unsafe { to.cast::<[f32; N]>().write_unaligned(from.cast::<[f32; N]>().read_unaligned()) }
}

struct Forward<'a> {
    image: &'a [f32],
    maps: Maps<'a>,
    output: &'a mut [f32],
    /// Room for a block's maps of all steps.
    scratch: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { image, maps, output, scratch } = self;
        debug_assert!(scratch.len() >= maps.n_steps * N_STEP);
        let rates = scratch.as_mut_ptr();
        let blocks = image.chunks(N_BLOCK * N_RGB).zip(output.chunks_mut(N_BLOCK * N_RGB));
        for (idx, (image, output)) in blocks.enumerate() {
            // SAFETY: the caller checked the lengths; scratch has room for a whole block.
            unsafe {
                maps.unpack(idx * N_BLOCK, image.len() / N_RGB, rates);
                let n_whole = image.len() / V::N * V::N;
                let (image, output, n_rest) =
                    (image.as_ptr(), output.as_mut_ptr(), image.len() - n_whole);
                for start in (0..n_whole).step_by(V::N) {
                    let value = V::load(image.add(start));
                    let value = forward_register(value, rates.add(start), maps.n_steps);
                    value.store(output.add(start));
                }
                if n_rest > 0 {
                    let value = V::load_first(image.add(n_whole), n_rest);
                    let value = forward_register(value, rates.add(n_whole), maps.n_steps);
                    value.store_first(output.add(n_whole), n_rest);
                }
            }
        }
    }
}

/// All steps of a register of values.
///
/// # Safety
/// The machine has the lanes' instruction set; `rates` has all steps' maps.
#[inline(always)]
unsafe fn forward_register<V: Lanes>(mut value: V, rates: *const f32, n_steps: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        for step in 0..n_steps {
            let rate = math::tanh(V::load(rates.add(step * N_STEP)));
            value = value.add_product(rate, value.mul(value).sub(value));
        }
        value
    }
}

struct Backward<'a> {
    image: &'a [f32],
    maps: Maps<'a>,
    gradient: &'a [f32],
    outputs: CurveGradients<'a>,
    /// Room for a block's maps and values of all steps.
    scratch: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { image, maps, gradient, outputs, scratch } = self;
        debug_assert!(scratch.len() >= 2 * maps.n_steps * N_STEP);
        let rates = scratch.as_mut_ptr();
        for first in (0..image.len()).step_by(N_BLOCK * N_RGB) {
            let n_values = (image.len() - first).min(N_BLOCK * N_RGB);
            let n_pixels = n_values / N_RGB;
            // SAFETY: the caller checked the lengths; scratch has room for a whole block, twice.
            unsafe {
                maps.unpack(first / N_RGB, n_pixels, rates);
                for start in (0..n_values).step_by(V::N) {
                    let count = V::N.min(n_values - start);
                    let at = first + start;
                    let value = V::load_first(image.as_ptr().add(at), count);
                    let gradient = V::load_first(gradient.as_ptr().add(at), count);
                    let rates = rates.add(start);
                    let gradient = backward_register(value, gradient, rates, maps.n_steps);
                    gradient.store_first(outputs.image.as_mut_ptr().add(at), count);
                }
                maps.pack(first / N_RGB, n_pixels, rates, outputs.maps.as_mut_ptr());
            }
        }
    }
}

/// All steps forward and back: replaces the maps at `rates` by their gradients and returns that of the
/// value. With the rate `r`, the value before a step has `1 + r (2 u - 1)` of its gradient, the map
/// `(1 - r²) (u² - u)`.
///
/// # Safety
/// The machine has the lanes' instruction set; `rates` has room for all steps' maps, then their values.
#[inline(always)]
unsafe fn backward_register<V: Lanes>(
    mut value: V,
    mut gradient: V,
    rates: *mut f32,
    n_steps: usize,
) -> V {
    // SAFETY: the caller's promise. A step's room takes one value more than a block has, which belongs
    // to no lane, so registers of different steps do not overlap.
    unsafe {
        let values = rates.add(n_steps * N_STEP);
        for step in (0..n_steps).map(|step| step * N_STEP) {
            let rate = math::tanh(V::load(rates.add(step)));
            rate.store(rates.add(step));
            value.store(values.add(step));
            value = value.add_product(rate, value.mul(value).sub(value));
        }
        let one = V::splat(1.0);
        for step in (0..n_steps).rev().map(|step| step * N_STEP) {
            let (rate, value) = (V::load(rates.add(step)), V::load(values.add(step)));
            let derivative = one.sub(rate.mul(rate)).mul(value.mul(value).sub(value));
            gradient.mul(derivative).store(rates.add(step));
            let slope = one.add_product(rate, value.add(value).sub(one));
            gradient = gradient.mul(slope);
        }
        gradient
    }
}
