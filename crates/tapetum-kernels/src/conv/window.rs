//! A window of the input in the cache: several sources side by side, padding around, converted or
//! multiplied on the way.

use super::{ConvShape, PaddingMode, Precision};
use crate::{
    activation::Activation,
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Some channels of a list of images.
#[derive(Debug, Clone)]
pub(crate) struct Source<'a> {
    /// `[pixels, n_channels]`.
    values: &'a [f32],
    n_channels: usize,
    /// Which of them.
    channels: std::ops::Range<usize>,
    pub(crate) factor: Option<Factor<'a>>,
}

/// Turns the gradient of an activation's output into that of its input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factor<'a> {
    pub(crate) activation: Activation,
    /// The activation's output, laid out as the gradient.
    pub(crate) output: &'a [f32],
}

impl<'a> Source<'a> {
    /// Channels `channels` of one source, or all channels of several.
    pub(crate) fn list(
        sources: &[&'a [f32]],
        n_pixels: usize,
        channels: std::ops::Range<usize>,
    ) -> Vec<Self> {
        let whole = |values: &'a [f32]| {
            let n_channels = values.len().checked_div(n_pixels).unwrap_or(0);
            Self { values, n_channels, channels: 0..n_channels, factor: None }
        };
        match sources {
            [values] => vec![Self { channels, ..whole(values) }],
            _ => sources.iter().map(|values| whole(values)).collect(),
        }
    }

    /// Some of its channels.
    pub(crate) fn part(&self, channels: std::ops::Range<usize>) -> Self {
        let first = self.channels.start;
        Self { channels: first + channels.start..first + channels.end, ..self.clone() }
    }

    pub(crate) fn n_taken(&self) -> usize {
        self.channels.len()
    }

    fn n_words(&self, precision: Precision) -> usize {
        match precision {
            Precision::F32 => self.n_taken(),
            Precision::Bf16 => self.n_taken().div_ceil(2),
        }
    }

    /// The pixels as they are, if nothing is to be done to them.
    pub(crate) fn untouched(&self) -> Option<&'a [f32]> {
        (self.factor.is_none() && self.n_taken() == self.n_channels).then_some(self.values)
    }
}

/// Words of one pixel: a channel each, or a pair of channels.
pub(crate) fn n_words(sources: &[Source], precision: Precision) -> usize {
    sources.iter().map(|source| source.n_words(precision)).sum()
}

/// The channels of each word, counted through all sources; the second is the word's upper half.
pub(crate) fn channels_of_words(
    counts: impl Iterator<Item = usize>,
    precision: Precision,
) -> Vec<[Option<usize>; 2]> {
    let mut first = 0;
    let mut words = Vec::new();
    for count in counts {
        let half = match precision {
            Precision::F32 => count,
            Precision::Bf16 => count.div_ceil(2),
        };
        let upper = |word: usize| (half + word < count).then_some(first + half + word);
        words.extend((0..half).map(|word| [Some(first + word), upper(word)]));
        first += count;
    }
    words
}

/// Where a window lies in its image; it may reach beyond the borders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) image_idx: usize,
    /// First row and column.
    pub(crate) start: [isize; 2],
    /// Rows and columns.
    pub(crate) size: [usize; 2],
}

/// How windows are gathered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gathering {
    pub(crate) instructions: Instructions,
    pub(crate) precision: Precision,
    pub(crate) padding_mode: PaddingMode,
    /// Height and width of an image.
    pub(crate) image_size: [usize; 2],
}

impl Gathering {
    /// Fills `words` with `[rows, columns, words of all sources]`.
    pub(crate) fn gather(&self, sources: &[Source], window: Window, words: &mut [f32]) {
        let n_words = n_words(sources, self.precision);
        let row_words = window.size[1] * n_words;
        let mut first = 0;
        for source in sources {
            for (idx, row) in words.chunks_exact_mut(row_words).take(window.size[0]).enumerate() {
                let y = self.resolve(0, window.start[0] + idx as isize);
                self.gather_row(source, window, y, &mut row[first..], n_words);
            }
            first += source.n_words(self.precision);
        }
    }

    /// One source's part of a row, whose pixels stand `stride` words apart.
    fn gather_row(
        &self,
        source: &Source,
        window: Window,
        y: Option<usize>,
        row: &mut [f32],
        stride: usize,
    ) {
        let n_columns = window.size[1];
        let start = window.start[1];
        let width = self.image_size[1] as isize;
        let Some(y) = y else {
            return self.clear(source, row, stride, 0..n_columns);
        };
        let row_start = (window.image_idx * self.image_size[0] + y) * self.image_size[1];
        let inside = (-start).clamp(0, n_columns as isize) as usize
            ..(width - start).clamp(0, n_columns as isize) as usize;
        for outside in [0..inside.start, inside.end.max(inside.start)..n_columns] {
            if self.padding_mode == PaddingMode::Zeros {
                self.clear(source, row, stride, outside);
                continue;
            }
            for column in outside {
                let x = self.resolve(1, start + column as isize).expect("mirrored into the image");
                self.copy(source, row_start + x, 1, &mut row[column * stride..], stride);
            }
        }
        if !inside.is_empty() {
            let pixel = row_start + (start + inside.start as isize) as usize;
            self.copy(source, pixel, inside.len(), &mut row[inside.start * stride..], stride);
        }
    }

