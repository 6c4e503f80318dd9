//! What templates get from the machine: clock, chance, environment, files, commands, network interfaces.

use std::{
    io::Read,
    net::IpAddr,
    os::unix::process::ExitStatusExt,
    path::{Component, Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, SystemTime},
};

use leasehold_template::{FileToWrite, Host, Interface, Placement};

use crate::{
    environment::Environment,
    owners,
    volume::{self, Placing},
};

/// How long a `plugin` may run.
const PLUGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Variables that templates find even where nobody sets them.
const PRESET: [(&str, &str); 2] = [
    ("CONSUL_HTTP_SSL", "false"),
    ("CONSUL_HTTP_SSL_VERIFY", "true"),
];

/// The machine that this program runs on.
#[derive(Debug, Clone)]
pub struct Machine {
    environment: Environment,
}

impl Machine {
    /// The machine, with the environment that the program was started with.
    #[must_use]
    pub const fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl Host for Machine {
    fn now(&mut self) -> SystemTime {
        SystemTime::now()
    }

    fn fill_random(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())
                .map_err(|errno| errno.to_string())?;
        }
        Ok(())
    }

    fn environment(&mut self, name: &str) -> Option<String> {
        let preset = || {
            // The established program sets these for its templates where they are not set.
            let (_, value) = PRESET.iter().find(|(known, _)| *known == name)?;
            Some(*value)
        };
        self.environment
            .get(name)
            .or_else(preset)
            .map(str::to_owned)
    }

    fn run_plugin(&mut self, command: &str, arguments: &[String]) -> Result<Vec<u8>, String> {
        run_plugin(command, arguments, &self.environment)
    }

    fn write_file(&mut self, file: &FileToWrite<'_>) -> Result<(), String> {
        write_file(file)
    }

    fn check_sandbox(&mut self, sandbox: &str, path: &str) -> Result<(), String> {
        let resolve = |what: &str, path: &str| {
            std::fs::canonicalize(path).map_err(|error| {
                format!(
                    "failed to resolve {what} path: lstat {path}: {}",
                    go_words(&error)
                )
            })
        };
        let folder = resolve("sandbox", sandbox)?;
        if resolve("target", path)?.starts_with(&folder) {
            Ok(())
        } else {
            Err(format!("'{path}' is outside of sandbox"))
        }
    }

    fn interfaces(&mut self) -> Vec<Interface> {
        interfaces()
    }

    fn print(&mut self, text: &[u8]) {
        use std::io::Write as _;
        // What a template prints for its author's eyes goes beside the output, never into it.
        let _ = std::io::stderr().lock().write_all(text);
    }
}

fn run_plugin(
    command: &str,
    arguments: &[String],
    environment: &Environment,
) -> Result<Vec<u8>, String> {
    let failed = |why: &str, stdout: &[u8], stderr: &[u8]| {
        format!(
            "exec {command:?}: {why}\n\nstdout:\n\n{}\n\nstderr:\n\n{}",
            String::from_utf8_lossy(stdout),
            String::from_utf8_lossy(stderr)
        )
    };
    let spawned = Command::new(command)
        .args(arguments)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound if !command.contains('/') => {
                format!("exec: {command:?}: executable file not found in $PATH")
            }
            _ => format!("fork/exec {command}: {}", go_words(&error)),
        };
        failed(&why, b"", b"")
    })?;
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let ended = wait(&mut child, PLUGIN_TIMEOUT);
    let joined = |reader: Option<std::thread::JoinHandle<Vec<u8>>>| {
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    };
    match ended {
        Ok(Some(status)) => {
            let (stdout, stderr) = (joined(stdout), joined(stderr));
            if status.success() {
                Ok(stdout)
            } else {
                Err(failed(&in_words(status), &stdout, &stderr))
            }
        }
        // The readers are left behind: a grandchild may hold the pipes open for ever.
        Ok(None) => Err(failed("did not finish in 30s", b"", b"")),
        Err(error) => Err(failed(&go_words(&error), b"", b"")),
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = pipe.by_ref().take(16 << 20).read_to_end(&mut all);
        all
    })
}

/// Waits for a child; `None` when it had to be killed after `limit`.
fn wait(child: &mut std::process::Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let handle =
        pid.map(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()));
    if let Some(Ok(handle)) = handle {
        let mut events = [rustix::event::PollFd::new(
            &handle,
            rustix::event::PollFlags::IN,
        )];
        let limit = rustix::event::Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: 0,
        };
        let ready = loop {
            match rustix::event::poll(&mut events, Some(&limit)) {
                Err(rustix::io::Errno::INTR) => {}
                polled => break polled?,
            }
        };
        if ready == 0 {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
    }
    child.wait().map(Some)
}

/// The end of a process in the words of Go programs.
#[must_use]
pub fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {signal}"),
        (None, None) => "unknown status".to_owned(),
    }
}

/// An error of the system in the words of Go programs: small, without the number.
fn go_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

