//! The bounds of histograms' buckets.

/// Most answers come in a millisecond from the cache, or in seconds from a provider.
pub(super) const HTTP_SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// Fine around the 5 milliseconds that are the bound of what is well.
pub(super) const OVERHEAD_SECONDS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.004, 0.005, 0.007_5, 0.01, 0.025, 0.1, 0.5,
    2.0,
];
/// One vector takes some milliseconds; a queue of them may take a second.
pub(super) const EMBEDDING_SECONDS: [f64; 10] = [
    0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 1.0,
];
/// As the conventions advise for `gen_ai.client.operation.duration`.
pub(super) const CALL_SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/// As the conventions advise for times to the first chunk, and longer: whole answers are among them.
pub(super) const FIRST_CHUNK_SECONDS: [f64; 16] = [
    0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
];
/// As the conventions advise for `gen_ai.client.token.usage`.
pub(super) const TOKENS: [f64; 12] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
];
/// By 0.025, and finer where admission decides.
pub(super) const SIMILARITY: [f64; 27] = [
    0.5, 0.525, 0.55, 0.575, 0.6, 0.625, 0.65, 0.675, 0.7, 0.725, 0.75, 0.775, 0.8, 0.825, 0.85,
    0.875, 0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0,
];
