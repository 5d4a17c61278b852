use std::{collections::HashSet, fs, thread};

use proptest::prelude::*;

use super::*;
use crate::units::dot;

const DIMENSION: usize = 32;

fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

fn noise(random: &mut fastrand::Rng) -> Vec<f32> {
    (0..DIMENSION).map(|_| random.f32() - 0.5).collect()
}

fn unit(random: &mut fastrand::Rng) -> Vec<f32> {
    normalised(noise(random))
}

/// Vectors in groups of about ten, as questions about the same things are.
fn grouped(seed: u64, count: usize) -> Vec<Vec<f32>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let centres: Vec<_> = (0..count.div_ceil(10))
        .map(|_| noise(&mut random))
        .collect();
    let near = |_| {
        let centre = &centres[random.usize(0..centres.len())];
        let spread = 0.2 + random.f32();
        let noise = noise(&mut random);
        normalised(
            centre
                .iter()
                .zip(noise)
                .map(|(c, n)| c + spread * n)
                .collect(),
        )
    };
    (0..count).map(near).collect()
}

fn id(number: usize) -> Fingerprint {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Fingerprint::of(bytes)
}

fn filled(all: &[Vec<f32>]) -> Vectors {
    let vectors = Vectors::default();
    for (number, vector) in all.iter().enumerate() {
        vectors.insert(id(number), vector, Arc::default());
    }
    vectors
}

fn nearest(vectors: &Vectors, query: &[f32]) -> Option<Fingerprint> {
    let near = vectors.search(query, 1);
    near.first().map(|neighbour| neighbour.fingerprint)
}

fn encoder() -> EncoderId {
    EncoderId::new("one")
}

fn with_entries(all: &[Vec<f32>]) -> impl Iterator<Item = (Fingerprint, Arc<Wording>, &Vec<f32>)> {
    let numbered = all.iter().enumerate();
    numbered.map(|(number, vector)| (id(number), Arc::default(), vector))
}

#[test]
fn graph_and_scan_find_the_same() {
    let all = grouped(1, 1700);
    let (queries, all) = all.split_at(200);
    let vectors = filled(all);
    let scanned: Vec<_> = queries
        .iter()
        .map(|query| nearest(&vectors, query))
        .collect();
    assert!(vectors.wants_building(1000) && !vectors.has_graph());
    vectors.build(1000);
    assert!(vectors.has_graph() && !vectors.wants_building(1000));
    let same = queries.iter().zip(&scanned);
    let same = same.filter(|(query, scanned)| nearest(&vectors, query) == **scanned);
    assert!(same.count() >= 198, "recall@1 of the graph is below 99 %");
}

#[test]
fn the_nearest_come_first_and_no_more_than_asked_for() {
    let all = grouped(8, 300);
    let vectors = filled(&all);
    for graph in [false, true] {
        if graph {
            vectors.build(100);
        }
        let near = vectors.search(&all[0], 20);
        assert_eq!(near.len(), 20);
        assert_eq!(near[0].fingerprint, id(0));
        assert!(near.is_sorted_by(|a, b| a.similarity >= b.similarity));
        let different: HashSet<_> = near.iter().map(|neighbour| neighbour.fingerprint).collect();
        assert_eq!(different.len(), 20);
        assert!(vectors.search(&all[0], 0).is_empty());
        assert_eq!(vectors.search(&all[0], usize::MAX).len(), 300);
    }
}

#[test]
fn what_comes_after_the_graph_is_found_and_what_is_removed_is_not() {
    let mut random = fastrand::Rng::with_seed(2);
    let all: Vec<Vec<f32>> = (0..400).map(|_| unit(&mut random)).collect();
    let vectors = Vectors::default();
    for (number, vector) in all.iter().enumerate() {
        if number == 300 {
            vectors.build(100);
        }
        vectors.insert(id(number), vector, Arc::default());
    }
    assert!(vectors.has_graph());
    for (number, vector) in all.iter().enumerate() {
        assert_eq!(nearest(&vectors, vector), Some(id(number)));
    }
    for (number, vector) in all.iter().enumerate().take(350) {
        vectors.remove(id(number));
        assert_ne!(nearest(&vectors, vector), Some(id(number)));
    }
    assert_eq!(vectors.len(), 50);
    assert!(
        vectors.has_graph() && vectors.wants_building(100),
        "a builder is needed"
    );
    let full = vectors.bytes();
    for graph_above in [100, 10] {
        vectors.build(graph_above);
        assert_eq!(vectors.has_graph(), graph_above == 10);
        assert!(!vectors.wants_building(graph_above));
        for (number, vector) in all.iter().enumerate().skip(350) {
            assert_eq!(nearest(&vectors, vector), Some(id(number)));
        }
    }
    assert!(vectors.bytes() * 4 < full);
}

