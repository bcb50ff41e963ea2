//! Decoded photographs, as many as a given memory holds.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use super::photograph::Photograph;
use crate::{augment::Resizing, error::TrainError};

/// The first photographs that were asked for; later ones are decoded each time.
pub(crate) struct Cache {
    bytes_max: usize,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    n_bytes: usize,
    is_full: bool,
    photographs: HashMap<(PathBuf, Option<Resizing>, Content), Arc<Photograph>>,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    Photograph,
    Labels,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: RwLock::default() }
    }

    /// Whether a photograph was turned away.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.read().expect("no thread panics here").is_full
    }

    pub(crate) fn get(
        &self,
        path: &Path,
        resizing: Option<Resizing>,
        content: Content,
    ) -> Result<Arc<Photograph>, TrainError> {
        let key = (path.to_owned(), resizing, content);
        if let Some(found) = self.kept.read().expect("no thread panics here").photographs.get(&key)
        {
            return Ok(found.clone());
        }
        let read = match content {
            Content::Photograph => Photograph::read,
            Content::Labels => Photograph::read_labels,
        };
        let photograph = Arc::new(read(path, resizing)?);
        let mut kept = self.kept.write().expect("no thread panics here");
        let n_bytes = kept.n_bytes + photograph.n_bytes();
        if n_bytes <= self.bytes_max {
            // Another thread may have been as fast.
            if kept.photographs.insert(key, photograph.clone()).is_none() {
                kept.n_bytes = n_bytes;
            }
        } else {
            kept.is_full = true;
        }
        Ok(photograph)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use tapetum_image::{Channels, EncodeOptions, Format, Photo, Raster, Samples, encode};

    use super::*;

    #[test]
    fn what_does_not_fit_is_read_each_time_and_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = |idx: u8| folder.path().join(format!("{idx}.png"));
        for idx in 0..3 {
            let raster = Raster::new(4, 4, Channels::Rgb, Samples::U8(vec![idx; 48])).unwrap();
            let photo = Photo::from_raster(raster, Format::Png);
            let bytes = encode(&photo, Format::Png, &EncodeOptions::default()).unwrap();
            std::fs::write(path(idx), bytes).unwrap();
        }
        let cache = Cache::new(100);
        for round in 0..2 {
            for idx in 0..3 {
                let found = cache.get(&path(idx), None, Content::Photograph).unwrap();
                assert_eq!(found.raster().samples(), &Samples::U8(vec![idx; 48]), "{round}");
            }
        }
        assert!(cache.is_full());
        assert_eq!(cache.kept.read().unwrap().photographs.len(), 2);
    }
}
