//! What is measured on, and the processes that measure.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use event_log::files::RealFiles;
use policy::Bundle;

use crate::figures::Figure;

/// Which measurement a child process makes.
pub(crate) const STAGE: &str = "VERTEBRA_BENCH_STAGE";

/// What is measured on.
pub(crate) struct Setting {
    pub(crate) scale: f64,
    pub(crate) dir: PathBuf,
}

impl Setting {
    /// As the environment says, in a folder of this name.
    pub(crate) fn read(name: &str) -> Setting {
        let scale = std::env::var("BENCH_SCALE")
            .ok()
            .map_or(1.0, |scale| scale.parse().expect("BENCH_SCALE is a number"));
        let dir =
            std::env::var_os("BENCH_DIR").map_or(PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        Setting { scale, dir: dir.join(name) }
    }

    /// `number` at full scale, less on a smaller city.
    pub(crate) fn scaled(&self, number: u64) -> u64 {
        ((number as f64 * self.scale) as u64).max(1000)
    }

    /// Where figures are kept.
    pub(crate) fn lines() -> PathBuf {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        std::env::var_os("BENCH_JSONL").map_or(target.join("bench.jsonl"), PathBuf::from)
    }

    /// Makes one measurement in a process of its own, so that the most memory it took can be read at its end.
    pub(crate) fn child(&self, stage: &str, environment: &[(&str, &str)]) -> Vec<Figure> {
        let output = Command::new(std::env::current_exe().unwrap())
            .env(STAGE, stage)
            .env("BENCH_SCALE", self.scale.to_string())
            .env("BENCH_DIR", self.dir.parent().unwrap())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "the stage {stage} failed");
        String::from_utf8(output.stdout).unwrap().lines().map(Figure::of_line).collect()
    }
}

/// The repository's own tables.
pub(crate) fn bundle() -> Bundle {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files =
        query::DataFolder::bundle_files(&RealFiles, &root.join("reference"), &root.join("policy")).unwrap();
    Bundle::parse(&files).expect("the repository's own bundle has no faults")
}
