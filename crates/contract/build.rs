//! Compiles `proto/` with a compiler written in Rust, so that no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost_build::Config;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.join("vertebra").display());
    let mut files = fs::read_dir(root.join("vertebra/v1"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    let descriptors = protox::compile(&files, [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&descriptors))?;
    // What identifies a person must not print itself: `src/personal.rs` says what they print instead.
    Config::new()
        .skip_debug([
            ".vertebra.v1.PersonDetails",
            ".vertebra.v1.Identifier",
            ".vertebra.v1.RestrictedDetails",
        ])
        .compile_fds(descriptors)?;
    Ok(())
}
