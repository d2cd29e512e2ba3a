//! One person: every fact with both clocks, whether it counts and why not, and what policy says of the person on a day.

use contract::{
    Day, DeploymentKey, EventView, Kind, Subject,
    v1::{self, Identifier, IdentifierKind, SubjectKind, event::Body},
};
use event_log::{EventLog, partition_of};
use fee_exemption::{Explanation, FeeExemption, explain};
use history::{Resolver, SetAside, Standing};
use projection::Projection;
use serde::Serialize;

use crate::{
    answer::{Stand, moment},
    desk::Desk,
    error::QueryError,
    question::Standpoint,
};

/// The most facts of an answer; who has more is asked for in parts.
pub const FACTS_MAX: usize = 2_000;

/// A question about one person.
#[derive(Debug, Clone)]
pub struct PersonQuestion {
    /// Whom.
    pub subject: Subject,
    /// The day of the explanation.
    pub on: Day,
    /// Which events, and under which bundle.
    pub standpoint: Standpoint,
    /// How many facts to leave out at the beginning.
    pub skip: usize,
    /// How many facts to give, at most [`FACTS_MAX`].
    pub limit: usize,
}

/// What is known of a person.
#[derive(Debug, Clone, Serialize)]
pub struct PersonAnswer {
    /// The subject, in hex.
    pub subject: String,
    /// From which identifier it was made.
    pub identified_by: &'static str,
    /// The partition the person's events stand in.
    pub partition: u16,
    /// How many facts there are.
    pub facts_total: usize,
    /// The facts, in the order in which they were true.
    pub facts: Vec<FactLine>,
    /// What could not be decided, in words.
    pub set_aside: Vec<String>,
    /// The subject is linked away: another subject counts for the person.
    pub linked_away: bool,
    /// What policy says on the day; none for a subject that is linked away.
    pub explanation: Option<Explanation>,
    /// The projection whose rules the explanation follows.
    pub projection: &'static str,
    /// The version of its rules.
    pub version: u32,
    /// What the answer stands on.
    pub stand: Stand,
}

/// One fact.
#[derive(Debug, Clone, Serialize)]
pub struct FactLine {
    /// Where the event stands in the partition.
    pub offset: u64,
    /// The event's id, in hex; of a carried one, the original's.
    pub event_id: String,
    /// The event as lists and explanations name it.
    pub event: String,
    /// What kind.
    pub kind: &'static str,
    /// Who spoke.
    pub emitter: String,
    /// The source's own key of the record.
    pub record_key: String,
    /// When it was true.
    pub occurred_at: String,
    /// When the emitter made this version.
    pub asserted_at: String,
    /// When the backbone learned it.
    pub recorded_at: String,
    /// Whether it counts: `in_force`, `copy`, `superseded`, `withdrawal`, `taken_back`, `not_carried`, `circle`, `not_yet`.
    pub standing: &'static str,
    /// The event that supersedes it or takes it back.
    pub by: Option<String>,
    /// It came along a link from another subject.
    pub carried: bool,
    /// What it says: the event's body as JSON. Sealed fields stay sealed.
    pub says: serde_json::Value,
}

/// The subjects that `text` may stand for: a subject in hex, or a personal number, card or passport, for which the
/// deployment's key is needed. `country` is that of the passport, if and as it was sent.
///
/// # Errors
/// When it is nothing of that. The text is not repeated: it may be personal.
pub fn subjects_of(
    text: &str,
    country: &str,
    key: Option<&DeploymentKey>,
) -> Result<Vec<Subject>, QueryError> {
    if text.trim().len() >= 32
        && let Some(subject) = Subject::from_hex(text.trim())
    {
        return Ok(vec![subject]);
    }
    let Some(key) = key else {
        let what = "a person's number can be looked up only with the deployment's key: give the subject (32 hex digits)";
        return Err(QueryError::Refused(what.to_owned()));
    };
    let kinds = [IdentifierKind::PersonalNumber, IdentifierKind::Card, IdentifierKind::Passport];
    let identifier = |kind: IdentifierKind| Identifier {
        kind: kind.into(),
        value: text.to_owned(),
        country: country.to_owned(),
        ..Identifier::default()
    };
    let found = kinds.into_iter().filter_map(|kind| key.subject_of_identifier(&identifier(kind)).ok());
    let mut subjects: Vec<Subject> = found.map(|(subject, _)| subject).collect();
    subjects.dedup();
    if subjects.is_empty() {
        let what = "not a subject (32 hex digits), personal number (12 digits), card (15 characters or 10 digits) or passport";
        return Err(QueryError::Refused(what.to_owned()));
    }
    Ok(subjects)
}

