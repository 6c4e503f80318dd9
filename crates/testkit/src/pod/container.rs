//! One run of one container: its root file system, its process, its hooks and probes.
//!
//! What an image holds is told in [`super::image`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::cluster::Objects;
use crate::process::{self, exit_code, spawn};
use crate::wait;

use super::image::{Root, Script};
use super::manifest::{Container, Handler, Manifest, text};
use super::sandbox::{Powers, Sandbox, child_of, quote, tool};
use super::volume::{data_of, field_value};

/// What runs are made from.
pub(super) struct Setting<'a> {
    pub(super) folder: &'a Path,
    pub(super) sandbox: &'a Sandbox,
    pub(super) manifest: &'a Manifest,
    pub(super) objects: &'a Objects,
    /// Where a volume's content is, as the sandbox sees it.
    pub(super) volumes: &'a BTreeMap<String, PathBuf>,
    /// Variables that every container gets, as a cluster gives those of its services.
    pub(super) service_env: &'a [(String, String)],
}

/// A started container.
pub(super) struct Run {
    pub(super) child: Child,
    /// The main process as this process sees it.
    pub(super) main: u32,
    pub(super) env: Vec<(String, String)>,
}

/// Starts a container and waits until its command is about to run.
pub(super) fn start(setting: &Setting<'_>, container: &Container) -> Result<Run, String> {
    let root = Root::of(&container.image);
    let mut command = container.command.clone();
    if command.is_empty() {
        if !root.is_ours() {
            return Err(format!(
                "container {:?} has no command, and the runner does not know the entrypoint of {}",
                container.name, container.image
            ));
        }
        command.push("/usr/local/bin/leasehold-agent".to_owned());
    }
    let user = container.user.unwrap_or(root.user());
    if container.non_root && user == 0 {
        return Err("container has runAsNonRoot and image will run as root".to_owned());
    }
    let env = environment(setting, container, user)?;
    for word in &mut command {
        *word = expand(word, &env);
    }

    let script = setting.folder.join(format!("{}.sh", container.name));
    let text = script_for(setting, container, root, user, &env, &command)?;
    fs::write(&script, text).map_err(|error| format!("failed to write a script: {error}"))?;
    let log_path = log_path(setting.folder, &container.name);
    let log = File::options()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(|error| format!("failed to open {}: {error}", log_path.display()))?;
    let copy = log
        .try_clone()
        .map_err(|error| format!("failed to share the log: {error}"))?;
    let mut command = setting.sandbox.enter();
    command
        .arg(tool("unshare"))
        .args(["--mount", "--propagation", "private"]);
    if !setting.sandbox.shared_processes {
        command.arg("--pid");
    }
    // A shell stands between: it turns death by a signal into a code, which `unshare --fork` of some
    // versions does not, and the first process that it starts is the first of the new namespace.
    let wait = "{ /bin/sh \"$0\" 2>&3 3>&-; } 3>&2 2>/dev/null; exit $?";
    command.args(["--", "/bin/sh", "-c", wait]).arg(&script);
    command.stdin(Stdio::null()).stdout(log).stderr(copy);
    let entered = entered_path(setting.folder, &container.name);
    let _ = fs::remove_file(&entered);
    let mut child = spawn(command).map_err(|error| format!("failed to start: {error}"))?;

    // In its root once the file that the kubelet puts there is seen through it.
    let marker = container.message_path.trim_start_matches('/');
    let found = wait::within(Duration::from_secs(20), || {
        if let Some(main) = child_of(child.id()).and_then(child_of)
            && Path::new("/proc")
                .join(main.to_string())
                .join("root")
                .join(marker)
                .exists()
        {
            return Some(Some(main));
        }
        // A command that ended at once was started nevertheless.
        child.try_wait().ok().flatten().map(|_| None)
    });
    match found {
        Some(Some(main)) => Ok(Run { child, main, env }),
        Some(None) => Ok(Run {
            main: 0,
            child,
            env,
        }),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(format!(
                "container {:?} was not set up in time",
                container.name
            ))
        }
    }
}