#[test]
fn few_vectors_are_compacted_at_once() {
    let all = grouped(3, 100);
    let vectors = filled(&all);
    let full = vectors.bytes();
    for number in 0..90 {
        vectors.remove(id(number));
    }
    assert!(!vectors.wants_building(64) && vectors.bytes() < full / 3);
    for (number, vector) in all.iter().enumerate().skip(90) {
        assert_eq!(nearest(&vectors, vector), Some(id(number)));
        vectors.remove(id(number));
    }
    assert!(vectors.is_empty() && vectors.search(&all[0], 3).is_empty());
    vectors.insert(id(1), &[0.6, 0.8], Arc::default());
    assert_eq!(
        nearest(&vectors, &[0.6, 0.8]),
        Some(id(1)),
        "another dimension"
    );
}

#[test]
fn an_entry_is_in_it_once() {
    let mut random = fastrand::Rng::with_seed(3);
    let vectors = Vectors::default();
    let (old, new) = (unit(&mut random), unit(&mut random));
    vectors.insert(id(1), &old, Arc::default());
    vectors.insert(id(1), &new, Arc::default());
    assert_eq!(vectors.len(), 1);
    assert!(vectors.search(&new, 5)[0].similarity.get() > 0.999);
}

#[test]
fn a_vector_without_direction_or_of_another_dimension_is_no_neighbour() {
    let mut random = fastrand::Rng::with_seed(4);
    let (good, vectors) = (unit(&mut random), Vectors::default());
    vectors.insert(id(0), &good, Arc::default());
    for (number, bad) in [
        vec![],
        vec![0.0; DIMENSION],
        vec![f32::NAN; DIMENSION],
        vec![f32::INFINITY; DIMENSION],
        vec![f32::MAX; DIMENSION],
        vec![1.0; DIMENSION + 1],
    ]
    .iter()
    .enumerate()
    {
        vectors.insert(id(number + 1), bad, Arc::default());
        assert!(vectors.search(bad, 4).is_empty());
    }
    assert_eq!(vectors.len(), 1);
    vectors.insert(id(0), &[f32::NAN; DIMENSION], Arc::default());
    assert!(vectors.is_empty(), "the older vector is not this entry's");
}

#[test]
fn many_equal_vectors_do_no_harm() {
    let mut all = grouped(5, 600);
    let same = all[0].clone();
    all[..300].fill(same.clone());
    let vectors = filled(&all);
    vectors.build(100);
    assert!(vectors.search(&same, 4)[3].similarity.get() > 0.999);
    for vector in &all[300..] {
        assert!(vectors.search(vector, 1)[0].similarity.get() > 0.999);
    }
}

#[test]
fn fingerprints_that_begin_alike_are_told_apart() {
    let all = grouped(6, 2);
    let (mut one, mut other) = ([1; 32], [1; 32]);
    (one[31], other[31]) = (1, 2);
    let (one, other) = (Fingerprint::of(one), Fingerprint::of(other));
    let vectors = Vectors::default();
    vectors.insert(one, &all[0], Arc::default());
    vectors.insert(other, &all[1], Arc::default());
    vectors.remove(one);
    assert_eq!(vectors.len(), 1);
    assert_eq!(nearest(&vectors, &all[0]), Some(other));
}

#[test]
fn the_count_of_bytes_is_bounded_by_the_estimate() {
    for count in [1, 3, 10, 100, 1500] {
        let vectors = filled(&grouped(7, count));
        vectors.build(64);
        let most = PARTITION_BYTES + count * entry_bytes(DIMENSION);
        let least = count * (DIMENSION * 2 + SLOT_BYTES);
        assert!((least..=most).contains(&vectors.bytes()), "{count}");
    }
}

