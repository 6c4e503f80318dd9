//! A folder for PATH in which the programs have the names that guides and samples use.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::{process, tools};

/// Makes the folder: both products, OpenBao as `vault`, and a `wget`.
pub fn programs(scratch: &Scratch) -> PathBuf {
    let folder = scratch.join("bin");
    fs::create_dir(&folder).expect("the folder is the test's own");
    let mut programs = vec![
        ("leasehold", tools::product("leasehold")),
        ("leasehold-agent", tools::product("leasehold-agent")),
        ("vault", tools::bao()),
    ];
    if process::on_path("wget").is_none() {
        let busybox = process::on_path("busybox").expect("wget or busybox is there");
        programs.push(("wget", busybox));
    }
    for (name, program) in programs {
        symlink(program, folder.join(name)).expect("the folder is empty");
    }
    folder
}

/// The value of PATH with that folder first.
pub fn path_with(programs: &std::path::Path) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", programs.display())
}
