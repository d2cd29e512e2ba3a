//! Log to histories to timelines: base files, deltas, snapshots, rebuild.
