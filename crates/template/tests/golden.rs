//! Renders the recorded templates in this process and compares byte by byte. Cases that ask the server
//! for something are left to the whole-system harness, which has one.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the harness makes and reads the files of cases"
)]

use std::{
    collections::BTreeMap,
    env, fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::SystemTime,
};

use leasehold_template::{
    Answer, Dependency, FileToWrite, Host, Interface, Options, Placement, Snapshot, Template,
    TemplateError, render,
};
use serde_json::Value;

/// So many cases were equal when this was last changed; it may only rise.
const FLOOR: usize = 639;

/// Longest chain of dependencies in a case.
const MOST_PASSES: usize = 5;

#[test]
fn templates_without_a_server_render_as_recorded() {
    let mut equal = 0;
    let mut different = Vec::new();
    let mut left_out = 0;
    let only = env::var("GOLDEN_ONLY").unwrap_or_default();
    for (name, case) in cases() {
        if !name.contains(&only) {
            continue;
        }
        match run(&case) {
            Verdict::Equal => equal += 1,
            Verdict::NeedsMore => left_out += 1,
            Verdict::Different(difference) => different.push(format!("{name}\n{difference}")),
        }
    }
    println!(
        "{equal} of {} equal, {left_out} need a server or a machine",
        equal + different.len()
    );
    for difference in &different {
        println!("different: {difference}");
    }
    if only.is_empty() {
        assert!(
            equal >= FLOOR,
            "only {equal} cases are equal, {FLOOR} were before"
        );
    }
}

enum Verdict {
    Equal,
    NeedsMore,
    Different(String),
}

fn cases() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/templates");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| !path.ends_with("vault-setup.json"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let group = file.file_stem().unwrap().to_string_lossy().into_owned();
        let parsed: Vec<Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        for case in parsed {
            cases.push((format!("{group}/{}", text(&case, "name")), case));
        }
    }
    cases
}

fn text<'c>(case: &'c Value, key: &str) -> &'c str {
    case.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn run(case: &Value) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let golden_dir = folder.path().to_string_lossy().into_owned();
    let expand = |text: &str| text.replace("${GOLDEN_DIR}", &golden_dir);
    make_files(case, folder.path());
    let mut host = TestHost::new(case, &golden_dir);
    let outcome = rendered(case, &golden_dir, &mut host);
    if host.has_refused {
        // What a machine refuses is worded by the program that drives it.
        return Verdict::NeedsMore;
    }
    let expected = &case["expect"];
    let (what, actual) = match outcome {
        Outcome::NeedsMore => return Verdict::NeedsMore,
        Outcome::Output(bytes) => ("output", bytes),
        Outcome::Error(text) => ("error", text.into_bytes()),
    };
    let is_equal = match (
        what,
        expected.get(what),
        expected.get("matches"),
        expected.get("error_matches"),
    ) {
        (_, Some(exact), _, _) => actual == expand(exact.as_str().unwrap()).into_bytes(),
        ("output", None, Some(pattern), _) | ("error", None, _, Some(pattern)) => {
            let pattern = expand(pattern.as_str().unwrap());
            let regex = regex::Regex::new(&format!("(?s){pattern}")).unwrap();
            regex.is_match(&String::from_utf8_lossy(&actual))
        }
        _ => false,
    };
    if !is_equal {
        let actual = String::from_utf8_lossy(&actual);
        return Verdict::Different(format!(
            "    template: {}\n    expected: {expected}\n    {what}: {actual:?}",
            case["template"]
        ));
    }
    match wrong_file(expected, folder.path()) {
        None => Verdict::Equal,
        Some(difference) => Verdict::Different(difference),
    }
}

enum Outcome {
    Output(Vec<u8>),
    Error(String),
    NeedsMore,
}

fn rendered(case: &Value, golden_dir: &str, host: &mut TestHost) -> Outcome {
    let options = &case["options"];
    let string = |key: &str| options.get(key).and_then(Value::as_str).map(str::to_owned);
    let list = options
        .get("function_denylist")
        .and_then(Value::as_array)
        .cloned();
    let options = Options {
        left_delimiter: string("left_delimiter").unwrap_or_default(),
        right_delimiter: string("right_delimiter").unwrap_or_default(),
        error_on_missing_key: options["error_on_missing_key"]
            .as_bool()
            .unwrap_or_default(),
        function_denylist: list
            .unwrap_or_default()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect(),
        sandbox_path: string("sandbox_path").map(|path| path.replace("${GOLDEN_DIR}", golden_dir)),
        destination: Some(format!("{golden_dir}/out")),
        ..Options::default()
    };
    let named = |error: TemplateError| Outcome::Error(format!("(dynamic): {error}"));
    let template = match Template::parse(text(case, "template"), options) {
        Ok(template) => template,
        Err(error) => return named(error),
    };
    let mut snapshot = Snapshot::new();
    for _ in 0..MOST_PASSES {
        let rendered = match render(&template, &snapshot, host) {
            Ok(rendered) => rendered,
            Err(error) => return named(error),
        };
        if rendered.missing.is_empty() {
            return Outcome::Output(rendered.output.to_vec());
        }
        for dependency in rendered.missing {
            let Dependency::File { path } = &dependency else {
                return Outcome::NeedsMore;
            };
            match fs::read(path) {
                Ok(content) => snapshot.insert(dependency, Answer::file(content)),
                // How a failed read is worded is the business of the program that reads.
                Err(_) => return Outcome::NeedsMore,
            }
        }
    }
    Outcome::Error("no end of dependencies".to_owned())
}