/// The file that a script makes when the root is built and the command's turn has come.
fn entered_path(folder: &Path, container: &str) -> String {
    folder
        .join(format!("{container}.entered"))
        .display()
        .to_string()
}

/// Where a container's output is collected, all its runs together.
pub(super) fn log_path(folder: &Path, container: &str) -> PathBuf {
    folder.join(format!("{container}.log"))
}

/// The file behind a container's termination message.
pub(super) fn message_path(folder: &Path, container: &str) -> PathBuf {
    folder.join(format!("{container}.termination"))
}

/// Runs a command in a container and waits for it.
pub(super) fn exec(
    sandbox: &Sandbox,
    container: &Container,
    run_env: &[(String, String)],
    main: u32,
    command: &[String],
    timeout: Option<Duration>,
) -> Result<Output, String> {
    let mut entered = sandbox.enter_container(main);
    let user = container.user.unwrap_or(Root::of(&container.image).user());
    entered
        .args(become_user(sandbox.powers, container, user))
        .args(command);
    entered
        .env_clear()
        .envs(run_env.iter().map(|(name, value)| (name, value)));
    entered
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(entered).map_err(|error| format!("failed to exec: {error}"))?;
    let read = |stream: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_end(&mut bytes);
            }
            bytes
        })
    };
    let stdout = read(child.stdout.take().map(|stream| Box::new(stream) as _));
    let stderr = read(child.stderr.take().map(|stream| Box::new(stream) as _));
    let status = match timeout {
        None => child
            .wait()
            .map_err(|error| format!("failed to wait: {error}"))?,
        Some(timeout) => match wait::within(timeout, || child.try_wait().ok().flatten()) {
            Some(status) => status,
            None => {
                if let Some(inner) = child_of(child.id()) {
                    let _ = process::send(inner, rustix::process::Signal::KILL);
                }
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("command timed out after {timeout:?}"));
            }
        },
    };
    Ok(Output {
        status,
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}

/// Does what a hook or probe says; the error is what the kubelet would report.
pub(super) fn handle(
    handler: &Handler,
    timeout: Option<Duration>,
    execute: impl FnOnce(&[String], Option<Duration>) -> Result<Output, String>,
) -> Result<(), String> {
    match handler {
        Handler::Exec(command) => {
            let output = execute(command, timeout)?;
            if output.status.success() {
                return Ok(());
            }
            Err(format!(
                "command '{}' exited with {}: {}",
                command.join(" "),
                exit_code(output.status),
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim()
            ))
        }
        Handler::Sleep(time) => {
            // A channel that nobody sends on: a wait that is meant, not one for a condition.
            let (_keep, never) = channel::<()>();
            let _ = never.recv_timeout(*time);
            Ok(())
        }
        Handler::Tcp { port } => connect(*port, timeout)
            .map(drop)
            .map_err(|error| error.to_string()),
        Handler::Http { port, path } => {
            let get = || -> std::io::Result<String> {
                let mut stream = connect(*port, timeout)?;
                stream.set_read_timeout(timeout)?;
                write!(
                    stream,
                    "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"
                )?;
                let mut answer = [0; 64];
                let length = stream.read(&mut answer)?;
                let answer = answer.get(..length).unwrap_or_default();
                Ok(String::from_utf8_lossy(answer).into_owned())
            };
            let answer = get().map_err(|error| error.to_string())?;
            let status = answer
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse::<u16>().ok());
            match status {
                Some(200..=399) => Ok(()),
                status => Err(format!("HTTP probe failed with statuscode: {status:?}")),
            }
        }
    }
}

fn connect(port: u16, timeout: Option<Duration>) -> std::io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, timeout.unwrap_or(Duration::from_secs(30)))
}

