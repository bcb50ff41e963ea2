//! GIF: the first frame on its canvas.

use std::{borrow::Cow, num::NonZeroU64};

use gif::{ColorOutput, DecodeOptions, Frame, MemoryLimit};

use crate::{
    codec::{Format, Found, Pixels},
    error::ImageError,
    limits::Limits,
    photo::Metadata,
    raster::Samples,
};

/// Reads the first frame; what it leaves uncovered is transparent.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    let bad = |error: gif::DecodingError| ImageError::bad(Format::Gif, error);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    let room = NonZeroU64::new(limits.working_bytes() as u64).unwrap_or(NonZeroU64::MAX);
    options.set_memory_limit(MemoryLimit::Bytes(room));
    let mut decoder = options.read_info(bytes).map_err(bad)?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    limits.check_header(Format::Gif, (width, height), 4)?;
    let frame = decoder.read_next_frame().map_err(bad)?;
    let frame = frame.ok_or_else(|| ImageError::bad(Format::Gif, "expected a frame, got none"))?;
    let rgba = on_canvas(frame, width as usize, height as usize)?;
    let mut warnings = Vec::new();
    match decoder.next_frame_info() {
        Ok(None) => {}
        Ok(Some(_)) => {
            warnings.push("the file is an animation, only its first frame is kept".to_owned());
        }
        Err(_) => warnings.push("the file is damaged after its first frame".to_owned()),
    }
    let metadata = Metadata {
        xmp: decoder.xmp_metadata().map(<[u8]>::to_vec),
        icc: decoder.icc_profile().map(<[u8]>::to_vec),
        ..Metadata::default()
    };
    let opaque = rgba.chunks_exact(4).all(|pixel| pixel[3] == u8::MAX);
    let (n_channels, samples) = if opaque {
        (3, rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
    } else {
        (4, rgba)
    };
    let samples = Cow::Owned(Samples::U8(samples));
    Ok(Found { pixels: Pixels { width, height, n_channels, samples }, metadata, warnings })
}

fn on_canvas(frame: &Frame<'_>, width: usize, height: usize) -> Result<Vec<u8>, ImageError> {
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    if left + frame_width > width || top + frame_height > height || frame_width == 0 {
        let detail = format!(
            "expected a frame within {width}x{height}, got {frame_width}x{frame_height} at {left}, {top}"
        );
        return Err(ImageError::bad(Format::Gif, detail));
    }
    let mut canvas = vec![0; width * height * 4];
    for (y, row) in frame.buffer.chunks_exact(frame_width * 4).enumerate() {
        let start = ((top + y) * width + left) * 4;
        canvas[start..start + row.len()].copy_from_slice(row);
    }
    Ok(canvas)
}
