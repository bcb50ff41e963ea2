//! What each place along an axis is computed from: places of another axis, with a number for each.

/// For every place, in ascending order, the sources and what belongs to each: a weight, or the column
/// of a kernel.
#[derive(Debug, Clone)]
pub(crate) struct Taps<T> {
    /// Where each place's taps start, and the end of the last one's.
    starts: Vec<usize>,
    taps: Vec<(usize, T)>,
}

impl<T: Copy> Taps<T> {
    /// Collects the taps of each of `n` places.
    pub(crate) fn new<I: IntoIterator<Item = (usize, T)>>(
        n: usize,
        taps_at: impl Fn(usize) -> I,
    ) -> Self {
        let (mut starts, mut taps) = (vec![0], Vec::new());
        for place in 0..n {
            taps.extend(taps_at(place));
            starts.push(taps.len());
        }
        Self { starts, taps }
    }

    /// Number of places.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The taps of one place.
    #[inline(always)]
    pub(crate) fn at(&self, place: usize) -> &[(usize, T)] {
        &self.taps[self.starts[place]..self.starts[place + 1]]
    }

    /// Whether every source is below `n`.
    pub(crate) fn are_within(&self, n: usize) -> bool {
        self.taps.iter().all(|(source, _)| *source < n)
    }

    /// The other way round, for gradients: for each of `n` sources, the places that it is a tap of.
    pub(crate) fn transposed(&self, n: usize) -> Self {
        let mut lists = vec![Vec::new(); n];
        for place in 0..self.len() {
            for (source, value) in self.at(place) {
                lists[*source].push((place, *value));
            }
        }
        Self::new(n, |source| lists[source].iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposed_taps_name_the_places_of_each_source() {
        let taps = Taps::new(3, |place| [(place, 1.0), (place + 1, 0.5)]);
        let transposed = taps.transposed(5);
        assert_eq!(transposed.at(0), [(0, 1.0)]);
        assert_eq!(transposed.at(1), [(0, 0.5), (1, 1.0)]);
        assert_eq!(transposed.at(3), [(2, 0.5)]);
        assert!(transposed.at(4).is_empty());
        assert!(taps.are_within(4) && !taps.are_within(3));
    }
}
