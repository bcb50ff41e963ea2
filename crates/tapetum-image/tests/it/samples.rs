//! Generated pictures, files and metadata.

use std::{borrow::Cow, ops::Range};

use tapetum_image::{
    Channels, EncodeOptions, Format, Limits, Metadata, Photo, Raster, Samples, decode, encode,
};

pub(crate) const WRITABLE: [Format; 7] =
    [Format::Jpeg, Format::Png, Format::Tiff, Format::WebP, Format::Bmp, Format::Pnm, Format::Qoi];

pub(crate) const WITH_METADATA: [Format; 4] =
    [Format::Jpeg, Format::Png, Format::Tiff, Format::WebP];

/// A smooth picture whose corners differ, so that turning it shows.
pub(crate) fn picture(width: u32, height: u32, channels: Channels) -> Raster {
    let mut values = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let across = (x * 200 / width.max(1)) as u8;
            let down = (y * 160 / height.max(1)) as u8;
            match channels {
                Channels::Grey => values.push(across / 2 + down / 2),
                Channels::Rgb => values.extend([across, down, 40]),
            }
        }
    }
    Raster::new(width, height, channels, Samples::U8(values)).unwrap()
}

pub(crate) fn photo(raster: Raster) -> Photo {
    Photo::from_raster(raster, Format::Png)
}

pub(crate) fn read(bytes: &[u8]) -> Photo {
    decode(bytes, &Limits::default()).unwrap()
}

pub(crate) fn write(photo: &Photo, format: Format) -> Vec<u8> {
    encode(photo, format, &EncodeOptions::default()).unwrap()
}

/// The 8-bit samples of a photograph.
pub(crate) fn bytes_of(photo: &Photo) -> &[u8] {
    match photo.raster.samples() {
        Samples::U8(values) => values,
        other => panic!("expected 8 bits, got {}", other.depth_bits()),
    }
}

/// A file whose metadata is written exactly as given, past this crate's own patches.
pub(crate) fn file_with(raster: &Raster, metadata: &Metadata, format: Format) -> Vec<u8> {
    let Samples::U8(values) = raster.samples() else { panic!("expected 8 bits") };
    let (width, height) = (raster.width(), raster.height());
    let mut bytes = Vec::new();
    match format {
        Format::Jpeg => {
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
            if let Some(exif) = &metadata.exif {
                encoder.add_exif_metadata(exif).unwrap();
            }
            let size = (width as u16, height as u16);
            encoder.encode(values, size.0, size.1, jpeg_encoder::ColorType::Rgb).unwrap();
        }
        Format::Png => {
            let mut info = png::Info::with_size(width, height);
            info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
            let mut encoder = png::Encoder::with_info(&mut bytes, info).unwrap();
            encoder.set_color(png::ColorType::Rgb);
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(values).unwrap();
            writer.finish().unwrap();
        }
        Format::WebP => {
            let mut encoder = image_webp::WebPEncoder::new(&mut bytes);
            if let Some(exif) = &metadata.exif {
                encoder.set_exif_metadata(exif.clone());
            }
            encoder.encode(values, width, height, image_webp::ColorType::Rgb8).unwrap();
        }
        Format::Tiff => {
            let mut photo = photo(raster.clone());
            photo.metadata = metadata.clone();
            bytes = write(&photo, Format::Tiff);
            if let Some(exif) = &metadata.exif {
                let wanted = orientation_in(exif).unwrap();
                set_orientation(&mut bytes, wanted);
            }
        }
        other => panic!("{} holds no metadata", other.name()),
    }
    bytes
}

/// A small EXIF stream with everything that a camera writes.
pub(crate) struct CameraExif {
    pub(crate) stream: Vec<u8>,
    /// Where the maker note lies; it holds its own offset.
    pub(crate) maker_note: Range<usize>,
}

