//! What of a history counts.
//!
//! 1. Copies of one event id are one event, known since its earliest recorded_at. If their content differs, the lower
//!    content hash counts and the conflict is set aside. A carried event counts while one of the paths it was carried
//!    along is wholly in force.
//! 2. Of the events with the same emitter, record key and kind the greatest (asserted_at, recorded_at, id hash) counts.
//!    A withdrawal is such a version too; a retraction is no version of anything. This comes first, voided and withdrawn versions included: taking back the newest
//!    never revives an older one.
//! 3. `corrects X` is `voids X`, and says this instead.
//! 4. An event is in force if no event in force voids or corrects it. A void of a void restores; a reference to what is
//!    not there waits for it; events that depend on themselves in a circle are set aside whole.
//! 5. Only the emitter of X, or an operator, may refer to X.
//!
//! An IdentityUnlinked voids the IdentityLinked of its link, wherever that stands. None of this reads an offset.

mod plain;

use contract::{Code, IdHash, Kind, Millis, RecordHash};
use rustc_hash::FxHashMap;

use self::plain::{Plain, greatest, is_plain, keep_greatest, not_taken_back, runs};
use crate::{
    body::Body,
    fact::{Fact, History, LinkHash},
    view::PersonView,
};

/// Why a fact counts, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    InForce,
    /// Another copy of the same event counts.
    Copy,
    /// A later version of the record counts.
    Superseded {
        /// The version that counts, or withdraws the record.
        by: IdHash,
    },
    /// It withdraws its record.
    Withdrawal,
    /// An event in force takes it back.
    TakenBack {
        /// The event that does.
        by: IdHash,
    },
    /// No path it was carried along is wholly in force.
    NotCarried,
    /// It depends on itself.
    Circle,
    /// The log did not hold it yet at the position asked for.
    NotYet,
}

/// What a view had to leave aside. Reported, never dropped in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetAside {
    /// Two contents came under this id; the one with the lower hash counts.
    Conflict(IdHash),
    /// This event voids itself, directly or in a circle.
    Circle(IdHash),
}

/// Decides what of a history is in force. Keeps its memory from person to person.
#[derive(Debug, Default)]
pub struct Resolver {
    /// The facts in force of the last view, where they are not all facts of the history.
    kept: Vec<Fact>,
    set_aside: Vec<SetAside>,
}

impl Resolver {
    /// A resolver.
    #[must_use]
    pub fn new() -> Resolver {
        Resolver::default()
    }

    /// The history as a projection sees it: with all its facts, or with those whose offset is before `until`.
    /// The history must be sorted.
    pub fn view<'a>(&'a mut self, history: &'a History, until: Option<u64>) -> PersonView<'a> {
        self.set_aside.clear();
        let facts = &history.facts;
        let visible = |fact: &Fact| until.is_none_or(|until| fact.offset < until);
        let plain = is_plain(facts);
        if plain == Plain::Whole && (until.is_none() || facts.iter().all(visible)) {
            return PersonView { kind: history.kind, facts, segments: &history.segments };
        }
        self.kept.clear();
        let in_force = match plain {
            Plain::Whole => Some(greatest(facts, 0, visible)),
            Plain::Versions { again } => Some(greatest(facts, again, visible)),
            Plain::References { again } => not_taken_back(facts, greatest(facts, again, visible)),
            Plain::ManyVersions | Plain::No => None,
        };
        if let Some(in_force) = in_force {
            runs(in_force).for_each(|run| self.kept.extend_from_slice(&facts[run]));
        } else if plain == Plain::ManyVersions {
            self.kept.extend(facts.iter().filter(|fact| visible(fact)));
            keep_greatest(&mut self.kept);
        } else {
            self.keep_by_the_whole_rules(history, until);
        }
        let is_away = |fact: &Fact| matches!(fact.body, Body::IdentityLinked { away: true, .. });
        if matches!(plain, Plain::References { .. } | Plain::No) && self.kept.iter().any(is_away) {
            self.kept.clear();
        }
        PersonView { kind: history.kind, facts: &self.kept, segments: &history.segments }
    }

