//! A local network as a plan that runs band by band: each thread walks down its block of the image row
//! by row and keeps, for every layer, only the few rows that later layers still need, so that all
//! intermediate values stay in the cache and memory does not grow with the image.

use std::ops::{Range, RangeInclusive};

use rayon::prelude::*;

use crate::{
    activation::Activation,
    buffer::Buffer,
    conv::{
        Compute, PaddingMode, Precision,
        pack::{PackedWeights, WeightWord, n_lanes, pack},
        taps::Run,
        tile::TileRow,
        window::{Gathering, Source, channels_of_words},
    },
    instructions::Instructions,
};

/// Output channels of a layer; those with fewer are padded with zero weights.
pub(crate) const N_OUT: usize = 32;
/// Columns of one block, before its halo: with it, a whole number of register tiles. Twice as many as fit
/// the second-level cache with the rows of all layers, which measured faster than more halo.
const BLOCK_COLUMNS: usize = 370;
/// Rows of one block: many, as its halo is computed beside them, and few enough that all threads have
/// some.
const BLOCK_ROWS: RangeInclusive<usize> = 64..=256;

/// A 3x3 convolution with zero padding, at most 32 output channels, and an optional ReLU.
#[derive(Debug, Clone, Copy)]
pub struct BandLayer<'a> {
    /// What it reads, concatenated in this order: 0 is the image, `n` the output of the `n`-th layer.
    pub sources: &'a [usize],
    /// `[out, in, 3, 3]`.
    pub weight: &'a [f32],
    /// `[out]`.
    pub bias: &'a [f32],
    /// Whether negative results become 0.
    pub is_relu: bool,
}

/// Layers in the order they run; the last one's output is the plan's.
#[derive(Debug, Clone)]
pub struct BandPlan {
    compute: Compute,
    n_image_channels: usize,
    layers: Vec<PlannedLayer>,
    /// For the image and each layer but the last: rows that are kept.
    ring_rows: Vec<usize>,
}

#[derive(Debug, Clone)]
struct PlannedLayer {
    sources: Vec<usize>,
    weights: PackedWeights,
    bias: Buffer,
    activation: Activation,
}

impl BandPlan {
    /// Packs the weights and finds how many rows each layer must keep. With bf16, the kept rows are bf16
    /// as well.
    ///
    /// # Panics
    /// When a layer reads itself or a later one, counts do not fit together, or the instruction set is
    /// missing.
    pub fn new(compute: Compute, n_image_channels: usize, layers: &[BandLayer]) -> Self {
        let planned = layers.iter().enumerate().map(|(idx, layer)| {
            assert!(layer.sources.iter().all(|&source| source <= idx), "sources come before");
            PlannedLayer::new(compute, n_image_channels, layer)
        });
        // Layer `n` runs `n` rows behind the image and reads one row more on each side, so a node
        // keeps its rows from the one it is at back to the oldest that its last reader needs.
        let last_reader = |node: usize| {
            let readers = (1..).zip(layers).filter(|(_, layer)| layer.sources.contains(&node));
            readers.map(|(reader, _)| reader).max().unwrap_or(node)
        };
        let ring_rows = (0..layers.len()).map(|node| last_reader(node) - node + 2).collect();
        Self { compute, n_image_channels, layers: planned.collect(), ring_rows }
    }

    /// Runs the plan on all threads of the current pool. `finish` gets each row of the image, the last
    /// layer's row of 32 channels a pixel, and the row of the output to write.
    ///
    /// # Shapes
    /// `image`: `[height, width, n_image_channels]`; `output`: `[height, width, any]`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn run(
        &self,
        image: &[f32],
        width: usize,
        finish: fn(&[f32], &[f32], &mut [f32]),
        output: &mut [f32],
    ) {
        let row_values = width * self.n_image_channels;
        assert!(width > 0 && image.len().is_multiple_of(row_values), "whole rows");
        let height = image.len() / row_values;
        if height == 0 {
            return;
        }
        assert!(output.len().is_multiple_of(height * width), "an output for every pixel");
        let output_row_values = output.len() / height;
        let n_block_rows = block_rows(height);
        let blocks = output.par_chunks_mut((n_block_rows * output_row_values).max(1)).enumerate();
        blocks.for_each_init(Buffer::default, |memory, (idx, output)| {
            let first = idx * n_block_rows;
            let rows = first..first + output.len() / output_row_values;
            for start in (0..width).step_by(BLOCK_COLUMNS) {
                let columns = start..(start + BLOCK_COLUMNS).min(width);
                let mut block = Block::new(self, image, [width, height], columns, memory);
                block.run(rows.clone(), finish, output);
            }
        });
    }

    /// How far an output pixel sees.
    fn receptive_field_px(&self) -> usize {
        self.layers.len()
    }

    /// Words of a node's pixel; the last layer's are numbers always.
    fn n_words(&self, node: usize) -> usize {
        match (node, self.compute.precision) {
            (0, Precision::F32) => self.n_image_channels,
            (0, Precision::Bf16) => self.n_image_channels.div_ceil(2),
            (_, Precision::Bf16) if node < self.layers.len() => N_OUT / 2,
            _ => N_OUT,
        }
    }
}

