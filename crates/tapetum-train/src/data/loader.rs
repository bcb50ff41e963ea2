//! Batches loaded by threads while the network computes.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use super::{Data, Examples};
use crate::error::TrainError;

/// Batches that may wait to be used, for each thread.
const N_AHEAD: usize = 2;

/// A batch on its way to the network.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) parts: BTreeMap<String, Examples>,
    /// Their files, for messages.
    pub(crate) photographs: Vec<String>,
}

/// Which batches to load, and on how many threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) n_workers: usize,
}

/// Calls `work` with a function that gives the batches of the span one after the other, in their order
/// however many threads load them.
pub(crate) fn load_ahead<R>(
    data: &Data,
    span: Span,
    work: impl FnOnce(&mut dyn FnMut() -> Result<Loaded, TrainError>) -> R,
) -> R {
    let next = AtomicU64::new(span.first);
    let (sender, receiver) = mpsc::sync_channel(N_AHEAD * span.n_workers);
    std::thread::scope(|scope| {
        for _ in 0..span.n_workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let idx = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody waits for more once the receiver is gone.
                    if idx >= span.end || sender.send((idx, data.load(idx))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut wanted) = (BTreeMap::new(), span.first);
        let mut give = || {
            let loaded = loop {
                if let Some(loaded) = waiting.remove(&wanted) {
                    break loaded;
                }
                let (idx, loaded) = receiver.recv().expect("there are more batches in the span");
                waiting.insert(idx, loaded);
            };
            wanted += 1;
            loaded
        };
        let result = work(&mut give);
        drop(receiver);
        result
    })
}
