//! The root file systems that containers of different images get, as lines of a shell script.
//!
//! Images are not unpacked. An image whose last part begins with `leasehold-agent` gets a root with
//! the agent's binary, the libraries that a development build links to and nothing else (no shell),
//! unless its tag ends in `-shell`; every other image is a writable layer over this machine's own
//! files, and images of the established servers get their program at `/bin/vault`.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::tools;

use super::sandbox::{Powers, quote};

/// What is in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// The agent and nothing else.
    Agent,
    /// This machine's files, with the agent and links to it under the names of the other one.
    AgentWithShell,
    /// This machine's files, with the established agent.
    Established,
    /// This machine's files.
    Machine,
}

impl Root {
    pub(super) fn of(image: &str) -> Self {
        let last = image.rsplit('/').next().unwrap_or(image);
        if last.starts_with("leasehold-agent") {
            return if last.ends_with("-shell") {
                Self::AgentWithShell
            } else {
                Self::Agent
            };
        }
        let name = last.split([':', '@']).next().unwrap_or(last);
        if name.starts_with("vault") || name.starts_with("openbao") {
            return Self::Established;
        }
        Self::Machine
    }

    /// Whether the agent under test is in it.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Agent | Self::AgentWithShell)
    }

    /// The user that the image names.
    pub(super) fn user(self) -> u32 {
        match self {
            Self::Agent | Self::AgentWithShell | Self::Established => 100,
            Self::Machine => 0,
        }
    }

    /// Builds the root; `at` gives the quoted place of a path in it.
    pub(super) fn build(
        self,
        script: &mut Script,
        at: &dyn Fn(&str) -> String,
        layers: &Path,
        powers: Powers,
    ) {
        match self {
            Self::Agent => agent_root(script, at),
            _ => machine_root(script, at, layers, powers),
        }
        device_files(script, at);
        if self.is_ours() {
            let agent = tools::product("leasehold-agent").display().to_string();
            script.bind_file(&agent, &at("/usr/local/bin/leasehold-agent"));
        }
        let vault = at(&self.inner("/bin/vault"));
        match self {
            Self::AgentWithShell => {
                script.line(format!("rm -f {vault}"));
                script.line(format!("ln -s /usr/local/bin/leasehold-agent {vault}"));
            }
            Self::Established => script.bind_file(&tools::bao().display().to_string(), &vault),
            Self::Agent | Self::Machine => {}
        }
    }

    /// A path of the container as the root's own links lead.
    pub(super) fn inner(self, path: &str) -> String {
        match self {
            Self::Agent => path.to_owned(),
            _ => through_links(path),
        }
    }

    /// Makes the root read-only; the volumes mounted in it stay as they are.
    pub(super) fn freeze(self, script: &mut Script, at: &dyn Fn(&str) -> String) {
        script.line(format!("mount -o remount,bind,ro {}", at("")));
        if self == Self::Agent {
            return;
        }
        for folder in MACHINE_FOLDERS {
            let folder = at(&format!("/{folder}"));
            script.line(format!(
                "if mountpoint -q {folder}; then mount -o remount,bind,ro {folder}; fi"
            ));
        }
    }
}

/// Lines of a shell script.
pub(super) struct Script(pub(super) String);

impl Script {
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    /// Lets a file appear at an already quoted place.
    pub(super) fn bind_file(&mut self, source: &str, target: &str) {
        self.line(format!("mkdir -p \"$(dirname {target})\""));
        self.line(format!("[ -e {target} ] || : > {target}"));
        self.line(format!("mount --bind {} {target}", quote(source)));
    }
}

