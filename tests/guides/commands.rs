//! The commands of the guides, run: blocks of the kind `sh run` in their order, each guide with a fresh server and in a folder of its
//! own, in which the project's folders stand as in a checkout. A block `text output` is what the one before prints.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use leasehold_e2e::scripts;
use leasehold_testkit::net::Identity;
use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::{OpenBao, tools};

use crate::guide::{Block, Guide};

/// The programs, and a Helm that needs no cluster.
fn programs(scratch: &Scratch) -> PathBuf {
    let folder = scripts::programs(scratch);
    let helm = tools::helm3().expect("Helm 3 is there: run `cargo xtask tools`");
    // Without a cluster, what would be installed is rendered.
    let script = format!(
        "#!/bin/bash\ncase \"$1\" in install|upgrade) shift; set -- template \"$@\";; esac\n\
         kept=(); for word in \"$@\"; do [ \"$word\" = --create-namespace ] || kept+=(\"$word\"); done\n\
         exec {} \"${{kept[@]}}\" --kube-version 1.33.0\n",
        helm.display()
    );
    let wrapper = folder.join("helm");
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn run(block: &Block, guide: &Guide, folder: &Path, programs: &Path, bao: &OpenBao) -> String {
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", &block.text])
        .current_dir(folder)
        .env("PATH", scripts::path_with(programs))
        .env("HOME", folder)
        .env("VAULT_ADDR", bao.address())
        .env("VAULT_TOKEN", bao.root_token())
        .env("BAO_ADDR", bao.address())
        .env("BAO_TOKEN", bao.root_token())
        .output()
        .expect("bash can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}:{} ended with {}:\n{said}\n{}",
        guide.name,
        block.line,
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

#[test]
fn every_command_of_the_guides_that_needs_no_cluster_works() {
    let mut ran = 0;
    for guide in Guide::all() {
        let blocks = guide.blocks();
        if !blocks.iter().any(|block| block.kind == "sh run") {
            continue;
        }
        let scratch = Scratch::new("guide");
        let programs = programs(&scratch);
        let folder = scratch.join("checkout");
        fs::create_dir(&folder).unwrap();
        for name in ["charts", "manifests", "docs", "tests"] {
            symlink(tools::workspace().join(name), folder.join(name)).unwrap();
        }
        // Authorities of clusters that nobody connects to.
        let authority = Identity::new("cluster", &[]).ca;
        for name in ["ca.crt", "eks-prod.crt", "eks-test.crt"] {
            fs::write(folder.join(name), &authority).unwrap();
        }
        let bao = OpenBao::start();
        let mut said = None;
        for block in &blocks {
            match block.kind.as_str() {
                "sh run" => {
                    said = Some(run(block, &guide, &folder, &programs, &bao));
                    ran += 1;
                }
                "text output" => assert_eq!(
                    said.take().as_deref(),
                    Some(block.text.as_str()),
                    "{}:{}",
                    guide.name,
                    block.line
                ),
                _ => {}
            }
        }
    }
    assert!(ran > 20, "{ran} blocks");
}
