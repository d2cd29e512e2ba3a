use contract::{Day, DeploymentKey};
use event_log::EmbeddedLog;
use simulator::*;
use std::{collections::BTreeMap, path::Path, time::Instant};
fn main() {
    let people: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let threads: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let mut files = BTreeMap::new();
    for f in reference::Reference::FILES {
        files.insert(
            f.to_string(),
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(f)).unwrap(),
        );
    }
    let reference = reference::Reference::parse(&files).unwrap();
    let places = Places::of(&reference, Day::from_ymd(2026, 1, 1).unwrap()).unwrap();
    println!("{} communes {} facilities", places.communes().len(), places.facilities().len());
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let log = EmbeddedLog::create(dir.path(), 64).unwrap();
    let city = City::new(Config::new(1, people), places);
    let t = Instant::now();
    let s =
        simulate(&city, &DeploymentKey::new(&[1; 32]), &log, threads, &mut |_, _| (), &mut |_| ()).unwrap();
    let d = t.elapsed().as_secs_f64();
    println!(
        "{} events {} bytes mean {} in {d:.2} s: {:.0}/s",
        s.events,
        s.bytes,
        s.mean_event_bytes(),
        s.events as f64 / d
    );
    let mut p = Default::default();
    let _: &() = &p;
    p = ();
    let t = Instant::now();
    let mut n = 0u64;
    for i in 0..people.min(200000) {
        n += city.person(i).told.len() as u64;
    }
    println!("truth only: {:.0}/s one thread", n as f64 / t.elapsed().as_secs_f64());
    println!("{:?}", s.by_kind);
}