#[test]
fn a_saved_graph_serves_the_same_entries_again() {
    let all = grouped(9, 1200);
    let vectors = filled(&all[..1000]);
    vectors.build(100);
    vectors.remove(id(10));
    let dir = tempfile::tempdir().unwrap();
    vectors.save(dir.path(), "p", &encoder()).unwrap();

    let saved = SavedGraph::load(dir.path(), "p", &encoder(), DIMENSION)
        .unwrap()
        .unwrap();
    assert_eq!((saved.len(), saved.is_empty()), (1000, false));
    // Some have vanished since, some are new, and the order is another.
    let mut entries: Vec<_> = with_entries(&all).skip(100).collect();
    entries.reverse();
    let restored = Vectors::restore(entries, Some(saved));
    assert!(restored.has_graph() && !restored.wants_building(100));
    assert_eq!(restored.len(), 1100);
    for (number, vector) in all.iter().enumerate() {
        assert_eq!(
            nearest(&restored, vector) == Some(id(number)),
            number >= 100,
            "{number}"
        );
    }
}

#[test]
fn what_came_in_before_the_saved_entries_stays() {
    let all = grouped(14, 500);
    let saved = filled(&all[..400]);
    saved.build(100);
    let vectors = Vectors::default();
    for number in 390..500 {
        // Entry 390 has another vector now.
        vectors.insert(
            id(number),
            &all[if number == 390 { 0 } else { number }],
            Arc::default(),
        );
    }
    vectors.adopt(saved);
    assert!(vectors.has_graph() && vectors.len() == 500);
    for number in (1..390).chain(391..500) {
        assert_eq!(nearest(&vectors, &all[number]), Some(id(number)));
    }
    let two = vectors.search(&all[0], 2);
    assert!(two.iter().all(|near| near.similarity.get() > 0.999));
}

#[test]
fn a_saved_graph_of_other_entries_is_not_used() {
    let all = grouped(10, 600);
    let vectors = filled(&all);
    vectors.build(100);
    let dir = tempfile::tempdir().unwrap();
    vectors.save(dir.path(), "p", &encoder()).unwrap();
    let load = || SavedGraph::load(dir.path(), "p", &encoder(), DIMENSION).unwrap();
    let restored = Vectors::restore(with_entries(&all).skip(300), load());
    assert!(!restored.has_graph() && restored.len() == 300);
    assert_eq!(nearest(&restored, &all[400]), Some(id(400)));
    assert!(Vectors::restore(with_entries(&[]), load()).is_empty());
    // Without a graph there is nothing to save, and what was saved is out of date.
    restored.save(dir.path(), "p", &encoder()).unwrap();
    assert!(load().is_none());
}

#[test]
fn a_damaged_or_foreign_graph_is_an_error() {
    let vectors = filled(&grouped(11, 200));
    vectors.build(100);
    let dir = tempfile::tempdir().unwrap();
    vectors.save(dir.path(), "p", &encoder()).unwrap();
    let file = dir.path().join("p.graph");
    let whole = fs::read(&file).unwrap();
    let load = |dimension| SavedGraph::load(dir.path(), "p", &encoder(), dimension);
    let refused = |dimension| load(dimension).unwrap_err().kind() == io::ErrorKind::InvalidData;

    assert!(load(DIMENSION).unwrap().is_some());
    assert!(refused(DIMENSION + 1));
    let other = SavedGraph::load(dir.path(), "p", &EncoderId::new("two"), DIMENSION);
    assert_eq!(other.unwrap_err().kind(), io::ErrorKind::InvalidData);

    for length in (0..200).chain((200..whole.len()).step_by(997)) {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(refused(DIMENSION), "cut off at {length}");
    }
    for at in (0..whole.len()).step_by(991) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        fs::write(&file, damaged).unwrap();
        assert!(refused(DIMENSION), "damaged at {at}");
    }
    // Even with a hash that fits, no number in it is trusted.
    for at in (16..whole.len() - 32).step_by(13) {
        let mut forged = whole[..whole.len() - 32].to_vec();
        forged[at] = !forged[at];
        let hash = blake3::hash(&forged);
        forged.extend_from_slice(hash.as_bytes());
        fs::write(&file, forged).unwrap();
        if let Ok(Some(saved)) = load(DIMENSION) {
            let all = grouped(11, 200);
            let restored = Vectors::restore(with_entries(&all), Some(saved));
            assert!(restored.search(&all[0], 3).len() <= 3);
        }
    }
}

