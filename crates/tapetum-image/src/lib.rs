//! Photographs in and out: pixels, codecs, metadata and colour profiles.
