//! The eight ways a camera can be held, undone once at decoding.

use crate::raster::{Raster, Samples};

/// The EXIF orientation: which way the stored rows and columns run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation {
    /// Rows and columns are exchanged, before any mirroring.
    swapped: bool,
    mirrored_x: bool,
    mirrored_y: bool,
}

impl Orientation {
    /// From the tag's value, 1..=8; anything else is `None`.
    pub(crate) fn from_exif(value: u32) -> Option<Self> {
        let (swapped, mirrored_x, mirrored_y) = match value {
            1 => (false, false, false),
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => return None,
        };
        Some(Self { swapped, mirrored_x, mirrored_y })
    }

    fn is_upright(self) -> bool {
        !self.swapped && !self.mirrored_x && !self.mirrored_y
    }

    /// The upright raster.
    pub(crate) fn apply(self, raster: Raster) -> Raster {
        if self.is_upright() {
            return raster;
        }
        let (width, height, channels) = (raster.width(), raster.height(), raster.channels());
        let samples =
            self.apply_to_samples(raster.into_samples(), (width, height), channels.n_samples());
        let (width, height) = if self.swapped { (height, width) } else { (width, height) };
        Raster::new(width, height, channels, samples).expect("turning keeps the sample count")
    }

    /// The upright samples of an image stored as `(width, height)`.
    pub(crate) fn apply_to_samples(
        self,
        samples: Samples,
        size: (u32, u32),
        n_samples: usize,
    ) -> Samples {
        if self.is_upright() {
            return samples;
        }
        match samples {
            Samples::U8(values) => Samples::U8(self.turn(&values, size, n_samples)),
            Samples::U16(values) => Samples::U16(self.turn(&values, size, n_samples)),
            Samples::F32(values) => Samples::F32(self.turn(&values, size, n_samples)),
        }
    }

    fn turn<T: Copy>(self, values: &[T], (width, height): (u32, u32), n_samples: usize) -> Vec<T> {
        let (width, height) = (width as usize, height as usize);
        let (upright_width, upright_height) =
            if self.swapped { (height, width) } else { (width, height) };
        let mut upright = Vec::with_capacity(values.len());
        for y in 0..upright_height {
            let y = if self.mirrored_y { upright_height - 1 - y } else { y };
            for x in 0..upright_width {
                let x = if self.mirrored_x { upright_width - 1 - x } else { x };
                let (column, row) = if self.swapped { (y, x) } else { (x, y) };
                let start = (row * width + column) * n_samples;
                upright.extend_from_slice(&values[start..start + n_samples]);
            }
        }
        upright
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_orientation_brings_the_stored_rows_upright() {
        // Stored as "abc / def"; the expected rows follow the EXIF 2.32 definitions.
        let stored = Samples::U8(b"abcdef".to_vec());
        let expected: [&[u8]; 8] = [
            b"abcdef", b"cbafed", b"fedcba", b"defabc", b"adbecf", b"daebfc", b"fcebda", b"cfbead",
        ];
        for (value, expected) in (1..).zip(expected) {
            let orientation = Orientation::from_exif(value).unwrap();
            let upright = orientation.apply_to_samples(stored.clone(), (3, 2), 1);
            assert_eq!(upright, Samples::U8(expected.to_vec()), "orientation {value}");
        }
        assert_eq!(Orientation::from_exif(0), None);
        assert_eq!(Orientation::from_exif(9), None);
    }
}
