//! What a test is told where there is no Java, and that leaving tests out is said.

use std::{
    env,
    process::{Command, Output},
};

use kafka_harness::required;

/// Set in a copy of this test program.
const COPY: &str = "HARNESS_TEST_COPY";

#[test]
fn without_java_one_sentence_says_what_to_install() {
    let done = copy(&[("PATH", "/nowhere"), ("JAVA_HOME", "/nowhere"), ("KAFKA", "")]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success());
    assert!(
        said.contains(
            "Java 17 or newer is missing; install it (Debian: `apt install openjdk-17-jdk-headless maven`), \
             or leave these tests out with KAFKA=skip"
        ),
        "{said}"
    );
}

#[test]
fn what_is_left_out_is_said_once() {
    let done = copy(&[("PATH", "/nowhere"), ("KAFKA", "skip")]);
    assert!(done.status.success());
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(said.matches("KAFKA=skip: tests against real brokers are left out").count(), 1, "{said}");
}

/// Not a test of its own: what the copies do.
#[test]
fn asked() {
    if env::var_os(COPY).is_some() {
        let first = required();
        assert_eq!(required(), first);
    }
}

fn copy(environment: &[(&str, &str)]) -> Output {
    Command::new(env::current_exe().expect("a program knows its file"))
        .args(["asked", "--exact", "--nocapture"])
        .env(COPY, "1")
        .envs(environment.iter().copied())
        .output()
        .expect("a copy of this program starts")
}
