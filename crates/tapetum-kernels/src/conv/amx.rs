//! Register tiles on the matrix unit of recent Xeons (AMX): 32 pixels times 32 output channels at once,
//! `bf16` operands, `f32` sums.
//!
//! The instructions are behind [`Tiles`], with plain code beside them, so that addresses and order are
//! tested on every machine. Before its first use the unit has to reproduce that plain code's numbers;
//! otherwise it is left alone.

use std::sync::OnceLock;

use super::{
    Precision,
    taps::Run,
    tile::{TileRow, finish},
};
use crate::lanes::Lanes;

/// Rows of a tile register: pixels, or words of the weights.
const N_ROWS: usize = 16;
/// Words of a tile register's row.
const N_WORDS: usize = 16;
/// Pixels of one pass.
const N_PIXELS: usize = 2 * N_ROWS;
/// Output channels of one pass.
const N_OUT: usize = 2 * N_WORDS;

/// Eight tile registers of 16 rows of 16 words.
pub(crate) trait Tiles {
    /// Registers ready for use.
    ///
    /// # Safety
    /// The machine has what the implementation is for; so for every function here.
    unsafe fn new() -> Self;

    /// Sets sums to 0.
    unsafe fn zero<const REGISTER: usize>(&mut self);

    /// Reads a register; `stride` is in words.
    ///
    /// # Safety
    /// `from` points to 16 rows of 16 readable words.
    unsafe fn load<const REGISTER: usize>(&mut self, from: *const f32, stride: usize);

    /// Adds to `SUM[i][j]` the products of pairs `PIXELS[i][k] · WEIGHTS[k][j]`, summed over `k`.
    unsafe fn add_products<const SUM: usize, const PIXELS: usize, const WEIGHTS: usize>(&mut self);

    /// Writes a register; `stride` is in words.
    ///
    /// # Safety
    /// `to` points to 16 rows of 16 writable words.
    unsafe fn store<const REGISTER: usize>(&self, to: *mut f32, stride: usize);

    /// Gives the registers back.
    unsafe fn release(self);
}

/// Whether a row is of the kind that tiles compute: whole tiles of words in each run, two registers of
/// sixteen output channels.
pub(crate) fn fits(row: &TileRow, n_lanes: usize) -> bool {
    row.precision == Precision::Bf16
        && row.n_registers * n_lanes == N_OUT
        && row.n_pixels >= N_PIXELS
        && row.runs.iter().all(|run| run.length.is_multiple_of(N_WORDS))
}

/// Computes a row that [`fits`]; the last tile begins with pixels that are done already.
///
/// # Safety
/// As for register tiles; the machine has the instruction sets of `V` and `T`.
#[inline(always)]
pub(crate) unsafe fn row<V: Lanes, T: Tiles>(row: &TileRow) {
    let mut sums = Sums([0.0; N_PIXELS * N_OUT]);
    // SAFETY: the caller's promise; no tile reaches beyond `n_pixels`.
    unsafe {
        let mut tiles = T::new();
        for x in (0..row.n_pixels).step_by(N_PIXELS) {
            let x = x.min(row.n_pixels - N_PIXELS);
            let first = |run: &Run| row.window.add(x * run.pixel_stride + run.start);
            add_runs(&mut tiles, row.runs, first, row.weights);
            let to = sums.0.as_mut_ptr();
            tiles.store::<0>(to, N_OUT);
            tiles.store::<1>(to.add(N_WORDS), N_OUT);
            tiles.store::<2>(to.add(N_ROWS * N_OUT), N_OUT);
            tiles.store::<3>(to.add(N_ROWS * N_OUT + N_WORDS), N_OUT);
            for pixel in 0..N_PIXELS {
                finish::<V, 2>(row, x + pixel, |idx| {
                    let sum = V::load(to.add(pixel * N_OUT + idx * V::N));
                    sum.add(V::load(row.bias.add(idx * V::N)))
                });
            }
        }
        tiles.release();
    }
}

/// Sums of a pass, aligned for the registers.
#[repr(align(64))]
struct Sums([f32; N_PIXELS * N_OUT]);