    fn keep_by_the_whole_rules(&mut self, history: &History, until: Option<u64>) {
        let standings = self.standings(history, until);
        let in_force =
            history.facts.iter().zip(&standings).filter(|(_, standing)| **standing == Standing::InForce);
        self.kept.extend(in_force.map(|(fact, _)| *fact));
    }

    /// What the last view left aside.
    #[must_use]
    pub fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }

    /// For each fact of the history, in its order, whether it counts and why not.
    pub fn standings(&mut self, history: &History, until: Option<u64>) -> Vec<Standing> {
        self.set_aside.clear();
        let graph = Graph::new(history, until, &mut self.set_aside);
        let verdicts = graph.resolve();
        for (event, verdict) in graph.events.iter().zip(&verdicts) {
            if *verdict == Standing::Circle {
                self.set_aside.push(SetAside::Circle(event.id));
            }
        }
        self.set_aside.sort_unstable();
        let standing = |(at, fact): (usize, &Fact)| match graph.by_id.get(&fact.id) {
            _ if until.is_some_and(|until| fact.offset >= until) => Standing::NotYet,
            Some(event) if graph.events[*event].fact == at => verdicts[*event],
            _ => Standing::Copy,
        };
        history.facts.iter().enumerate().map(standing).collect()
    }
}

/// One event: its copies taken together.
#[derive(Debug)]
struct Event {
    id: IdHash,
    /// Number of the fact whose content counts.
    fact: usize,
    recorded: Millis,
    direct: bool,
    paths: Vec<u32>,
    /// Where those of its record stand among [`Graph::by_record`].
    versions: (usize, usize),
}

/// Which events decide about which.
struct Graph<'a> {
    history: &'a History,
    events: Vec<Event>,
    by_id: FxHashMap<IdHash, usize>,
    /// All events, those of one record and kind together. As [`Fact::same_record`].
    by_record: Vec<((RecordHash, Code, Kind), usize)>,
    /// Events that refer to an id.
    referrers: Vec<(IdHash, usize)>,
    linked: Vec<(LinkHash, usize)>,
    unlinked: Vec<(LinkHash, usize)>,
}

/// The part of a sorted table that stands under `key`.
fn under<'t, K: Ord>(table: &'t [(K, usize)], key: &K) -> &'t [(K, usize)] {
    let rest = &table[table.partition_point(|(known, _)| known < key)..];
    &rest[..rest.partition_point(|(known, _)| known == key)]
}

