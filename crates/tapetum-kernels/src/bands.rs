//! A local network as a plan that runs band by band: each thread walks down its block of the image row
//! by row and keeps, for every layer, only the few rows that later layers still need, so that all
//! intermediate values stay in the cache and memory does not grow with the image.

use rayon::prelude::*;

use crate::{
    instructions::Instructions,
    row_conv::{N_OUT, PackedConv, SourceRows},
};

/// Columns of one block, before its halo: rows of all layers then fit the second-level cache.
const BLOCK_COLUMNS: usize = 192;
/// Rows of one block: enough that its halo costs little.
const BLOCK_ROWS: usize = 128;

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
    n_image_channels: usize,
    layers: Vec<PlannedLayer>,
    /// For the image and each layer but the last: rows that are kept.
    ring_rows: Vec<usize>,
}

#[derive(Debug, Clone)]
struct PlannedLayer {
    sources: Vec<usize>,
    conv: PackedConv,
}

impl BandPlan {
    /// Packs the weights and finds how many rows each layer must keep.
    ///
    /// # Panics
    /// When a layer reads itself or a later one, or counts do not fit together.
    pub fn new(n_image_channels: usize, layers: &[BandLayer]) -> Self {
        let n_channels = |node: usize| if node == 0 { n_image_channels } else { N_OUT };
        let planned = layers.iter().enumerate().map(|(idx, layer)| {
            assert!(layer.sources.iter().all(|&source| source <= idx), "sources come before");
            let channels: Vec<usize> = layer.sources.iter().map(|&node| n_channels(node)).collect();
            let conv = PackedConv::new(layer.weight, layer.bias, &channels, layer.is_relu);
            PlannedLayer { sources: layer.sources.to_vec(), conv }
        });
        // Layer `n` runs `n` rows behind the image and reads one row more on each side, so a node
        // keeps its rows from the one it is at back to the oldest that its last reader needs.
        let last_reader = |node: usize| {
            let readers = (1..).zip(layers).filter(|(_, layer)| layer.sources.contains(&node));
            readers.map(|(reader, _)| reader).max().unwrap_or(node)
        };
        let ring_rows = (0..layers.len()).map(|node| last_reader(node) - node + 2).collect();
        Self { n_image_channels, layers: planned.collect(), ring_rows }
    }

    /// Runs the plan on all threads of the current pool. `finish` gets each row of the image, the last
    /// layer's row of 32 channels a pixel, and the row of the output to write.
    ///
    /// # Shapes
    /// `image` and `output`: `[height, width, n_image_channels]`.
    ///
    /// # Panics
    /// When the lengths do not fit, or the instruction set is missing.
    pub fn run(
        &self,
        instructions: Instructions,
        image: &[f32],
        width: usize,
        finish: fn(&[f32], &[f32], &mut [f32]),
        output: &mut [f32],
    ) {
        let row_values = width * self.n_image_channels;
        assert!(width > 0 && image.len().is_multiple_of(row_values), "whole rows");
        assert_eq!(image.len(), output.len(), "an output as large as the image");
        let height = image.len() / row_values;
        let blocks = output.par_chunks_mut(BLOCK_ROWS * row_values).enumerate();
        blocks.for_each_init(Vec::new, |rings, (idx, output)| {
            let rows = idx * BLOCK_ROWS..(idx * BLOCK_ROWS + output.len() / row_values);
            for start in (0..width).step_by(BLOCK_COLUMNS) {
                let columns = start..(start + BLOCK_COLUMNS).min(width);
                let mut block = Block::new(self, image, [width, height], columns, rings);
                block.run(instructions, rows.clone(), finish, output);
            }
        });
    }

    /// How far an output pixel sees.
    fn receptive_field_px(&self) -> usize {
        self.layers.len()
    }
}

/// A rectangle of the output in the making.
struct Block<'a> {
    plan: &'a BandPlan,
    image: &'a [f32],
    width: usize,
    height: usize,
    /// Columns that are written.
    columns: std::ops::Range<usize>,
    /// Columns that are computed: those with their halo, cut at the image's borders.
    padded: std::ops::Range<usize>,
    /// The kept rows of every node, then the last layer's row, each with one pixel of padding at
    /// both ends, which stays 0.
    rings: &'a mut Vec<Vec<f32>>,
    /// A row above or below the image.
    zeros: Vec<f32>,
}

