//! The evaluation: that it counts what the gateway does, and refuses packs that it can't read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use refrain::{
    eval::{self, Options, pack::Pack, result::Evaluation, tally::Tally},
    units::Similarity,
};

use crate::support::{
    angles::Angles,
    program::{refrain, run},
};

/// Two prompts have the cosine of the difference of their angles; these are the angles' cosines: the
/// first three are at 30, 16 and 48 degrees.
const PROMPTS: [(&str, f32); 13] = [
    ("How often should I water a cactus?", 0.866_025_4),
    ("how often do i have to water a cactus", 0.961_261_7),
    (
        "How much water does a cactus hold in its stem?",
        0.669_130_6,
    ),
    ("Is 5 litres enough for a tomato plant?", 0.0),
    ("Is 9 litres enough for a tomato plant?", 0.05),
    ("is 5 litres enough for one tomato plant", 0.01),
    ("When do tulips bloom?", 1.0),
    ("When is it that tulips bloom?", 0.96),
    ("Open the roof of the greenhouse", 1.0),
    ("Close the roof of the greenhouse", 0.99),
    ("List the plants.", 1.0),
    ("The garden has roses.\nList the plants.", 1.0),
    ("The garden has mint.\nList the plants.", 0.99),
];

fn packs() -> Vec<Pack> {
    let of = |name: &str| {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quality");
        directory.join(name).with_extension("jsonl")
    };
    let paths: Vec<PathBuf> = ["stream_garden", "pairs_garden"].map(of).into();
    eval::read_packs(&paths).unwrap()
}

async fn evaluated(options: &Options) -> (Evaluation, String) {
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let encoder = Angles::of(&PROMPTS);
    let evaluation = eval::run(packs(), encoder, options, &mut out, &mut progress).await;
    (evaluation.unwrap(), String::from_utf8(out).unwrap())
}

fn of<'a>(evaluation: &'a Evaluation, pack: usize, policy: &str) -> &'a Tally {
    let policies = &evaluation.packs[pack].policies;
    let result = policies.iter().find(|of| of.policy == policy).unwrap();
    &result.tally
}

#[tokio::test]
async fn hits_are_held_against_their_labels() {
    let options = Options {
        thresholds: vec![Similarity::new(0.93).unwrap()],
        sweep: false,
    };
    let (evaluation, tables) = evaluated(&options).await;
    let counts = |pack, policy| {
        let tally = of(&evaluation, pack, policy);
        (tally.requests, tally.hits, tally.wrong)
    };
    assert_eq!(counts(0, "threshold 0.930"), (7, 4, 1));
    assert_eq!(counts(0, "plain cosine 0.940"), (7, 5, 2));
    assert_eq!(counts(1, "threshold 0.930"), (3, 1, 0));
    assert_eq!(counts(1, "plain cosine 0.850"), (3, 3, 2));
    for policy in ["strict", "balanced", "loose"] {
        assert_eq!(of(&evaluation, 0, policy).requests, 7);
    }

    let misses = |pack, reason| of(&evaluation, pack, "threshold 0.930").misses[reason];
    for (pack, reason) in [(0, "veto_numbers"), (1, "veto_opposites")] {
        let stopped = misses(pack, reason);
        assert_eq!((stopped.answerable, stopped.rightly), (0, 1), "{reason}");
    }
    let categories = &of(&evaluation, 1, "plain cosine 0.850").categories;
    let context = categories[&("other context".to_owned(), false)];
    assert_eq!((context.requests, context.hits), (1, 1));

    let pack = &evaluation.packs[0];
    assert_eq!((pack.requests, pack.answerable), (7, 3));
    for shown in [
        "stream_garden: 7 requests, 3 of",
        "veto_numbers",
        "other context",
        "75.0",
    ] {
        assert!(tables.contains(shown), "no {shown:?} in\n{tables}");
    }
    let json = serde_json::to_value(&evaluation).unwrap();
    assert_eq!(json["packs"][1]["policies"][3]["false_hits"], 0);
}

#[tokio::test]
async fn a_sweep_finds_the_lowest_threshold_inside_a_budget() {
    let options = Options {
        sweep: true,
        ..Options::default()
    };
    let (evaluation, tables) = evaluated(&options).await;
    let sweep = evaluation.sweep.unwrap();
    let strict = sweep.gateway.budgets[0].point.unwrap();
    // The wrong neighbour is 18 degrees away, a cosine of 0.951.
    assert_eq!((strict.threshold, strict.false_percent), (0.955, 0.0));
    assert!((strict.hit_percent - 300.0 / 7.0).abs() < 1e-9);
    // No threshold keeps 5 litres from 9.
    assert!(
        sweep
            .plain_cosine
            .budgets
            .iter()
            .all(|budget| budget.point.is_none())
    );
    assert!(
        tables.contains("0.955: hits 42.86 %, false 0.000 %"),
        "{tables}"
    );
}

#[tokio::test]
async fn a_prompt_without_a_vector_ends_it() {
    let encoder = Angles::of(&PROMPTS[1..]);
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let options = Options::default();
    let ended = eval::run(packs(), encoder, &options, &mut out, &mut progress).await;
    assert!(
        ended
            .unwrap_err()
            .to_string()
            .starts_with("the encoder fails")
    );
    assert!(out.is_empty());
}

#[tokio::test]
async fn a_pack_that_is_none_is_refused_before_anything_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.jsonl");
    fs::write(
        &path,
        "{\"prompt\": \"p\", \"group\": \"g\"}\n{\"prompt\": \"p\"}\n",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let ended = run(refrain(&["eval", path, "--config", "not.there"])).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    let expected = format!("error: {path}:2: expected `group` to be a text\n");
    assert_eq!(ended.err, expected);

    for arguments in [vec!["eval"], vec!["eval", path, "--threshold", "NaN"]] {
        let ended = run(refrain(&arguments)).await;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
    }
    let ended = run(refrain(&["eval", &format!("{path}.none")])).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("cannot read"), "{}", ended.err);
}
