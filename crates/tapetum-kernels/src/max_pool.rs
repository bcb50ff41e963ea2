//! The largest value of every window, with PyTorch's conventions.

use rayon::prelude::*;

use crate::{
    channels::{ChannelRun, for_channel_runs, load, store},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
    pool::PoolShape,
    taps::Taps,
};

/// The largest value of each window; NaN counts as smaller than all.
///
/// # Shapes
/// As [`average_pool`](crate::average_pool).
///
/// # Panics
/// As [`average_pool`](crate::average_pool).
pub fn max_pool(instructions: Instructions, shape: &PoolShape, input: &[f32], output: &mut [f32]) {
    shape.check(input, output);
    find_largest(instructions, shape, input, output, &mut []);
}

/// The gradient of the input of [`max_pool`]: that of each window goes to its first largest value.
///
/// # Shapes
/// `input` and `input_gradient` as its input, `output_gradient` as its output.
///
/// # Panics
/// As [`max_pool`].
pub fn max_pool_backward(
    instructions: Instructions,
    shape: &PoolShape,
    input: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    assert_eq!(input.len(), input_gradient.len(), "a gradient of the input's size");
    shape.check(input, output_gradient);
    if input.is_empty() {
        return;
    }
    let mut largest = vec![0.0; output_gradient.len()];
    let mut places = vec![0.0; output_gradient.len()];
    find_largest(instructions, shape, input, &mut largest, &mut places);
    let taps = [
        shape.taps(0, |place, _| place).transposed(shape.height),
        shape.taps(1, |place, _| place).transposed(shape.width),
    ];
    let [_, width] = shape.output_size();
    let widths: Vec<usize> = (0..width).map(shape.windows(1)).map(|range| range.len()).collect();
    let n_row = shape.width * shape.channels;
    let n_image = output_gradient.len() / shape.batch;
    input_gradient.par_chunks_mut(n_row).enumerate().for_each(|(row, output)| {
        let image = row / shape.height * n_image;
        instructions.run(GradientRow {
            rows: taps[0].at(row % shape.height),
            columns: &taps[1],
            window_widths: &widths,
            n_channels: shape.channels,
            places: &places[image..image + n_image],
            gradient: &output_gradient[image..image + n_image],
            output,
        });
    });
}

/// The largest value of each window and, unless `places` is empty, its place in the part of the window
/// inside the image, counted row by row; whole numbers as floats, so that lanes can compare them.
fn find_largest(
    instructions: Instructions,
    shape: &PoolShape,
    input: &[f32],
    output: &mut [f32],
    places: &mut [f32],
) {
    if output.is_empty() {
        return;
    }
    let [height, width] = shape.output_size();
    let n_row = width * shape.channels;
    let n_image = shape.height * shape.width * shape.channels;
    let columns: Vec<_> = (0..width).map(shape.windows(1)).collect();
    let rows = shape.windows(0);
    let row_of = |row: usize, output: &mut [f32], places: &mut [f32]| {
        instructions.run(LargestRow {
            rows: rows(row % height),
            columns: &columns,
            width: shape.width,
            n_channels: shape.channels,
            input: &input[row / height * n_image..][..n_image],
            output,
            places,
        });
    };
    let outputs = output.par_chunks_mut(n_row).enumerate();
    if places.is_empty() {
        outputs.for_each(|(row, output)| row_of(row, output, &mut []));
    } else {
        let places = places.par_chunks_mut(n_row);
        outputs.zip(places).for_each(|((row, output), places)| row_of(row, output, places));
    }
}

/// A row of largest values, from one image.
struct LargestRow<'a> {
    rows: std::ops::Range<usize>,
    columns: &'a [std::ops::Range<usize>],
    width: usize,
    n_channels: usize,
    input: &'a [f32],
    output: &'a mut [f32],
    places: &'a mut [f32],
}

impl Kernel for LargestRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { rows, columns, width, n_channels, input, output, places } = self;
        for (x, (output, columns)) in output.chunks_exact_mut(n_channels).zip(columns).enumerate() {
            let (rows, columns) = (rows.clone(), columns.clone());
            let input = input.as_ptr();
            let to = output.as_mut_ptr();
            // SAFETY: windows lie inside the image; places are as many as outputs, if any.
            unsafe {
                if places.is_empty() {
                    let mut window = Largest { rows, columns, width, n_channels, input, to };
                    for_channel_runs::<V>(n_channels, &mut window);
                } else {
                    let places = places.as_mut_ptr().add(x * n_channels);
                    let window = Largest { rows, columns, width, n_channels, input, to };
                    for_channel_runs::<V>(n_channels, &mut LargestPlaces { window, places });
                }
            }
        }
    }
}

/// One window.
struct Largest {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    width: usize,
    n_channels: usize,
    input: *const f32,
    to: *mut f32,
}