/// All words of 32 pixels into registers 0 to 3; `first` is where a run starts.
///
/// # Safety
/// See [`row`]: 32 pixels can be read from there.
#[inline(always)]
unsafe fn add_runs<T: Tiles>(
    tiles: &mut T,
    runs: &[Run],
    first: impl Fn(&Run) -> *const f32,
    mut weights: *const f32,
) {
    // SAFETY: the caller's promise; the weights hold 32 words for each word of the runs.
    unsafe {
        tiles.zero::<0>();
        tiles.zero::<1>();
        tiles.zero::<2>();
        tiles.zero::<3>();
        for run in runs {
            let stride = run.pixel_stride;
            let first = first(run);
            for word in (0..run.length).step_by(N_WORDS) {
                let pixels = first.add(word);
                tiles.load::<4>(pixels, stride);
                tiles.load::<5>(pixels.add(N_ROWS * stride), stride);
                tiles.load::<6>(weights, N_OUT);
                tiles.load::<7>(weights.add(N_WORDS), N_OUT);
                tiles.add_products::<0, 4, 6>();
                tiles.add_products::<1, 4, 7>();
                tiles.add_products::<2, 5, 6>();
                tiles.add_products::<3, 5, 7>();
                weights = weights.add(N_WORDS * N_OUT);
            }
        }
    }
}

/// The tile registers in plain code.
pub(crate) struct PlainTiles([[[f32; N_WORDS]; N_ROWS]; 8]);

impl Tiles for PlainTiles {
    unsafe fn new() -> Self {
        Self([[[0.0; N_WORDS]; N_ROWS]; 8])
    }

    unsafe fn zero<const REGISTER: usize>(&mut self) {
        self.0[REGISTER] = [[0.0; N_WORDS]; N_ROWS];
    }

    unsafe fn load<const REGISTER: usize>(&mut self, from: *const f32, stride: usize) {
        for (idx, row) in self.0[REGISTER].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *row = unsafe { from.add(idx * stride).cast::<[f32; N_WORDS]>().read_unaligned() };
        }
    }

    unsafe fn add_products<const SUM: usize, const PIXELS: usize, const WEIGHTS: usize>(&mut self) {
        let (pixels, weights) = (self.0[PIXELS], self.0[WEIGHTS]);
        let low = |word: f32| f32::from_bits(word.to_bits() << 16);
        let high = |word: f32| f32::from_bits(word.to_bits() & 0xffff_0000);
        for (sums, pixel) in self.0[SUM].iter_mut().zip(&pixels) {
            for (pair, weights) in pixel.iter().zip(&weights) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += low(*pair) * low(*weight) + high(*pair) * high(*weight);
                }
            }
        }
    }

    unsafe fn store<const REGISTER: usize>(&self, to: *mut f32, stride: usize) {
        for (idx, row) in self.0[REGISTER].iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { to.add(idx * stride).cast::<[f32; N_WORDS]>().write_unaligned(*row) }
        }
    }

    unsafe fn release(self) {}
}

/// Whether this machine has the unit, the system lends it, and it computes what plain code does; found
/// out once.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        // SAFETY: the unit is there and lent.
        return unit::is_lent() && unsafe { agrees::<unit::Amx>() };
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        return false;
    })
}

/// Whether both give the numbers of plain code; the inputs are small whole numbers, so that every
/// sum is exact.
///
/// # Safety
/// The machine has what `T` is for.
unsafe fn agrees<T: Tiles>() -> bool {
    let pair = |seed: usize| {
        let number = |seed: usize| ((seed * 7 % 13) as f32 - 6.0).to_bits() >> 16;
        f32::from_bits(number(seed) | number(seed * 3 + 1) << 16)
    };
    let pixels: Vec<f32> = (0..N_PIXELS * 2 * N_WORDS).map(pair).collect();
    let weights: Vec<f32> = (0..2 * N_WORDS * N_OUT).map(|idx| pair(idx + 5)).collect();
    let run = Run { start: 0, length: 2 * N_WORDS, pixel_stride: 2 * N_WORDS };
    // SAFETY: the caller's promise; the slices hold 32 pixels of 32 words and as many rows of weights.
    unsafe {
        let sums = |add: unsafe fn(&[Run], *const f32, *const f32) -> Vec<f32>| {
            add(std::slice::from_ref(&run), pixels.as_ptr(), weights.as_ptr())
        };
        sums(sums_of::<T>) == sums(sums_of::<PlainTiles>)
    }
}

