//! Embeds `reference/` and `policy/`, so that the installed command works in any folder.

use std::{env, error::Error, fmt::Write, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let mut files = Vec::new();
    for (folder, extension) in [("reference", "csv"), ("policy", "toml")] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == extension) {
                let name = path.file_name().ok_or("a file without a name")?.to_string_lossy().into_owned();
                files.push((format!("{folder}/{name}"), path));
            }
        }
    }
    files.sort();
    let mut source = String::from("&[\n");
    for (name, path) in files {
        writeln!(source, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())?;
    }
    source.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("bundle.rs"), source)?;
    Ok(())
}
