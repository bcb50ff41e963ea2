//! The formats and what each can hold.

use crate::error::ImageError;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG/JFIF, 8 bits.
    Jpeg,
    /// Portable Network Graphics, 1 to 16 bits.
    Png,
    /// Tagged Image File Format, 8 and 16 bits and 32-bit floats.
    Tiff,
    /// WebP; written lossless.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// Portable anymaps: PBM, PGM, PPM and PAM.
    Pnm,
    /// Quite OK Image.
    Qoi,
    /// GIF; the first frame is read.
    Gif,
    /// AV1 image file.
    Avif,
}

impl Format {
    /// Every format, the usual ones first.
    pub const ALL: [Self; 9] = [
        Self::Jpeg,
        Self::Png,
        Self::Tiff,
        Self::WebP,
        Self::Bmp,
        Self::Pnm,
        Self::Qoi,
        Self::Gif,
        Self::Avif,
    ];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Pnm => "PNM",
            Self::Qoi => "QOI",
            Self::Gif => "GIF",
            Self::Avif => "AVIF",
        }
    }

    /// Lower case, without the dot, the usual one first.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Self::Png => &["png"],
            Self::Tiff => &["tif", "tiff"],
            Self::WebP => &["webp"],
            Self::Bmp => &["bmp", "dib"],
            Self::Pnm => &["ppm", "pgm", "pbm", "pnm", "pam"],
            Self::Qoi => &["qoi"],
            Self::Gif => &["gif"],
            Self::Avif => &["avif"],
        }
    }

    /// By a file name's ending, in any case, without the dot; for choosing what to write.
    pub fn from_extension(extension: &str) -> Option<Self> {
        let lower = extension.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.extensions().contains(&lower.as_str()))
    }

    /// By content; the only way reading decides.
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        let is_riff_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            _ if bytes.starts_with(b"\x89PNG\r\n\x1A\n") => Some(Self::Png),
            _ if bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*") => Some(Self::Tiff),
            _ if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") => Some(Self::Tiff),
            _ if is_riff_webp => Some(Self::WebP),
            [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] => Some(Self::Pnm),
            _ if bytes.starts_with(b"qoif") => Some(Self::Qoi),
            _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => Some(Self::Gif),
            _ if matches!(brand(bytes), Some(b"avif" | b"avis")) => Some(Self::Avif),
            _ if bytes.starts_with(b"BM") => Some(Self::Bmp),
            _ => None,
        }
    }

    /// Whether [`encode`](crate::encode) writes it.
    pub fn can_write(self) -> bool {
        !matches!(self, Self::Gif | Self::Avif)
    }

    /// The deepest samples that are written: 8, 16 or 32 (floats).
    pub fn depth_bits_max(self) -> u8 {
        match self {
            Self::Tiff => 32,
            Self::Png | Self::Pnm => 16,
            _ => 8,
        }
    }

    /// Whether transparency can be written.
    pub fn has_alpha(self) -> bool {
        !matches!(self, Self::Jpeg)
    }

    /// Whether EXIF, XMP and ICC have a place; IPTC has one in all of these but WebP.
    pub fn has_metadata(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Tiff | Self::WebP)
    }
}

/// The major brand of an ISO base media file.
fn brand(bytes: &[u8]) -> Option<&[u8]> {
    (bytes.get(4..8)? == b"ftyp").then(|| bytes.get(8..12)).flatten()
}

/// The error for bytes that [`Format::detect`] does not know.
pub(crate) fn unknown(bytes: &[u8]) -> ImageError {
    let looks_like = match brand(bytes) {
        Some(b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1") => Some("HEIC"),
        Some(b"crx ") => Some("camera raw"),
        _ if bytes.starts_with(b"\xFF\x0A") => Some("JPEG XL"),
        _ if bytes.starts_with(b"\0\0\0\x0CJXL ") => Some("JPEG XL"),
        _ if bytes.starts_with(b"\0\0\0\x0CjP  ") => Some("JPEG 2000"),
        _ if bytes.starts_with(b"8BPS") => Some("Photoshop"),
        _ if bytes.starts_with(b"\x76\x2F\x31\x01") => Some("OpenEXR"),
        _ if bytes.starts_with(b"#?RADIANCE") => Some("Radiance HDR"),
        _ if bytes.starts_with(b"FUJIFILMCCD-RAW") => Some("camera raw"),
        _ if bytes.starts_with(b"IIU\0") || bytes.starts_with(b"IIRO") => Some("camera raw"),
        _ if bytes.starts_with(b"%PDF") => Some("PDF"),
        _ => None,
    };
    ImageError::UnknownFormat { looks_like }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_lead_back_to_their_format() {
        for format in Format::ALL {
            for extension in format.extensions() {
                assert_eq!(Format::from_extension(&extension.to_uppercase()), Some(format));
            }
        }
        assert_eq!(Format::from_extension("heic"), None);
    }

    #[test]
    fn known_strangers_are_named() {
        let heic = unknown(b"\0\0\0\x18ftypheic....");
        assert_eq!(heic, ImageError::UnknownFormat { looks_like: Some("HEIC") });
        assert_eq!(heic.to_string(), "HEIC files are not read");
        assert_eq!(unknown(b"hello"), ImageError::UnknownFormat { looks_like: None });
    }
}