/// Big or little endian, with an orientation and a thumbnail of `thumbnail_bytes`.
pub(crate) fn camera_exif(is_big: bool, orientation: u16, thumbnail_bytes: usize) -> CameraExif {
    let mut builder = Builder::new(is_big);
    let maker_at = builder.stream.len() as u32;
    let mut note = b"MAKER\0".to_vec();
    note.extend(builder.long(maker_at));
    note.extend((0..54).map(|v| v * 3));
    let maker_at = builder.append(&note);
    let maker_note = maker_at as usize..maker_at as usize + note.len();

    let latitude: Vec<u8> =
        [48u32, 1, 12, 1, 30, 1].iter().flat_map(|&v| builder.long(v)).collect();
    let gps = vec![builder.tag(1, 2, 2, b"N\0"), builder.tag(2, 5, 3, &latitude)];
    let gps = builder.directory(gps, 0);

    let interoperability = vec![builder.tag(1, 2, 4, b"R98\0")];
    let interoperability = builder.directory(interoperability, 0);

    let exposure: Vec<u8> = [1u32, 8].iter().flat_map(|&v| builder.long(v)).collect();
    let photo = vec![
        builder.tag(0x829A, 5, 1, &exposure),
        builder.tag(0x9003, 2, 20, b"2024:05:06 07:08:09\0"),
        builder.pointer(0x927C, 7, note.len() as u32, maker_at),
        builder.tag(0xA002, 3, 1, &builder.short(9999)),
        builder.tag(0xA003, 4, 1, &builder.long(8888)),
        builder.pointer(0xA005, 4, 1, interoperability),
    ];
    let photo = builder.directory(photo, 0);

    let mut after = 0;
    if thumbnail_bytes > 0 {
        let directory = vec![
            builder.tag(0x0103, 3, 1, &builder.short(6)),
            builder.tag(0x0112, 3, 1, &builder.short(orientation)),
            builder.tag(0x0201, 4, 1, &[0; 4]),
            builder.tag(0x0202, 4, 1, &builder.long(thumbnail_bytes as u32)),
        ];
        after = builder.directory(directory, 0);
    }
    let main = vec![
        builder.tag(0x010F, 2, 10, b"Catcamera\0"),
        builder.tag(0x0112, 3, 1, &builder.short(orientation)),
        builder.tag(0x0131, 2, 8, b"Firm 10\0"),
        builder.pointer(0x8769, 4, 1, photo),
        builder.pointer(0x8825, 4, 1, gps),
    ];
    let main = builder.directory(main, after);
    let field = builder.long(main);
    builder.stream[4..8].copy_from_slice(&field);
    if thumbnail_bytes > 0 {
        // As in a camera's file, the thumbnail comes last.
        let at = builder.append(&vec![0xEE; thumbnail_bytes]);
        let record = after as usize + 2 + 2 * 12;
        let field = builder.long(at);
        builder.stream[record + 8..record + 12].copy_from_slice(&field);
        if thumbnail_bytes.is_multiple_of(1000) {
            // Some cameras write on behind it.
            builder.append(b"MORE");
        }
    }
    CameraExif { stream: builder.stream, maker_note }
}

/// The orientation that another reader finds.
pub(crate) fn orientation_in(stream: &[u8]) -> Option<u32> {
    field(stream, exif::Tag::Orientation, exif::In::PRIMARY)
}

/// The first whole number of a field, as another reader finds it.
pub(crate) fn field(stream: &[u8], tag: exif::Tag, ifd: exif::In) -> Option<u32> {
    let exif = exif::Reader::new().read_raw(stream.to_vec()).unwrap();
    exif.get_field(tag, ifd).and_then(|field| field.value.get_uint(0))
}

/// Sets the orientation record of a TIFF stream's main directory by hand.
fn set_orientation(stream: &mut [u8], orientation: u32) {
    let is_big = stream[0] == b'M';
    let get = |at: usize, n: usize| {
        let bytes = stream[at..at + n].iter();
        let add = |sum: usize, &byte: &u8| sum << 8 | usize::from(byte);
        if is_big { bytes.fold(0, add) } else { bytes.rev().fold(0, add) }
    };
    let main = get(4, 4);
    let records = (0..get(main, 2)).map(|idx| main + 2 + idx * 12);
    let record = records.clone().find(|&at| get(at, 2) == 0x0112).unwrap();
    let value = orientation as u16;
    let value = if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
    stream[record + 8..record + 10].copy_from_slice(&value);
}

/// Builds a TIFF stream from its leaves to its root.
pub(crate) struct Builder {
    is_big: bool,
    pub(crate) stream: Vec<u8>,
}

impl Builder {
    pub(crate) fn new(is_big: bool) -> Self {
        let header = if is_big { b"MM\0*\0\0\0\0" } else { b"II*\0\0\0\0\0" };
        Self { is_big, stream: header.to_vec() }
    }

    pub(crate) fn short(&self, value: u16) -> [u8; 2] {
        if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn long(&self, value: u32) -> [u8; 4] {
        if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn append(&mut self, value: &[u8]) -> u32 {
        let at = self.stream.len() as u32;
        self.stream.extend_from_slice(value);
        if self.stream.len() % 2 == 1 {
            self.stream.push(0);
        }
        at
    }

    pub(crate) fn tag(
        &self,
        tag: u16,
        kind: u16,
        count: u32,
        value: &[u8],
    ) -> (u16, u16, u32, Vec<u8>) {
        (tag, kind, count, value.to_vec())
    }

    /// A record whose four value bytes are an offset.
    pub(crate) fn pointer(
        &self,
        tag: u16,
        kind: u16,
        count: u32,
        at: u32,
    ) -> (u16, u16, u32, Vec<u8>) {
        (tag, kind, count, self.long(at).to_vec())
    }

    pub(crate) fn directory(&mut self, tags: Vec<(u16, u16, u32, Vec<u8>)>, next: u32) -> u32 {
        let mut bytes = self.short(tags.len() as u16).to_vec();
        for (tag, kind, count, mut value) in tags {
            if value.len() > 4 {
                let at = self.append(&value);
                value = self.long(at).to_vec();
            }
            value.resize(4, 0);
            bytes.extend(self.short(tag));
            bytes.extend(self.short(kind));
            bytes.extend(self.long(count));
            bytes.extend(value);
        }
        bytes.extend(self.long(next));
        self.append(&bytes)
    }
}

/// Marsaglia's xorshift: the same numbers on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
