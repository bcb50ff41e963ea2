//! Block means and the curve of a reduced copy against plain loops in f64.

use tapetum_kernels::{Instructions, ReducedCurve, block_means, curve, rates_of_row};

use crate::comparison::{check, numbers, random, shifted, wide};

/// Height, width and factor: around registers, blocks of columns and parallel pieces, with whole blocks
/// and cut ones.
const SIZES: [[usize; 3]; 11] = [
    [1, 1, 1],
    [1, 1, 5],
    [1, 70, 4],
    [70, 1, 3],
    [2, 3, 8],
    [6, 6, 3],
    [13, 40, 1],
    [33, 130, 8],
    [65, 128, 2],
    [40, 129, 7],
    [67, 300, 10],
];

/// Values in 0..1, off a register's boundary.
fn image(pixels: usize, seed: u64) -> Vec<f32> {
    let values = random(pixels * 3, 1.0, &mut numbers(seed));
    shifted(&values.iter().map(|value| value.abs()).collect::<Vec<_>>())
}

/// The two blocks around a pixel and the share of the second.
fn between(at: usize, factor: usize, n_blocks: usize) -> [(usize, f64); 2] {
    let place = ((at as f64 + 0.5) / factor as f64 - 0.5).clamp(0.0, n_blocks as f64 - 1.0);
    let (first, share) = (place.floor() as usize, place.fract());
    [(first, 1.0 - share), ((first + 1).min(n_blocks - 1), share)]
}

#[test]
fn block_means_equal_plain_sums() {
    for (size @ [height, width, factor], seed) in SIZES.into_iter().zip(700..) {
        let image = image(height * width, seed);
        let pixels = wide(&image[1..]);
        let mut expected = Vec::new();
        for y in (0..height).step_by(factor) {
            for x in (0..width).step_by(factor) {
                for channel in 0..3 {
                    let rows = y..(y + factor).min(height);
                    let columns = x..(x + factor).min(width);
                    let n = rows.len() * columns.len();
                    let places = rows.flat_map(|y| columns.clone().map(move |x| y * width + x));
                    let sum: f64 = places.map(|pixel| pixels[pixel * 3 + channel]).sum();
                    expected.push(sum / n as f64);
                }
            }
        }
        // A hundred values in 0..1 at most, added one by one.
        check(&format!("{size:?}"), &expected, [1e-6, 2e-7], |set, output| {
            block_means(set, &image[1..], width, factor, output);
        });
    }
}

#[test]
fn curves_of_a_reduced_copy_equal_the_formula() {
    for (size @ [height, width, factor], seed) in SIZES.into_iter().zip(720..) {
        let image = image(height * width, seed);
        let pixels = wide(&image[1..]);
        let [n_rows, n_columns] = [height, width].map(|n| n.div_ceil(factor));
        let rates = random(n_rows * n_columns * 32, 1.0, &mut numbers(seed + 50));
        let mut expected = Vec::new();
        for (idx, u) in pixels.iter().enumerate() {
            let (y, x, channel) = (idx / 3 / width, idx / 3 % width, idx % 3);
            let rate = |step: usize| -> f64 {
                let rows = between(y, factor, n_rows).into_iter();
                rows.flat_map(|row| between(x, factor, n_columns).map(|column| (row, column)))
                    .map(|((y, a), (x, b))| {
                        let block = (y * n_columns + x) * 32;
                        a * b * f64::from(rates[block + step * 3 + channel])
                    })
                    .sum()
            };
            expected.push((0..8).fold(*u, |u, step| u + rate(step) * (u * u - u)));
        }
        let curve = ReducedCurve::new(rates, n_columns, factor);
        // Eight steps of a few roundings each; a step at most doubles an error.
        check(&format!("{size:?}"), &expected, [5e-6, 5e-7], |set, output| {
            curve.apply(set, [0, 0], &image[1..], width, output);
        });
    }
}

#[test]
fn parts_equal_the_whole_to_the_bit() {
    let [height, width, factor] = [70, 300, 7];
    let image = image(height * width, 741);
    let (n_rows, n_columns) = (height.div_ceil(factor), width.div_ceil(factor));
    let rates = random(n_rows * n_columns * 32, 1.0, &mut numbers(742));
    let curve = ReducedCurve::new(rates, n_columns, factor);
    let part = |[x, y]: [usize; 2], [part_width, part_height]: [usize; 2], image: &[f32]| {
        let rows = image.chunks_exact(width * 3).skip(y).take(part_height);
        rows.flat_map(|row| &row[x * 3..(x + part_width) * 3]).copied().collect::<Vec<f32>>()
    };
    for instructions in Instructions::available() {
        let mut whole = vec![f32::NAN; width * height * 3];
        curve.apply(instructions, [0, 0], &image[1..], width, &mut whole);
        for (place, size) in [([0, 0], [1, 1]), ([3, 5], [290, 40]), ([299, 1], [1, 69])] {
            let input = part(place, size, &image[1..]);
            let mut found = vec![f32::NAN; input.len()];
            curve.apply(instructions, place, &input, size[0], &mut found);
            assert_eq!(found, part(place, size, &whole), "{place:?} {}", instructions.name());
        }
    }
}

#[test]
fn rates_at_factor_one_give_the_curve_itself() {
    let image = image(50, 743);
    let maps = random(50 * 24, 2.0, &mut numbers(744));
    let padded: Vec<f32> =
        maps.chunks_exact(24).flat_map(|maps| [maps, &[7.0; 8]].concat()).collect();
    let mut rates = vec![f32::NAN; padded.len()];
    rates_of_row(&[], &padded, &mut rates);
    let mut expected = vec![f32::NAN; 150];
    curve(Instructions::best(), &image[1..], &maps, &mut expected);
    check("factor 1", &wide(&expected), [2e-6, 4e-7], |set, output| {
        ReducedCurve::new(rates.clone(), 10, 1).apply(set, [0, 0], &image[1..], 10, output);
    });
}