impl PlannedLayer {
    fn new(compute: Compute, n_image_channels: usize, layer: &BandLayer) -> Self {
        let n_channels = |node: usize| if node == 0 { n_image_channels } else { N_OUT };
        let n_in: usize = layer.sources.iter().map(|&node| n_channels(node)).sum();
        let n_out = layer.bias.len();
        assert!(n_out <= N_OUT, "at most {N_OUT} output channels, got {n_out}");
        assert_eq!(layer.weight.len(), n_out * n_in * 9, "a weight of [{n_out}, {n_in}, 3, 3]");
        let mut words = Vec::new();
        let mut first = 0;
        for &node in layer.sources {
            let channels = match node {
                0 => channels_of_words([n_image_channels].into_iter(), compute.precision),
                _ => channels_of_layer(compute),
            };
            let shifted = |channel: Option<usize>| channel.map(|channel| first + channel);
            words.extend((0..9).flat_map(|kernel_idx| {
                let words = channels.iter().map(move |channels| (kernel_idx, channels));
                words.map(|(kernel_idx, channels)| WeightWord {
                    kernel_idx,
                    channels: channels.map(shifted),
                })
            }));
            first += n_channels(node);
        }
        let weights = pack(compute, &words, N_OUT, |kernel_idx, channel, out| {
            if out < n_out { layer.weight[(out * n_in + channel) * 9 + kernel_idx] } else { 0.0 }
        });
        let mut bias = Buffer::zeros(N_OUT);
        bias.values_mut()[..n_out].copy_from_slice(layer.bias);
        let activation = if layer.is_relu { Activation::Relu } else { Activation::Identity };
        Self { sources: layer.sources.to_vec(), weights, bias, activation }
    }
}

/// As many blocks for each thread, as large as they may be.
fn block_rows(height: usize) -> usize {
    let n_threads = rayon::current_num_threads();
    let n_rounds = height.div_ceil(n_threads * BLOCK_ROWS.end());
    height.div_ceil(n_threads * n_rounds).max(*BLOCK_ROWS.start())
}

/// The channels of a layer's words; register tiles write the two registers of a panel as pairs.
fn channels_of_layer(compute: Compute) -> Vec<[Option<usize>; 2]> {
    match compute.precision {
        Precision::F32 => (0..N_OUT).map(|channel| [Some(channel), None]).collect(),
        Precision::Bf16 => {
            let lanes = n_lanes(compute.instructions);
            let lower = (0..N_OUT).filter(|channel| (channel / lanes).is_multiple_of(2));
            lower.map(|channel| [Some(channel), Some(channel + lanes)]).collect()
        }
    }
}

/// A rectangle of the output in the making.
struct Block<'a> {
    plan: &'a BandPlan,
    image: Source<'a>,
    values: &'a [f32],
    width: usize,
    height: usize,
    /// Columns that are written.
    columns: Range<usize>,
    /// Columns that are computed: those with their halo, cut at the image's borders.
    padded: Range<usize>,
    /// The kept rows of every node, each with one pixel of padding at both ends that stays 0; then the
    /// last layer's row, without padding; then a row of zeros.
    memory: &'a mut [f32],
    /// Where each of these starts.
    starts: Vec<usize>,
}

impl<'a> Block<'a> {
    fn new(
        plan: &'a BandPlan,
        image: &'a [f32],
        [width, height]: [usize; 2],
        columns: Range<usize>,
        memory: &'a mut Buffer,
    ) -> Self {
        let halo = plan.receptive_field_px();
        let padded = columns.start.saturating_sub(halo)..(columns.end + halo).min(width);
        let n_pixels = padded.len() + 2;
        let mut starts = vec![0];
        let rings = plan.ring_rows.iter().enumerate();
        for (node, n_rows) in rings {
            starts.push(starts[node] + n_rows * n_pixels * plan.n_words(node));
        }
        let last = *starts.last().expect("the image has a place");
        let zeros = last + padded.len() * N_OUT;
        starts.push(zeros);
        let memory = memory.resized(zeros + n_pixels * N_OUT.max(plan.n_image_channels));
        memory.fill(0.0);
        let n_channels = plan.n_image_channels;
        let mut sources = Source::list(&[image], width * height, 0..n_channels);
        let source = sources.remove(0);
        Self { plan, image: source, values: image, width, height, columns, padded, memory, starts }
    }