/// # Safety
/// See [`row`].
unsafe fn sums_of<T: Tiles>(runs: &[Run], pixels: *const f32, weights: *const f32) -> Vec<f32> {
    let mut sums = vec![0.0; 4 * N_ROWS * N_WORDS];
    // SAFETY: the caller's promise.
    unsafe {
        let mut tiles = T::new();
        add_runs(&mut tiles, runs, |run| pixels.add(run.start), weights);
        let to = sums.as_mut_ptr();
        tiles.store::<0>(to, N_WORDS);
        tiles.store::<1>(to.add(N_ROWS * N_WORDS), N_WORDS);
        tiles.store::<2>(to.add(2 * N_ROWS * N_WORDS), N_WORDS);
        tiles.store::<3>(to.add(3 * N_ROWS * N_WORDS), N_WORDS);
        tiles.release();
    }
    sums
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(crate) mod unit {
    //! The instructions themselves, as the compiler's intrinsics for them are not stable yet.

    use std::arch::{asm, x86_64::__cpuid_count};

    use super::{N_ROWS, Tiles};

    /// `arch_prctl`, and its request to use a part of the processor's state.
    const SYSCALL_ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    /// The part that tile registers are.
    const XFEATURE_XTILEDATA: i64 = 18;

    /// Whether the processor has tiles with `bf16` and the system lends them to this process.
    pub(super) fn is_lent() -> bool {
        if __cpuid_count(0, 0).eax < 7 {
            return false;
        }
        let features = __cpuid_count(7, 0).edx;
        let has = |bit: u32| features & (1 << bit) != 0;
        // AMX-BF16 and AMX-TILE; the lanes beside them.
        if !has(22) || !has(24) || !is_x86_feature_detected!("avx512bf16") {
            return false;
        }
        let result: i64;
        // SAFETY: a system call that changes nothing but what this process may use; Linux keeps all
        // registers but these three.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") SYSCALL_ARCH_PRCTL => result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILEDATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result == 0
    }

    /// Palette 1: eight registers of 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        n_rows: [u8; 16],
    }

    /// The tile registers of this thread.
    pub(crate) struct Amx;

    /// One instruction for each register that is asked for.
    macro_rules! of_register {
        ($register:expr, $($number:literal)*, $instruction:ident) => {
            match $register {
                $($number => $instruction!($number),)*
                _ => unreachable!("eight tile registers"),
            }
        };
    }

    // SAFETY (all): the caller promises that the unit is lent and the memory is there; the registers
    // are this thread's own, and nothing else in the program uses them.
    impl Tiles for Amx {
        #[inline(always)]
        unsafe fn new() -> Self {
            let mut configuration = Configuration {
                palette: 1,
                start_row: 0,
                reserved: [0; 14],
                row_bytes: [0; 16],
                n_rows: [0; 16],
            };
            configuration.row_bytes[..8].fill(64);
            configuration.n_rows[..8].fill(N_ROWS as u8);
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack)) };
            Self
        }

        #[inline(always)]
        unsafe fn zero<const REGISTER: usize>(&mut self) {
            macro_rules! zero {
                ($number:literal) => {
                    unsafe { asm!(concat!("tilezero tmm", $number), options(nostack)) }
                };
            }
            of_register!(REGISTER, 0 1 2 3 4 5 6 7, zero);
        }

        #[inline(always)]
        unsafe fn load<const REGISTER: usize>(&mut self, from: *const f32, stride: usize) {
            macro_rules! load {
                ($number:literal) => {
                    unsafe {
                        asm!(
                            concat!("tileloadd tmm", $number, ", [{from} + {stride}]"),
                            from = in(reg) from,
                            stride = in(reg) 4 * stride,
                            options(nostack),
                        )
                    }
                };
            }
            of_register!(REGISTER, 0 1 2 3 4 5 6 7, load);
        }

        #[inline(always)]
        unsafe fn add_products<const SUM: usize, const PIXELS: usize, const WEIGHTS: usize>(
            &mut self,
        ) {
            macro_rules! multiply {
                ($sum:literal, $pixels:literal, $weights:literal) => {
                    unsafe {
                        asm!(
                            concat!("tdpbf16ps tmm", $sum, ", tmm", $pixels, ", tmm", $weights),
                            options(nostack),
                        )
                    }
                };
            }
            match (SUM, PIXELS, WEIGHTS) {
                (0, 4, 6) => multiply!(0, 4, 6),
                (1, 4, 7) => multiply!(1, 4, 7),
                (2, 5, 6) => multiply!(2, 5, 6),
                (3, 5, 7) => multiply!(3, 5, 7),
                _ => unreachable!("the four products of a pass"),
            }
        }

        #[inline(always)]
        unsafe fn store<const REGISTER: usize>(&self, to: *mut f32, stride: usize) {
            macro_rules! store {
                ($number:literal) => {
                    unsafe {
                        asm!(
                            concat!("tilestored [{to} + {stride}], tmm", $number),
                            to = in(reg) to,
                            stride = in(reg) 4 * stride,
                            options(nostack),
                        )
                    }
                };
            }
            of_register!(REGISTER, 0 1 2 3 4 5 6 7, store);
        }

        #[inline(always)]
        unsafe fn release(self) {
            unsafe { asm!("tilerelease", options(nostack)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{activation::Activation, instructions::Kernel};

    /// Tiles that forget every second product.
    struct Broken(PlainTiles, usize);

    impl Tiles for Broken {
        unsafe fn new() -> Self {
            // SAFETY: plain code.
            Self(unsafe { PlainTiles::new() }, 0)
        }

        unsafe fn zero<const REGISTER: usize>(&mut self) {
            // SAFETY: plain code.
            unsafe { self.0.zero::<REGISTER>() }
        }

        unsafe fn load<const REGISTER: usize>(&mut self, from: *const f32, stride: usize) {
            // SAFETY: the caller's promise.
            unsafe { self.0.load::<REGISTER>(from, stride) }
        }

        unsafe fn add_products<const SUM: usize, const PIXELS: usize, const WEIGHTS: usize>(
            &mut self,
        ) {
            self.1 += 1;
            if self.1.is_multiple_of(2) {
                // SAFETY: plain code.
                unsafe { self.0.add_products::<SUM, PIXELS, WEIGHTS>() }
            }
        }

        unsafe fn store<const REGISTER: usize>(&self, to: *mut f32, stride: usize) {
            // SAFETY: the caller's promise.
            unsafe { self.0.store::<REGISTER>(to, stride) }
        }

        unsafe fn release(self) {}
    }

    #[test]
    fn a_unit_that_computes_something_else_is_found_out() {
        // SAFETY: plain code.
        unsafe {
            assert!(agrees::<PlainTiles>());
            assert!(!agrees::<Broken>());
        }
    }

    #[test]
    fn rows_equal_those_of_register_tiles() {
        // Two sources of different widths; pixels that are no whole number of passes.
        for (n_pixels, stores_pairs) in [(32, false), (45, true), (97, false)] {
            let number = |idx: usize| {
                let number = |seed: usize| ((seed * 31 % 29) as f32 / 16.0 - 0.9).to_bits() >> 16;
                f32::from_bits(number(idx) | number(idx * 5 + 2) << 16)
            };
            let window: Vec<f32> = (0..8000).map(number).collect();
            let weights: Vec<f32> = (0..(48 + 96) * N_OUT).map(|idx| number(idx + 9)).collect();
            let bias: Vec<f32> = (0..N_OUT).map(|idx| idx as f32 / 40.0 - 0.4).collect();
            let runs = [
                Run { start: 3, length: 48, pixel_stride: 16 },
                Run { start: 1700, length: 96, pixel_stride: 32 },
            ];
            let row = |output: &mut [f32]| TileRow {
                window: window.as_ptr(),
                runs: &runs,
                weights: weights.as_ptr(),
                bias: bias.as_ptr(),
                n_pixels,
                n_registers: 2,
                n_out: N_OUT,
                output: output.as_mut_ptr(),
                output_stride: if stores_pairs { N_OUT / 2 } else { N_OUT },
                stores_pairs,
                activation: Activation::Relu,
                precision: Precision::Bf16,
                has_amx: false,
            };
            let mut expected = vec![0.0; n_pixels * N_OUT];
            let mut found = expected.clone();
            assert!(fits(&row(&mut found), 16));
            // SAFETY: plain code; the slices hold what the rows read and write.
            unsafe {
                row(&mut expected).run::<[f32; 16]>();
                super::row::<[f32; 16], PlainTiles>(&row(&mut found));
            }
            for (found, expected) in found.iter().zip(&expected) {
                // Other orders of some 290 products; pairs differ in the last bit of a half.
                let (a, b) = (found.to_bits() >> 16, expected.to_bits() >> 16);
                let is_close = (found - expected).abs() <= 1e-4 * expected.abs().max(1.0);
                assert!(is_close || stores_pairs && a.abs_diff(b) <= 1, "{found} {expected}");
            }
        }
    }

    #[test]
    fn the_unit_is_used_only_where_it_agrees_with_plain_code() {
        // Whatever the machine has, asking is safe and always gives the same answer.
        assert_eq!(is_available(), is_available());
    }
}
