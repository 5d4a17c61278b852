//! A hierarchical navigable small-world graph over codes, as plain tables of neighbours.
//!
//! Malkov & Yashunin, <https://arxiv.org/abs/1603.09320>, algorithms 1 (insert), 2 (search a layer),
//! 4 (choose neighbours) and 5 (search). It holds no vectors: node `n` is place `n` of the [`Codes`]
//! that every call brings along. That, 16-bit codes and 4-byte links are why it is here instead of
//! `hnsw_rs`, whose points own a copy of their vector and one heap allocation per link, and whose
//! loader panics or ends the process on a damaged file. Invariant: nothing here panics or loops for
//! ever on any links, so links may come from a file.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

use super::codes::{Codes, cosine, product};

/// Neighbours of a node per layer above the base; the base has twice as many. §4.1 says 5–48.
const LINKS: usize = 16;
/// Neighbours of a node in the base layer.
pub(super) const BASE_LINKS: usize = 2 * LINKS;
/// Candidates while building: quality of the graph against time.
const EF_CONSTRUCTION: usize = 128;
/// How much nearer to a chosen neighbour than to the node a candidate must be to be left out although
/// there is room, in squared distance: the square of α in Subramanya et al., DiskANN (`NeurIPS` 2019),
/// algorithm 2. Without it questions in 384 dimensions have half as many links.
const CLEARLY: f32 = 1.44;
/// The highest layer; 16¹² nodes would need it.
const TOP: u8 = 12;
/// No node.
const NONE: u32 = u32::MAX;
/// Bytes of a node: links, tower, level, and the layers above, which have a fifteenth of the nodes.
pub(super) const NODE_BYTES: usize = 4 * BASE_LINKS + 4 + 1 + 4 * LINKS / 15 + 1;

/// A product of codes and the node that gives it: the greater, the nearer.
pub(super) type Near = (i32, u32);

/// The graph.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    /// [`BASE_LINKS`] per node, free ones [`NONE`] at the end.
    base: Vec<u32>,
    /// Where the links of a node above the base begin in `upper`.
    towers: Vec<u32>,
    /// [`LINKS`] per node and layer above the base.
    upper: Vec<u32>,
    /// The highest layer of each node.
    levels: Vec<u8>,
    /// Where searches begin: a node of the highest layer in use.
    entry: u32,
}

/// Which nodes a search has seen.
#[derive(Debug, Default)]
struct Visited(Vec<u64>);

impl Visited {
    fn reset(&mut self, nodes: usize) {
        self.0.clear();
        self.0.resize(nodes.div_ceil(64), 0);
    }

    fn first_time(&mut self, node: u32) -> bool {
        let Some(word) = self.0.get_mut(node as usize / 64) else {
            return false;
        };
        let bit = 1 << (node % 64);
        let first = *word & bit == 0;
        *word |= bit;
        first
    }
}

impl Graph {
    /// A graph as it was taken apart by [`Graph::parts`]; `None` if these are no parts of one.
    pub(super) fn new(
        levels: Vec<u8>,
        base: Vec<u32>,
        upper: Vec<u32>,
        entry: u32,
    ) -> Option<Self> {
        let mut rows = 0;
        let mut towers = Vec::with_capacity(levels.len());
        for level in &levels {
            let tower = u32::try_from(rows * LINKS).ok()?;
            towers.push(if *level == 0 { NONE } else { tower });
            rows += usize::from(*level);
        }
        let known = |node: &u32| *node == NONE || (*node as usize) < levels.len();
        let top = levels.iter().max()?;
        let whole = base.len() == levels.len() * BASE_LINKS
            && upper.len() == rows * LINKS
            && *top <= TOP
            && levels.get(entry as usize) == Some(top)
            && base.iter().chain(&upper).all(known);
        whole.then_some(Self {
            base,
            towers,
            upper,
            levels,
            entry,
        })
    }