/// A root of its own with the libraries of a development build.
fn agent_root(script: &mut Script, at: &dyn Fn(&str) -> String) {
    script.line(format!("mount -t tmpfs -o mode=0755 image {}", at("")));
    script.line(format!(
        "mkdir -p {} {} {}",
        at("/proc"),
        at("/dev"),
        at("/etc")
    ));
    for folder in [
        "/usr/lib",
        "/usr/lib64",
        "/lib",
        "/lib64",
        "/nix/store",
        "/etc/ssl",
    ] {
        let host = Path::new(folder);
        if let Ok(target) = fs::read_link(host) {
            let target = quote(&target.display().to_string());
            script.line(format!("ln -s {target} {}", at(folder)));
        } else if host.is_dir() {
            script.line(format!("mkdir -p {}", at(folder)));
            script.line(format!("mount --rbind {folder} {}", at(folder)));
        }
    }
    for file in ["/etc/resolv.conf", "/etc/hosts", "/etc/ld.so.cache"] {
        if Path::new(file).is_file() {
            script.bind_file(file, &at(file));
        }
    }
}

/// A writable layer over each of this machine's folders. One layer over `/` would not do: a user
/// namespace may not lay one over a folder in which something is mounted.
fn machine_root(script: &mut Script, at: &dyn Fn(&str) -> String, layers: &Path, powers: Powers) {
    let layers = quote(&layers.display().to_string());
    script.line(format!("mount -t tmpfs -o mode=0755 image {}", at("")));
    script.line(format!("mount -t tmpfs -o mode=0755 layers {layers}"));
    let option = if powers == Powers::Root {
        ""
    } else {
        ",userxattr"
    };
    for folder in MACHINE_FOLDERS {
        let host = Path::new("/").join(folder);
        let target = at(&format!("/{folder}"));
        if let Ok(link) = fs::read_link(&host) {
            script.line(format!(
                "ln -s {} {target}",
                quote(&link.display().to_string())
            ));
        } else if host.is_dir() {
            script.line(format!(
                "mkdir {target} {layers}/{folder} {layers}/{folder}.work"
            ));
            script.line(format!(
                "mount -t overlay -o lowerdir=/{folder},upperdir={layers}/{folder},\
                 workdir={layers}/{folder}.work{option} image {target} 2>/dev/null || \
                 mount --rbind /{folder} {target}"
            ));
        }
    }
    for folder in ["/proc", "/dev", "/run", "/tmp"] {
        script.line(format!("mkdir {}", at(folder)));
    }
    script.line(format!("mount -t tmpfs -o mode=1777 tmp {}", at("/tmp")));
}

/// What of this machine is seen in a container.
const MACHINE_FOLDERS: [&str; 13] = [
    "bin", "etc", "home", "lib", "lib32", "lib64", "libx32", "nix", "opt", "root", "sbin", "usr",
    "var",
];

/// The devices that runtimes give.
fn device_files(script: &mut Script, at: &dyn Fn(&str) -> String) {
    script.line(format!("mount -t tmpfs -o mode=0755 dev {}", at("/dev")));
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        let device = format!("/dev/{device}");
        script.bind_file(&device, &at(&device));
    }
    script.line(format!(
        "mkdir {} && chmod 1777 {}",
        at("/dev/shm"),
        at("/dev/shm")
    ));
    for (name, target) in [
        ("fd", ""),
        ("stdin", "/0"),
        ("stdout", "/1"),
        ("stderr", "/2"),
    ] {
        script.line(format!(
            "ln -s /proc/self/fd{target} {}",
            at(&format!("/dev/{name}"))
        ));
    }
}

/// Follows this machine's links in a path, which are the container's as well: `/var/run/x` is
/// `/run/x`. A mount through an absolute link would land outside of the container's root.
fn through_links(path: &str) -> String {
    let mut resolved = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => {
                resolved.push(name);
                if let Ok(target) = fs::read_link(&resolved) {
                    resolved.pop();
                    resolved.push(target);
                }
            }
            Component::ParentDir => {
                resolved.pop();
            }
            _ => {}
        }
    }
    resolved.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_last_part() {
        let check = |image: &str, root: Root| assert_eq!(Root::of(image), root, "{image}");
        check("ghcr.io/leasehold/leasehold-agent:0.1.0", Root::Agent);
        check("leasehold-agent:0.1.0-shell", Root::AgentWithShell);
        check("hashicorp/vault:2.0.4", Root::Established);
        check("localhost:5000/openbao/openbao", Root::Established);
        check("busybox", Root::Machine);
    }
}
