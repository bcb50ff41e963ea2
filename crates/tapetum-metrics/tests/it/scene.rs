//! Pictures that `tools/golden/scene.py` makes too, bit for bit: integers all the way.

use tapetum_metrics::Picture;

/// Interleaved 8-bit RGB with content at all scales: value noise of six octaves, mostly shared by the
/// channels, and a few boxes with hard edges.
pub fn reference(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let shared = fractal(x, y, seed);
            let boxed = (0..6).any(|idx| is_in_box(x, y, [width, height], seed + idx));
            for channel in 0..3 {
                let own = fractal(x, y, seed + 100 + channel);
                let value = (3 * shared + own) / 4;
                pixels.push((if boxed { (value + 255) / 2 } else { value }) as u8);
            }
        }
    }
    pixels
}

/// The same scene with less contrast, an offset and noise: what a method might give.
pub fn enhanced(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let pixels = reference(width, height, seed);
    let noisy = pixels.iter().zip(0u32..).map(|(&value, idx)| {
        let noise = hash([idx, seed, 77]) % 25;
        (u32::from(value) * 9 / 10 + noise).min(255) as u8
    });
    noisy.collect()
}

/// The same scene in the dark.
pub fn low(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let pixels = reference(width, height, seed);
    let dark = pixels.iter().zip(0u32..).map(|(&value, idx)| {
        let value = u32::from(value);
        (value * value / 1300 + hash([idx, seed, 78]) % 4) as u8
    });
    dark.collect()
}

pub fn picture(width: u32, height: u32, pixels: &[u8]) -> Picture {
    let values: Vec<f32> = pixels.iter().map(|&value| f32::from(value) / 255.0).collect();
    // Back on the grid: f32 knows eighths of a level only to about 1e-5.
    Picture::from_rgb(width as usize, height as usize, &values).map(f64::round)
}

/// 0..255.
fn fractal(x: u32, y: u32, seed: u32) -> u32 {
    let sum: u32 = (0..6).map(|o| value_noise(x, y, 64 >> o, seed * 8 + o) * (32 >> o)).sum();
    sum / 63
}

/// Random values at the corners of cells of `cell` pixels, linear in between; 0..255.
fn value_noise(x: u32, y: u32, cell: u32, seed: u32) -> u32 {
    let (column, row) = (x / cell, y / cell);
    let (right, down) = (x % cell, y % cell);
    let corner = |dx: u32, dy: u32| hash([column + dx, row + dy, seed]) % 256;
    let upper = corner(0, 0) * (cell - right) + corner(1, 0) * right;
    let lower = corner(0, 1) * (cell - right) + corner(1, 1) * right;
    (upper * (cell - down) + lower * down) / (cell * cell)
}

fn is_in_box(x: u32, y: u32, [width, height]: [u32; 2], seed: u32) -> bool {
    let start = [hash([seed, 1, 5]) % width, hash([seed, 2, 5]) % height];
    let size =
        [4 + hash([seed, 3, 5]) % (width / 4 + 1), 4 + hash([seed, 4, 5]) % (height / 4 + 1)];
    x >= start[0] && x < start[0] + size[0] && y >= start[1] && y < start[1] + size[1]
}

/// 32 bits that look random.
pub fn hash(words: [u32; 3]) -> u32 {
    words.iter().fold(0x9e37_79b9u32, |state, &word| {
        let mixed = (state ^ word).wrapping_mul(0x85eb_ca6b);
        let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
        mixed ^ (mixed >> 16)
    })
}

#[test]
fn the_scene_is_that_of_the_script() {
    // The sums that `python tools/golden/scene.py` prints.
    let checksum = |pixels: &[u8]| {
        pixels.iter().zip(1u64..).map(|(&v, idx)| u64::from(v) * (idx % 1009)).sum::<u64>()
    };
    let found = [reference, enhanced, low].map(|make| checksum(&make(120, 90, 3)));
    assert_eq!(found, [2_414_672_576, 2_362_530_425, 301_166_582]);
    let pixel = picture(1, 1, &[1, 2, 255]).planes.map(|plane| plane.values[0]);
    assert_eq!(pixel, [1.0, 2.0, 255.0]);
}
