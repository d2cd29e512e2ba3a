//! A timeline as bytes, for snapshots.

use std::fmt::Write;

use contract::{
    Code,
    varint::{self, put, unzigzag, zigzag},
};

use crate::{CubeSpec, DIMENSIONS_MAX, Implied, StandsFor, Timeline, changes::Change};

/// Bytes that are not a timeline of these cubes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end early or hold what cannot be.
    #[error("the timeline's bytes are damaged: {0}")]
    Damaged(&'static str),
    /// They were written by a projection that declares other cubes.
    #[error("the timeline was written for other cubes: {0}")]
    OtherCubes(String),
}

impl Timeline {
    /// Appends the timeline's bytes: per cube its name and shape, per cell its key and the changes, as gaps and zigzag
    /// numbers in varints. The caller adds a checksum.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.cubes().len() as u64);
        for cube in self.cubes() {
            let signature = signature(&cube.spec);
            put(out, signature.len() as u64);
            out.extend_from_slice(signature.as_bytes());
            put(out, cube.cells().len() as u64);
            for cell in cube.cells() {
                cell.key.iter().for_each(|code| out.extend_from_slice(&code.packed().to_le_bytes()));
                let mut next = 0;
                cell.changes.for_each(|slot, weight| {
                    put(out, (slot - next) as u64 + 1);
                    put(out, zigzag(weight));
                    next = slot;
                });
                put(out, 0);
            }
        }
    }

    /// Reads what [`Timeline::encode`] wrote for the same `specs`.
    ///
    /// # Errors
    /// When the bytes are damaged or belong to other cubes.
    pub fn decode(specs: &[CubeSpec], mut bytes: &[u8]) -> Result<Timeline, CodecError> {
        let bytes = &mut bytes;
        let mut timeline = Timeline::new(specs);
        let mut changes = Vec::new();
        if take(bytes)? != specs.len() as u64 {
            return Err(CodecError::OtherCubes("another number of them".to_owned()));
        }
        for cube in timeline.cubes_mut() {
            let length = take(bytes)? as usize;
            let written = String::from_utf8_lossy(split(bytes, length)?).into_owned();
            if written != signature(&cube.spec) {
                return Err(CodecError::OtherCubes(written));
            }
            let measures = cube.spec.measures.len();
            let slots = cube.spec.axis.days() * measures;
            for _ in 0..take(bytes)? {
                let mut key = [Code::EMPTY; DIMENSIONS_MAX];
                for code in &mut key {
                    let packed =
                        split(bytes, 8)?.try_into().map_err(|_| CodecError::Damaged("a short key"))?;
                    *code = Code::from_packed(u64::from_le_bytes(packed));
                }
                changes.clear();
                let mut slot = 0;
                loop {
                    let gap = take(bytes)? as usize;
                    if gap == 0 {
                        break;
                    }
                    slot += gap - 1;
                    if slot >= slots {
                        return Err(CodecError::Damaged("a day outside the axis"));
                    }
                    let weight = unzigzag(take(bytes)?);
                    let day = (slot / measures) as u16;
                    Change::each(day, Change::STAYS, slot % measures, weight, |change| changes.push(change));
                }
                let at = cube.cell(key);
                cube.add(at, &changes);
            }
        }
        if bytes.is_empty() { Ok(timeline) } else { Err(CodecError::Damaged("bytes after the end")) }
    }
}

/// Everything about a cube that its bytes depend on.
fn signature(spec: &CubeSpec) -> String {
    let measures: Vec<&str> = spec.measures.iter().map(|measure| measure.name()).collect();
    let CubeSpec { name, axis, .. } = spec;
    let mut signature = format!(
        "{name}[{}] {} {}..{}",
        spec.dimensions.join(" "),
        measures.join(" "),
        axis.first,
        axis.horizon
    );
    for stands in spec.stands {
        let StandsFor { dimension, code, cells } = stands;
        write!(signature, " {dimension}:{code}={cells:?}").expect("a text takes everything");
    }
    for Implied { at, measure, sum_of } in spec.implied {
        write!(signature, " {at:?}{measure}={sum_of:?}").expect("a text takes everything");
    }
    signature
}

fn take(bytes: &mut &[u8]) -> Result<u64, CodecError> {
    varint::take(bytes).ok_or(CodecError::Damaged("a number is cut or too long"))
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], CodecError> {
    varint::take_bytes(bytes, length).ok_or(CodecError::Damaged("they end early"))
}