impl<'a> Graph<'a> {
    fn new(history: &'a History, until: Option<u64>, set_aside: &mut Vec<SetAside>) -> Graph<'a> {
        let mut graph = Graph {
            history,
            events: Vec::new(),
            by_id: FxHashMap::default(),
            by_record: Vec::new(),
            referrers: Vec::new(),
            linked: Vec::new(),
            unlinked: Vec::new(),
        };
        for (at, fact) in history.facts.iter().enumerate() {
            if until.is_none_or(|until| fact.offset < until) {
                graph.add_copy(at, fact, set_aside);
            }
        }
        for (number, event) in graph.events.iter().enumerate() {
            let fact = &history.facts[event.fact];
            graph.by_record.push(((fact.record, fact.emitter, fact.kind), number));
            graph.referrers.extend(fact.corrects.iter().chain(&fact.voids).map(|target| (*target, number)));
            match fact.body {
                Body::IdentityLinked { link, .. } => graph.linked.push((link, number)),
                Body::IdentityUnlinked { link } => graph.unlinked.push((link, number)),
                _ => {}
            }
        }
        graph.by_record.sort_unstable();
        let mut start = 0;
        for versions in graph.by_record.chunk_by(|(one, _), (other, _)| one == other) {
            let place = (start, start + versions.len());
            versions.iter().for_each(|(_, event)| graph.events[*event].versions = place);
            start = place.1;
        }
        graph.referrers.sort_unstable();
        graph.linked.sort_unstable();
        graph.unlinked.sort_unstable();
        graph
    }

    fn add_copy(&mut self, at: usize, fact: &Fact, set_aside: &mut Vec<SetAside>) {
        let number = *self.by_id.entry(fact.id).or_insert_with(|| {
            let recorded = fact.recorded;
            self.events.push(Event {
                id: fact.id,
                fact: at,
                recorded,
                direct: false,
                paths: Vec::new(),
                versions: (0, 0),
            });
            self.events.len() - 1
        });
        let event = &mut self.events[number];
        event.recorded = event.recorded.min(fact.recorded);
        if fact.path == 0 {
            event.direct = true;
        } else {
            event.paths.push(fact.path);
        }
        let counted = &self.history.facts[event.fact];
        if counted.content != fact.content {
            if !set_aside.contains(&SetAside::Conflict(fact.id)) {
                set_aside.push(SetAside::Conflict(fact.id));
            }
            if fact.content < counted.content {
                event.fact = at;
            }
        }
    }

    fn fact(&self, event: usize) -> &Fact {
        &self.history.facts[self.events[event].fact]
    }

    fn links(&self, event: usize) -> impl Iterator<Item = &[LinkHash]> {
        self.events[event].paths.iter().map(|path| &*self.history.paths[*path as usize - 1])
    }

    fn version(&self, event: usize) -> (Millis, Millis, IdHash) {
        (self.fact(event).asserted, self.events[event].recorded, self.events[event].id)
    }

    fn versions(&self, event: usize) -> impl Iterator<Item = usize> {
        let (start, end) = self.events[event].versions;
        self.by_record[start..end].iter().map(|(_, version)| *version)
    }

    /// Who may and does take `event` back.
    fn takers(&self, event: usize) -> impl Iterator<Item = usize> {
        let referrers = under(&self.referrers, &self.events[event].id).iter().map(|(_, taker)| *taker);
        let unlinkers = match self.fact(event).body {
            Body::IdentityLinked { link, .. } => under(&self.unlinked, &link),
            _ => &[],
        };
        referrers.chain(unlinkers.iter().map(|(_, taker)| *taker)).filter(move |taker| {
            let taker = self.fact(*taker);
            taker.by_operator || taker.emitter == self.fact(event).emitter
        })
    }

    /// The events that make a link.
    fn linkers(&self, link: &LinkHash) -> impl Iterator<Item = usize> + Clone + use<'_, 'a> {
        under(&self.linked, link).iter().map(|(_, linker)| *linker)
    }

    /// The events whose standing decides that of `event`.
    fn depends_on(&self, event: usize) -> Vec<usize> {
        let mut on: Vec<usize> = self.takers(event).collect();
        // An event that stands here itself counts whatever became of the links it was carried along as well: two links
        // between the same two people carry each other.
        for version in self.versions(event).filter(|version| !self.events[*version].direct) {
            for link in self.links(version).flatten() {
                on.extend(self.linkers(link));
            }
        }
        on
    }

    /// The standing of every event: strongly connected components in the order of what they depend on (Tarjan's
    /// algorithm, with its own stack: a chain of voids may be as long as a history).
    fn resolve(&self) -> Vec<Standing> {
        const UNSEEN: usize = usize::MAX;
        let count = self.events.len();
        let mut verdicts: Vec<Option<Standing>> = vec![None; count];
        let (mut index, mut low) = (vec![UNSEEN; count], vec![0; count]);
        let (mut next, mut component) = (0, Vec::new());
        let mut calls: Vec<(usize, Vec<usize>, usize)> = Vec::new();
        for start in 0..count {
            if index[start] != UNSEEN {
                continue;
            }
            calls.push((start, self.depends_on(start), 0));
            (index[start], low[start]) = (next, next);
            next += 1;
            component.push(start);
            while let Some((event, on, at)) = calls.last_mut() {
                let event = *event;
                if let Some(target) = on.get(*at).copied() {
                    *at += 1;
                    if index[target] == UNSEEN {
                        (index[target], low[target]) = (next, next);
                        next += 1;
                        component.push(target);
                        calls.push((target, self.depends_on(target), 0));
                    } else if verdicts[target].is_none() {
                        low[event] = low[event].min(index[target]);
                    }
                    continue;
                }
                let on_itself = on.contains(&event);
                calls.pop();
                if let Some((caller, _, _)) = calls.last() {
                    low[*caller] = low[*caller].min(low[event]);
                }
                if low[event] == index[event] {
                    let first = component
                        .iter()
                        .rposition(|member| *member == event)
                        .expect("it was pushed when seen");
                    let members = component.split_off(first);
                    if members.len() == 1 && !on_itself {
                        verdicts[event] = self.decided(event, &verdicts);
                    } else {
                        self.resolve_circle(members, &mut verdicts);
                    }
                }
            }
        }
        verdicts.into_iter().map(|verdict| verdict.expect("every event was visited")).collect()
    }

    /// Events that depend on each other. Most such circles are none: a link that travelled along another one also stands where
    /// it came from. What the rest of the history decides is decided; of what then only links carry, that counts which a
    /// path from outside carries; what is left contradicts itself.
    fn resolve_circle(&self, mut members: Vec<usize>, verdicts: &mut [Option<Standing>]) {
        loop {
            let before = members.len();
            members.retain(|member| {
                verdicts[*member] = self.decided(*member, verdicts);
                verdicts[*member].is_none()
            });
            if members.len() == before {
                break;
            }
        }
        let contradict = !self.only_carry(&members);
        let standing = if contradict { Standing::Circle } else { Standing::NotCarried };
        members.iter().for_each(|member| verdicts[*member] = Some(standing));
    }

    /// The verdict on an event, if what is decided so far is enough for one.
    fn decided(&self, event: usize, verdicts: &[Option<Standing>]) -> Option<Standing> {
        let holds = |link: &LinkHash| any(self.linkers(link).map(|linker| in_force(verdicts[linker])));
        let available = |event: usize| match self.events[event].direct {
            true => Some(true),
            false => any(self.links(event).map(|path| not(any(path.iter().map(|link| not(holds(link))))))),
        };
        if !available(event)? {
            return Some(Standing::NotCarried);
        }
        let greater = self.versions(event).filter(|rival| self.version(*rival) > self.version(event));
        if any(greater.map(available))? {
            let rivals = self.versions(event).filter(|rival| available(*rival) == Some(true));
            let greatest =
                rivals.max_by_key(|rival| self.version(*rival)).expect("a greater one is available");
            return Some(Standing::Superseded { by: self.events[greatest].id });
        }
        if self.fact(event).withdrawn {
            return Some(Standing::Withdrawal);
        }
        if any(self.takers(event).map(|taker| in_force(verdicts[taker])))? {
            let taker = self.takers(event).find(|taker| in_force(verdicts[*taker]) == Some(true));
            let by = self.events[taker.expect("one of them is in force")].id;
            return Some(Standing::TakenBack { by });
        }
        Some(Standing::InForce)
    }

    /// Whether events in a circle depend on each other only by the links they were carried along, which is no contradiction.
    fn only_carry(&self, members: &[usize]) -> bool {
        members.iter().all(|member| {
            let rivals = self.versions(*member).filter(|rival| rival != member);
            let links = rivals.flat_map(|rival| self.links(rival)).flatten();
            let rival = links.flat_map(|link| self.linkers(link)).any(|linker| members.contains(&linker));
            !rival && !self.takers(*member).any(|taker| members.contains(&taker))
        })
    }
}

fn in_force(verdict: Option<Standing>) -> Option<bool> {
    verdict.map(|standing| standing == Standing::InForce)
}

/// Whether any is true; `None`: it hangs on one that is not known.
fn any(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(false);
    for one in all {
        match one {
            Some(true) => return Some(true),
            Some(false) => {}
            None => known = None,
        }
    }
    known
}

fn not(one: Option<bool>) -> Option<bool> {
    one.map(|one| !one)
}

#[cfg(test)]
mod tests;