/// The variables of a container: services, `envFrom`, `env`, and what a runtime adds.
fn environment(
    setting: &Setting<'_>,
    container: &Container,
    user: u32,
) -> Result<Vec<(String, String)>, String> {
    let mut env: Vec<(String, String)> = setting.service_env.to_vec();
    let namespace = Some(setting.manifest.namespace.as_str());
    let object = |resource: &str, name: &str, optional: bool| match setting
        .objects
        .get("", resource, namespace, name)
    {
        Some(object) => Ok(Some(object)),
        None if optional => Ok(None),
        None => Err(format!("{resource} \"{name}\" not found")),
    };
    for source in &container.env_from {
        let prefix = text(&source["prefix"]).unwrap_or_default();
        for (field, resource) in [("configMapRef", "configmaps"), ("secretRef", "secrets")] {
            let reference = &source[field];
            let Some(name) = text(&reference["name"]) else {
                continue;
            };
            let found = object(resource, name, reference["optional"] == true)?;
            for (key, value) in found.as_ref().map(data_of).unwrap_or_default() {
                set(
                    &mut env,
                    format!("{prefix}{key}"),
                    String::from_utf8_lossy(&value).into(),
                );
            }
        }
    }
    for variable in &container.env {
        let name = text(&variable["name"]).unwrap_or_default().to_owned();
        let source = &variable["valueFrom"];
        if source.is_null() {
            let value = expand(text(&variable["value"]).unwrap_or_default(), &env);
            set(&mut env, name, value);
            continue;
        }
        if let Some(field) = text(&source["fieldRef"]["fieldPath"]) {
            set(
                &mut env,
                name,
                field_value(&setting.manifest.object, field)?,
            );
            continue;
        }
        if source["resourceFieldRef"].is_object() {
            set(&mut env, name, "0".to_owned());
            continue;
        }
        for (field, resource) in [
            ("configMapKeyRef", "configmaps"),
            ("secretKeyRef", "secrets"),
        ] {
            let reference = &source[field];
            let Some(object_name) = text(&reference["name"]) else {
                continue;
            };
            let optional = reference["optional"] == true;
            let key = text(&reference["key"]).unwrap_or_default();
            let data = object(resource, object_name, optional)?
                .as_ref()
                .map(data_of);
            match data.and_then(|data| data.get(key).cloned()) {
                Some(value) => set(
                    &mut env,
                    name.clone(),
                    String::from_utf8_lossy(&value).into(),
                ),
                None if optional => {}
                None => {
                    return Err(format!(
                        "couldn't find key {key} in {resource} {object_name}"
                    ));
                }
            }
        }
    }
    let mut default = |name: &str, value: &str| {
        if !env.iter().any(|(known, _)| known == name) {
            env.push((name.to_owned(), value.to_owned()));
        }
    };
    default(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    default("HOSTNAME", &setting.manifest.name);
    default("HOME", if user == 0 { "/root" } else { "/" });
    Ok(env)
}

fn set(env: &mut Vec<(String, String)>, name: String, value: String) {
    env.retain(|(known, _)| *known != name);
    env.push((name, value));
}

/// `$(NAME)` stands for a variable, `$$` for a dollar; an unknown name stays as it is.
fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(after) = tail.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = tail
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match env.iter().find(|(known, _)| known == name) {
                Some((_, value)) => out.push_str(value),
                None => {
                    let _ = write!(out, "$({name})");
                }
            }
            rest = after;
        } else {
            out.push('$');
            rest = tail;
        }
    }
    out + rest
}

/// The words that turn a root process into the container's user. In a user namespace there is only
/// one user to be.
fn become_user(powers: Powers, container: &Container, user: u32) -> Vec<String> {
    let mut words: Vec<String> = vec![SETPRIV.to_owned(), "--pdeathsig".into(), "KILL".into()];
    if powers == Powers::Root {
        let group = container.group.unwrap_or(0);
        words.extend([format!("--reuid={user}"), format!("--regid={group}")]);
        if container.groups.is_empty() {
            words.push("--clear-groups".to_owned());
        } else {
            let groups: Vec<String> = container.groups.iter().map(ToString::to_string).collect();
            words.push(format!("--groups={}", groups.join(",")));
        }
        let kept = if container.drops_all {
            "-all"
        } else {
            RUNTIME_CAPABILITIES
        };
        words.extend([
            format!("--bounding-set={kept}"),
            "--inh-caps=-all".to_owned(),
        ]);
    }
    if !container.may_escalate {
        words.push("--no-new-privs".to_owned());
    }
    words.push("--".to_owned());
    words
}

