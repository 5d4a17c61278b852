//! Vectors with the neighbourhoods of real questions.
//!
//! Independent random directions would be no test: in 384 dimensions all of them are equally far apart
//! and no graph finds its way. Each of these is the sum of what all texts share, a domain, a topic within
//! it (of about eight texts) and its own noise, of which some have little, as paraphrases have. The
//! weights are chosen so that the cosines are like those of all-MiniLM-L6-v2 on about 10 000 questions to
//! assistants, in which two have 0.05 in the median and 0.18 in the upper tenth, and a new one and its
//! nearest 0.54 in the lower tenth, 0.83 in the median and 0.98 in the upper tenth.

/// As all-MiniLM-L6-v2.
pub(crate) const DIMENSION: usize = 384;
const DOMAINS: u64 = 8;
const TEXTS_PER_TOPIC: usize = 8;
/// The directions' lengths before the sum is made a unit vector.
const SHARED: f32 = 0.25;
const DOMAIN: f32 = 0.5;
const TOPIC: f32 = 0.75;
const NOISE: [f32; 2] = [0.1, 1.5];

/// The vectors of one size, by number.
#[derive(Debug)]
pub(crate) struct Synthetic {
    topics: u64,
}

impl Synthetic {
    /// Vectors for a partition of `size`.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            topics: (size / TEXTS_PER_TOPIC).max(1) as u64,
        }
    }

    /// One vector; numbers from the size on serve as queries.
    pub(crate) fn vector(&self, number: usize) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(number as u64);
        let topic = random.u64(0..self.topics);
        let domain = topic % DOMAINS;
        let noise = NOISE[0] + random.f32().powf(1.4) * (NOISE[1] - NOISE[0]);
        let mut sum = vec![0.0; DIMENSION];
        add(&mut sum, SHARED, u64::MAX);
        add(&mut sum, DOMAIN, u64::MAX - 1 - domain);
        add(&mut sum, TOPIC, u64::MAX / 2 + topic);
        add(&mut sum, noise, u64::MAX / 4 + number as u64);
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        sum.iter_mut().for_each(|x| *x /= length);
        sum
    }
}

/// Adds `weight` times the direction with this seed.
fn add(sum: &mut [f32], weight: f32, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    // Sums of uniform numbers are near enough to normal ones; each has a variance of a third.
    let scale = weight / (DIMENSION as f32).sqrt();
    for x in sum {
        *x += scale * ((0..3).map(|_| random.f32()).sum::<f32>() * 2.0 - 3.0);
    }
}

/// What the vectors are like, measured.
pub(crate) fn describe() -> String {
    let synthetic = Synthetic::new(10_000);
    let all: Vec<Vec<f32>> = (0..10_200).map(|n| synthetic.vector(n)).collect();
    let (all, queries) = all.split_at(10_000);
    let cosine = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut pairs: Vec<f32> = (1..4000)
        .filter_map(|n| Some(cosine(all.get(n)?, all.get(n * 2)?)))
        .collect();
    let nearest = |query: &Vec<f32>| all.iter().map(|v| cosine(query, v)).fold(-1.0, f32::max);
    let mut nearest: Vec<f32> = queries.iter().map(nearest).collect();
    let tenths = |values: &mut Vec<f32>| {
        values.sort_by(f32::total_cmp);
        let at = |tenth: usize| values.get(values.len() * tenth / 10).copied();
        let [low, middle, high] = [1, 5, 9].map(|tenth| at(tenth).unwrap_or_default());
        format!("{low:.2} / {middle:.2} / {high:.2}")
    };
    format!(
        "Synthetic vectors, {DIMENSION} dimensions. At 10 000, lower tenth / median / upper tenth of the \
         cosine: of two {}, of a query and its nearest {}.",
        tenths(&mut pairs),
        tenths(&mut nearest),
    )
}
