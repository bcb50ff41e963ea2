//! What EXIF says in pixels, for a photograph that was enlarged.

use crate::metadata::{
    exif::{EXIF_IFD, Exif},
    ifd::{self, Entry, Ifd, LONG, SHORT},
};

const RATIONAL: u16 = 5;
const RATIONAL_BYTES: usize = 8;

const X_RESOLUTION: u16 = 0x011A;
const Y_RESOLUTION: u16 = 0x011B;
const RESOLUTION_UNIT: u16 = 0x0128;
const FOCAL_PLANE_X_RESOLUTION: u16 = 0xA20E;
const FOCAL_PLANE_Y_RESOLUTION: u16 = 0xA20F;
const FOCAL_PLANE_RESOLUTION_UNIT: u16 = 0xA210;
/// Two to four numbers: the middle of the subject, and how large it is.
const SUBJECT_AREA: u16 = 0x9214;
const SUBJECT_LOCATION: u16 = 0xA214;
const SUBJECT_NUMBERS_MAX: u32 = 4;

/// The unit of resolutions that are an aspect ratio.
const NO_UNIT: u32 = 1;

impl Exif {
    /// Multiplies resolutions and the subject's place by `scale`; adds none.
    pub(crate) fn enlarge(&mut self, scale: u32) {
        let main = self.main();
        self.enlarge_resolutions(&main, RESOLUTION_UNIT, [X_RESOLUTION, Y_RESOLUTION], scale);
        let Some(photo) = self.linked(&main, EXIF_IFD) else { return };
        let focal_plane = [FOCAL_PLANE_X_RESOLUTION, FOCAL_PLANE_Y_RESOLUTION];
        self.enlarge_resolutions(&photo, FOCAL_PLANE_RESOLUTION_UNIT, focal_plane, scale);
        for tag in [SUBJECT_AREA, SUBJECT_LOCATION] {
            self.enlarge_shorts(&photo, tag, scale);
        }
    }

    fn enlarge_resolutions(&mut self, ifd: &Ifd, unit: u16, tags: [u16; 2], scale: u32) {
        let unit = ifd.entry(unit).and_then(|entry| entry.number(&self.bytes, self.order));
        if unit == Some(NO_UNIT) {
            return;
        }
        for entry in tags.into_iter().filter_map(|tag| ifd.entry(tag)) {
            if entry.kind == RATIONAL && entry.count == 1 {
                self.enlarge_rational(entry, scale);
            }
        }
    }

    fn enlarge_rational(&mut self, entry: &Entry, scale: u32) {
        let order = self.order;
        let Some(range) = entry.value_range(&self.bytes, order) else { return };
        let number = |at| order.get_u32(&self.bytes, at);
        let (Some(numerator), Some(denominator)) =
            (number(range.start), number(range.start + RATIONAL_BYTES / 2))
        else {
            return;
        };
        let (numerator, denominator) = multiplied(numerator, denominator, scale);
        let value = [order.bytes_u32(numerator), order.bytes_u32(denominator)].concat();
        self.put_far(entry, RATIONAL, &value);
    }

    fn enlarge_shorts(&mut self, ifd: &Ifd, tag: u16, scale: u32) {
        let order = self.order;
        let is_subject = |entry: &&Entry| {
            entry.kind == SHORT && (2..=SUBJECT_NUMBERS_MAX).contains(&entry.count)
        };
        let Some(entry) = ifd.entry(tag).filter(is_subject) else { return };
        let Some(range) = entry.value_range(&self.bytes, order) else { return };
        let numbers = range.clone().step_by(2).filter_map(|at| order.get_u16(&self.bytes, at));
        let numbers: Vec<u32> = numbers.map(|n| u32::from(n).saturating_mul(scale)).collect();
        let shorts: Option<Vec<u16>> = numbers.iter().map(|&n| u16::try_from(n).ok()).collect();
        match shorts {
            Some(shorts) => {
                let value: Vec<u8> = shorts.iter().flat_map(|&n| order.bytes_u16(n)).collect();
                if range.start == entry.at + 8 {
                    self.put(range.start, &value);
                } else {
                    self.put_far(entry, SHORT, &value);
                }
            }
            // Larger than the kind that the standard asks for, which readers take from the record.
            None => {
                let value: Vec<u8> = numbers.iter().flat_map(|&n| order.bytes_u32(n)).collect();
                self.put_far(entry, LONG, &value);
            }
        }
    }

    /// Replaces a value that does not fit into its record: in its place, or behind everything else where
    /// that is smaller or not its own.
    fn put_far(&mut self, entry: &Entry, kind: u16, value: &[u8]) {
        let old = entry.far_range(&self.bytes, self.order);
        let own = old
            .filter(|range| range.len() == value.len() && self.is_unshared(range, Some(entry.at)));
        if let Some(range) = own {
            return self.put(range.start, value);
        }
        let at = self.append(value);
        let field = self.order.bytes_u32(at);
        self.put(entry.at, &ifd::record(self.order, entry.tag, kind, entry.count, field));
    }
}

/// A fraction times a whole number, exact unless it leaves 32 bits even when it is reduced.
fn multiplied(numerator: u32, denominator: u32, scale: u32) -> (u32, u32) {
    let product = u64::from(numerator) * u64::from(scale);
    if let Ok(product) = u32::try_from(product) {
        return (product, denominator);
    }
    let divisor = common_divisor(product, denominator.into());
    let (mut product, mut denominator) = (product / divisor, u64::from(denominator) / divisor);
    while product > u64::from(u32::MAX) && denominator > 1 {
        (product, denominator) = (product / 2, denominator.div_ceil(2));
    }
    let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    (short(product), short(denominator))
}

/// Euclid's; of a number above 0 and any other.
fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_stay_exact_as_long_as_they_can() {
        for (fraction, scale, expected) in [
            ((300, 1), 2, (600, 1)),
            ((5, 3), 4, (20, 3)),
            ((0, 0), 2, (0, 0)),
            ((7, 0), 2, (14, 0)),
            ((3_000_000_000, 10_000_000), 2, (600, 1)),
            ((u32::MAX, 1), 4, (u32::MAX, 1)),
        ] {
            assert_eq!(multiplied(fraction.0, fraction.1, scale), expected);
        }
        let (numerator, denominator) = multiplied(u32::MAX, 65_537 * 3, 4);
        let found = f64::from(numerator) / f64::from(denominator);
        let expected = f64::from(u32::MAX) * 4.0 / (65_537.0 * 3.0);
        assert!((found / expected - 1.0).abs() < 1e-4, "{found} is not {expected}");
    }
}
