//! The sum over taps on a grid, window by window.

use rayon::prelude::*;

use super::{
    Compute, PaddingMode,
    pack::{PackedWeights, n_lanes},
    taps::Taps,
    tile::{TileRow, is_applied_by_tiles},
    window::{self, Gathering, Source, Window},
};
use crate::{
    activation::Activation,
    buffer::Buffer,
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Columns of a window's grid: a whole number of the widest tiles.
const WINDOW_COLUMNS: usize = 96;
/// Rows of a window's grid at most.
const WINDOW_ROWS: usize = 16;
/// Bytes that a window should stay below, so that it and a panel of weights fit the second-level cache.
const WINDOW_BYTES: usize = 384 << 10;

/// Everything about one grid of outputs.
pub(super) struct Grid<'a> {
    pub(super) compute: Compute,
    pub(super) input_size: [usize; 2],
    pub(super) padding_mode: PaddingMode,
    pub(super) taps: &'a Taps,
    pub(super) sources: &'a [Source<'a>],
    pub(super) weights: &'a PackedWeights,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) activation: Activation,
    pub(super) output_size: [usize; 2],
    pub(super) output_channels: usize,
    pub(super) first_output_channel: usize,
}

impl Grid<'_> {
    /// Writes the grid's pixels, and its channels, of `output`.
    pub(super) fn run(&self, output: &mut [f32]) {
        let bias = self.padded_bias();
        let n_rows = self.window_rows();
        let [height, width] = self.output_size;
        let row_values = width * self.output_channels;
        let band_values = n_rows * self.taps.output_step[0] * row_values;
        let images = output.par_chunks_exact_mut((height * row_values).max(1)).enumerate();
        let bands = images.flat_map(|(image_idx, image)| {
            let bands = image.par_chunks_mut(band_values.max(1)).enumerate();
            bands.map(move |(band_idx, band)| (image_idx, band_idx * n_rows, band))
        });
        bands.for_each_init(Buffer::default, |words, (image_idx, first_row, band)| {
            let rows = first_row..(first_row + n_rows).min(self.taps.grid[0]);
            for start in (0..self.taps.grid[1]).step_by(WINDOW_COLUMNS) {
                let columns = start..(start + WINDOW_COLUMNS).min(self.taps.grid[1]);
                if !rows.is_empty() {
                    self.run_window(image_idx, rows.clone(), columns, &bias, words, band);
                }
            }
        });
    }

    fn n_words(&self) -> usize {
        window::n_words(self.sources, self.compute.precision)
    }

    fn window_rows(&self) -> usize {
        let [step_y, step_x] = self.taps.input_step;
        let columns = self.taps.grid[1].min(WINDOW_COLUMNS) * step_x + self.taps.span(1).1;
        let fitting = WINDOW_BYTES / (4 * columns * self.n_words().max(1));
        (fitting.saturating_sub(self.taps.span(0).1) / step_y).clamp(1, WINDOW_ROWS)
    }

    /// A panel's width of biases from every channel on.
    fn padded_bias(&self) -> Buffer {
        let n_out = self.weights.panels.last().map_or(0, |last| last.first_out + last.n_out);
        let mut bias = Buffer::zeros(n_out + 2 * n_lanes(self.compute.instructions));
        if let Some(values) = self.bias {
            bias.values_mut()[..n_out].copy_from_slice(values);
        }
        bias
    }

    fn run_window(
        &self,
        image_idx: usize,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
        bias: &Buffer,
        words: &mut Buffer,
        band: &mut [f32],
    ) {
        let [step_y, step_x] = self.taps.input_step;
        let ((first_y, span_y), (first_x, span_x)) = (self.taps.span(0), self.taps.span(1));
        let size = [(rows.len() - 1) * step_y + span_y, (columns.len() - 1) * step_x + span_x];
        let start =
            [(rows.start * step_y) as isize + first_y, (columns.start * step_x) as isize + first_x];
        let n_words = self.n_words();
        let row_words = size[1] * n_words;
        let words = words.resized(size[0] * row_words);
        let gathering = Gathering {
            instructions: self.compute.instructions,
            precision: self.compute.precision,
            padding_mode: self.padding_mode,
            image_size: self.input_size,
        };
        gathering.gather(self.sources, Window { image_idx, start, size }, words);
        let runs = self.taps.runs(row_words, n_words);
        let reach = runs.iter().map(|run| run.end()).max().unwrap_or(0);
        let last = (rows.len() - 1) * step_y * row_words + (columns.len() - 1) * step_x * n_words;
        assert!(last + reach <= words.len(), "a window that holds all it is read for");
        for panel in &self.weights.panels {
            for row in 0..rows.len() {
                let output = self.output_at(rows.start + row, rows.start, columns.start, band);
                let output = &mut output[panel.first_out..];
                let output_stride = self.taps.output_step[1] * self.output_channels;
                assert!(output.len() >= (columns.len() - 1) * output_stride + panel.n_out);
                self.compute.instructions.run(TileRow {
                    window: words[row * step_y * row_words..].as_ptr(),
                    runs: &runs,
                    weights: self.weights.words.values()[panel.start..].as_ptr(),
                    bias: bias.values()[panel.first_out..].as_ptr(),
                    n_pixels: columns.len(),
                    n_registers: panel.n_registers,
                    n_out: panel.n_out,
                    output: output.as_mut_ptr(),
                    output_stride,
                    stores_pairs: false,
                    activation: self.activation,
                    precision: self.compute.precision,
                    has_amx: self.compute.instructions == Instructions::Amx,
                });
            }
        }
        if !is_applied_by_tiles(self.activation) {
            self.activate(rows, columns, band);
        }
    }

    /// From the first channel of a grid pixel on, in a band that starts with grid row `first_row`.
    fn output_at<'b>(
        &self,
        row: usize,
        first_row: usize,
        column: usize,
        band: &'b mut [f32],
    ) -> &'b mut [f32] {
        let [step_y, step_x] = self.taps.output_step;
        let y = (row - first_row) * step_y + self.taps.output_offset[0];
        let x = column * step_x + self.taps.output_offset[1];
        let at = (y * self.output_size[1] + x) * self.output_channels;
        &mut band[at + self.first_output_channel..]
    }

    fn activate(
        &self,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
        band: &mut [f32],
    ) {
        let n_out = self.weights.panels.iter().map(|panel| panel.n_out).sum::<usize>();
        let is_dense = n_out == self.output_channels && self.taps.output_step[1] == 1;
        for row in rows.clone() {
            let output = self.output_at(row, rows.start, columns.start, band);
            if is_dense {
                let values = &mut output[..columns.len() * n_out];
                self.activate_values(values);
                continue;
            }
            let stride = self.taps.output_step[1] * self.output_channels;
            for pixel in output.chunks_mut(stride).take(columns.len()) {
                self.activate_values(&mut pixel[..n_out]);
            }
        }
    }

    fn activate_values(&self, values: &mut [f32]) {
        self.compute.instructions.run(ActivateInPlace { activation: self.activation, values });
    }
}

struct ActivateInPlace<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl Kernel for ActivateInPlace<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        for values in self.values.chunks_mut(V::N) {
            // SAFETY: a chunk holds as many values as are read and written.
            unsafe {
                let value = V::load_first(values.as_ptr(), values.len());
                self.activation.apply(value).store_first(values.as_mut_ptr(), values.len());
            }
        }
    }
}
