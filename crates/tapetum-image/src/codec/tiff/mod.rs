//! TIFF: 8 and 16 bits and floats, strips and tiles, both byte orders.

mod decode;
mod encode;

pub(crate) use crate::codec::tiff::{decode::decode, encode::encode};
