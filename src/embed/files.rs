//! The files that an encoder is made of: a model directory and the ONNX Runtime library, each checked
//! against its manifest.
//!
//! It reads and verifies; running the model is `fastembed`'s part of this folder. Invariant: nothing
//! that a manifest vouches for is used before its sha256 has been compared.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use fastembed::{Pooling, QuantizationMode, TokenizerFiles, UserDefinedEmbeddingModel};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::EncoderId;

const MODEL: &str = "model.onnx";
const MANIFEST: &str = "manifest.json";

/// Why an encoder could not be loaded. Every message ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file that is needed is not there.
    #[error("{} is missing; {REMEDY}", .0.display())]
    Missing(PathBuf),
    /// A file is there but cannot be read.
    #[error("cannot read {}: {source}; {REMEDY}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest does not describe a model that this encoder can run.
    #[error("{} is not usable: {why}; {REMEDY}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file's sha256 is not the one in the manifest.
    #[error("{} is damaged (its sha256 is not the manifest's); {REMEDY}", .0.display())]
    Damaged(PathBuf),
    /// The runtime library is there but cannot be loaded.
    #[error("cannot load ONNX Runtime from {}: {why}; {REMEDY}", path.display())]
    Runtime {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        why: String,
    },
    /// The files are intact but do not make a working encoder.
    #[error("the model in {} does not work: {why}; {REMEDY}", path.display())]
    Model {
        /// The model directory.
        path: PathBuf,
        /// What failed.
        why: String,
    },
}

const REMEDY: &str = "run `make setup`, or set `semantic = \"off\"` under [cache]";

/// `manifest.json` of a model directory. Keys that only its maker needs are not listed.
#[derive(Deserialize)]
pub(super) struct Manifest {
    name: String,
    pub(super) dimension: usize,
    pub(super) max_length: usize,
    pooling: ManifestPooling,
    normalize: bool,
    quantization: String,
    /// File name to sha256 in lower-case hex.
    files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ManifestPooling {
    Mean,
    Cls,
}

/// The part of the runtime's manifest that is needed here.
#[derive(Deserialize)]
struct RuntimeManifest {
    files: BTreeMap<String, String>,
}

/// The id changes with everything that may change a vector; the weights are named by their hash.
pub(super) fn encoder_id(manifest: &Manifest) -> EncoderId {
    let hash = manifest.files.get(MODEL).map_or("", String::as_str);
    let short = hash.get(..12).unwrap_or(hash);
    let Manifest {
        name,
        quantization,
        max_length,
        ..
    } = manifest;
    EncoderId::new(&format!("{name}/{quantization}/{max_length}@{short}"))
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    fs::read(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == ErrorKind::NotFound {
            LoadError::Missing(path)
        } else {
            LoadError::Unreadable { path, source }
        }
    })
}

/// The manifest of a model directory.
pub(super) fn model_manifest(dir: &Path) -> Result<Manifest, LoadError> {
    read_manifest(&dir.join(MANIFEST))
}

fn read_manifest<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, LoadError> {
    serde_json::from_slice(&read(path)?).map_err(|error| LoadError::Manifest {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

/// A file of the model directory, exactly as the manifest vouches for it.
fn read_verified(dir: &Path, name: &str, manifest: &Manifest) -> Result<Vec<u8>, LoadError> {
    let path = dir.join(name);
    let expected = manifest
        .files
        .get(name)
        .ok_or_else(|| LoadError::Manifest {
            path: dir.join(MANIFEST),
            why: format!("it does not list {name}"),
        })?;
    let bytes = read(&path)?;
    if has_hash(&bytes, expected) {
        Ok(bytes)
    } else {
        Err(LoadError::Damaged(path))
    }
}

fn has_hash(bytes: &[u8], hex: &str) -> bool {
    format!("{:x}", Sha256::digest(bytes)) == hex
}

pub(super) fn read_model(
    dir: &Path,
    manifest: &Manifest,
) -> Result<UserDefinedEmbeddingModel, LoadError> {
    if !manifest.normalize {
        return Err(LoadError::Manifest {
            path: dir.join(MANIFEST),
            why: "it asks for vectors that are not normalised".into(),
        });
    }
    let read = |name| read_verified(dir, name, manifest);
    let tokenizer = TokenizerFiles {
        tokenizer_file: read("tokenizer.json")?,
        config_file: read("config.json")?,
        special_tokens_map_file: read("special_tokens_map.json")?,
        tokenizer_config_file: read("tokenizer_config.json")?,
    };
    let pooling = match manifest.pooling {
        ManifestPooling::Mean => Pooling::Mean,
        ManifestPooling::Cls => Pooling::Cls,
    };
    Ok(UserDefinedEmbeddingModel::new(read(MODEL)?, tokenizer)
        .with_pooling(pooling)
        // Makes fastembed refuse batches. Dynamic quantisation would let the texts of a batch
        // change one another's vectors; here a batch is one text in any case.
        .with_quantization(QuantizationMode::Dynamic))
}

/// Loads the ONNX Runtime library into the process, unless one is loaded already.
pub(super) fn load_runtime(path: &Path) -> Result<(), LoadError> {
    let unusable = |why: String| LoadError::Runtime {
        path: path.to_owned(),
        why,
    };
    // Absolute, because `ort` looks for a relative path beside the executable first.
    let absolute = std::path::absolute(path).map_err(|error| unusable(error.to_string()))?;
    if !absolute.is_file() {
        return Err(LoadError::Missing(path.to_owned()));
    }
    // A library of the system has no manifest. One that `make setup` put there has, and is checked:
    // the loader may crash the process over a truncated library instead of refusing it.
    let manifest = absolute.with_file_name(MANIFEST);
    if manifest.is_file() {
        let manifest: RuntimeManifest = read_manifest(&manifest)?;
        let name = absolute.file_name().and_then(|name| name.to_str());
        if let Some(expected) = name.and_then(|name| manifest.files.get(name))
            && !has_hash(&read(&absolute)?, expected)
        {
            return Err(LoadError::Damaged(path.to_owned()));
        }
    }
    // The builder that this returns is not used: fastembed makes the process's one environment
    // itself, with the library that is loaded now.
    ort::init_from(&absolute).map(drop).map_err(|error| {
        // Its own text says only that loading failed; why is one level below.
        if let ort::LoadDynamicError::Dlopen { error, .. } = &error
            && let Some(why) = error.source()
        {
            return unusable(why.to_string());
        }
        unusable(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_names_the_build_of_the_weights() {
        let manifest: Manifest = serde_json::from_value(serde_json::json!({
            "name": "m", "dimension": 3, "max_length": 256, "pooling": "mean", "normalize": true,
            "quantization": "int8", "files": { MODEL: "0123456789abcdef" }, "recipe": "unknown",
        }))
        .unwrap();
        assert_eq!(encoder_id(&manifest).as_str(), "m/int8/256@0123456789ab");
    }
}
