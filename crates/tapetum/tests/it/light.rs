//! Dark photographs get light, well-lit ones stay as they are.

use tapetum::{Channels, EnhanceError, EnhanceOptions, Error, Format, Settings, Strength};

use crate::pictures::{
    FORMATS, color_change, dark_scene, enhance, enhance_with, light_scene, mean, peak_levels,
    photo, raster, read, srgb, write,
};

#[test]
fn a_dark_photograph_gets_brighter_in_every_format() {
    for format in FORMATS {
        let file = write(&photo(raster((96, 64), Channels::Rgb, 8, dark_scene)), format);
        let enhanced = enhance(&file, Strength::Auto);
        assert_eq!(enhanced.format, format);
        assert_eq!(enhanced.warnings, Vec::<String>::new());
        let [before, after] = [&file, &enhanced.bytes].map(|bytes| mean(&srgb(&read(bytes))));
        assert!(after > 1.5 * before, "{}: {before} to {after}", format.name());
        // The report tells what is in the file: luma and plain mean differ little here.
        assert!((enhanced.report.mean_after - after).abs() < 0.03, "{}", format.name());
        assert!((enhanced.report.mean_before - before).abs() < 0.03, "{}", format.name());
    }
}

#[test]
fn a_well_lit_photograph_stays_as_it_is() {
    for format in FORMATS {
        let light = photo(raster((96, 64), Channels::Rgb, 8, light_scene));
        let file = write(&light, format);
        let enhanced = enhance(&file, Strength::Auto);
        let found = read(&enhanced.bytes);
        let difference = color_change(&read(&file), &found);
        assert!(difference < 2.0, "{}: {difference}", format.name());
        assert_eq!(enhanced.report.n_tiles, 0);
        if format == Format::Png {
            assert_eq!(found.raster, light.raster);
        }
    }
}

#[test]
fn more_strength_gives_more_light() {
    let file = write(&photo(raster((96, 64), Channels::Rgb, 8, dark_scene)), Format::Png);
    let means = [0.0, 0.25, 0.5, 1.0]
        .map(|strength| mean(&srgb(&read(&enhance(&file, Strength::Fixed(strength)).bytes))));
    assert!(means.windows(2).all(|pair| pair[1] > pair[0] + 0.01), "{means:?}");
}

#[test]
fn the_smallest_memory_gives_the_picture_of_one_tile() {
    for depth_bits in [8, 16] {
        let dark = photo(raster((200, 150), Channels::Rgb, depth_bits, dark_scene));
        let file = write(&dark, Format::Png);
        let strength = Strength::Fixed(1.0);
        let with_memory = |memory_bytes_max| {
            enhance_with(
                &file,
                EnhanceOptions { strength, memory_bytes_max, ..EnhanceOptions::default() },
            )
        };
        let Err(Error::Enhance(EnhanceError::Memory { needed_bytes, .. })) = with_memory(1) else {
            panic!("one byte cannot be enough")
        };
        assert!(with_memory(needed_bytes - 1).is_err(), "less than what is needed");
        let [whole, tiled] = [1 << 30, needed_bytes].map(|bytes| with_memory(bytes).unwrap());
        assert_eq!(whole.report.n_tiles, 1);
        assert!(tiled.report.n_tiles > 10, "{} tiles", tiled.report.n_tiles);
        // Sums in another order may round to the next level, no further.
        let one_level = if depth_bits == 8 { 1.0 } else { 1.0 / 257.0 };
        let peak = peak_levels(&read(&whole.bytes), &read(&tiled.bytes));
        assert!(peak < 1.01 * one_level, "{depth_bits} bits: {peak} levels");
    }
}

#[test]
fn the_same_file_gives_the_same_bytes_from_every_thread() {
    let file = write(&photo(raster((96, 64), Channels::Rgb, 8, dark_scene)), Format::Png);
    let expected = enhance(&file, Strength::Auto).bytes;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(enhance(&file, Strength::Auto).bytes == expected));
        }
    });
}

#[test]
fn the_output_format_can_be_chosen() {
    let file = write(&photo(raster((20, 10), Channels::Rgb, 8, dark_scene)), Format::Jpeg);
    let enhancer = tapetum::Enhancer::new(&tapetum::Model::built_in("scl-lle").unwrap()).unwrap();
    for format in FORMATS {
        let settings = Settings { format: Some(format), ..Settings::default() };
        let enhanced = enhancer.enhance_bytes(&file, &settings).unwrap();
        assert_eq!((enhanced.format, read(&enhanced.bytes).format), (format, format));
    }
}
