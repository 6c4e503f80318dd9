//! The way out of a template: clock, chance, environment, files and commands come through one trait,
//! since this crate has none of them.

use std::{net::IpAddr, time::SystemTime};

/// What the program around the templates does for them. Errors are texts for the reader.
pub trait Host {
    /// The time.
    fn now(&mut self) -> SystemTime;

    /// Fills the buffer with unpredictable bytes.
    ///
    /// # Errors
    /// When there is no source of chance.
    fn fill_random(&mut self, buffer: &mut [u8]) -> Result<(), String>;

    /// The value of an environment variable, if it is set.
    fn environment(&mut self, name: &str) -> Option<String>;

    /// Runs a command for at most 30 seconds and returns what it printed, untrimmed.
    ///
    /// # Errors
    /// When it cannot be run or fails.
    fn run_plugin(&mut self, command: &str, arguments: &[String]) -> Result<Vec<u8>, String>;

    /// Writes a file for `writeToFile`.
    ///
    /// # Errors
    /// When a part of the path is a symbolic link, or the system refuses.
    fn write_file(&mut self, file: &FileToWrite<'_>) -> Result<(), String>;

    /// Whether a path, with symbolic links resolved, stays inside a folder.
    ///
    /// # Errors
    /// When it does not, or cannot be resolved; the text names the path.
    fn check_sandbox(&mut self, sandbox: &str, path: &str) -> Result<(), String>;

    /// The addresses of the machine's network interfaces.
    fn interfaces(&mut self) -> Vec<Interface>;

    /// Takes what `spew_dump` and `spew_printf` print.
    fn print(&mut self, text: &[u8]);
}

/// What `writeToFile` wants written.
#[derive(Clone, Copy)]
pub struct FileToWrite<'a> {
    /// The path.
    pub path: &'a str,
    /// The owner's name or number; empty leaves it.
    pub user: &'a str,
    /// The group's name or number; empty leaves it.
    pub group: &'a str,
    /// The permission bits.
    pub mode: u32,
    /// Whether the content goes to the end of what is there.
    pub placement: Placement,
    /// The content.
    pub content: &'a [u8],
}

/// Where content goes in a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Instead of what is there.
    Replace,
    /// After what is there.
    Append,
}

/// One address of a network interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The interface's name.
    pub name: String,
    /// Its number, counted from 1.
    pub index: u32,
    /// The largest packet.
    pub mtu: u32,
    /// Its flags in Go's words: `up`, `broadcast`, `loopback`, `pointtopoint`, `multicast`,
    /// `running`.
    pub flags: Vec<String>,
    /// The hardware address.
    pub hardware_address: String,
    /// The address.
    pub address: IpAddr,
    /// Length of the network's prefix in bits.
    pub prefix_length: u8,
    /// Whether the default route leaves here.
    pub is_default_route: bool,
}

/// A host that has nothing: the time is 1970, the environment empty, the rest refused. For checking
/// templates where nothing may happen.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn now(&mut self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn fill_random(&mut self, _buffer: &mut [u8]) -> Result<(), String> {
        Err("there is no source of randomness here".to_owned())
    }

    fn environment(&mut self, _name: &str) -> Option<String> {
        None
    }

    fn run_plugin(&mut self, command: &str, _arguments: &[String]) -> Result<Vec<u8>, String> {
        Err(format!("command {command:?} cannot be run here"))
    }

    fn write_file(&mut self, file: &FileToWrite<'_>) -> Result<(), String> {
        Err(format!("file {:?} cannot be written here", file.path))
    }

    fn check_sandbox(&mut self, _sandbox: &str, path: &str) -> Result<(), String> {
        Err(format!("file {path:?} cannot be looked at here"))
    }

    fn interfaces(&mut self) -> Vec<Interface> {
        Vec::new()
    }

    fn print(&mut self, _text: &[u8]) {}
}
