//! Facts, and the history that holds them.

use contract::{
    Code, EventView, IdHash, Kind, Millis, RecordHash, Subject,
    v1::SubjectKind,
    wire::{Fields, WireError},
};

use crate::{
    body::{Body, Envelope, Segment},
    codec::{Dictionary, Head, append_fact},
};

/// Hash of a link's id: how facts name links.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct LinkHash(pub u64);

pub(crate) fn link_hash(link_id: &[u8]) -> LinkHash {
    LinkHash(<[u8; 16]>::try_from(link_id).map_or(0, |id| contract::EventId(id).hash().0))
}

/// The compact part of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// When it was true.
    pub occurred: Millis,
    /// When the emitter made this version.
    pub asserted: Millis,
    /// When the backbone learned it.
    pub recorded: Millis,
    /// Which event it is; of a carried event, the original.
    pub id: IdHash,
    /// What kind.
    pub kind: Kind,
    /// Which record it is a version of.
    pub record: RecordHash,
    /// Where it stands in its person's partition; of a carried event, where the copy stands.
    pub offset: u64,
    /// Tells two contents under one id apart; 0 where the id is derived from the content.
    pub content: u64,
    /// Who spoke.
    pub emitter: Code,
    /// The event it takes back and replaces.
    pub corrects: Option<IdHash>,
    /// The event it takes back.
    pub voids: Option<IdHash>,
    /// This version withdraws its record.
    pub withdrawn: bool,
    /// An operator spoke for the emitter.
    pub by_operator: bool,
    /// 0: the person's own; else 1 + the number of the path in the history it was carried along.
    pub(crate) path: u32,
    /// What it says.
    pub body: Body,
}

/// Why a record of the log gives no fact. It is set aside with its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// The bytes are no event of a kind that is known.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A day that is not written YYYY-MM-DD.
    #[error("a day is not written YYYY-MM-DD")]
    Day,
    /// A carried event in a carried event: the one inside must be the original.
    #[error("a carried event holds a carried event; it must hold the original")]
    CarriedTwice,
    /// A carried event without a path, or whose links are not ids.
    #[error("a carried event names no link it came along, or not by 16 bytes each")]
    Path,
}

/// One person's facts, nothing resolved away. Reused from person to person: [`History::clear`] keeps its memory.
#[derive(Debug, Default, Clone)]
pub struct History {
    pub(crate) kind: SubjectKind,
    pub(crate) facts: Vec<Fact>,
    pub(crate) paths: Vec<Box<[LinkHash]>>,
    pub(crate) segments: Vec<Segment>,
}

impl Fact {
    /// The order of a history. No offset: it must not depend on where an event stands.
    #[must_use]
    #[inline]
    pub fn order(&self) -> (Millis, Millis, Millis, IdHash) {
        (self.occurred, self.asserted, self.recorded, self.id)
    }

    /// Whether both are of one record, whatever their kinds: a visit and its claim are. A record is its emitter's: keys of
    /// two emitters may have one hash, by chance or by somebody's doing.
    #[must_use]
    #[inline]
    pub fn same_record(&self, other: &Fact) -> bool {
        self.record == other.record && self.emitter == other.emitter
    }
}

impl Fact {
    /// Adds a fact that says nothing: to be written over, field by field, where it stands. A fact is long; moving one that
    /// was just made takes longer than making it, and so does copying one from a constant.
    #[inline(always)]
    pub(crate) fn blank(facts: &mut Vec<Fact>) -> &mut Fact {
        facts.push(Fact {
            occurred: Millis(0),
            asserted: Millis(0),
            recorded: Millis(0),
            id: IdHash(0),
            kind: Kind::Retraction,
            record: RecordHash(0),
            offset: 0,
            content: 0,
            emitter: Code::EMPTY,
            corrects: None,
            voids: None,
            withdrawn: false,
            by_operator: false,
            path: 0,
            body: Body::Retraction,
        });
        facts.last_mut().expect("it was just pushed")
    }
}

#[inline(always)]
fn head(view: &EventView<'_>, offset: u64) -> Head {
    let id = view.event_id.hash();
    // A retraction that came after another, under the same key, would take its taking back back.
    let record = if view.record_key.is_empty() || view.kind == Kind::Retraction {
        RecordHash::alone(id)
    } else {
        RecordHash::new(view.emitter.as_bytes(), view.record_key.as_bytes())
    };
    let content = if view.event_id.is_derived() {
        0
    } else {
        u64::from_le_bytes(view.content_hash[..8].try_into().expect("eight of sixteen bytes"))
    };
    Head {
        occurred: view.occurred_at,
        asserted: view.asserted_at,
        recorded: view.recorded_at,
        id,
        kind: view.kind,
        record,
        offset,
        content,
        emitter: view.emitter.code(),
        corrects: view.corrects.map(contract::EventId::hash),
        voids: view.voids.map(contract::EventId::hash),
        withdrawn: view.withdrawn,
        by_operator: view.by_operator,
    }
}

#[inline(always)]
fn envelope<'a>(view: &EventView<'a>, subject: Subject) -> Envelope<'a> {
    Envelope { emitter: view.emitter.as_bytes(), occurred: view.occurred_at.day(), subject }
}

impl History {
    /// An empty history.
    #[must_use]
    pub fn new() -> History {
        History::default()
    }

    /// Forgets everything but its memory.
    pub fn clear(&mut self) {
        self.kind = SubjectKind::Unspecified;
        self.facts.clear();
        self.paths.clear();
        self.segments.clear();
    }

