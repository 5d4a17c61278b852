//! The encoder with the real model, as `make setup` prepares it.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use refrain::embed::{
    Embed, Embedding,
    fastembed::{EncoderOptions, LoadError, LocalEncoder},
};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn model() -> PathBuf {
    models().join("all-MiniLM-L6-v2")
}

fn runtime() -> PathBuf {
    models().join("onnxruntime/libonnxruntime.so")
}

fn load(model: &Path, runtime: &Path) -> Result<LocalEncoder, LoadError> {
    let options = EncoderOptions {
        threads: NonZeroUsize::MIN,
        queue: NonZeroUsize::MIN,
        deadline: Duration::from_secs(30),
    };
    LocalEncoder::load(model, runtime, options)
}

/// A copy of the model directory without the large file, which is not needed to fail.
fn copy_of_model() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(model()).expect("run `make setup` first") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != "model.onnx" {
            fs::copy(&path, copy.path().join(name)).unwrap();
        }
    }
    copy
}

#[track_caller]
fn assert_refused(found: Result<LocalEncoder, LoadError>, path: &Path, what: &str) {
    let message = found.expect_err("it must not load").to_string();
    let remedy = "; run `make setup`, or set `semantic = \"off\"` under [cache]";
    assert_eq!(message, format!("{} {what}{remedy}", path.display()));
}

#[tokio::test]
async fn vectors_agree_with_the_reference() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/minilm.json");
    let golden: serde_json::Value = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
    let encoder = load(&model(), &runtime()).unwrap();

    let mut cosines = Vec::new();
    for item in golden["items"].as_array().unwrap() {
        let text = item["text"].as_str().unwrap();
        let reference: Vec<f32> = serde_json::from_value(item["embedding"].clone()).unwrap();
        let reference = Embedding::new(encoder.encoder(), reference).unwrap();
        let cosine = encoder.embed(text).await.unwrap().cosine(&reference);
        // What per-channel int8 reaches; per-tensor quantisation falls to 0.88.
        assert!(cosine >= 0.97, "{cosine} for {text:?}");
        cosines.push(cosine);
    }
    cosines.sort_by(f32::total_cmp);
    let median = cosines[cosines.len() / 2];
    assert!(median >= 0.99, "median {median}");
}

#[tokio::test]
async fn one_text_always_gets_the_same_vector() {
    let encoder = load(&model(), &runtime()).unwrap();
    let first = encoder.embed("How do I reverse a string?").await.unwrap();
    encoder.embed("Something else in between").await.unwrap();
    let second = encoder.embed("How do I reverse a string?").await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn empty_and_endless_texts_have_vectors_too() {
    let encoder = load(&model(), &runtime()).unwrap();
    let empty = encoder.embed("").await.unwrap();
    assert_eq!(empty.as_slice().len(), 384);
    let window = encoder.embed(&"word ".repeat(300)).await.unwrap();
    let endless = encoder.embed(&"word ".repeat(1_000_000)).await.unwrap();
    assert_eq!(window, endless);
}

#[test]
fn a_missing_file_is_named() {
    let nowhere = tempfile::tempdir().unwrap();
    let manifest = nowhere.path().join("manifest.json");
    assert_refused(load(nowhere.path(), &runtime()), &manifest, "is missing");

    let copy = copy_of_model();
    let file = copy.path().join("model.onnx");
    assert_refused(load(copy.path(), &runtime()), &file, "is missing");

    let library = nowhere.path().join("libonnxruntime.so");
    assert_refused(load(&model(), &library), &library, "is missing");
}

#[test]
fn a_damaged_file_is_named() {
    let damaged = "is damaged (its sha256 is not the manifest's)";
    let copy = copy_of_model();
    let file = copy.path().join("model.onnx");
    fs::write(&file, "half a mod").unwrap();
    assert_refused(load(copy.path(), &runtime()), &file, damaged);

    let copy = tempfile::tempdir().unwrap();
    let library = copy.path().join("libonnxruntime.so");
    fs::write(&library, "half a libr").unwrap();
    let manifest = runtime().with_file_name("manifest.json");
    fs::copy(manifest, copy.path().join("manifest.json")).unwrap();
    assert_refused(load(&model(), &library), &library, damaged);
}
