//! Every row of `policy/` is law that figures go by: each outcome of each row is changed in its table, without compiling
//! anything, and what is folded from people's lives must change.

#![allow(clippy::unwrap_used, reason = "these are tests: a panic is how they fail")]

mod lives;

use std::{collections::HashMap, sync::Mutex};

use history::PersonView;
use policy::{
    Bundle, Policy,
    testing::{Edit, Files, edits, files},
};
use projection::{Standing, story::Story};
use projector::{PROJECTIONS, REGISTRY, project_all};
use timeline::{Collected, Collector};

/// What all projections make of a person.
type Told = [Vec<Collected>; PROJECTIONS];

fn told(standing: &mut Standing, person: &PersonView<'_>, bundle: &Bundle) -> Told {
    let mut collectors: [Collector; PROJECTIONS] = std::array::from_fn(|_| Collector::default());
    project_all(standing, person, bundle, &mut collectors);
    let mut cubes = REGISTRY.iter().map(|projection| projection.cubes);
    collectors.map(|collector| collector.into_sorted(cubes.next().unwrap()))
}

/// What all projections make of each person of a story.
struct Folded<'a> {
    story: &'a Story,
    told: HashMap<String, Told>,
}

impl Folded<'_> {
    fn new<'a>(story: &'a Story, bundle: &Bundle) -> Folded<'a> {
        let (mut standing, mut people) = (Standing::default(), HashMap::new());
        story.each(|name, person| {
            people.insert(name.to_owned(), told(&mut standing, person, bundle));
        });
        Folded { story, told: people }
    }

    /// Whether somebody counts otherwise under `bundle`.
    fn differs(&self, bundle: &Bundle) -> bool {
        let (mut standing, mut differs) = (Standing::default(), false);
        self.story.each(|name, person| {
            differs = differs || told(&mut standing, person, bundle) != self.told[name];
        });
        differs
    }
}

fn parse(files: &Files) -> Bundle {
    Bundle::parse(files).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The edits that figures should show and do not, or should not and do.
fn unseen(story: &Story, edits: &[Edit]) -> Vec<String> {
    let mut before: HashMap<&str, Folded<'_>> = HashMap::new();
    for edit in edits {
        before.entry(&edit.reading).or_insert_with(|| Folded::new(story, &parse(&edit.before)));
    }
    let (next, unseen) = (Mutex::new(edits.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(edit) = { next.lock().unwrap().next() } {
                    if before[&*edit.reading].differs(&parse(&edit.after)) == edit.no_figure {
                        unseen.lock().unwrap().push(edit.name.clone());
                    }
                }
            });
        }
    });
    let mut unseen = unseen.into_inner().unwrap();
    unseen.sort();
    unseen
}

#[test]
fn every_row_moves_a_figure() {
    let files = files();
    let tables: Vec<&str> =
        Policy::FILES.into_iter().filter(|path| *path != "policy/switches.toml").collect();
    let edits = edits(&files, &tables);
    let unseen = unseen(&lives::lives(&parse(&files)), &edits);
    // Whether the year's exemption holds where the insurance pays nothing is said by the explanation of a claim alone.
    assert_eq!(unseen, ["policy/copay_counting.toml: copay-uninsured exempts"]);
}

/// The test above can fail: a row that others hide moves nothing, and a row marked wrongly is told.
#[test]
fn a_row_that_moves_nothing_is_found() {
    let mut files = files();
    let hidden = "\n[[row]]\nid = \"hidden\"\ncitation = \"none\"\nconfidence = \"L\"\nvalid_from = 2025-01-01\nwhen = { code = \"3.1\" }\nthen = { factor = \"10%\" }\n";
    files.get_mut("policy/route.toml").unwrap().extend(hidden.bytes());
    let lives = lives::lives(&parse(&files));
    let edits = edits(&files, &["policy/route.toml"]);
    let last = &edits[edits.len() - 1..];
    assert_eq!(unseen(&lives, last), ["policy/route.toml: hidden factor"]);
}