    /// The levels, the links of the base and above, and the entry.
    pub(super) fn parts(&self) -> (&[u8], &[u32], &[u32], u32) {
        (&self.levels, &self.base, &self.upper, self.entry)
    }

    /// Nodes.
    pub(super) fn len(&self) -> usize {
        self.levels.len()
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let words = self.base.capacity() + self.towers.capacity() + self.upper.capacity();
        words * size_of::<u32>() + self.levels.capacity()
    }

    /// Up to `ef` of the nearest that are `live`, nearest first. Others are only passed through.
    pub(super) fn search(
        &self,
        codes: &Codes,
        query: &[i16],
        ef: usize,
        live: impl Fn(u32) -> bool,
    ) -> Vec<Near> {
        self.descend(codes, query, 0)
            .map_or_else(Vec::new, |start| {
                self.beam(codes, query, start, ef, 0, &mut Visited::default(), live)
            })
    }

    /// Extends the graph to the first `nodes` places of `codes`.
    pub(super) fn extend(&mut self, codes: &Codes, nodes: usize) {
        let more = nodes.min(codes.len()).saturating_sub(self.len());
        self.base.reserve_exact(more * BASE_LINKS);
        self.towers.reserve_exact(more);
        self.levels.reserve_exact(more);
        let mut visited = Visited::default();
        for _ in 0..more {
            self.insert(codes, &mut visited);
        }
    }

    fn insert(&mut self, codes: &Codes, visited: &mut Visited) {
        let node = self.levels.len() as u32;
        let level = level_of(node);
        let top = self.levels.get(self.entry as usize).copied();
        self.levels.push(level);
        self.base.resize(self.base.len() + BASE_LINKS, NONE);
        let tower = self.upper.len() as u32;
        self.towers.push(if level == 0 { NONE } else { tower });
        self.upper
            .resize(self.upper.len() + usize::from(level) * LINKS, NONE);
        let (Some(top), Some(code)) = (top, codes.get(node)) else {
            return;
        };
        let shared = level.min(top);
        let Some(mut start) = self.descend(codes, code, shared) else {
            return;
        };
        for layer in (0..=shared).rev() {
            let near = self.beam(codes, code, start, EF_CONSTRUCTION, layer, visited, |_| {
                true
            });
            start = near.first().copied().unwrap_or(start);
            let chosen = choose(codes, &near, LINKS);
            for (link, (_, other)) in self.links_mut(node, layer).iter_mut().zip(&chosen) {
                *link = *other;
            }
            for (product, other) in chosen {
                self.link(codes, other, (product, node), layer);
            }
        }
        if level > top {
            self.entry = node;
        }
    }

    /// Adds a neighbour to a node, at the cost of a less useful one if there is no room.
    fn link(&mut self, codes: &Codes, from: u32, to: Near, layer: u8) {
        let links = self.links_mut(from, layer);
        if let Some(free) = links.iter_mut().find(|link| **link == NONE) {
            *free = to.1;
            return;
        }
        let Some(code) = codes.get(from) else {
            return;
        };
        let near = |node: &u32| Some((product(code, codes.get(*node)?), *node));
        let mut near: Vec<Near> = links.iter().filter_map(near).collect();
        near.push(to);
        near.sort_unstable_by(|a, b| b.cmp(a));
        let chosen = choose(codes, &near, links.len());
        links.fill(NONE);
        for (link, (_, node)) in links.iter_mut().zip(chosen) {
            *link = node;
        }
    }

    /// The nearest node that greedy steps through the layers above `layer` lead to.
    fn descend(&self, codes: &Codes, query: &[i16], layer: u8) -> Option<Near> {
        let top = *self.levels.get(self.entry as usize)?;
        let mut best = (product(query, codes.get(self.entry)?), self.entry);
        for layer in (layer + 1..=top).rev() {
            loop {
                let before = best;
                for node in self.links(before.1, layer) {
                    if let Some(code) = codes.get(node) {
                        best = best.max((product(query, code), node));
                    }
                }
                if best == before {
                    break;
                }
            }
        }
        Some(best)
    }

