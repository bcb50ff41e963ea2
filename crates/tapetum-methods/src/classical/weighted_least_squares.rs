//! Smoothing by weighted least squares: the map `t` near the values `v` whose differences are small
//! where weights are large, `(1 + Σ_d D_dᵀ W_d D_d) t = v`.
//!
//! Conjugate gradients, with multigrid cycles as preconditioner.
//! Rows of the system sum to one and nothing off its diagonal is positive, so an error is nowhere larger
//! than the largest residual: that is what the solver stops by.

use rayon::prelude::*;

use super::multigrid::{Cycles, Groups, Ties};

/// Largest residual, and so the largest error, relative to values of 0..1.
const RESIDUAL_MAX: f64 = 1e-4;
/// No map has needed more than a tenth of it.
const N_STEPS_MAX: usize = 1000;
/// Rows that are smoothed one after the other; strips of so many go side by side.
const STRIP_ROWS: usize = 128;
/// Values that are added up one after the other, so that a sum does not depend on the threads.
const SUM_PART: usize = 1 << 14;

/// The system on one grid: the weight of each cell itself, and of its differences to the next cell of
/// its row and of its column (0 where there is none).
pub(super) struct System {
    width: usize,
    own: Vec<f32>,
    right: Vec<f32>,
    down: Vec<f32>,
    inverse_diagonal: Vec<f32>,
}

impl System {
    /// The system of a map in rows of `width`.
    pub(super) fn new(width: usize, right: Vec<f32>, down: Vec<f32>) -> Self {
        Self::with_own(width, vec![1.0; right.len()], right, down)
    }

    fn with_own(width: usize, own: Vec<f32>, right: Vec<f32>, down: Vec<f32>) -> Self {
        let before = |weights: &[f32], idx: usize, step: usize| {
            idx.checked_sub(step).map_or(0.0, |before| weights[before])
        };
        let inverse_diagonal = (0..own.len()).into_par_iter().map(|idx| {
            let edges = right[idx] + before(&right, idx, 1) + down[idx] + before(&down, idx, width);
            1.0 / (own[idx] + edges)
        });
        let inverse_diagonal = inverse_diagonal.collect();
        Self { width, own, right, down, inverse_diagonal }
    }

    /// Solves it for values of 0..1.
    pub(super) fn solve(&self, values: &[f64]) -> Vec<f64> {
        let mut preconditioner = Preconditioner::of(self);
        let mut map = values.to_vec();
        let mut residual = values.to_vec();
        subtract(&mut residual, 1.0, &self.apply(&map));
        let mut direction = vec![0.0; values.len()];
        let mut alignment = 1.0;
        for _ in 0..N_STEPS_MAX {
            if largest(&residual) <= RESIDUAL_MAX {
                break;
            }
            let step = preconditioner.run(&residual);
            let next_alignment = dot(&residual, step);
            let share = next_alignment / alignment;
            direction.par_iter_mut().zip(step).for_each(|(direction, &step)| {
                *direction = f64::from(step) + share * *direction;
            });
            alignment = next_alignment;
            let applied = self.apply(&direction);
            let length = alignment / dot(&direction, &applied);
            subtract(&mut map, -length, &direction);
            subtract(&mut residual, length, &applied);
        }
        map
    }

    /// The left side of the system.
    fn apply(&self, map: &[f64]) -> Vec<f64> {
        let mut applied = vec![0.0; map.len()];
        applied.par_chunks_mut(self.width).enumerate().for_each(|(y, row)| {
            for (x, value) in row.iter_mut().enumerate() {
                let idx = y * self.width + x;
                let here = map[idx];
                *value = f64::from(self.own[idx]) * here;
                let mut add = |weight: f32, there: usize| {
                    *value += f64::from(weight) * (here - map[there]);
                };
                if x + 1 < self.width {
                    add(self.right[idx], idx + 1);
                }
                if x > 0 {
                    add(self.right[idx - 1], idx - 1);
                }
                if idx + self.width < map.len() {
                    add(self.down[idx], idx + self.width);
                }
                if y > 0 {
                    add(self.down[idx - self.width], idx - self.width);
                }
            }
        });
        applied
    }