    /// Adds the fact of the event `view`, which stands at `offset` of its partition. Call [`History::sort`] before
    /// viewing.
    ///
    /// # Errors
    /// When the event's body cannot be read; the history is as before.
    #[inline]
    pub fn push(&mut self, view: &EventView<'_>, offset: u64) -> Result<(), FactError> {
        let (facts, segments, paths) = (self.facts.len(), self.segments.len(), self.paths.len());
        let pushed = if view.kind == Kind::CarriedEvent {
            self.push_carried(view, offset)
        } else {
            self.push_own(view, view.subject, offset)
        };
        match pushed {
            Ok(()) => self.kind = view.subject_kind,
            Err(_) => {
                self.facts.truncate(facts);
                self.segments.truncate(segments);
                self.paths.truncate(paths);
            }
        }
        pushed
    }

    #[inline]
    fn push_own(&mut self, view: &EventView<'_>, subject: Subject, offset: u64) -> Result<(), FactError> {
        let head = head(view, offset);
        let fact = Fact::blank(&mut self.facts);
        fact.occurred = head.occurred;
        fact.asserted = head.asserted;
        fact.recorded = head.recorded;
        fact.id = head.id;
        fact.kind = head.kind;
        fact.record = head.record;
        fact.offset = head.offset;
        fact.content = head.content;
        fact.emitter = head.emitter;
        fact.corrects = head.corrects;
        fact.voids = head.voids;
        fact.withdrawn = head.withdrawn;
        fact.by_operator = head.by_operator;
        fact.body.read(view.kind, view.body, &envelope(view, subject), &mut self.segments)
    }

    /// Appends the bytes of the fact of the event `view`, which stands at `offset` of its partition: as [`History::push`] and
    /// [`History::encode`] would, of an empty history, but the fact is never made. The history's memory is used, what it
    /// held is forgotten.
    ///
    /// # Errors
    /// When the event's body cannot be read; nothing is appended.
    #[inline]
    pub fn encode_event(
        &mut self,
        view: &EventView<'_>,
        offset: u64,
        dictionary: &mut Dictionary,
        out: &mut Vec<u8>,
    ) -> Result<(), FactError> {
        self.clear();
        if view.kind == Kind::CarriedEvent {
            self.push_carried(view, offset)?;
            self.encode(0, dictionary, out);
        } else {
            let mut body = Body::Retraction;
            body.read(view.kind, view.body, &envelope(view, view.subject), &mut self.segments)?;
            append_fact(&head(view, offset), &body, &[], &self.segments, dictionary, out);
        }
        Ok(())
    }

    #[cold]
    fn push_carried(&mut self, view: &EventView<'_>, offset: u64) -> Result<(), FactError> {
        let mut path = Vec::new();
        let mut inner: &[u8] = &[];
        for field in Fields::new(view.body) {
            match field? {
                (1, link) => path.push(link_hash(&link.as_sixteen().map_err(|_| FactError::Path)?)),
                (4, event) => inner = event.as_bytes()?,
                _ => {}
            }
        }
        if path.is_empty() {
            return Err(FactError::Path);
        }
        self.push_own(&EventView::parse(inner)?, view.subject, offset)?;
        let path = self.intern_path(path.into_boxed_slice());
        self.facts.last_mut().expect("it was just pushed").path = path;
        Ok(())
    }

    pub(crate) fn intern_path(&mut self, path: Box<[LinkHash]>) -> u32 {
        let known = self.paths.iter().position(|known| *known == path);
        let at = known.unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        });
        at as u32 + 1
    }

    /// Adds the facts of `other`, of the same person. Call [`History::sort`] before viewing.
    pub fn extend(&mut self, other: &History) {
        self.kind = other.kind;
        let first_segment = self.segments.len() as u32;
        self.segments.extend_from_slice(&other.segments);
        for fact in &other.facts {
            let mut fact = *fact;
            if fact.path != 0 {
                fact.path = self.intern_path(other.paths[fact.path as usize - 1].clone());
            }
            if let Body::ClaimSubmitted(claim) = &mut fact.body {
                claim.segments.0 += first_segment;
            }
            self.facts.push(fact);
        }
    }

    /// Puts the facts in order. Cheap where they are.
    #[inline]
    pub fn sort(&mut self) {
        // By offset last, so that copies of one event stand as they came; no rule looks at it.
        let key = |fact: &Fact| (fact.order(), fact.offset);
        if !self.facts.is_sorted_by_key(key) {
            self.facts.sort_unstable_by_key(key);
        }
    }

    /// The facts, as they stand.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// How many facts are a further copy of an event that is there already.
    #[must_use]
    pub fn copies(&self) -> usize {
        if self.facts.len() <= 32 {
            let again = |at: &usize| self.facts[..*at].iter().any(|fact| fact.id == self.facts[*at].id);
            return (1..self.facts.len()).filter(again).count();
        }
        let mut ids: Vec<IdHash> = self.facts.iter().map(|fact| fact.id).collect();
        ids.sort_unstable();
        ids.windows(2).filter(|pair| pair[0] == pair[1]).count()
    }

    /// From which identifier the person's subject was made.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        self.kind
    }

    /// Sets what [`History::kind`] says: stored once for a person, not with every fact.
    pub fn set_kind(&mut self, kind: SubjectKind) {
        self.kind = kind;
    }

    /// The links a fact was carried along, first hop first; empty for the person's own.
    #[must_use]
    pub fn path(&self, fact: &Fact) -> &[LinkHash] {
        if fact.path == 0 { &[] } else { &self.paths[fact.path as usize - 1] }
    }
}
