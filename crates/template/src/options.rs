//! How a template is to be read and run.

/// Settings of one template.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stands in front of errors: the source's path, or `(dynamic)` for a text given in place.
    pub name: String,
    /// What opens an action; empty means `{{`.
    pub left_delimiter: String,
    /// What closes an action; empty means `}}`.
    pub right_delimiter: String,
    /// A key that a map does not have is an error instead of `<no value>`.
    pub error_on_missing_key: bool,
    /// Names of functions that fail when called; `*` stands for any run of characters.
    pub function_denylist: Vec<String>,
    /// The folder that `file` may not leave.
    pub sandbox_path: Option<String>,
    /// The file that is rendered, which is part of a certificate's identity.
    pub destination: Option<String>,
    /// What a rendering may spend.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "(dynamic)".to_owned(),
            left_delimiter: String::new(),
            right_delimiter: String::new(),
            error_on_missing_key: false,
            function_denylist: Vec::new(),
            sandbox_path: None,
            destination: None,
            limits: Limits::default(),
        }
    }
}

/// What one rendering may spend before it ends with an error.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Length of a template's source in bytes.
    pub source: usize,
    /// Nodes evaluated, rounds of loops included.
    pub steps: u64,
    /// Templates inside templates.
    pub depth: u32,
    /// Length of the output in bytes.
    pub output: usize,
    /// Bytes of values made by functions.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source: 4 << 20,
            steps: 20_000_000,
            depth: 500,
            output: 16 << 20,
            memory: 64 << 20,
        }
    }
}