    /// One Gauss-Seidel sweep for `map`, within strips of rows.
    fn sweep(&self, sought: &[f32], map: &mut [f32], order: Order) {
        let strip_values = STRIP_ROWS * self.width;
        let n_strips = map.len().div_ceil(strip_values);
        let edges: Vec<[Vec<f32>; 2]> = (0..n_strips)
            .map(|strip| {
                let (start, end) = (strip * strip_values, (strip + 1) * strip_values);
                let row = |start: Option<usize>| {
                    let row = start.and_then(|start| map.get(start..start + self.width));
                    row.map_or(vec![0.0; self.width], <[f32]>::to_vec)
                };
                [row(start.checked_sub(self.width)), row(Some(end))]
            })
            .collect();
        map.par_chunks_mut(strip_values).zip(edges).enumerate().for_each(
            |(idx, (strip, edges))| {
                self.sweep_strip(sought, idx * strip_values, strip, &edges, order);
            },
        );
    }

    /// `edges` are the rows above and below the strip, which begins at the cell `start`.
    fn sweep_strip(
        &self,
        sought: &[f32],
        start: usize,
        strip: &mut [f32],
        edges: &[Vec<f32>; 2],
        order: Order,
    ) {
        let (width, n_rows) = (self.width, strip.len() / self.width);
        for step in 0..n_rows {
            let y = if order == Order::Forward { step } else { n_rows - 1 - step };
            let (above, rest) = strip.split_at_mut(y * width);
            let (row, below) = rest.split_at_mut(width);
            let above = if y == 0 { &edges[0] } else { &above[(y - 1) * width..] };
            let below = if y + 1 == n_rows { &edges[1] } else { &below[..width] };
            self.sweep_row(sought, start + y * width, row, [above, below], order);
        }
    }

    fn sweep_row(
        &self,
        sought: &[f32],
        start: usize,
        row: &mut [f32],
        [above, below]: [&[f32]; 2],
        order: Order,
    ) {
        let width = row.len();
        let (right, down) = (&self.right[start..start + width], &self.down[start..start + width]);
        let inverse = &self.inverse_diagonal[start..start + width];
        let sought = &sought[start..start + width];
        let up = start.checked_sub(width).map(|start| &self.down[start..start + width]);
        let settled = |x: usize| {
            let up = up.map_or(0.0, |up| up[x] * above[x]);
            sought[x] + up + down[x] * below[x]
        };
        if order == Order::Forward {
            let mut from_left = 0.0;
            for x in 0..width {
                let from_right = if x + 1 < width { right[x] * row[x + 1] } else { 0.0 };
                row[x] = (settled(x) + from_right + from_left) * inverse[x];
                from_left = right[x] * row[x];
            }
        } else {
            let mut from_right = 0.0;
            for x in (0..width).rev() {
                let from_left = if x > 0 { right[x - 1] * row[x - 1] } else { 0.0 };
                row[x] = (settled(x) + from_left + from_right) * inverse[x];
                from_right = if x > 0 { right[x - 1] * row[x] } else { 0.0 };
            }
        }
    }

    /// Adds what `map` leaves of `sought` to the groups.
    fn add_residual(&self, sought: &[f32], map: &[f32], groups: &Groups, sums: &mut [f32]) {
        for (idx, &group) in groups.group_of.iter().enumerate() {
            let mut left = sought[idx] - map[idx] / self.inverse_diagonal[idx];
            self.each_tie(idx, |other, weight| left += weight * map[other]);
            sums[group as usize] += left;
        }
    }
}

impl Ties for System {
    fn own(&self) -> &[f32] {
        &self.own
    }

    fn each_tie(&self, idx: usize, mut visit: impl FnMut(usize, f32)) {
        // Weights beyond the end of a row or column are 0; so is the last one of the row above.
        if let Some(left) = idx.checked_sub(1) {
            visit(left, self.right[left]);
        }
        if let Some(above) = idx.checked_sub(self.width) {
            visit(above, self.down[above]);
        }
        if idx + 1 < self.own.len() {
            visit(idx + 1, self.right[idx]);
        }
        if idx + self.width < self.own.len() {
            visit(idx + self.width, self.down[idx]);
        }
    }
}

/// In which order a sweep visits the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Forward,
    Backward,
}