fn make_files(case: &Value, folder: &Path) {
    let Some(files) = case.get("files").and_then(Value::as_object) else {
        return;
    };
    // Links last, so that what they point to is there.
    for links in [false, true] {
        for (path, content) in files {
            let content = content.as_str().unwrap();
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content.strip_prefix("@symlink:") {
                Some(target) if links => symlink(target, path).unwrap(),
                None if !links => fs::write(path, content).unwrap(),
                _ => {}
            }
        }
    }
}

fn wrong_file(expected: &Value, folder: &Path) -> Option<String> {
    for (path, file) in expected.get("files")?.as_object()? {
        let full = folder.join(path);
        let content = fs::read_to_string(&full).unwrap_or_default();
        if content != text(file, "content") {
            return Some(format!("    file {path}: {content:?}"));
        }
        if let Some(mode) = file.get("mode").and_then(Value::as_str) {
            let found = fs::metadata(&full).unwrap().permissions().mode() & 0o7777;
            if format!("{found:04o}") != mode.trim_start_matches("0o") {
                return Some(format!(
                    "    file {path}: mode {found:04o} instead of {mode}"
                ));
            }
        }
    }
    None
}

/// A host with the case's environment and the real file system below the case's folder.
struct TestHost {
    environment: BTreeMap<String, String>,
    chance: u64,
    has_refused: bool,
}

impl TestHost {
    fn new(case: &Value, golden_dir: &str) -> Self {
        let mut environment: BTreeMap<String, String> = case
            .get("env")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        environment.insert("GOLDEN_DIR".to_owned(), golden_dir.to_owned());
        environment.insert("VAULT_ADDR".to_owned(), "http://127.0.0.1:8200".to_owned());
        environment.insert("CONSUL_HTTP_SSL".to_owned(), "false".to_owned());
        environment.insert("CONSUL_HTTP_SSL_VERIFY".to_owned(), "true".to_owned());
        environment.insert("PATH".to_owned(), env::var("PATH").unwrap_or_default());
        environment.insert("HOME".to_owned(), "/root".to_owned());
        Self {
            environment,
            chance: 0x9E37_79B9_7F4A_7C15,
            has_refused: false,
        }
    }

    fn refuse<T>(&mut self, why: &dyn ToString) -> Result<T, String> {
        self.has_refused = true;
        Err(why.to_string())
    }
}

impl Host for TestHost {
    fn now(&mut self) -> SystemTime {
        SystemTime::now()
    }

    fn fill_random(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        for byte in buffer {
            self.chance ^= self.chance << 13;
            self.chance ^= self.chance >> 7;
            self.chance ^= self.chance << 17;
            *byte = self.chance as u8;
        }
        Ok(())
    }

    fn environment(&mut self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    fn run_plugin(&mut self, command: &str, arguments: &[String]) -> Result<Vec<u8>, String> {
        match std::process::Command::new(command).args(arguments).output() {
            Ok(output) if output.status.success() => Ok(output.stdout),
            Ok(output) => self.refuse(&output.status),
            Err(error) => self.refuse(&error),
        }
    }

    fn write_file(&mut self, file: &FileToWrite<'_>) -> Result<(), String> {
        let path = Path::new(file.path);
        let names_owner = !file.user.is_empty() || !file.group.is_empty();
        let goes_through_link = path.ancestors().any(Path::is_symlink);
        if names_owner || goes_through_link {
            return self.refuse(&"not here");
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut content = match file.placement {
            Placement::Append => fs::read(path).unwrap_or_default(),
            Placement::Replace => Vec::new(),
        };
        content.extend_from_slice(file.content);
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(file.mode)).unwrap();
        Ok(())
    }

    fn check_sandbox(&mut self, sandbox: &str, path: &str) -> Result<(), String> {
        let sandbox = fs::canonicalize(sandbox).unwrap();
        match fs::canonicalize(path) {
            Ok(resolved) if resolved.starts_with(&sandbox) => Ok(()),
            Ok(_) => Err(format!("'{path}' is outside of sandbox")),
            Err(error) => self.refuse(&error),
        }
    }

    fn interfaces(&mut self) -> Vec<Interface> {
        vec![Interface {
            name: "lo".to_owned(),
            index: 1,
            mtu: 65536,
            flags: vec!["up".to_owned(), "loopback".to_owned()],
            hardware_address: String::new(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            prefix_length: 8,
            is_default_route: false,
        }]
    }

    fn print(&mut self, _text: &[u8]) {}
}
