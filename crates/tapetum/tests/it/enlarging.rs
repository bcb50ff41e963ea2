//! Brightened and enlarged at once, from file to file.

use tapetum::{
    Channels, EnhanceError, EnhanceOptions, Enhancer, Error, Limits, MethodCard, Model, Network,
    Settings, Strength, find_method,
};
use tapetum_image::Filter;
use tapetum_nn::prelude::Tensor;

use crate::pictures::{FORMATS, dark_scene, peak_levels, photo, raster, read, write};

fn enhancer(method: &str) -> Enhancer {
    Enhancer::new(&Model::default_of(find_method(method).unwrap()).unwrap()).unwrap()
}

/// Doubles brightness and each pixel.
struct Doubling;

impl Network for Doubling {
    fn card(&self) -> &'static MethodCard {
        find_method("none").unwrap()
    }

    fn scale(&self) -> u32 {
        2
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let [n_images, channels, height, width] = low.dims();
        let cells = (low * 2.0).reshape([n_images, channels, height, 1, width, 1]);
        let cells = Tensor::cat(vec![cells; 2], 3);
        let cells = Tensor::cat(vec![cells; 2], 5);
        cells.reshape([n_images, channels, 2 * height, 2 * width])
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

fn doubling() -> Enhancer {
    Enhancer::of_network(Box::new(Doubling))
}

fn settings(strength: Strength) -> Settings {
    let enhance = EnhanceOptions { strength, ..EnhanceOptions::default() };
    Settings { enhance, ..Settings::default() }
}

#[test]
fn every_format_holds_an_enlarged_photograph_with_alpha_where_it_can() {
    for format in FORMATS {
        let mut dark = photo(raster((33, 20), Channels::Rgb, 8, dark_scene));
        if format.has_alpha() {
            dark.alpha = Some(raster((33, 20), Channels::Grey, 8, dark_scene).into_samples());
        }
        for (enhancer, scale) in [
            (enhancer("scl-lle").at_scale(2).unwrap(), 2),
            (enhancer("clahe").at_scale(4).unwrap(), 4),
            (doubling(), 2),
            (doubling().at_scale(2).unwrap(), 2),
        ] {
            let bright = enhancer.enhance_bytes(&write(&dark, format), &settings(Strength::Auto));
            let bright = bright.unwrap();
            let found = read(&bright.bytes);
            assert_eq!((bright.width, bright.height), (33 * scale, 20 * scale));
            assert_eq!((found.raster.width(), found.raster.height()), (33 * scale, 20 * scale));
            let n_alpha = found.alpha.map(|alpha| alpha.len() as u32);
            assert_eq!(n_alpha, format.has_alpha().then_some(33 * 20 * scale * scale));
            assert_eq!((bright.report.scale, enhancer.scale()), (scale, scale));
            assert!(bright.report.mean_after > bright.report.mean_before);
        }
    }
}

#[test]
fn the_untouched_photograph_is_enlarged_by_a_bicubic_filter() {
    for depth_bits in [8, 16] {
        let dark = photo(raster((33, 20), Channels::Rgb, depth_bits, dark_scene));
        let options = settings(Strength::Fixed(0.0)).enhance;
        let (found, _) = doubling().enhance(dark.clone(), &options).unwrap();
        assert_eq!(found.raster, dark.raster.enlarged(2, Filter::Bicubic));
    }
}

#[test]
fn a_second_network_sees_the_result_of_the_first() {
    let dark = photo(raster((30, 20), Channels::Rgb, 8, dark_scene));
    let options = settings(Strength::Fixed(1.0)).enhance;
    let twice = doubling().then(doubling(), None).unwrap();
    assert_eq!(twice.scale(), 4);
    let (found, _) = twice.enhance(dark.clone(), &options).unwrap();
    let expected = |x: u32, y: u32, channel| {
        let level = (dark_scene(x / 4, y / 4, channel) * 255.0).round() / 255.0;
        4.0 * level
    };
    let expected = photo(raster((120, 80), Channels::Rgb, 8, expected));
    assert!(peak_levels(&found, &expected) <= 1.01);
    let enlarged = enhancer("none").then(doubling(), Some(4)).unwrap();
    assert_eq!(enlarged.scale(), 4);
}

#[test]
fn sizes_that_networks_do_not_lead_to_are_refused() {
    let text = |enhancer: Result<Enhancer, Error>| enhancer.err().unwrap().to_string();
    let one = "none gives results 2 times as large on each side, 4 was asked for";
    assert_eq!(text(doubling().at_scale(4)), one);
    assert!(doubling().at_scale(1).is_err());
    assert!(enhancer("none").at_scale(0).is_err());
    let two = "none with none gives results 4 times as large on each side, 2 was asked for";
    assert_eq!(text(doubling().then(doubling(), Some(2))), two);
}

#[test]
fn a_result_beyond_the_limits_is_refused() {
    let dark = photo(raster((30, 20), Channels::Rgb, 8, dark_scene));
    let limits = Limits { n_pixels_max: 60 * 40 - 1, ..Limits::default() };
    let enhance = EnhanceOptions { limits, ..EnhanceOptions::default() };
    let error = doubling().enhance(dark, &enhance).unwrap_err();
    assert!(matches!(error, Error::Enhance(EnhanceError::TooLarge { width: 60, .. })), "{error}");
}
