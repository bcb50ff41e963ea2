//! Systems `(own + Laplacian) x = b` on graphs, and cycles over smaller and smaller ones.
//!
//! Cells that are strongly tied together have nearly the same value: they become one cell of the next
//! graph. Where ties differ by many powers of ten, this is what makes the cycles converge.

/// Cells that become one at most.
const GROUP_MAX: u32 = 8;
/// Share of a cell's strongest tie from which it follows another one.
const TIE_MIN: f32 = 0.05;
/// Cells below which a graph is small enough to be solved by sweeps.
const N_CELLS_MIN: usize = 16;
/// Sweeps that solve it, each there and back.
const N_SWEEPS_SMALLEST: usize = 8;

/// A system with symmetric ties.
pub(super) struct Graph {
    /// Weight of each cell itself.
    own: Vec<f32>,
    inverse_diagonal: Vec<f32>,
    /// Where the ties of each cell begin, and behind the last one's where they end.
    starts: Vec<usize>,
    /// The cells they lead to, and their weights.
    ties: Vec<(u32, f32)>,
}

/// Which cell of the smaller graph each cell belongs to.
pub(super) struct Groups {
    pub(super) group_of: Vec<u32>,
    n_groups: usize,
}

/// Calls back with each cell tied to one, and the weight.
pub(super) trait Ties {
    fn own(&self) -> &[f32];
    fn each_tie(&self, cell: usize, visit: impl FnMut(usize, f32));
}

impl Ties for Graph {
    fn own(&self) -> &[f32] {
        &self.own
    }

    fn each_tie(&self, cell: usize, mut visit: impl FnMut(usize, f32)) {
        let ties = &self.ties[self.starts[cell]..self.starts[cell + 1]];
        ties.iter().for_each(|&(other, weight)| visit(other as usize, weight));
    }
}

impl Groups {
    /// Each cell in turn follows its strongest tie to a cell that is free, or in a group with room.
    pub(super) fn of(system: &impl Ties) -> Self {
        const FREE: u32 = u32::MAX;
        let mut group_of = vec![FREE; system.own().len()];
        let mut sizes: Vec<u32> = Vec::new();
        for cell in 0..group_of.len() {
            if group_of[cell] != FREE {
                continue;
            }
            let (mut strongest, mut best) = (0f32, None);
            system.each_tie(cell, |other, weight| {
                strongest = strongest.max(weight);
                let group = group_of[other];
                let has_room = group == FREE || sizes[group as usize] < GROUP_MAX;
                if has_room && best.is_none_or(|(_, highest)| weight > highest) {
                    best = Some((other, weight));
                }
            });
            let follows = best.filter(|(_, weight)| *weight >= TIE_MIN * strongest);
            let group = match follows {
                Some((other, _)) if group_of[other] != FREE => group_of[other],
                follows => {
                    let group = sizes.len() as u32;
                    sizes.push(0);
                    if let Some((other, _)) = follows {
                        group_of[other] = group;
                        sizes[group as usize] += 1;
                    }
                    group
                }
            };
            group_of[cell] = group;
            sizes[group as usize] += 1;
        }
        Self { group_of, n_groups: sizes.len() }
    }

    /// The system of values that are the same in each group.
    pub(super) fn graph(&self, system: &impl Ties) -> Graph {
        let (starts_of_groups, cells) = self.members();
        let mut own = Vec::with_capacity(self.n_groups);
        let mut starts = vec![0];
        let mut ties: Vec<(u32, f32)> = Vec::new();
        // Where the tie to a group stands, if it is among those of the present one.
        let mut places = vec![0usize; self.n_groups];
        for (group, range) in (0..).zip(starts_of_groups.windows(2)) {
            let first = ties.len();
            let members = &cells[range[0]..range[1]];
            own.push(members.iter().map(|&cell| system.own()[cell as usize]).sum());
            for &cell in members {
                system.each_tie(cell as usize, |other, weight| {
                    let other = self.group_of[other];
                    if other == group || weight == 0.0 {
                        return;
                    }
                    let place = &mut places[other as usize];
                    match ties.get_mut(*place) {
                        Some(tie) if *place >= first && tie.0 == other => tie.1 += weight,
                        _ => {
                            *place = ties.len();
                            ties.push((other, weight));
                        }
                    }
                });
            }
            starts.push(ties.len());
        }
        Graph::new(own, starts, ties)
    }

