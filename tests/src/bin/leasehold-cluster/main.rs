//! The scenarios of the main job on a real cluster: `cargo xtask e2e` makes the images and starts this.
//!
//! It installs the chart, starts OpenBao and PostgreSQL in the cluster, runs real Deployments, Jobs and
//! CronJobs, and looks at what the API server and the kubelet made of them. Nothing is left behind, however
//! it ends. Only the API server need be reachable: pods are asked through it.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod api;
mod helm;
mod options;
mod preflight;
mod report;
mod scenarios;
mod server;
mod stage;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};

use api::Api;
use helm::Helm;
use options::Options;
use report::Report;
use server::Server;
use stage::Stage;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    scenarios::check_names(&options.only)?;
    let api = Arc::new(Api::connect(
        &options.kubeconfig,
        options.context.as_deref(),
    )?);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    api.on_signals(move |times| {
        if times > 1 {
            eprintln!("e2e: asked twice: ending without cleaning up; the next run cleans up");
            std::process::exit(130);
        }
        eprintln!("e2e: asked to end: cleaning up");
        asked.store(true, Ordering::Relaxed);
    })?;
    let swept = preflight::sweep(&api, &stop)?;
    for remains in &swept {
        eprintln!("e2e: an earlier run left {remains}, which is removed now");
    }
    let mut report = Report::default();
    let result = perform(&api, &options, &stop, &mut report);
    if let Err(error) = &result {
        eprintln!("e2e: {error:#}");
    }
    if options.keep {
        eprintln!("e2e: everything is left in place, as asked; the next run removes it");
    } else {
        let cleaned = clean_up(&api, &options);
        if result.is_ok() {
            cleaned?;
        } else if let Err(error) = cleaned {
            eprintln!("e2e: cleaning up failed as well; the next run does it: {error:#}");
        }
    }
    println!("{}", report.table());
    result?;
    let failed = report.failed();
    if failed > 0 {
        bail!("{failed} scenarios failed; the table above says which");
    }
    Ok(())
}

fn perform(
    api: &Arc<Api>,
    options: &Options,
    stop: &Arc<AtomicBool>,
    report: &mut Report,
) -> Result<()> {
    let cluster = preflight::check(api, options, stop)?;
    eprintln!("e2e: starting OpenBao and PostgreSQL");
    let server = Server::start(api, &options.images, cluster.names, stop)?;
    server.database_engine()?;
    let helm = Helm::new(options, &server.address, &server.ca, cluster.version);
    let stage = Stage {
        api: Arc::clone(api),
        options: options.clone(),
        cluster,
        server,
        stop: Arc::clone(stop),
    };
    stage::make_namespace(api, stage::NAME)?;
    let started = Instant::now();
    eprintln!("e2e: installing the chart");
    helm.install(&options.chart)?;
    eprintln!(
        "e2e: the chart is installed after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    scenarios::run_all(&stage, &helm, report)
}

/// Takes away what was made. A run that was interrupted cleans up as any other does.
fn clean_up(api: &Api, options: &Options) -> Result<()> {
    eprintln!("e2e: cleaning up");
    let never = AtomicBool::new(false);
    let uninstalled = Helm::new(options, "", "", preflight::OLDEST).uninstall();
    // Whatever Helm made is found by its name as well.
    preflight::sweep(api, &never)?;
    uninstalled.map(|_| ())
}
