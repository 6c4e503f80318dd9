//! The wall clock is set while the agent runs: what it holds is counted on the machine's boot clock, which knows
//! nothing of that.

use std::{fs, process::Command};

use leasehold_testkit::{Postgres, wait};
use rustix::process::Signal;

use crate::place::{APP, DATABASE, DEADLINE, EVERY_SECOND, NATIVE, Place};

/// Adds what stands in a file, in seconds, to the wall clock that a program is given by the C library. Nobody may
/// set the real one for a test.
const OTHER_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(clock, time);
    if (answer == 0 && clock == CLOCK_REALTIME) {
        long seconds = 0;
        FILE *file = fopen(getenv("SECONDS_FILE"), "r");
        if (file) {
            if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
            fclose(file);
        }
        time->tv_sec += seconds;
    }
    return answer;
}
"#;

const DAY: i64 = 86_400;

/// The days of the wall clock that lines of the log show.
fn days(place: &Place) -> Vec<String> {
    let log = place.log();
    let mut days: Vec<String> = log
        .lines()
        .filter(|line| line.starts_with("20"))
        .filter_map(|line| line.get(..10).map(str::to_owned))
        .collect();
    days.dedup();
    days
}

#[test]
fn a_clock_set_by_a_day_to_either_side_changes_no_lifetime() {
    let place = Place::with_secret("0");
    let postgres = Postgres::start();
    place.database(&postgres, "1h", "24h");
    let (source, library) = (place.path("clock.c"), place.path("clock.so"));
    fs::write(&source, OTHER_CLOCK).unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    assert!(made.unwrap().success(), "the C compiler that links Rust");
    let set = |seconds: i64| fs::write(place.path("seconds"), seconds.to_string()).unwrap();
    set(0);
    place.configure(
        "config.hcl",
        &format!("log_level = \"debug\" {DATABASE} {APP} {EVERY_SECOND} {NATIVE}"),
    );
    let (library, seconds) = (
        library.display().to_string(),
        place.path("seconds").display().to_string(),
    );
    let variables = [
        ("LD_PRELOAD", library.as_str()),
        ("SECONDS_FILE", seconds.as_str()),
    ];
    let mut agent = place.start_with("config.hcl", &variables);
    let first = place.await_file("db");
    place.await_file("state/ready");
    for (value, offset) in [("1", DAY), ("2", -DAY), ("3", 0)] {
        set(offset);
        // What is polled each second goes on at its pace, neither late by a day nor all at once.
        place.secret(value);
        let before = place.requests("secret/data/app");
        wait::until_true("the value is polled", DEADLINE, || {
            place.file("app").as_deref() == Some(value)
                && place.requests("secret/data/app") >= before + 3
        });
        assert_eq!(place.requests("auth/approle/login"), 1, "the token is good");
        assert_eq!(place.requests("database/creds/app"), 1, "the lease is good");
    }
    assert!(
        days(&place).len() >= 3,
        "the agent was given another clock: {:?}",
        days(&place)
    );
    // What is kept for a restart is on the same clock.
    agent.signal(Signal::KILL);
    assert_eq!(agent.ends(), 128 + 9);
    set(DAY);
    let _again = place.start_with("config.hcl", &variables);
    place.await_log("continuing with the token of an earlier run");
    place.secret("4");
    wait::until_true("the value is polled", DEADLINE, || {
        place.file("app").as_deref() == Some("4")
    });
    assert_eq!(place.requests("auth/approle/login"), 1);
    assert_eq!(place.requests("database/creds/app"), 1);
    assert_eq!(place.file("db").unwrap(), first);
}