/// Where `setpriv` is in a container's root.
const SETPRIV: &str = "/dev/runner-setpriv";

/// What container runtimes leave a root user.
const RUNTIME_CAPABILITIES: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,\
                                    +setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,\
                                    +mknod,+audit_write,+setfcap";

/// The shell script that builds a root and becomes the container's command.
fn script_for(
    setting: &Setting<'_>,
    container: &Container,
    root: Root,
    user: u32,
    env: &[(String, String)],
    command: &[String],
) -> Result<String, String> {
    let base = setting.folder.join(format!("root-{}", container.name));
    let layers = setting.folder.join(format!("layers-{}", container.name));
    let at = |path: &str| quote(&format!("{}{path}", base.display()));
    let mut script = Script(String::from(
        "set -e\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n",
    ));
    script.line(format!(
        "mkdir -p {} {}",
        at(""),
        quote(&layers.display().to_string())
    ));
    root.build(&mut script, &at, &layers, setting.sandbox.powers);
    script.line(format!("mount -t proc proc {}", at("/proc")));
    script.bind_file(&tool("setpriv").display().to_string(), &at(SETPRIV));

    let mut mounts: Vec<_> = container.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.path.matches('/').count());
    for mount in mounts {
        let volume = setting
            .volumes
            .get(&mount.volume)
            .ok_or_else(|| format!("the volume {:?} was not set up", mount.volume))?;
        let source = quote(&volume.join(&mount.sub_path).display().to_string());
        let target = at(&root.inner(&mount.path));
        if !mount.sub_path.is_empty() {
            script.line(format!("[ -e {source} ] || mkdir -p {source}"));
        }
        script.line(format!(
            "if [ -d {source} ]; then mkdir -p {target}; else mkdir -p \"$(dirname {target})\"; \
             : > {target}; fi"
        ));
        script.line(format!("mount --bind {source} {target}"));
        if mount.read_only {
            script.line(format!("mount -o remount,bind,ro {target}"));
        }
    }
    let message = message_path(setting.folder, &container.name);
    fs::write(&message, "").map_err(|error| format!("failed to make a file: {error}"))?;
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&message, fs::Permissions::from_mode(0o666))
        .map_err(|error| format!("failed to set a mode: {error}"))?;
    script.bind_file(
        &message.display().to_string(),
        &at(&root.inner(&container.message_path)),
    );
    if container.read_only_root {
        root.freeze(&mut script, &at);
    }
    script.line(format!(
        ": > {}",
        quote(&entered_path(setting.folder, &container.name))
    ));
    let mut words = vec![tool("env").display().to_string(), "-i".to_owned()];
    words.extend(env.iter().map(|(name, value)| format!("{name}={value}")));
    words.push(tool("chroot").display().to_string());
    words.push(base.display().to_string());
    words.extend(become_user(setting.sandbox.powers, container, user));
    if let Some(folder) = &container.working_dir {
        if root == Root::Agent {
            return Err("the runner cannot set workingDir without a shell".to_owned());
        }
        let change = "cd \"$1\" && shift && exec \"$@\"";
        words.extend(["/bin/sh", "-c", change, "sh", folder].map(str::to_owned));
    }
    words.extend(command.iter().cloned());
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    script.line(format!("exec {}", words.join(" ")));
    Ok(script.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_in_commands_are_expanded_as_the_kubelet_does() {
        let env = [("A".to_owned(), "one".to_owned())];
        let check = |text: &str, expected: &str| assert_eq!(expand(text, &env), expected);
        check("$(A)/$(B)", "one/$(B)");
        check("$$(A) $A 5$", "$(A) $A 5$");
    }
}