fn write_file(file: &FileToWrite<'_>) -> Result<(), String> {
    let path = Path::new(file.path);
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    let whole = if path.is_absolute() {
        path.to_owned()
    } else {
        std::env::current_dir()
            .map_err(|error| go_words(&error))?
            .join(path)
    };
    let mut step = PathBuf::new();
    let mut plain = PathBuf::new();
    for component in whole.components() {
        step.push(component);
        if component == Component::ParentDir {
            plain.pop();
        } else if component != Component::CurDir {
            plain.push(component);
        }
        if step != whole && is_link(&step) {
            return Err(format!(
                "writeToFile: refusing to write through symlinked directory in path {:?}",
                file.path
            ));
        }
    }
    if is_link(&whole) {
        return Err(format!(
            "writeToFile: refusing to write to symlink {:?}",
            file.path
        ));
    }
    let user = owners::user(file.user).map_err(|error| error.to_string())?;
    let group = owners::group(file.group).map_err(|error| error.to_string())?;
    let content = match file.placement {
        Placement::Replace => zeroize::Zeroizing::new(file.content.to_vec()),
        Placement::Append => {
            let mut there = zeroize::Zeroizing::new(std::fs::read(&plain).unwrap_or_default());
            there.extend_from_slice(file.content);
            there
        }
    };
    let placing = Placing {
        mode: Some(file.mode),
        user,
        group,
        ..Placing::default()
    };
    volume::place(&plain, &content, &placing)
        .map(|_| ())
        .map_err(|error| crate::sentence::chain(&error))
}

fn interfaces() -> Vec<Interface> {
    let default_routes = default_routes();
    let Ok(addresses) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let read = |name: &str, what: &str| {
        let text = std::fs::read_to_string(format!("/sys/class/net/{name}/{what}"));
        text.map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let mut interfaces: Vec<Interface> = addresses
        .filter_map(|found| {
            let address = found.address.as_ref().and_then(ip)?;
            let mask = found.netmask.as_ref().and_then(ip)?;
            let name = found.interface_name;
            let prefix = match mask {
                IpAddr::V4(mask) => mask.to_bits().count_ones(),
                IpAddr::V6(mask) => mask.to_bits().count_ones(),
            };
            Some(Interface {
                index: read(&name, "ifindex").parse().unwrap_or_default(),
                mtu: read(&name, "mtu").parse().unwrap_or_default(),
                hardware_address: Some(read(&name, "address"))
                    .filter(|address| address.contains(|digit| !matches!(digit, '0' | ':')))
                    .unwrap_or_default(),
                flags: flags(found.flags),
                address,
                prefix_length: u8::try_from(prefix).unwrap_or_default(),
                is_default_route: default_routes.contains(&name),
                name,
            })
        })
        .collect();
    // The system lists them by kind of address.
    interfaces.sort_by_key(|one| one.index);
    interfaces
}

fn ip(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn flags(flags: nix::net::if_::InterfaceFlags) -> Vec<String> {
    use nix::net::if_::InterfaceFlags as Flags;
    [
        (Flags::IFF_UP, "up"),
        (Flags::IFF_BROADCAST, "broadcast"),
        (Flags::IFF_LOOPBACK, "loopback"),
        (Flags::IFF_POINTOPOINT, "pointtopoint"),
        (Flags::IFF_MULTICAST, "multicast"),
        (Flags::IFF_RUNNING, "running"),
    ]
    .into_iter()
    .filter(|(flag, _)| flags.contains(*flag))
    .map(|(_, name)| name.to_owned())
    .collect()
}

/// The interfaces that the kernel's routing table sends everything else to.
fn default_routes() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let name = fields.next()?;
            let destination = fields.next()?;
            let mask = fields.nth(5)?;
            (destination == "00000000" && mask == "00000000").then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine::new(Environment::from_process())
    }

    #[test]
    fn runs_a_plugin_and_gives_what_it_printed() {
        let arguments = ["hello".to_owned(), " world ".to_owned()];
        assert_eq!(
            machine().run_plugin("echo", &arguments).unwrap(),
            b"hello  world \n"
        );
    }

    #[test]
    fn says_how_a_plugin_failed_in_the_established_words() {
        let arguments = ["-c".to_owned(), "echo out; echo err >&2; exit 3".to_owned()];
        assert_eq!(
            machine().run_plugin("sh", &arguments).unwrap_err(),
            "exec \"sh\": exit status 3\n\nstdout:\n\nout\n\n\nstderr:\n\nerr\n"
        );
        assert_eq!(
            machine()
                .run_plugin("no-such-command-here", &[])
                .unwrap_err(),
            "exec \"no-such-command-here\": exec: \"no-such-command-here\": executable file not found in $PATH\n\nstdout:\n\n\n\nstderr:\n\n"
        );
    }

    #[test]
    fn writes_files_of_templates_but_never_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let write = |name: &str, placement, content: &[u8]| {
            let path = path(name);
            machine().write_file(&FileToWrite {
                path: &path,
                user: "",
                group: "",
                mode: 0o640,
                placement,
                content,
            })
        };
        write("d/e/w", Placement::Replace, b"a").unwrap();
        write("d/e/w", Placement::Append, b"b").unwrap();
        assert_eq!(std::fs::read(path("d/e/w")).unwrap(), b"ab");
        std::os::unix::fs::symlink("d", path("ld")).unwrap();
        std::os::unix::fs::symlink("target", path("l")).unwrap();
        assert_eq!(
            write("ld/f", Placement::Replace, b"x").unwrap_err(),
            format!(
                "writeToFile: refusing to write through symlinked directory in path {:?}",
                path("ld/f")
            )
        );
        assert_eq!(
            write("l", Placement::Replace, b"x").unwrap_err(),
            format!("writeToFile: refusing to write to symlink {:?}", path("l"))
        );
    }

    #[test]
    fn keeps_paths_inside_their_sandbox() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("in");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("file"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", inside.join("link")).unwrap();
        let sandbox = inside.display().to_string();
        let check = |name: &str| {
            machine().check_sandbox(&sandbox, &inside.join(name).display().to_string())
        };
        assert_eq!(check("file"), Ok(()));
        assert!(check("link").is_err());
        assert!(check("../out").is_err());
    }

    #[test]
    fn knows_the_loopback_interface() {
        let found = interfaces();
        assert!(
            found.iter().any(|one| one.address.is_loopback()),
            "{found:?}"
        );
    }
}
