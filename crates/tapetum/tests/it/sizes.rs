//! Any size from one pixel up, in every format.

use tapetum::{Channels, Strength};

use crate::pictures::{FORMATS, dark_scene, enhance, photo, raster, read, write};

fn check(size: (u32, u32), channels: Channels) {
    let dark = photo(raster(size, channels, 8, dark_scene));
    for format in FORMATS {
        let file = write(&dark, format);
        for strength in [Strength::Auto, Strength::Fixed(1.0)] {
            let enhanced = enhance(&file, strength);
            let what = format!("{size:?} {channels:?} {} {strength:?}", format.name());
            assert_eq!((enhanced.width, enhanced.height), size, "{what}");
            let found = read(&enhanced.bytes).raster;
            assert_eq!((found.width(), found.height()), size, "{what}");
            assert!(enhanced.report.mean_after > enhanced.report.mean_before, "{what}");
        }
    }
}

#[test]
fn the_smallest_photographs_are_enhanced() {
    for width in 1..=9 {
        for height in 1..=3 {
            check((width, height), Channels::Rgb);
        }
    }
    for size in [(1, 1), (1, 9), (2, 3)] {
        check(size, Channels::Grey);
    }
}

#[test]
fn long_and_narrow_photographs_are_enhanced() {
    for size in [(1, 700), (700, 1), (33, 65)] {
        check(size, Channels::Rgb);
    }
}