#[test]
fn the_name_of_a_graph_stays_in_its_folder() {
    let (dir, vectors) = (tempfile::tempdir().unwrap(), Vectors::default());
    for name in ["", ".", "..", "../p", "a/b", "/p"] {
        let saved = vectors.save(dir.path(), name, &encoder());
        assert_eq!(
            saved.unwrap_err().kind(),
            io::ErrorKind::InvalidInput,
            "{name}"
        );
        assert!(SavedGraph::load(dir.path(), name, &encoder(), 1).is_err());
    }
    assert!(
        SavedGraph::load(dir.path(), "none", &encoder(), 1)
            .unwrap()
            .is_none()
    );
}

/// Four threads change, search and build at once; what should be in it afterwards is.
#[test]
fn concurrent_use_loses_nothing() {
    const EACH: usize = 400;
    let all = grouped(12, 2 * EACH);
    let vectors = Vectors::default();
    thread::scope(|scope| {
        for mine in [0..EACH, EACH..2 * EACH] {
            let (vectors, all) = (&vectors, &all);
            scope.spawn(move || {
                for number in mine.clone() {
                    vectors.insert(id(number), &all[number], Arc::default());
                    // Two of three go again, so that it is compacted while it grows; some come back.
                    if number % 3 != 0 {
                        vectors.remove(id(number));
                    }
                    if number % 30 == 1 {
                        vectors.insert(id(number), &all[number], Arc::default());
                    }
                }
            });
        }
        scope.spawn(|| (0..200).for_each(|_| vectors.build(50)));
        scope.spawn(|| {
            for query in &all {
                let near = vectors.search(query, 4);
                assert!(near.is_sorted_by(|a, b| a.similarity >= b.similarity));
            }
        });
    });
    vectors.build(50);
    assert!(vectors.has_graph() && !vectors.wants_building(50));
    let stays = |number: usize| number.is_multiple_of(3) || number % 30 == 1;
    assert_eq!(vectors.len(), (0..2 * EACH).filter(|n| stays(*n)).count());
    for (number, vector) in all.iter().enumerate() {
        assert_eq!(
            nearest(&vectors, vector) == Some(id(number)),
            stays(number),
            "{number}"
        );
    }
}

proptest! {
    #[test]
    fn similarities_are_those_of_the_given_vectors(
        a in prop::collection::vec(-1.0_f32..1.0, 384),
        b in prop::collection::vec(-1.0_f32..1.0, 384),
        weight in 0.0_f32..20.0,
    ) {
        let b: Vec<f32> = a.iter().zip(b).map(|(a, b)| weight * a + b).collect();
        let (a, b) = (normalised(a), normalised(b));
        let vectors = Vectors::default();
        vectors.insert(id(0), &a, Arc::default());
        let near = vectors.search(&b, 1)[0].similarity.get();
        prop_assert!((near - dot(&a, &b)).abs() < 0.001);
    }

    #[test]
    fn any_sequence_of_changes_leaves_what_a_map_would(
        steps in prop::collection::vec((0_usize..40, 0_u8..8), 1..300),
    ) {
        let all = grouped(13, 40);
        let (vectors, mut expected) = (Vectors::default(), HashSet::new());
        for (number, what) in steps {
            match what {
                0..=3 => {
                    vectors.insert(id(number), &all[number], Arc::default());
                    expected.insert(number);
                }
                4..=6 => {
                    vectors.remove(id(number));
                    expected.remove(&number);
                }
                _ => vectors.build(8),
            }
        }
        prop_assert_eq!(vectors.len(), expected.len());
        for (number, vector) in all.iter().enumerate() {
            prop_assert_eq!(nearest(&vectors, vector) == Some(id(number)), expected.contains(&number));
        }
    }
}
