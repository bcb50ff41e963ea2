//! What each format can hold and other programs write.

use tapetum_image::{Channels, Format, Raster, Samples};

use crate::samples::{bytes_of, photo, picture, read, write};

#[test]
fn content_decides_and_not_the_name() {
    for format in Format::ALL.into_iter().filter(|format| format.can_write()) {
        let bytes = write(&photo(picture(3, 3, Channels::Rgb)), format);
        assert_eq!(Format::detect(&bytes), Some(format));
        assert_eq!(read(&bytes).format, format);
    }
}

/// A grey PNG whose first pixel is black, second the highest level, rest level 1.
fn low_depth_png(depth: png::BitDepth) -> Vec<u8> {
    let bits = depth as u8;
    let max = (1u16 << bits) - 1;
    let levels = [0, max, 1, 1, 1];
    let mut packed = vec![0u8; (levels.len() * bits as usize).div_ceil(8)];
    for (idx, level) in levels.iter().enumerate() {
        let bit = idx * bits as usize;
        packed[bit / 8] |= (*level as u8) << (8 - bits as usize - bit % 8);
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, levels.len() as u32, 1);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&packed).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn low_depth_pngs_spread_to_8_bits() {
    for (depth, one) in
        [(png::BitDepth::One, 255), (png::BitDepth::Two, 85), (png::BitDepth::Four, 17)]
    {
        let photo = read(&low_depth_png(depth));
        assert_eq!(photo.raster.channels(), Channels::Grey);
        assert_eq!(bytes_of(&photo), [0, 255, one, one, one], "{depth:?}");
    }
}

#[test]
fn png_palettes_become_rgb_and_their_transparency_alpha() {
    for transparent in [false, true] {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 2);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Two);
        encoder.set_palette(vec![1, 2, 3, 40, 50, 60, 7, 8, 9]);
        if transparent {
            encoder.set_trns(vec![255, 128]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0b0001_0000, 0b1000_0000]).unwrap();
        writer.finish().unwrap();
        let photo = read(&bytes);
        assert_eq!(bytes_of(&photo), [1, 2, 3, 40, 50, 60, 7, 8, 9, 1, 2, 3]);
        let alpha = transparent.then(|| Samples::U8(vec![255, 128, 255, 255]));
        assert_eq!(photo.alpha, alpha);
    }
}

#[test]
fn an_animated_png_gives_its_first_picture_with_a_warning() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[10]).unwrap();
    writer.write_image_data(&[20]).unwrap();
    writer.finish().unwrap();
    let photo = read(&bytes);
    assert_eq!(bytes_of(&photo), [10]);
    assert_eq!(photo.warnings, ["the file is an animation, only its first picture is kept"]);
}

/// A JPEG of one colour in four inks.
fn cmyk_jpeg(inks: [u8; 4], color: jpeg_encoder::ColorType, icc: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 100);
    if let Some(icc) = icc {
        encoder.add_icc_profile(icc).unwrap();
    }
    encoder.encode(&inks.repeat(16 * 16), 16, 16, color).unwrap();
    bytes
}

fn check_colour(bytes: &[u8], expected: [u8; 3]) {
    let photo = read(bytes);
    assert_eq!(photo.raster.channels(), Channels::Rgb);
    for pixel in bytes_of(&photo).chunks_exact(3) {
        assert!(pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2), "{pixel:?}");
    }
    let [warning] = &photo.warnings[..] else { panic!("{:?}", photo.warnings) };
    assert!(warning.starts_with("CMYK colours are approximate, no usable profile"), "{warning}");
}

#[test]
fn cmyk_and_ycck_jpegs_become_rgb() {
    use jpeg_encoder::ColorType::{Cmyk, CmykAsYcck};
    for color in [Cmyk, CmykAsYcck] {
        check_colour(&cmyk_jpeg([0, 0, 0, 0], color, None), [255, 255, 255]);
        check_colour(&cmyk_jpeg([255, 0, 0, 0], color, None), [0, 255, 255]);
        check_colour(&cmyk_jpeg([0, 51, 102, 128], color, None), [127, 102, 76]);
        let bytes = cmyk_jpeg([0, 255, 255, 0], color, Some(b"broken"));
        check_colour(&bytes, [255, 0, 0]);
        assert_eq!(read(&bytes).metadata.icc, None, "a profile for inks does not describe RGB");
    }
}

/// An ICC profile whose cyan prints red and whose other inks print nothing: a 2x2x2x2 table of
/// 8-bit Lab behind identity curves (ICC.1:2022, lut8Type).
fn red_cyan_profile() -> Vec<u8> {
    const WHITE: [u8; 3] = [255, 128, 128];
    // Lab 53, 80, 67: the red of sRGB.
    const RED: [u8; 3] = [136, 208, 195];
    let identity = || 0..=255u8;
    let mut table = b"mft1\0\0\0\0\x04\x03\x02\0".to_vec();
    for idx in 0..9 {
        table.extend(if idx % 4 == 0 { [0, 1, 0, 0] } else { [0; 4] });
    }
    (0..4).for_each(|_| table.extend(identity()));
    // The first ink varies slowest.
    table.extend(WHITE.repeat(8));
    table.extend(RED.repeat(8));
    (0..3).for_each(|_| table.extend(identity()));
    let mut icc = vec![0; 128];
    icc[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    icc[12..24].copy_from_slice(b"prtrCMYKLab ");
    icc[36..40].copy_from_slice(b"acsp");
    icc[68..80].copy_from_slice(&[0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D]);
    icc.extend([0, 0, 0, 1]);
    icc.extend(b"A2B0\0\0\0\x90");
    icc.extend((table.len() as u32).to_be_bytes());
    icc.extend(table);
    let length = (icc.len() as u32).to_be_bytes();
    icc[..4].copy_from_slice(&length);
    icc
}

#[test]
fn inks_mean_what_their_profile_says() {
    let icc = red_cyan_profile();
    for (inks, expected) in [([0, 0, 0, 0], [255, 255, 255]), ([255, 0, 0, 0], [255, 0, 0])] {
        let photo = read(&cmyk_jpeg(inks, jpeg_encoder::ColorType::Cmyk, Some(&icc)));
        assert_eq!(photo.warnings, Vec::<String>::new());
        assert_eq!(photo.metadata.icc, None);
        for pixel in bytes_of(&photo).chunks_exact(3) {
            // Lab in whole numbers: a few levels.
            assert!(pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 8), "{pixel:?}");
        }
    }
}

