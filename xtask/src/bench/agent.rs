//! The agent's budgets: memory and wake-ups when idle, time and processor from the start to the
//! files, requests until all is rendered, size of the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::process::Running;
use super::proxy::CountingProxy;
use super::report::{Budget, Line, Report};
use super::server::{SECRETS, Server};
use super::{Contender, Options, median};
use crate::image::program;
use crate::tools;

/// What one contender was measured at.
#[derive(Debug, Clone, Copy)]
struct Figures {
    resident: f64,
    private: f64,
    first_file: f64,
    cpu: f64,
    requests: f64,
    wakeups: f64,
    binary: f64,
}

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Measures both; without another peer it is OpenBao's own agent.
pub(super) fn measure(options: &Options) -> Result<Report> {
    let bao = tools::ensure(tools::Wanted::Servers)?.join("bin/bao");
    let folder = crate::bench::injector::Folder::make("agent")?;
    let server = Server::start(&bao, &folder.path)?;
    let peer = options.peer.clone().unwrap_or_else(|| {
        Contender::new(
            "bao agent",
            vec![bao.display().to_string(), "agent".to_owned()],
        )
    });
    let ours = match &options.ours {
        Some(ours) => ours.clone(),
        None => {
            program::build("leasehold-agent", "agent")?;
            Contender::new(
                "leasehold-agent",
                vec![
                    program::path("leasehold-agent", "agent")
                        .display()
                        .to_string(),
                    "agent".to_owned(),
                ],
            )
        }
    };
    let proxy = CountingProxy::start(server.address)?;
    let mut figures = Vec::new();
    for contender in [&ours, &peer] {
        eprintln!(
            "bench: {} ({} runs, {} s idle)",
            contender.name, options.runs, options.seconds
        );
        figures.push(contend(contender, options, &server, &proxy, &folder.path)?);
    }
    let [a, b] = figures.as_slice() else {
        anyhow::bail!("two contenders are measured");
    };
    let line = |name, unit, pick: fn(&Figures) -> f64, budget| Line {
        name,
        unit,
        ours: pick(a),
        peer: Some(pick(b)),
        budget,
    };
    Ok(Report {
        title: format!(
            "agent: {SECRETS} kv secrets and one lease in {} templates",
            SECRETS + 1
        ),
        ours: ours.name,
        peer: Some(peer.name),
        lines: vec![
            line(
                "resident when idle",
                "MiB",
                |f| f.resident,
                Budget::Share(15.0),
            ),
            line(
                "private when idle",
                "MiB",
                |f| f.private,
                Budget::Share(7.0),
            ),
            line(
                "exec to first file",
                "ms",
                |f| f.first_file,
                Budget::Share(10.0),
            ),
            line(
                "processor time for it",
                "ms",
                |f| f.cpu,
                Budget::Share(15.0),
            ),
            // One login, one read for each secret, and one mount look-up, for the paths of the
            // templates leave the version of the engine open.
            line(
                "requests until rendered",
                "",
                |f| f.requests,
                Budget::Most((SECRETS + 3) as f64),
            ),
            line(
                "wake-ups a minute when idle",
                "",
                |f| f.wakeups,
                Budget::Most(25.0),
            ),
            line(
                "size of the program",
                "MiB",
                |f| f.binary,
                Budget::Most(5.0),
            ),
        ],
    })
}

fn contend(
    contender: &Contender,
    options: &Options,
    server: &Server,
    proxy: &CountingProxy,
    folder: &Path,
) -> Result<Figures> {
    let deadline = Duration::from_secs(30);
    let (mut times, mut cpus) = (Vec::new(), Vec::new());
    let mut last = None;
    for run in 0..options.runs {
        drop(last.take());
        let here = folder.join(format!("{}-{run}", contender.name.replace([' ', '/'], "-")));
        fs::create_dir_all(&here)
            .with_context(|| format!("failed to make the folder {}", here.display()))?;
        let (config, files) = configuration(&here, server, proxy)?;
        proxy.reset();
        let arguments = [format!("-config={}", config.display())];
        let mut running = Running::start(contender, &arguments, &here.join("log"))?;
        times.push(running.until("its first file", deadline, || {
            files.iter().any(|file| file.exists())
        })?);
        cpus.push(running.cpu()?);
        running.until("all files", deadline, || {
            files.iter().all(|file| file.exists())
        })?;
        last = Some(running);
    }
    let running = last.context("at least one run")?;
    // What an agent asks right after rendering, such as an early renewal, belongs to the start.
    thread::sleep(Duration::from_secs(2));
    let requests = proxy.requests();
    // Let start-up work and the first garbage collections pass before it is called idle.
    thread::sleep(Duration::from_secs(8));
    let before = running.switches()?;
    thread::sleep(Duration::from_secs(options.seconds));
    let woken = running.switches()?.saturating_sub(before);
    let memory = running.memory()?;
    let program = contender.program()?;
    let binary = fs::metadata(program)
        .with_context(|| format!("failed to look at {program}"))?
        .len();
    Ok(Figures {
        resident: memory.resident as f64 / MEBIBYTE,
        private: memory.private as f64 / MEBIBYTE,
        first_file: median(times),
        cpu: median(cpus),
        requests: requests.len() as f64,
        wakeups: woken as f64 * 60.0 / options.seconds as f64,
        binary: binary as f64 / MEBIBYTE,
    })
}

/// Writes the configuration of one run; returns its path and the files that will be rendered.
fn configuration(
    folder: &Path,
    server: &Server,
    proxy: &CountingProxy,
) -> Result<(PathBuf, Vec<PathBuf>)> {
    let mut templates = Vec::new();
    let mut files = Vec::new();
    for index in 0..SECRETS {
        let file = folder.join(format!("app-{index}"));
        templates.push(json!({
            "destination": file,
            "contents": format!(
                "{{{{ with secret \"secret/app-{index}\" }}}}{{{{ .Data.data.user }}}}:{{{{ .Data.data.password }}}}{{{{ end }}}}"
            ),
            "left_delimiter": "{{",
            "right_delimiter": "}}",
        }));
        files.push(file);
    }
    let file = folder.join("certificate");
    templates.push(json!({
        "destination": file,
        "contents": "{{ with secret \"pki/issue/web\" \"common_name=a.example\" }}{{ .Data.certificate }}{{ end }}",
        "left_delimiter": "{{",
        "right_delimiter": "}}",
    }));
    files.push(file);
    let config = json!({
        "auto_auth": {
            "method": {
                "type": "approle",
                "mount_path": "auth/approle",
                "config": {
                    "role_id_file_path": server.role_id,
                    "secret_id_file_path": server.secret_id,
                    "remove_secret_id_file_after_reading": "false",
                },
            },
            "sink": [{"type": "file", "config": {"path": folder.join(".vault-token")}}],
        },
        "exit_after_auth": false,
        "pid_file": folder.join(".pid"),
        "vault": {"address": format!("http://{}", proxy.address)},
        "template": templates,
        "template_config": {"exit_on_retry_failure": true},
    });
    let path = folder.join("config.json");
    fs::write(&path, config.to_string())
        .with_context(|| format!("failed to write {}", path.display()))?;
    Ok((path, files))
}
