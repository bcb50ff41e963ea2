//! Memory that starts at a cache line, so that no load of a register crosses one.

/// One cache line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Floats that start at a cache line. What a new length leaves in them is unspecified but valid.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// The address of the first float is a multiple of this.
    pub const ALIGNMENT: usize = align_of::<Line>();

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { lines: vec![Line::default(); len.div_ceil(16)], len }
    }

    /// Sets the length and gives the values.
    pub(crate) fn resized(&mut self, len: usize) -> &mut [f32] {
        self.len = len;
        if self.lines.len() < len.div_ceil(16) {
            self.lines.resize(len.div_ceil(16), Line::default());
        }
        self.values_mut()
    }

    /// All of them.
    pub fn values(&self) -> &[f32] {
        // SAFETY: lines are arrays of floats without gaps, at least `len` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    /// All of them.
    pub fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `values`, and `self` is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