impl Desk<'_> {
    /// The history of a person, and what policy says on a day.
    ///
    /// # Errors
    /// [`QueryError::Refused`] when the log has no event about the subject; when log, base or bundle cannot be read.
    pub fn person(&self, question: &PersonQuestion) -> Result<PersonAnswer, QueryError> {
        let place = self.place(&question.standpoint)?;
        let subject = question.subject;
        let partition = partition_of(&subject, self.log.partitions());
        let until = place.stand.positions[usize::from(partition)];
        let history = self.reader.person(self.log, subject, &place.stand.positions)?;
        if history.facts().iter().all(|fact| fact.offset >= until) {
            let what =
                format!("no event about {subject} was known: check the number, or ask for a later known-at");
            return Err(QueryError::Refused(what));
        }
        let mut resolver = Resolver::new();
        let standings = resolver.standings(&history, Some(until));
        let set_aside = resolver.set_aside().iter().map(said).collect();
        let view = resolver.view(&history, Some(until));
        let linked_away = linked_away(&history, &standings);
        let explanation = (!linked_away).then(|| explain(&view, &place.bundle, question.on));
        let known = history.facts().iter().zip(&standings).filter(|(fact, _)| fact.offset < until);
        let facts_total = known.clone().count();
        let mut facts = Vec::new();
        for (fact, standing) in known.skip(question.skip).take(question.limit.min(FACTS_MAX)) {
            let mut line = self.fact_line(partition, fact.offset)?;
            let by = match standing {
                Standing::Superseded { by } | Standing::TakenBack { by } => Some(*by),
                _ => None,
            };
            line.standing = name_of(standing);
            line.by = by.map(|by| format!("{by:?}"));
            facts.push(line);
        }
        Ok(PersonAnswer {
            subject: subject.to_string(),
            identified_by: identified_by(history.kind()),
            partition,
            facts_total,
            facts,
            set_aside,
            linked_away,
            explanation,
            projection: FeeExemption::NAME,
            version: FeeExemption::VERSION,
            stand: place.stand,
        })
    }

    /// The event at a position, as a line without its standing.
    fn fact_line(&self, partition: u16, offset: u64) -> Result<FactLine, QueryError> {
        let (event, carried) = event_at(self.log, partition, offset)?;
        let bytes = contract::encode(&event);
        let view = EventView::parse(&bytes).map_err(|_| unreadable(partition, offset))?;
        Ok(FactLine {
            offset,
            event_id: view.event_id.to_string(),
            event: format!("{:?}", view.event_id.hash()),
            kind: view.kind.name(),
            emitter: view.emitter.to_string(),
            record_key: view.record_key.to_string(),
            occurred_at: moment(view.occurred_at),
            asserted_at: moment(view.asserted_at),
            recorded_at: moment(view.recorded_at),
            standing: "",
            by: None,
            carried,
            says: says(event, view.kind),
        })
    }
}

/// The event at a position; of a carried one the original, and that it is.
pub(crate) fn event_at(
    log: &dyn EventLog,
    partition: u16,
    offset: u64,
) -> Result<(v1::Event, bool), QueryError> {
    let mut reader = log.reader(partition, offset)?;
    let gone = || QueryError::Refused(format!("partition {partition} has no offset {offset} any more"));
    let batch = reader.next_batch(1)?.ok_or_else(gone)?;
    let record = batch.iter().next().ok_or_else(gone)?;
    let decode = |bytes| contract::decode(bytes).map_err(|_| unreadable(partition, offset));
    let outer = decode(record.bytes)?;
    match outer.body {
        Some(Body::CarriedEvent(carried)) => Ok((decode(&carried.event)?, true)),
        body => Ok((v1::Event { body, ..outer }, false)),
    }
}

fn unreadable(partition: u16, offset: u64) -> QueryError {
    QueryError::Refused(format!("the event at offset {offset} of partition {partition} cannot be read"))
}

/// The body of an event as JSON.
fn says(event: v1::Event, kind: Kind) -> serde_json::Value {
    let alone = v1::Event { body: event.body, ..v1::Event::default() };
    let json = contract::event_to_json(&alone).ok();
    let value: Option<serde_json::Value> = json.and_then(|json| serde_json::from_str(&json).ok());
    match value {
        Some(serde_json::Value::Object(mut fields)) if fields.len() == 1 => {
            fields.values_mut().next().map(serde_json::Value::take).unwrap_or_default()
        }
        _ => serde_json::Value::String(format!("{kind} that has no JSON form")),
    }
}

/// Whether an identity link in force makes another subject count for this one.
pub(crate) fn linked_away(history: &history::History, standings: &[Standing]) -> bool {
    let mut facts = history.facts().iter().zip(standings);
    facts.any(|(fact, standing)| {
        *standing == Standing::InForce
            && matches!(fact.body, history::Body::IdentityLinked { away: true, .. })
    })
}

fn name_of(standing: &Standing) -> &'static str {
    match standing {
        Standing::InForce => "in_force",
        Standing::Copy => "copy",
        Standing::Superseded { .. } => "superseded",
        Standing::Withdrawal => "withdrawal",
        Standing::TakenBack { .. } => "taken_back",
        Standing::NotCarried => "not_carried",
        Standing::Circle => "circle",
        Standing::NotYet => "not_yet",
    }
}

fn said(set_aside: &SetAside) -> String {
    match set_aside {
        SetAside::Conflict(id) => {
            format!("event {id:?} came with two contents: the one with the lower hash counts")
        }
        SetAside::Circle(id) => {
            format!("event {id:?} takes itself back, directly or in a circle: it does not count")
        }
    }
}

fn identified_by(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::PersonalNumber => "personal_number",
        SubjectKind::Card => "card",
        SubjectKind::Passport => "passport",
        SubjectKind::Local => "local",
        SubjectKind::None => "none",
        SubjectKind::Unspecified => "unspecified",
    }
}