impl Largest {
    /// Pointers to the channel of every pixel of the window, row by row.
    #[inline(always)]
    fn pixels(&self, channel: usize) -> impl Iterator<Item = *const f32> {
        let Self { columns, width, n_channels, input, .. } = self;
        self.rows.clone().flat_map(move |y| {
            let pixels = columns.clone();
            pixels.map(move |x| input.wrapping_add((y * width + x) * n_channels + channel))
        })
    }
}

impl<V: Lanes> ChannelRun<V> for Largest {
    #[inline(always)]
    unsafe fn run<const BLOCKS: usize, const IS_WHOLE: bool>(
        &mut self,
        channel: usize,
        count: usize,
    ) {
        // SAFETY: the window lies inside the image, the run inside the channels.
        unsafe {
            let mut largest = [V::splat(f32::NEG_INFINITY); BLOCKS];
            for y in self.rows.clone() {
                for x in self.columns.clone() {
                    let offset = (y * self.width + x) * self.n_channels + channel;
                    for (block, largest) in largest.iter_mut().enumerate() {
                        let from = self.input.add(offset + block * V::N);
                        *largest = load::<V, IS_WHOLE>(from, count).max(*largest);
                    }
                }
            }
            for (block, largest) in largest.into_iter().enumerate() {
                store::<V, IS_WHOLE>(largest, self.to.add(channel + block * V::N), count);
            }
        }
    }
}

/// One window and the places of its largest values.
struct LargestPlaces {
    window: Largest,
    places: *mut f32,
}

impl<V: Lanes> ChannelRun<V> for LargestPlaces {
    #[inline(always)]
    unsafe fn run<const BLOCKS: usize, const IS_WHOLE: bool>(
        &mut self,
        channel: usize,
        count: usize,
    ) {
        // SAFETY: the window lies inside the image, the run inside the channels.
        unsafe {
            for channel in (channel..channel + BLOCKS * V::N).step_by(V::N) {
                let (mut largest, mut place) = (V::splat(f32::NEG_INFINITY), V::splat(0.0));
                for (idx, from) in self.window.pixels(channel).enumerate() {
                    let value = load::<V, IS_WHOLE>(from, count);
                    let difference = value.sub(largest);
                    place = difference.if_positive(V::splat(idx as f32), place);
                    largest = difference.if_positive(value, largest);
                }
                store::<V, IS_WHOLE>(largest, self.window.to.add(channel), count);
                store::<V, IS_WHOLE>(place, self.places.add(channel), count);
            }
        }
    }
}

/// A row of the input's gradient: from every window that holds a pixel, its gradient if the pixel is
/// its largest.
struct GradientRow<'a> {
    rows: &'a [(usize, usize)],
    columns: &'a Taps<usize>,
    /// For each column of the output, columns of its windows that lie inside the image.
    window_widths: &'a [usize],
    n_channels: usize,
    places: &'a [f32],
    gradient: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for GradientRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n_channels = self.n_channels;
        for (x, output) in self.output.chunks_exact_mut(n_channels).enumerate() {
            output.fill(0.0);
            for (row, place_row) in self.rows {
                for (column, place_column) in self.columns.at(x) {
                    let place = place_row * self.window_widths[*column] + place_column;
                    let start = (row * self.window_widths.len() + column) * n_channels;
                    let place = place as f32;
                    let places = &self.places[start..start + n_channels];
                    let gradient = &self.gradient[start..start + n_channels];
                    // SAFETY: the caller's promise.
                    unsafe { add_where_equal::<V>(place, places, gradient, output) }
                }
            }
        }
    }
}

/// `output += gradient` where `places` is `place`.
///
/// # Safety
/// The machine has the lanes' instruction set, and the slices are equally long.
#[inline(always)]
unsafe fn add_where_equal<V: Lanes>(
    place: f32,
    places: &[f32],
    gradient: &[f32],
    output: &mut [f32],
) {
    let mut work = WhereEqual {
        place,
        places: places.as_ptr(),
        gradient: gradient.as_ptr(),
        output: output.as_mut_ptr(),
    };
    // SAFETY: the caller's promise.
    unsafe { for_channel_runs::<V>(output.len(), &mut work) }
}

struct WhereEqual {
    place: f32,
    places: *const f32,
    gradient: *const f32,
    output: *mut f32,
}

impl<V: Lanes> ChannelRun<V> for WhereEqual {
    #[inline(always)]
    unsafe fn run<const BLOCKS: usize, const IS_WHOLE: bool>(
        &mut self,
        channel: usize,
        count: usize,
    ) {
        let Self { place, places, gradient, output } = *self;
        for at in (channel..channel + BLOCKS * V::N).step_by(V::N) {
            // SAFETY: the run lies inside the channels.
            unsafe {
                let difference = load::<V, IS_WHOLE>(places.add(at), count).sub(V::splat(place));
                let gradient = load::<V, IS_WHOLE>(gradient.add(at), count);
                let is_other = difference.mul(difference);
                let gradient = is_other.if_positive(V::splat(0.0), gradient);
                let sum = load::<V, IS_WHOLE>(output.add(at), count).add(gradient);
                store::<V, IS_WHOLE>(sum, output.add(at), count);
            }
        }
    }
}
