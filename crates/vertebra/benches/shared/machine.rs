//! What is asked of the machine: memory, and files out of its cache.

use std::{fs::File, path::Path};

/// The most memory this process has had, in GB.
pub(crate) fn peak_gb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|text| text.trim().parse().ok());
    kilobytes.unwrap_or(0.0) * 1024.0 / 1e9
}

/// Reads every file below `folder`, so that it is in the cache.
pub(crate) fn warm(folder: &Path) {
    for_each_file(folder, &|path| {
        let mut file = File::open(path).unwrap();
        std::io::copy(&mut file, &mut std::io::sink()).unwrap();
    });
}

/// Drops every file below `folder` from the cache.
pub(crate) fn drop_from_cache(folder: &Path) {
    for_each_file(folder, &|path| {
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    });
}

fn for_each_file(folder: &Path, visit: &dyn Fn(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for_each_file(&path, visit);
        } else {
            visit(&path);
        }
    }
}
