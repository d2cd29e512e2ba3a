//! Log to histories to timelines.
//!
//! ```text
//!  log ──▶ gather (facts by person) ──▶ histories (base file + deltas) ──▶ view ──▶ project ──▶ figures
//!                                           │ store: manifest, rows                               │
//!                                           └───────────────── snapshot ──────────────────────────┘
//! ```
//!
//! Everything here is derived: it can be thrown away and computed again from the log and the bundle, to the same bytes.
//! State and checkpoint are one row of the store, so a crash reads the tail of the log again and nothing counts twice.

mod base;
mod build;
mod deltas;
mod error;
mod figures;
mod gather;
mod generation;
mod histories;
mod kept;
mod known;
mod options;
mod partition;
mod projector;
mod reader;
mod registry;
mod replay;
mod serving;
mod snapshot;
mod store;
mod stored;

pub use build::{Progress, in_parallel};
pub use error::{Corrupt, StoreError};
pub use figures::{Digests, Figures, Points};
pub use kept::Kept;
pub use options::Options;
pub use projector::{Commit, Projector, Rebuilt};
pub use reader::{KnownAt, Reader};
pub use registry::{PROJECTIONS, REGISTRY, Registered, project_all, projection};
pub use replay::{Replayed, replay_partition};
pub use serving::Opened;
pub use snapshot::{BaseState, Manifest, PartitionState, ProjectionVersion, hex};