    fn run(
        &mut self,
        rows: Range<usize>,
        finish: fn(&[f32], &[f32], &mut [f32]),
        output: &mut [f32],
    ) {
        let n_layers = self.plan.layers.len();
        let first = rows.start.saturating_sub(n_layers);
        // At time `t` the image is at row `t` and layer `n` at row `t - n`.
        for time in first..rows.end + n_layers {
            if time < self.height {
                self.load_image_row(time);
            }
            for node in 1..=n_layers {
                let row = time.checked_sub(node).filter(|&row| row < self.height);
                // Below the image's border, a node's first rows would need rows that were not loaded;
                // nobody reads them.
                if let Some(row) = row.filter(|&row| first == 0 || row >= first + node) {
                    self.compute_row(node, row);
                }
            }
            if let Some(row) = time.checked_sub(n_layers).filter(|row| rows.contains(row)) {
                let n_values = output.len() / rows.len();
                let output = &mut output[(row - rows.start) * n_values..][..n_values];
                self.finish_row(row, finish, output);
            }
        }
    }

    /// Where a node keeps a row, padding included; zeros above and below the image.
    fn place(&self, node: usize, row: Option<usize>) -> usize {
        let n_layers = self.plan.layers.len();
        match row.filter(|&row| row < self.height) {
            Some(_) if node == n_layers => self.starts[node],
            Some(row) => {
                let length = (self.padded.len() + 2) * self.plan.n_words(node);
                self.starts[node] + row % self.plan.ring_rows[node] * length
            }
            None => self.starts[n_layers + 1],
        }
    }

    fn load_image_row(&mut self, row: usize) {
        let n_words = self.plan.n_words(0);
        let start = self.place(0, Some(row)) + n_words;
        let gathering = Gathering {
            instructions: self.plan.compute.instructions,
            precision: self.plan.compute.precision,
            padding_mode: PaddingMode::Zeros,
            image_size: [self.height, self.width],
        };
        let pixel = row * self.width + self.padded.start;
        let words = &mut self.memory[start..start + self.padded.len() * n_words];
        gathering.copy(&self.image, pixel, self.padded.len(), words, n_words);
    }

    fn compute_row(&mut self, node: usize, row: usize) {
        let plan = self.plan;
        let layer = &plan.layers[node - 1];
        let is_last = node == plan.layers.len();
        let n_words = plan.n_words(node);
        let margin = if is_last { 0 } else { n_words };
        let pixels = self.needed(node);
        let place = self.place(node, Some(row)) + margin + pixels.start * n_words;
        let runs = self.runs(layer, row, pixels.start);
        let reach = |run: &Run| run.end() + (pixels.len() - 1) * run.pixel_stride;
        assert!(runs.iter().all(|run| reach(run) <= self.memory.len()), "rows with their padding");
        let stores_pairs = plan.compute.precision == Precision::Bf16 && !is_last;
        let memory = self.memory.as_mut_ptr();
        assert!(place + pixels.len() * n_words <= self.memory.len(), "room for the row");
        for panel in &layer.weights.panels {
            let first = if stores_pairs { panel.first_out / 2 } else { panel.first_out };
            plan.compute.instructions.run(TileRow {
                window: memory.cast_const(),
                runs: &runs,
                weights: layer.weights.words.values()[panel.start..].as_ptr(),
                bias: layer.bias.values()[panel.first_out..].as_ptr(),
                n_pixels: pixels.len(),
                n_registers: panel.n_registers,
                n_out: panel.n_out,
                output: memory.wrapping_add(place + first),
                output_stride: n_words,
                stores_pairs,
                activation: layer.activation,
                precision: plan.compute.precision,
                has_amx: plan.compute.instructions == Instructions::Amx,
            });
        }
    }

    /// The pixels of a node's row, counted from the first that is kept, that later layers or the output
    /// need.
    fn needed(&self, node: usize) -> Range<usize> {
        let halo = self.plan.layers.len() - node;
        let end = (self.columns.end + halo).min(self.width);
        self.columns.start.saturating_sub(halo) - self.padded.start..end - self.padded.start
    }

    /// The three columns of a window, from that of pixel `first` on, lie one after another in each of three
    /// rows of every source.
    fn runs(&self, layer: &PlannedLayer, row: usize, first: usize) -> Vec<Run> {
        let rows = [row.checked_sub(1), Some(row), Some(row + 1)];
        let run = |node: usize, row| {
            let pixel_stride = self.plan.n_words(node);
            let start = self.place(node, row) + first * pixel_stride;
            Run { start, length: 3 * pixel_stride, pixel_stride }
        };
        layer.sources.iter().flat_map(|&node| rows.map(|row| run(node, row))).collect()
    }

    fn finish_row(&self, row: usize, finish: fn(&[f32], &[f32], &mut [f32]), output: &mut [f32]) {
        let n_channels = self.plan.n_image_channels;
        let start = (row * self.width + self.columns.start) * n_channels;
        let image = &self.values[start..start + self.columns.len() * n_channels];
        let skipped = (self.columns.start - self.padded.start) * N_OUT;
        let last = self.starts[self.plan.layers.len()] + skipped;
        let maps = &self.memory[last..last + self.columns.len() * N_OUT];
        let n_output = output.len() / self.width;
        let columns = self.columns.start * n_output..self.columns.end * n_output;
        finish(image, maps, &mut output[columns]);
    }
}
