//! `cargo xtask image`: OCI archives of the programs, made without a container engine.
//!
//! Each image is one layer over nothing: a static program, the certificates of public authorities,
//! names of users, licences and a bill of materials. The same sources give the same digest, on any
//! machine with the same compiler and C library.

mod again;
mod archive;
mod busybox;
mod content;
mod layer;
pub(crate) mod program;
mod sbom;
pub(crate) mod server;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::workspace;
use layer::Layer;

/// One image.
struct Image {
    /// The name of the image and of its archive.
    name: &'static str,
    title: &'static str,
    package: &'static str,
    profile: &'static str,
    /// What the program is called without arguments.
    arguments: &'static [&'static str],
    shell: Shell,
    /// What is in it may not be larger, in MiB.
    budget: u64,
}

/// Whether the image holds a shell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shell {
    None,
    Busybox,
}

const IMAGES: &[Image] = &[
    Image {
        name: "leasehold",
        title: "The admission webhook and its offline tools",
        package: "leasehold",
        profile: "release",
        arguments: &[],
        shell: Shell::None,
        budget: 20,
    },
    Image {
        name: "leasehold-agent",
        title: "The agent that injected pods run",
        package: "leasehold-agent",
        profile: "agent",
        arguments: &["run"],
        shell: Shell::None,
        budget: 8,
    },
    Image {
        name: "leasehold-agent-shell",
        title: "The agent that injected pods run, with a shell for commands and for another injector",
        package: "leasehold-agent",
        profile: "agent",
        arguments: &["run"],
        shell: Shell::Busybox,
        budget: 8,
    },
];

struct Options {
    names: Vec<String>,
    folder: PathBuf,
    registry: String,
    tag: String,
    busybox: Option<PathBuf>,
    target: program::Target,
    builds: Builds,
}

/// How often everything is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Builds {
    Once,
    /// Again from a clone in another folder, to see that the same comes out.
    Twice,
}

/// Makes the images that the arguments name, or all.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::read(arguments)?;
    fs::create_dir_all(&options.folder)
        .with_context(|| format!("failed to make the folder {}", options.folder.display()))?;
    let images: Vec<&Image> = IMAGES
        .iter()
        .filter(|image| options.names.is_empty() || options.names.iter().any(|n| n == image.name))
        .collect();
    let revision = content::revision();
    let mut digests = Vec::new();
    for image in images {
        digests.push(image.make(&options, &revision)?);
    }
    if options.builds == Builds::Twice {
        again::compare(&options, &digests)?;
    }
    Ok(())
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            names: Vec::new(),
            folder: workspace::root().join("target/image"),
            registry: "ghcr.io/leasehold".to_owned(),
            tag: env!("CARGO_PKG_VERSION").to_owned(),
            busybox: None,
            target: program::Target::here(),
            builds: Builds::Once,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--twice" {
                options.builds = Builds::Twice;
                continue;
            }
            let mut value = || {
                rest.next()
                    .cloned()
                    .with_context(|| format!("`{argument}` needs a value"))
            };
            match argument.as_str() {
                "--out" => options.folder = PathBuf::from(value()?),
                "--registry" => options.registry = value()?.trim_end_matches('/').to_owned(),
                "--tag" => options.tag = value()?,
                "--busybox" => options.busybox = Some(PathBuf::from(value()?)),
                "--arch" => options.target = program::Target::of(&value()?)?,
                name if IMAGES.iter().any(|image| image.name == name) => {
                    options.names.push(name.to_owned());
                }
                other => {
                    let names: Vec<_> = IMAGES.iter().map(|image| image.name).collect();
                    bail!(
                        "unknown argument `{other}`; accepted are {}, --out FOLDER, \
                         --registry NAME, --tag TAG, --busybox FILE, --arch amd64|arm64, --twice",
                        names.join(", ")
                    );
                }
            }
        }
        Ok(options)
    }
}

impl Image {
    /// Builds the program, writes archive and bill of materials, and gives the digest.
    fn make(&self, options: &Options, revision: &content::Revision) -> Result<String> {
        let started = Instant::now();
        let program = program::build_for(options.target, self.package, self.profile)?;
        let size = program.len();
        let (layer, bill) = self.layer(program, options)?;
        let beside = options.folder.join(format!("{}.cdx.json", self.name));
        fs::write(&beside, bill)
            .with_context(|| format!("failed to write {}", beside.display()))?;
        let unpacked = layer.unpacked();
        let reference = self.reference(options);
        let archive = archive::Archive {
            reference: &reference,
            title: self.title,
            architecture: options.target.architecture,
            entrypoint: format!("/usr/local/bin/{}", self.package),
            arguments: self.arguments,
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            revision,
            layer: layer.finish()?,
        };
        let path = options.folder.join(format!("{}.tar", self.name));
        let (digest, packed) = archive.write(&path)?;
        write_out(&format!(
            "{reference}\n  archive  {}\n  digest   {digest}\n  program  {size} bytes\n  size     {packed} bytes \
             packed, {unpacked} bytes unpacked\n",
            path.display(),
        ))?;
        eprintln!(
            "image: {} is made after {:.1?}",
            self.name,
            started.elapsed()
        );
        let most = self.budget * 1024 * 1024;
        if unpacked > most {
            bail!(
                "the image {} has {unpacked} bytes unpacked, more than the {most} that it may have",
                self.name
            );
        }
        Ok(digest)
    }

    /// The name under which a cluster finds the image. The variant with a shell is a tag of the
    /// same image, so that one name stands in values and annotations.
    fn reference(&self, options: &Options) -> String {
        let suffix = match self.shell {
            Shell::None => "",
            Shell::Busybox => "-shell",
        };
        format!(
            "{}/{}:{}{suffix}",
            options.registry, self.package, options.tag
        )
    }

    /// What is in it, and its bill of materials.
    fn layer(&self, program: Vec<u8>, options: &Options) -> Result<(Layer, Vec<u8>)> {
        let mut layer = Layer::default();
        content::base(&mut layer)?;
        let path = format!("usr/local/bin/{}", self.package);
        layer.file(&path, 0o755, program);
        let mut bill = sbom::Bill::of(self.package, options.target.triple)?;
        if self.package == "leasehold-agent" {
            layer.folder_of("home/vault", 0o750, content::USER, content::GROUP);
        }
        if self.shell == Shell::Busybox {
            if !options.target.is_here() {
                bail!(
                    "the variant with a shell takes its applets from the shell itself, which for {} does not start \
                     here: make it on such a machine",
                    options.target.architecture
                );
            }
            let busybox = busybox::find(options.busybox.as_deref())?;
            busybox.add_to(&mut layer);
            bill.add_program("busybox", &busybox.version, "GPL-2.0-only");
            for link in ["bin/vault", "usr/local/bin/vault"] {
                layer.link(link, &format!("/{path}"));
            }
        }
        let bill = bill.to_json()?;
        let inside = format!("usr/share/sbom/{}.cdx.json", self.package);
        layer.file(&inside, 0o644, bill.clone());
        Ok((layer, bill))
    }
}

fn write_out(text: &str) -> Result<()> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("failed to write to standard output")
}