    /// The `ef` nearest that are found in a layer from `start` on, nearest first.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parameters of the paper's algorithm 2 and the scratch memory"
    )]
    fn beam(
        &self,
        codes: &Codes,
        query: &[i16],
        start: Near,
        ef: usize,
        layer: u8,
        visited: &mut Visited,
        live: impl Fn(u32) -> bool,
    ) -> Vec<Near> {
        visited.reset(self.len());
        visited.first_time(start.1);
        let mut open = BinaryHeap::from([start]);
        let mut found: BinaryHeap<Reverse<Near>> = BinaryHeap::new();
        if live(start.1) {
            found.push(Reverse(start));
        }
        let better = |found: &BinaryHeap<Reverse<Near>>, near: Near| {
            found.len() < ef || found.peek().is_some_and(|worst| near >= worst.0)
        };
        while let Some(next) = open.pop()
            && better(&found, next)
        {
            for node in self.links(next.1, layer) {
                if !visited.first_time(node) {
                    continue;
                }
                let Some(code) = codes.get(node) else {
                    continue;
                };
                let near = (product(query, code), node);
                if better(&found, near) {
                    open.push(near);
                    if live(node) {
                        found.push(Reverse(near));
                        if found.len() > ef {
                            found.pop();
                        }
                    }
                }
            }
        }
        let sorted = found.into_sorted_vec();
        sorted.into_iter().map(|Reverse(near)| near).collect()
    }

    /// The neighbours of a node in a layer.
    fn links(&self, node: u32, layer: u8) -> impl Iterator<Item = u32> {
        let all = if layer == 0 { &self.base } else { &self.upper };
        let range = self.range(node, layer);
        let links = range.and_then(|range| all.get(range)).unwrap_or_default();
        links.iter().copied().take_while(|link| *link != NONE)
    }

    fn links_mut(&mut self, node: u32, layer: u8) -> &mut [u32] {
        let range = self.range(node, layer);
        let all = if layer == 0 {
            &mut self.base
        } else {
            &mut self.upper
        };
        range
            .and_then(|range| all.get_mut(range))
            .unwrap_or_default()
    }

    fn range(&self, node: u32, layer: u8) -> Option<Range<usize>> {
        let Some(above) = usize::from(layer).checked_sub(1) else {
            let from = node as usize * BASE_LINKS;
            return Some(from..from + BASE_LINKS);
        };
        let tower = *self.towers.get(node as usize)?;
        let high_enough = self.levels.get(node as usize)? >= &layer;
        let from = tower as usize + above * LINKS;
        high_enough.then(|| from..from + LINKS)
    }
}

/// At most `most` of `near`, which is nearest first: those that none of the chosen stands before, so that
/// the links lead in all directions (the paper's algorithm 4), and in what room is left those that none
/// stands [`CLEARLY`] before.
fn choose(codes: &Codes, near: &[Near], most: usize) -> Vec<Near> {
    let mut chosen: Vec<Near> = Vec::with_capacity(most);
    for by in [1.0, CLEARLY] {
        for candidate in near {
            if chosen.len() == most {
                return chosen;
            }
            let Some(code) = codes.get(candidate.1) else {
                continue;
            };
            let far = 1.0 - cosine(candidate.0);
            let hidden = chosen.iter().any(|other| {
                let between = codes.get(other.1).map_or(0, |other| product(code, other));
                other == candidate || (1.0 - cosine(between)) * by <= far
            });
            if !hidden {
                chosen.push(*candidate);
            }
        }
    }
    chosen
}

/// The highest layer of a node. Each layer has a [`LINKS`]th of the nodes of the one below it, chosen by
/// a hash of their number (splitmix64), so that the same vectors always give the same graph.
fn level_of(node: u32) -> u8 {
    let mut hash = (u64::from(node) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let level = hash.leading_zeros() / LINKS.ilog2();
    level.min(u32::from(TOP)) as u8
}