/// The preconditioner: a sweep, a cycle on graphs of tied cells, and a sweep back.
struct Preconditioner<'a> {
    system: &'a System,
    groups: Groups,
    cycles: Cycles,
    sought: Vec<f32>,
    map: Vec<f32>,
}

impl<'a> Preconditioner<'a> {
    fn of(system: &'a System) -> Self {
        let groups = Groups::of(system);
        let cycles = Cycles::new(groups.graph(system));
        let [sought, map] = [(); 2].map(|()| vec![0.0; system.own.len()]);
        Self { system, groups, cycles, sought, map }
    }

    /// About the solution for `sought`: a symmetric positive operator, as conjugate gradients need it.
    fn run(&mut self, sought: &[f64]) -> &[f32] {
        let Self { system, groups, cycles, sought: side, map } = self;
        side.par_iter_mut().zip(sought).for_each(|(side, &sought)| *side = sought as f32);
        map.fill(0.0);
        system.sweep(side, map, Order::Forward);
        let correction = cycles.run(|sums| system.add_residual(side, map, groups, sums));
        map.par_iter_mut().zip(&groups.group_of).for_each(|(value, &group)| {
            *value += correction[group as usize];
        });
        system.sweep(side, map, Order::Backward);
        map
    }
}

/// `values -= share * other`.
fn subtract(values: &mut [f64], share: f64, other: &[f64]) {
    values.par_iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
}

fn dot<T: Copy + Into<f64> + Sync>(a: &[f64], b: &[T]) -> f64 {
    let parts = a.par_chunks(SUM_PART).zip(b.par_chunks(SUM_PART));
    let sum = |(a, b): (&[f64], &[T])| a.iter().zip(b).map(|(a, &b)| a * b.into()).sum::<f64>();
    parts.map(sum).collect::<Vec<f64>>().into_iter().sum()
}

fn largest(values: &[f64]) -> f64 {
    values.par_iter().map(|value| value.abs()).reduce(|| 0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights over nine powers of ten, in patches.
    fn system(width: usize, height: usize) -> System {
        let weight = |idx: usize| {
            let (x, y) = (idx % width, idx / width);
            10f32.powi((x / 5 * 7 + y / 3 * 4) as i32 % 10 - 4)
        };
        let n_cells = width * height;
        let right = |idx: usize| if (idx + 1).is_multiple_of(width) { 0.0 } else { weight(idx) };
        let down = |idx: usize| if idx + width < n_cells { weight(idx + 3) } else { 0.0 };
        System::new(width, (0..n_cells).map(right).collect(), (0..n_cells).map(down).collect())
    }

    #[test]
    fn the_map_solves_the_system() {
        for (width, height) in [(1, 1), (1, 90), (300, 1), (7, 5), (64, 64), (61, 301)] {
            let system = system(width, height);
            let values: Vec<f64> =
                (0..width * height).map(|idx| (idx * 7919 % 256) as f64 / 255.0).collect();
            let map = system.solve(&values);
            let applied = system.apply(&map);
            let differences = applied.iter().zip(&values).map(|(a, b)| (a - b).abs());
            let peak = differences.fold(0.0, f64::max);
            assert!(peak <= 2.0 * RESIDUAL_MAX, "{width}x{height}: {peak}");
        }
    }

    #[test]
    fn without_weights_the_map_is_the_values() {
        let values: Vec<f64> = (0..35).map(|idx| f64::from(idx) / 35.0).collect();
        let system = System::new(7, vec![0.0; 35], vec![0.0; 35]);
        assert_eq!(system.solve(&values), values);
    }

    #[test]
    fn the_cycle_is_symmetric() {
        let system = system(37, 290);
        let mut cycles = Preconditioner::of(&system);
        let wave = |phase: usize| -> Vec<f64> {
            (0..37 * 290).map(|idx| ((idx * phase) as f64).sin()).collect()
        };
        let (a, b) = (wave(3), wave(7));
        let ab = dot(&a, cycles.run(&b));
        let ba = dot(&b, cycles.run(&a));
        let aa = dot(&a, cycles.run(&a));
        assert!(aa > 0.0 && (ab - ba).abs() < 1e-4 * aa, "{ab} {ba} {aa}");
    }
}
