//! Windows of Swin: which token stands where, and how far apart two of them are.

/// Windows side by side over a square of tokens, shifted or not ([Liu 2021] §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Windows {
    /// Tokens along each axis of the square; a multiple of `window`.
    pub(super) side: usize,
    /// Tokens along each axis of a window.
    pub(super) window: usize,
    /// How far the windows lie to the lower right. What leaves at one border comes in at the other.
    pub(super) shift: usize,
}

/// What is added to the score of two tokens that are in one window only because one went round the border
/// (authors' `SwinTransformerBlock`).
const APART: f32 = -100.0;

impl Windows {
    pub(super) fn n_windows(self) -> usize {
        (self.side / self.window).pow(2)
    }

    pub(super) fn tokens_per_window(self) -> usize {
        self.window * self.window
    }

    /// For each window, row by row, and each of its tokens, row by row: which token of the square it is.
    pub(super) fn order(self) -> Vec<usize> {
        let place = |[y, x]: [usize; 2]| {
            let [y, x] = [y, x].map(|at| (at + self.shift) % self.side);
            y * self.side + x
        };
        self.places().map(place).collect()
    }

    /// For each token of the square, where it stands in [`Self::order`].
    pub(super) fn order_back(self) -> Vec<usize> {
        let order = self.order();
        let mut back = vec![0; order.len()];
        for (place, token) in order.into_iter().enumerate() {
            back[token] = place;
        }
        back
    }

    /// What is added to the scores of each window, `[windows, tokens, tokens]`, row-major: 0 between neighbours
    /// of the square, [`APART`] between others. Absent where windows are not shifted.
    pub(super) fn mask(self) -> Option<Vec<f32>> {
        if self.shift == 0 {
            return None;
        }
        // Three ranges along each axis: whole windows, and both parts of the last window, which is where the
        // square's first tokens have gone.
        let range = |at: usize| {
            usize::from(at >= self.side - self.window) + usize::from(at >= self.side - self.shift)
        };
        let regions: Vec<_> = self.places().map(|place| place.map(range)).collect();
        let pairs = regions
            .chunks_exact(self.tokens_per_window())
            .flat_map(|window| window.iter().flat_map(move |a| window.iter().map(move |b| (a, b))));
        Some(pairs.map(|(a, b)| if a == b { 0.0 } else { APART }).collect())
    }

    /// Row and column of every token of every window, in the square that is shifted to the upper left.
    fn places(self) -> impl Iterator<Item = [usize; 2]> {
        let Self { side, window, .. } = self;
        let grid = move |n: usize| (0..n * n).map(move |idx| [idx / n, idx % n]);
        grid(side / window).flat_map(move |[window_y, window_x]| {
            grid(window).map(move |[y, x]| [window_y * window + y, window_x * window + x])
        })
    }
}

/// For each pair of a window's tokens, row by row, the row of a table of biases for every distance between
/// tokens of a window of `table_window`, which is not smaller ([Liu 2021] Eq. 4).
pub(super) fn bias_rows(window: usize, table_window: usize) -> Vec<usize> {
    let n_distances = 2 * table_window - 1;
    let n_tokens = window * window;
    let row = |query: usize, key: usize| {
        let distance = |of_query: usize, of_key: usize| of_query + table_window - 1 - of_key;
        let rows = distance(query / window, key / window);
        rows * n_distances + distance(query % window, key % window)
    };
    (0..n_tokens).flat_map(|query| (0..n_tokens).map(move |key| row(query, key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_row_by_row() {
        let windows = Windows { side: 4, window: 2, shift: 0 };
        let order = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15];
        assert_eq!(windows.order(), order);
        assert_eq!(windows.mask(), None);
    }

    #[test]
    fn shifted_windows_go_round_the_border_and_back() {
        let windows = Windows { side: 4, window: 2, shift: 1 };
        // The last window holds the four corners of the square.
        assert_eq!(windows.order()[..4], [5, 6, 9, 10]);
        assert_eq!(windows.order()[12..], [15, 12, 3, 0]);
        let (order, back) = (windows.order(), windows.order_back());
        assert!((0..16).all(|token| order[back[token]] == token));
    }

    /// Tokens see each other exactly if they are near one another in the square itself.
    #[test]
    fn the_mask_separates_what_only_the_border_brings_together() {
        for (side, window) in [(6, 3), (8, 4), (10, 5), (4, 2), (12, 3)] {
            let windows = Windows { side, window, shift: window / 2 };
            let n_tokens = windows.tokens_per_window();
            let (order, mask) = (windows.order(), windows.mask().unwrap());
            assert_eq!(mask.len(), windows.n_windows() * n_tokens * n_tokens);
            for (at, value) in mask.into_iter().enumerate() {
                let (pair, of_window) = (at % (n_tokens * n_tokens), at / (n_tokens * n_tokens));
                let token = |idx: usize| order[of_window * n_tokens + idx];
                let (a, b) = (token(pair / n_tokens), token(pair % n_tokens));
                let is_near = (a / side).abs_diff(b / side) < window
                    && (a % side).abs_diff(b % side) < window;
                assert_eq!(value == 0.0, is_near, "side {side}, window {window}: {a} and {b}");
            }
        }
    }

    #[test]
    fn biases_follow_the_distance_from_key_to_query() {
        let rows = bias_rows(2, 2);
        // Rows of the table are distances (-1, -1), (-1, 0), (-1, 1), (0, -1) and so on.
        assert_eq!(rows[..4], [4, 3, 1, 0]);
        assert_eq!(rows[12..], [8, 7, 5, 4]);
    }

    #[test]
    fn smaller_windows_use_the_middle_of_the_table() {
        // The distances of a window of one and of two tokens among those of three.
        assert_eq!(bias_rows(1, 3), [12]);
        let large = bias_rows(3, 3);
        let tokens = [0, 1, 3, 4];
        let part = tokens.iter().flat_map(|query| tokens.iter().map(move |key| (query, key)));
        let part: Vec<usize> = part.map(|(query, key)| large[query * 9 + key]).collect();
        assert_eq!(bias_rows(2, 3), part);
    }
}
