//! Memory for results, used again: a training step asks for the same large buffers every time, and
//! fresh pages from the system cost as much as filling them.

use std::{
    mem::MaybeUninit,
    sync::{Mutex, PoisonError},
};

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};
use tapetum_kernels::Buffer as Memory;

/// Buffers smaller than this come from the allocator, which keeps such pages itself.
const POOLED_VALUES_MIN: usize = 1 << 18;

/// Free buffers, and how many values are in use.
struct Pool {
    free: Vec<Memory>,
    n_used: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), n_used: 0 });

/// Memory that returns to the pool when nobody needs it any more.
pub(crate) struct Buffer {
    /// At least `n_values`; taken out on drop only.
    memory: Option<Memory>,
    n_values: usize,
}

/// Memory for `n_values`, with unspecified values in it.
pub(crate) fn take(n_values: usize) -> Buffer {
    let of = |memory| Buffer { memory: Some(memory), n_values };
    if n_values < POOLED_VALUES_MIN {
        return of(Memory::zeros(n_values));
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    // The smallest that is large enough: networks ask for some sizes again, each half as large as the one before.
    let capacities = pool.free.iter().map(|memory| memory.values().len()).enumerate();
    let fitting = capacities.filter(|(_, capacity)| *capacity >= n_values);
    if let Some((idx, capacity)) = fitting.min_by_key(|(_, capacity)| *capacity) {
        pool.n_used += capacity;
        return of(pool.free.swap_remove(idx));
    }
    pool.n_used += n_values;
    // Sizes have changed: keep no more of the old ones than is in use.
    let n_free: usize = pool.free.iter().map(|memory| memory.values().len()).sum();
    if n_free > pool.n_used {
        pool.free.clear();
    }
    drop(pool);
    of(Memory::zeros(n_values))
}

impl Buffer {
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        let n_values = self.n_values;
        let memory = self.memory.as_mut().expect("taken out on drop only");
        &mut memory.values_mut()[..n_values]
    }

    fn values(&self) -> &[f32] {
        let memory = self.memory.as_ref().expect("taken out on drop only");
        &memory.values()[..self.n_values]
    }

    /// Hands the memory to the engine; it comes back when the last tensor of it is gone.
    pub(crate) fn into_bytes(self) -> Bytes {
        let n_bytes = size_of_val(self.values());
        // SAFETY: all values of the buffer are initialised.
        unsafe { Bytes::from_controller(Box::new(self), n_bytes) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(memory) = self.memory.take() else { return };
        let capacity = memory.values().len();
        if capacity >= POOLED_VALUES_MIN {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            pool.n_used -= capacity;
            pool.free.push(memory);
        }
    }
}

impl AllocationController for Buffer {
    fn alloc_align(&self) -> usize {
        Memory::ALIGNMENT
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _policy: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let values = self.values_mut();
        let n_bytes = size_of_val(values);
        // SAFETY: floats are bytes without gaps, of any value; the caller writes initialised data only.
        Ok(unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), n_bytes) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let values = self.values();
        // SAFETY: floats are bytes without gaps.
        Ok(unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) })
    }
}
