//! What one event costs, in nanoseconds: the mean over the golden events, and over the claim and a small one by
//! themselves. `BENCH_SCALE` (1.0: 2,000 rounds a run) makes it smaller.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and fails by panicking")]

use std::{fs, hint::black_box, time::Instant};

use contract::{
    DeploymentKey, EventId, EventView, Millis, PersonKey, Subject, decode, encode, event_from_json,
    seal_person, v1, validate, wire::Fields,
};

fn golden(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(format!("{}/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let digits: Vec<u8> =
        text.chars().filter_map(|char| char.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn all_golden() -> Vec<Vec<u8>> {
    let mut names: Vec<_> = fs::read_dir(format!("{}/golden", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".hex").map(str::to_owned))
        .collect();
    names.sort();
    names.iter().map(|name| golden(name)).collect()
}

/// Nanoseconds for one of `items`, in the fastest of a hundred short runs: the machine may be busy with other things.
fn time<T>(rounds: usize, items: &[T], mut each: impl FnMut(&T)) -> f64 {
    let run = |_| {
        let start = Instant::now();
        for _ in 0..rounds.div_ceil(items.len()) {
            items.iter().for_each(&mut each);
        }
        start.elapsed().as_nanos() as f64 / (rounds.div_ceil(items.len()) * items.len()) as f64
    };
    (0..100).map(run).fold(f64::INFINITY, f64::min)
}

fn main() {
    let scale: f64 = std::env::var("BENCH_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1.0);
    let rounds = ((2_000.0 * scale) as usize).max(20);
    let row = |name: &str, nanoseconds: f64, peer: &str, peer_nanoseconds: f64| {
        let ratio = peer_nanoseconds / nanoseconds;
        println!("{name:<42}{nanoseconds:>8.0} ns   {peer:<14}{peer_nanoseconds:>8.0} ns   {ratio:>5.1} x");
    };
    for (name, events) in [
        ("every kind once", all_golden()),
        ("a claim with lines", vec![golden("claim_submitted")]),
        ("a small event", vec![golden("health_record_opened")]),
    ] {
        let walk = time(rounds, &events, |bytes| _ = black_box(EventView::parse(bytes).unwrap()));
        let body = time(rounds, &events, |bytes| {
            let view = EventView::parse(bytes).unwrap();
            black_box(Fields::new(view.body).fold(0, |sum, field| sum + field.unwrap().0));
        });
        let prost = time(rounds, &events, |bytes| _ = black_box(decode(bytes).unwrap()));
        row(&format!("envelope of {name}"), walk, "prost", prost);
        row("... and its body's fields", body, "prost", prost);
    }

    let json =
        fs::read_to_string(format!("{}/golden/claim_submitted.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let claim = event_from_json(json.as_bytes()).unwrap();
    let one = |name: &str, nanoseconds: f64| println!("{name:<42}{nanoseconds:>8.0} ns");
    one("encode a claim", time(rounds, &[&claim], |claim| _ = black_box(encode(claim))));
    one("validate a claim", time(rounds, &[&claim], |claim| _ = black_box(validate(claim))));
    one(
        "a claim from JSON",
        time(rounds / 10, &[&json], |json| _ = black_box(event_from_json(json.as_bytes()))),
    );

    let (deployment, person_key) = (DeploymentKey::new(&[42; 32]), PersonKey::new(&[7; 32]));
    let card = v1::Identifier { kind: 2, value: "GD4010123456780".into(), ..v1::Identifier::default() };
    let person = v1::PersonDetails {
        full_name: "Nguyễn Thị Thử".into(),
        address: "1 phố Thử, phường Thử".into(),
        phone: "0900000000".into(),
        identifiers: vec![card],
    };
    let submission = v1::Submission { event: Some(claim), person: Some(person.clone()), restricted: None };
    let (subject, id) = (Subject([1; 16]), EventId([2; 16]));
    let unit = [()];
    one("a subject", time(rounds, &unit, |()| _ = black_box(deployment.subject_of(&person, "01004", "K-1"))));
    one(
        "a claim's content hash",
        time(rounds, &unit, |()| _ = black_box(deployment.content_hash(&submission))),
    );
    one(
        "an event id",
        time(rounds, &unit, |()| {
            _ = black_box(deployment.derive_event_id("01004", "K-1", Some(Millis(1)), &[3; 16]))
        }),
    );
    one(
        "a sealed person",
        time(rounds, &unit, |()| _ = black_box(seal_person(&person_key, subject, id, &person))),
    );
}
