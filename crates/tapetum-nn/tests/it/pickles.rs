//! Writing checkpoints as PyTorch does, by hand, whole and broken.

/// Bytes of a pickle, built opcode by opcode.
#[derive(Clone)]
pub(crate) struct Pickle(Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let length = (text.len() as u32).to_le_bytes();
        self.op(b"X").op(&length).op(text.as_bytes())
    }

    pub(crate) fn int(self, number: u32) -> Self {
        self.op(b"J").op(&number.to_le_bytes())
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    pub(crate) fn ints(self, numbers: &[u32]) -> Self {
        numbers.iter().fold(self.op(b"("), |pickle, &number| pickle.int(number)).op(b"t")
    }

    /// An empty ordered dict, as a call.
    pub(crate) fn ordered_dict(self) -> Self {
        self.global("collections", "OrderedDict").op(b")R")
    }

    /// A float tensor that views the storage `key` of `n_stored` values.
    pub(crate) fn tensor(self, key: &str, n_stored: u32, view: View) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", "FloatStorage")
            .text(key)
            .text("cpu")
            .int(n_stored)
            .op(b"tQ")
            .int(view.offset)
            .ints(view.shape)
            .ints(view.strides)
            .op(b"\x89")
            .ordered_dict()
            .op(b"tR")
    }

    pub(crate) fn stop(self) -> Vec<u8> {
        self.op(b".").0
    }
}

pub(crate) struct View<'a> {
    pub(crate) offset: u32,
    pub(crate) shape: &'a [u32],
    pub(crate) strides: &'a [u32],
}

/// The legacy stream around a pickle, with one storage `0`.
pub(crate) fn legacy(pickle: &[u8], values: &[f32]) -> Vec<u8> {
    let magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    let mut bytes = Pickle::new().op(&[0x8a, 10]).op(&magic).stop();
    bytes.extend(Pickle::new().op(b"M").op(&1001u16.to_le_bytes()).stop());
    bytes.extend(Pickle::new().op(b"}").stop());
    bytes.extend(pickle);
    bytes.extend(Pickle::new().op(b"]").text("0").op(b"a").stop());
    bytes.extend((values.len() as u64).to_le_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The zip archive around a pickle, with one storage `0`; entries are stored.
pub(crate) fn zip(pickle: &[u8], values: &[f32]) -> Vec<u8> {
    let storage: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let entries: [(&str, &[u8]); 3] = [
        ("archive/data.pkl", pickle),
        ("archive/byteorder", b"little"),
        ("archive/data/0", &storage),
    ];
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let offset = (bytes.len() as u32).to_le_bytes();
        let facts = [
            &[0; 8][..],
            &crc32(data).to_le_bytes(),
            &(data.len() as u32).to_le_bytes(),
            &(data.len() as u32).to_le_bytes(),
            &(name.len() as u16).to_le_bytes(),
            &[0; 2],
        ]
        .concat();
        bytes.extend([b"PK\x03\x04\x14\0".as_slice(), &facts, name.as_bytes(), data].concat());
        directory.extend(b"PK\x01\x02\x14\0\x14\0");
        directory.extend([&facts[..], &[0; 10], &offset, name.as_bytes()].concat());
    }
    let start = (bytes.len() as u32).to_le_bytes();
    let length = (directory.len() as u32).to_le_bytes();
    bytes.extend(directory);
    bytes.extend([b"PK\x05\x06\0\0\0\0\x03\0\x03\0".as_slice(), &length, &start, &[0; 2]].concat());
    bytes
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
