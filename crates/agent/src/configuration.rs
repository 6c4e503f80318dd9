//! Finding the configuration: files and folders from the command line, or `VAULT_CONFIG` as the injector hands
//! it over. What a configuration means is not read here.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leasehold_config::{ConfigError, Parsed};

use crate::environment::Environment;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// Nothing names one.
    #[error(
        "there is no configuration: give a file by `--config FILE`, or its text in base64 in the environment variable VAULT_CONFIG"
    )]
    None,
    /// `VAULT_CONFIG` is no base64.
    #[error("the environment variable VAULT_CONFIG is not a configuration in base64")]
    NotBase64,
    /// A file or folder cannot be read.
    #[error("failed to read the configuration `{}`", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A folder holds no configuration.
    #[error("the folder `{}` holds no file that ends in .hcl or .json", .0.display())]
    EmptyFolder(PathBuf),
    /// The text is at fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Reads the configuration.
///
/// # Errors
/// There is none, it cannot be read, or it is at fault.
pub fn load(files: &[String], environment: &Environment) -> Result<Parsed, ConfigurationError> {
    let given = |name: &str| {
        let text = environment.get(name).map(str::trim);
        text.filter(|text| !text.is_empty())
    };
    if files.is_empty() {
        let Some(encoded) = given("VAULT_CONFIG") else {
            // Where OpenBao's agent finds its configuration.
            let path = given("BAO_AGENT_CONFIG_PATH").ok_or(ConfigurationError::None)?;
            return load(&[path.to_owned()], environment);
        };
        let text = decoded(encoded).ok_or(ConfigurationError::NotBase64)?;
        return Ok(leasehold_config::load([("VAULT_CONFIG", text.as_str())])?);
    }
    let mut texts = Vec::new();
    for file in files {
        for path in members(Path::new(file))? {
            let text = std::fs::read_to_string(&path).map_err(|source| {
                ConfigurationError::Unreadable {
                    path: path.clone(),
                    source,
                }
            })?;
            texts.push((path.display().to_string(), text));
        }
    }
    let pairs = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(leasehold_config::load(pairs)?)
}

fn decoded(text: &str) -> Option<String> {
    let compact: String = text.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(compact).ok()?).ok()
}

/// A file itself; of a folder the configuration files in it, without those that editors leave behind.
fn members(path: &Path) -> Result<Vec<PathBuf>, ConfigurationError> {
    let unreadable = |source| ConfigurationError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let member = entry.map_err(unreadable)?.path();
        let name = member.file_name().unwrap_or_default().to_string_lossy();
        let left_behind = name.ends_with('~')
            || name.starts_with(".#")
            || (name.starts_with('#') && name.ends_with('#'));
        let ours = name.ends_with(".hcl") || name.ends_with(".json");
        if ours && !left_behind && !member.is_dir() {
            found.push(member);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(ConfigurationError::EmptyFolder(path.to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"auto_auth { method "kubernetes" { config = { role = "r" } } }
        template { contents = "x" destination = "/tmp/x" }"#;

    #[test]
    fn reads_the_variable_that_the_injector_sets() {
        let encoded = STANDARD.encode(TEXT);
        let environment = Environment::default().with("VAULT_CONFIG", &encoded);
        assert_eq!(load(&[], &environment).unwrap().config.templates.len(), 1);
        let broken = Environment::default().with("VAULT_CONFIG", "{}");
        assert!(matches!(
            load(&[], &broken),
            Err(ConfigurationError::NotBase64)
        ));
        assert!(matches!(
            load(&[], &Environment::default()),
            Err(ConfigurationError::None)
        ));
    }

    #[test]
    fn reads_the_file_that_openbaos_variable_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.hcl");
        std::fs::write(&path, TEXT).unwrap();
        let path = path.display().to_string();
        let named = Environment::default().with("BAO_AGENT_CONFIG_PATH", &path);
        assert_eq!(load(&[], &named).unwrap().config.templates.len(), 1);
        let own = named.with("VAULT_CONFIG", &STANDARD.encode("pid_file = 1"));
        assert!(load(&[], &own).is_err(), "the injector's comes first");
    }

    #[test]
    fn reads_the_configuration_files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let load = || load(std::slice::from_ref(&path), &Environment::default());
        assert!(matches!(load(), Err(ConfigurationError::EmptyFolder(_))));
        std::fs::write(folder.path().join("a.hcl"), TEXT).unwrap();
        let second = r#"template { contents = "y" destination = "/tmp/y" }"#;
        std::fs::write(folder.path().join("b.hcl"), second).unwrap();
        std::fs::write(folder.path().join("c.hcl~"), "broken {").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "broken {").unwrap();
        assert_eq!(load().unwrap().config.templates.len(), 2);
    }
}