    /// The row or column of the image that stands at `at`, if any does.
    fn resolve(&self, axis: usize, at: isize) -> Option<usize> {
        let size = self.image_size[axis] as isize;
        match self.padding_mode {
            _ if (0..size).contains(&at) => Some(at as usize),
            PaddingMode::Zeros => None,
            // Far outside only where a window is larger than what its taps read.
            PaddingMode::Reflect => {
                let mirrored = if at < 0 { -at } else { 2 * (size - 1) - at };
                Some(mirrored.clamp(0, size - 1) as usize)
            }
        }
    }

    fn clear(
        &self,
        source: &Source,
        row: &mut [f32],
        stride: usize,
        columns: std::ops::Range<usize>,
    ) {
        let n_words = source.n_words(self.precision);
        for column in columns {
            row[column * stride..][..n_words].fill(0.0);
        }
    }

    /// `n_pixels` neighbouring pixels from `pixel` on.
    pub(crate) fn copy(
        &self,
        source: &Source,
        pixel: usize,
        n_pixels: usize,
        words: &mut [f32],
        stride: usize,
    ) {
        let values = source.n_channels * pixel..source.n_channels * (pixel + n_pixels);
        let is_plain = self.precision == Precision::F32 && stride == source.n_channels;
        if let (true, Some(source)) = (is_plain, source.untouched()) {
            words[..values.len()].copy_from_slice(&source[values]);
            return;
        }
        let n_words = source.n_words(self.precision);
        assert!(words.len() >= (n_pixels - 1) * stride + n_words, "room for the pixels");
        let first = source.channels.start;
        self.instructions.run(CopyPixels {
            values: &source.values[values.clone()][first..],
            factor: source
                .factor
                .map(|factor| (factor.activation, &factor.output[values][first..])),
            value_stride: source.n_channels,
            n_channels: source.n_taken(),
            is_paired: self.precision == Precision::Bf16,
            n_words,
            n_pixels,
            words,
            stride,
        });
    }
}

struct CopyPixels<'a> {
    values: &'a [f32],
    factor: Option<(Activation, &'a [f32])>,
    value_stride: usize,
    n_channels: usize,
    is_paired: bool,
    n_words: usize,
    n_pixels: usize,
    words: &'a mut [f32],
    stride: usize,
}

impl Kernel for CopyPixels<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(mut self) {
        let is_dense = !self.is_paired && self.stride == self.n_words;
        if is_dense && self.value_stride == self.n_channels {
            // One long pixel.
            self.n_words *= self.n_pixels;
            self.n_channels = self.n_words;
            self.n_pixels = 1;
        }
        for pixel in 0..self.n_pixels {
            let from = pixel * self.value_stride;
            let words = self.words[pixel * self.stride..].as_mut_ptr();
            for word in (0..self.n_words).step_by(V::N) {
                let count = V::N.min(self.n_words - word);
                // SAFETY: the gatherer took the slices of whole pixels and checked the room; the upper
                // halves end with the last channel.
                unsafe {
                    let mut value = self.load::<V>(from + word, count);
                    if self.is_paired {
                        let upper = self.n_words + word;
                        let n_upper = count.min(self.n_channels.saturating_sub(upper));
                        value = V::pairs(value, self.load::<V>(from + upper, n_upper));
                    }
                    match count {
                        count if count < V::N => value.store_first(words.add(word), count),
                        _ => value.store(words.add(word)),
                    }
                }
            }
        }
    }
}

impl CopyPixels<'_> {
    /// # Safety
    /// The machine has the lanes' instruction set; `at + count` values are there unless `count` is 0.
    #[inline(always)]
    unsafe fn load<V: Lanes>(&self, at: usize, count: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            if count == 0 {
                return V::splat(0.0);
            }
            let value = load_some::<V>(self.values.as_ptr().add(at), count);
            match self.factor {
                Some((activation, output)) => {
                    let output = load_some::<V>(output.as_ptr().add(at), count);
                    activation.gradient_from_output(output, value)
                }
                None => value,
            }
        }
    }
}

/// # Safety
/// The machine has the lanes' instruction set; `count` values are there, at most a register.
#[inline(always)]
unsafe fn load_some<V: Lanes>(from: *const f32, count: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if count < V::N { V::load_first(from, count) } else { V::load(from) } }
}

/// Adds the gradients of reflected pixels to those of the pixels they mirror; `padded`: `[batch, padded
/// height, padded width, channels]`.
pub(crate) fn fold_reflected(padded: &[f32], shape: &ConvShape, gradient: &mut [f32]) {
    let [height, width] = shape.size;
    let [pad_y, pad_x] = shape.padding;
    let n_channels = gradient.len() / shape.n_input_pixels().max(1);
    let mirrored = |at: usize, padding: usize, size: usize| {
        let at = at as isize - padding as isize;
        if at < 0 { -at as usize } else { (at as usize).min(2 * (size - 1) - at as usize) }
    };
    gradient.fill(0.0);
    for (idx, pixel) in padded.chunks_exact(n_channels).enumerate() {
        let (row, column) = (idx / (width + 2 * pad_x), idx % (width + 2 * pad_x));
        let (image, row) = (row / (height + 2 * pad_y), row % (height + 2 * pad_y));
        let y = image * height + mirrored(row, pad_y, height);
        let at = (y * width + mirrored(column, pad_x, width)) * n_channels;
        for (sum, value) in gradient[at..at + n_channels].iter_mut().zip(pixel) {
            *sum += value;
        }
    }
}