    /// Where each group begins and the last one ends, among the cells in the order of their groups.
    fn members(&self) -> (Vec<usize>, Vec<u32>) {
        let mut starts = vec![0usize; self.n_groups + 1];
        self.group_of.iter().for_each(|&group| starts[group as usize + 1] += 1);
        (0..self.n_groups).for_each(|group| starts[group + 1] += starts[group]);
        let mut next = starts.clone();
        let mut cells = vec![0; self.group_of.len()];
        for (&group, cell) in self.group_of.iter().zip(0..) {
            cells[next[group as usize]] = cell;
            next[group as usize] += 1;
        }
        (starts, cells)
    }
}

impl Graph {
    fn new(own: Vec<f32>, starts: Vec<usize>, ties: Vec<(u32, f32)>) -> Self {
        let inverse = own.iter().zip(starts.windows(2)).map(|(own, range)| {
            let ties = &ties[range[0]..range[1]];
            1.0 / (own + ties.iter().map(|tie| tie.1).sum::<f32>())
        });
        let inverse_diagonal = inverse.collect();
        Self { own, inverse_diagonal, starts, ties }
    }

    /// One Gauss-Seidel sweep.
    fn sweep(&self, sought: &[f32], map: &mut [f32], cells: impl Iterator<Item = usize>) {
        for cell in cells {
            map[cell] = (sought[cell] + self.pull(map, cell)) * self.inverse_diagonal[cell];
        }
    }

    /// What the ties of a cell add up to.
    fn pull(&self, map: &[f32], cell: usize) -> f32 {
        let mut sum = 0.0;
        self.each_tie(cell, |other, weight| sum += weight * map[other]);
        sum
    }
}

/// A graph, what is sought and found on it, and how its cells are grouped for the next.
struct Level {
    graph: Graph,
    sought: Vec<f32>,
    map: Vec<f32>,
    /// `None` for the smallest.
    groups: Option<Groups>,
}

/// Graphs from the first one down to a few cells.
pub(super) struct Cycles {
    levels: Vec<Level>,
}

impl Cycles {
    pub(super) fn new(first: Graph) -> Self {
        let mut levels = Vec::new();
        let mut graph = first;
        loop {
            let n_cells = graph.own.len();
            let [sought, map] = [(); 2].map(|()| vec![0.0; n_cells]);
            let groups = (n_cells > N_CELLS_MIN).then(|| Groups::of(&graph));
            // Cells without ties stay alone, however often one looks.
            let groups = groups.filter(|groups| groups.n_groups < n_cells);
            let next = groups.as_ref().map(|groups| groups.graph(&graph));
            levels.push(Level { graph, sought, map, groups });
            match next {
                Some(next) => graph = next,
                None => return Self { levels },
            }
        }
    }

    /// About the solution for what `fill` writes, which is given zeros; a symmetric positive operator.
    pub(super) fn run(&mut self, fill: impl FnOnce(&mut [f32])) -> &[f32] {
        let first = &mut self.levels[0];
        first.sought.fill(0.0);
        fill(&mut first.sought);
        first.map.fill(0.0);
        cycle(&mut self.levels);
        &self.levels[0].map
    }
}

/// Improves the map of the first level: a sweep, twice the same on the next one, and a sweep back.
fn cycle(levels: &mut [Level]) {
    let (level, smaller) = levels.split_first_mut().expect("there is a first level");
    let Level { graph, sought, map, groups } = level;
    let n_cells = map.len();
    let Some(groups) = groups else {
        for _ in 0..N_SWEEPS_SMALLEST {
            graph.sweep(sought, map, 0..n_cells);
            graph.sweep(sought, map, (0..n_cells).rev());
        }
        return;
    };
    graph.sweep(sought, map, 0..n_cells);
    let next = &mut smaller[0];
    next.sought.fill(0.0);
    next.map.fill(0.0);
    for (cell, &group) in groups.group_of.iter().enumerate() {
        let left = sought[cell] + graph.pull(map, cell) - map[cell] / graph.inverse_diagonal[cell];
        next.sought[group as usize] += left;
    }
    cycle(smaller);
    cycle(smaller);
    let correction = &smaller[0].map;
    map.iter_mut().zip(&groups.group_of).for_each(|(value, &group)| {
        *value += correction[group as usize];
    });
    graph.sweep(sought, map, (0..n_cells).rev());
}
