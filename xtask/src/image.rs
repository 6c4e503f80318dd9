//! `cargo xtask image`: OCI archives of the programs, made without a container engine.
//!
//! Each image is one layer over nothing: a static program, the certificates of public authorities,
//! names of users, licences and a bill of materials. The same sources give the same digest, on any
//! machine with the same compiler and C library.

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
    /// The archive may not be larger, in MiB.
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
    for image in images {
        let started = Instant::now();
        let bytes = program::build(image.package, image.profile)?;
        let program_size = bytes.len();
        let layer = image.layer(bytes, &options)?;
        let unpacked = layer.unpacked();
        let reference = image.reference(&options);
        let archive = archive::Archive {
            reference: &reference,
            title: image.title,
            entrypoint: format!("/usr/local/bin/{}", image.package),
            arguments: image.arguments,
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            revision: &revision,
            layer: layer.finish()?,
        };
        let (digest, packed) =
            archive.write(&options.folder.join(format!("{}.tar", image.name)))?;
        write_out(&format!(
            "{}\n  archive  {}\n  digest   {digest}\n  program  {} bytes\n  size     {packed} bytes packed, {unpacked} \
             bytes unpacked\n",
            reference,
            options.folder.join(format!("{}.tar", image.name)).display(),
            program_size,
        ))?;
        eprintln!(
            "image: {} is made after {:.1?}",
            image.name,
            started.elapsed()
        );
        let most = image.budget * 1024 * 1024;
        if packed > most {
            bail!(
                "the image {} has {packed} bytes packed, more than the {most} that it may have",
                image.name
            );
        }
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
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
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
                name if IMAGES.iter().any(|image| image.name == name) => {
                    options.names.push(name.to_owned());
                }
                other => {
                    let names: Vec<_> = IMAGES.iter().map(|image| image.name).collect();
                    bail!(
                        "unknown argument `{other}`; accepted are {}, --out FOLDER, \
                         --registry NAME, --tag TAG, --busybox FILE",
                        names.join(", ")
                    );
                }
            }
        }
        Ok(options)
    }
}

impl Image {
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

    fn layer(&self, program: Vec<u8>, options: &Options) -> Result<Layer> {
        let mut layer = Layer::default();
        content::base(&mut layer)?;
        let path = format!("usr/local/bin/{}", self.package);
        layer.file(&path, 0o755, program);
        let mut bill = sbom::Bill::of(self.package, program::TARGET)?;
        if self.package == "leasehold-agent" {
            layer.folder_of("home/vault", 0o750, content::USER, content::GROUP);
        }
        if self.shell == Shell::Busybox {
            let busybox = busybox::find(options.busybox.as_deref())?;
            busybox.add_to(&mut layer);
            bill.add_program("busybox", &busybox.version, "GPL-2.0-only");
            for link in ["bin/vault", "usr/local/bin/vault"] {
                layer.link(link, &format!("/{path}"));
            }
        }
        layer.file(
            &format!("usr/share/sbom/{}.cdx.json", self.package),
            0o644,
            bill.to_json()?,
        );
        Ok(layer)
    }
}

fn write_out(text: &str) -> Result<()> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("failed to write to standard output")
}