impl<'a> Block<'a> {
    fn new(
        plan: &'a BandPlan,
        image: &'a [f32],
        [width, height]: [usize; 2],
        columns: std::ops::Range<usize>,
        rings: &'a mut Vec<Vec<f32>>,
    ) -> Self {
        let halo = plan.receptive_field_px();
        let padded = columns.start.saturating_sub(halo)..(columns.end + halo).min(width);
        let n_pixels = padded.len() + 2;
        let n_channels = |node: usize| if node == 0 { plan.n_image_channels } else { N_OUT };
        let lengths = plan.ring_rows.iter().enumerate();
        let mut lengths: Vec<usize> =
            lengths.map(|(node, n_rows)| n_rows * n_pixels * n_channels(node)).collect();
        lengths.push(padded.len() * N_OUT);
        rings.resize(lengths.len(), Vec::new());
        for (ring, length) in rings.iter_mut().zip(lengths) {
            ring.clear();
            ring.resize(length, 0.0);
        }
        let zeros = vec![0.0; n_pixels * N_OUT.max(plan.n_image_channels)];
        Self { plan, image, width, height, columns, padded, rings, zeros }
    }

    fn run(
        &mut self,
        instructions: Instructions,
        rows: std::ops::Range<usize>,
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
                    self.compute_row(instructions, node, row);
                }
            }
            if let Some(row) = time.checked_sub(n_layers).filter(|row| rows.contains(row)) {
                self.finish_row(row, row - rows.start, finish, output);
            }
        }
    }

    fn n_channels(&self, node: usize) -> usize {
        if node == 0 { self.plan.n_image_channels } else { N_OUT }
    }

    /// Where a node keeps a row, padding included.
    fn place(&self, node: usize, row: usize) -> std::ops::Range<usize> {
        let length = (self.padded.len() + 2) * self.n_channels(node);
        let start = row % self.plan.ring_rows[node] * length;
        start..start + length
    }

    fn load_image_row(&mut self, row: usize) {
        let n_channels = self.plan.n_image_channels;
        let start = (row * self.width + self.padded.start) * n_channels;
        let values = &self.image[start..start + self.padded.len() * n_channels];
        let place = self.place(0, row);
        self.rings[0][place][n_channels..][..values.len()].copy_from_slice(values);
    }

    fn compute_row(&mut self, instructions: Instructions, node: usize, row: usize) {
        let n_layers = self.plan.layers.len();
        let is_last = node == n_layers;
        let place = if is_last { 0..self.padded.len() * N_OUT } else { self.place(node, row) };
        let mut ring = std::mem::take(&mut self.rings[node]);
        let layer = &self.plan.layers[node - 1];
        let sources: Vec<SourceRows> =
            layer.sources.iter().map(|&source| self.rows_around(source, row)).collect();
        let margin = if is_last { 0 } else { N_OUT };
        let target = &mut ring[place][margin..][..self.padded.len() * N_OUT];
        layer.conv.row(instructions, &sources, self.padded.len(), target);
        self.rings[node] = ring;
    }

    fn rows_around(&self, node: usize, row: usize) -> SourceRows<'_> {
        let at = |row: Option<usize>| match row.filter(|&row| row < self.height) {
            Some(row) => &self.rings[node][self.place(node, row)],
            None => &self.zeros[..],
        };
        let rows = [at(row.checked_sub(1)), at(Some(row)), at(Some(row + 1))];
        SourceRows { rows, n_channels: self.n_channels(node) }
    }

    fn finish_row(
        &self,
        row: usize,
        output_row: usize,
        finish: fn(&[f32], &[f32], &mut [f32]),
        output: &mut [f32],
    ) {
        let n_channels = self.plan.n_image_channels;
        let start = (row * self.width + self.columns.start) * n_channels;
        let image = &self.image[start..start + self.columns.len() * n_channels];
        let last = self.rings.last().expect("the last layer has a row");
        let skipped = (self.columns.start - self.padded.start) * N_OUT;
        let maps = &last[skipped..skipped + self.columns.len() * N_OUT];
        let start = (output_row * self.width + self.columns.start) * n_channels;
        finish(image, maps, &mut output[start..start + self.columns.len() * n_channels]);
    }
}