#[test]
fn cmyk_without_adobes_marker_is_not_inverted() {
    let bytes = cmyk_jpeg([0, 0, 0, 255], jpeg_encoder::ColorType::Cmyk, None);
    let at = bytes.windows(5).position(|window| window == b"Adobe").unwrap() - 4;
    let plain = [&bytes[..at], &bytes[at + 16..]].concat();
    // Stored: no paper left in black, all of it elsewhere; read as ink: all colours, no black.
    check_colour(&plain, [0, 0, 0]);
    let bytes = cmyk_jpeg([255, 255, 255, 255], jpeg_encoder::ColorType::Cmyk, None);
    let plain = [&bytes[..at], &bytes[at + 16..]].concat();
    check_colour(&plain, [255, 255, 255]);
}

#[test]
fn subsampled_progressive_and_multi_scan_jpegs_agree_with_their_source() {
    use jpeg_encoder::SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2, F_4_2};
    let raster = picture(67, 45, Channels::Rgb);
    let Samples::U8(values) = raster.samples() else { panic!("8 bits") };
    for factor in [F_1_1, F_2_1, F_1_2, F_2_2, F_4_2] {
        for (progressive, optimised) in [(false, false), (false, true), (true, false)] {
            let mut bytes = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
            encoder.set_sampling_factor(factor);
            encoder.set_progressive(progressive);
            encoder.set_optimized_huffman_tables(optimised);
            encoder.encode(values, 67, 45, jpeg_encoder::ColorType::Rgb).unwrap();
            let photo = read(&bytes);
            let pairs = bytes_of(&photo).iter().zip(values);
            let sum: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            // The mean of a lossy but smooth picture; a wrong plane is off by dozens.
            let mean = sum as f32 / values.len() as f32;
            assert!(mean < 4.0, "{factor:?} {progressive} {optimised}: {mean}");
        }
    }
}

#[test]
fn low_quality_jpegs_are_one_scan_that_every_decoder_reads() {
    let options = tapetum_image::EncodeOptions { quality: 60 };
    let small = photo(picture(40, 40, Channels::Rgb));
    let bytes = tapetum_image::encode(&small, Format::Jpeg, &options).unwrap();
    assert_eq!(bytes.windows(2).filter(|pair| pair == &[0xFF, 0xDA]).count(), 1);
}

/// A GIF of frames: left, top, width, height, each filled with its own colour.
fn gif_of(width: u16, height: u16, frames: &[(u16, u16, u16, u16)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let palette = [200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9];
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &palette).unwrap();
    for (idx, &(left, top, width, height)) in frames.iter().enumerate() {
        let buffer = vec![idx as u8; usize::from(width) * usize::from(height)].into();
        let frame = gif::Frame { left, top, width, height, buffer, ..gif::Frame::default() };
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn the_first_frame_of_a_gif_is_kept_with_a_warning() {
    let photo = read(&gif_of(2, 1, &[(0, 0, 2, 1), (0, 0, 2, 1)]));
    assert_eq!(bytes_of(&photo), [200, 0, 0, 200, 0, 0]);
    assert_eq!(photo.alpha, None);
    assert_eq!(photo.warnings, ["the file is an animation, only its first frame is kept"]);
    assert_eq!(read(&gif_of(2, 1, &[(0, 0, 2, 1)])).warnings, Vec::<String>::new());
}

#[test]
fn what_a_gif_frame_leaves_uncovered_is_transparent() {
    let photo = read(&gif_of(3, 2, &[(1, 1, 2, 1)]));
    assert_eq!(photo.alpha, Some(Samples::U8(vec![0, 0, 0, 0, 255, 255])));
    assert_eq!(bytes_of(&photo)[12..15], [200, 0, 0]);
}

#[test]
fn anymaps_in_plain_text_and_of_odd_depths_are_read() {
    let text = read(b"P2\n# a comment\n3 1\n9\n0 9 3\n");
    assert_eq!(bytes_of(&text), [0, 255, 85]);
    let bits = read(b"P4\n3 1\n\x40");
    assert_eq!(bytes_of(&bits), [255, 0, 255]);
    let deep = read(b"P5 1 1 1023 \x03\xFF");
    assert_eq!(deep.raster.samples(), &Samples::U16(vec![65_535]));
}

#[test]
fn anymaps_are_written_in_the_form_that_everyone_reads() {
    let raster = Raster::new(1, 1, Channels::Rgb, Samples::U16(vec![1, 258, 65_535])).unwrap();
    assert_eq!(write(&photo(raster), Format::Pnm), b"P6\n1 1\n65535\n\0\x01\x01\x02\xFF\xFF");
    let grey = Raster::new(2, 1, Channels::Grey, Samples::U8(vec![7, 8])).unwrap();
    assert_eq!(write(&photo(grey), Format::Pnm), b"P5\n2 1\n255\n\x07\x08");
}
