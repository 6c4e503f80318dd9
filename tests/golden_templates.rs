//! Every recorded template through `leasehold-agent render` against a fresh real server, compared
//! byte by byte. How many are equal per file is recorded in `golden/floors.json` and may only rise.
//!
//! `LEASEHOLD_GOLDEN=NAME` runs the cases whose name contains it and shows their differences;
//! `LEASEHOLD_GOLDEN_RECORD=1` raises the recorded numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::{OpenBao, process, tools};
use regex::Regex;
use serde_json::{Value, json};

/// How many programs run at one time.
const LANES: usize = 4;

#[test]
fn templates_render_as_recorded() {
    let bao = OpenBao::start();
    replay(&bao);
    let only = std::env::var("LEASEHOLD_GOLDEN").unwrap_or_default();
    let cases: Vec<(String, Value)> = cases()
        .into_iter()
        .filter(|(_, case)| case["name"].as_str().unwrap().contains(&only))
        .filter(|(_, case)| case["requires"] != "root" || process::is_root())
        .collect();
    let results = Mutex::new(BTreeMap::<String, (usize, Vec<String>)>::new());
    let totals = count_by_file(&cases);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some((file, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(&bao, case);
                    let mut results = results.lock().unwrap();
                    let entry = results.entry(file.clone()).or_default();
                    match outcome {
                        Ok(()) => entry.0 += 1,
                        Err(difference) => entry
                            .1
                            .push(format!("{}: {difference}", case["name"].as_str().unwrap())),
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let mut equal = BTreeMap::new();
    for (file, total) in &totals {
        let (count, different) = results.get(file).cloned().unwrap_or_default();
        println!("{file}: {count} of {total} equal");
        for difference in different {
            println!("    {difference}");
        }
        equal.insert(file.clone(), count);
    }
    let all: usize = equal.values().sum();
    println!("templates: {all} of {} equal", cases.len());
    if only.is_empty() {
        check_floor("templates", &equal);
    }
}

/// Sends the requests of `vault-setup.json`.
fn replay(bao: &OpenBao) {
    let setup = fs::read_to_string(folder().join("vault-setup.json")).unwrap();
    let setup: Vec<Value> = serde_json::from_str(&setup).unwrap();
    let mut captured = BTreeMap::<String, Value>::new();
    for step in setup {
        let path = step["path"].as_str().unwrap().replace(' ', "%20");
        let body = match step["raw_body"].as_str() {
            Some(raw) => Some(raw.to_owned()),
            None => step
                .get("body")
                .map(|body| filled(body, &captured).to_string()),
        };
        let method = step["method"].as_str().unwrap();
        let answer = bao
            .try_request("root", method, &path, body.as_deref())
            .unwrap();
        assert!(
            answer.status < 300,
            "{method} {path} was refused: {}",
            answer.body
        );
        for (name, place) in step["capture"].as_object().into_iter().flatten() {
            let pointer = format!("/{}", place.as_str().unwrap().replace('.', "/"));
            captured.insert(
                format!("${{{name}}}"),
                answer.body.pointer(&pointer).unwrap().clone(),
            );
        }
    }
}

/// A body with the captured values in their places.
fn filled(body: &Value, captured: &BTreeMap<String, Value>) -> Value {
    match body {
        Value::String(text) => captured.get(text).unwrap_or(body).clone(),
        Value::Array(items) => items.iter().map(|item| filled(item, captured)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, captured)))
            .collect(),
        _ => body.clone(),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/templates")
}

/// All cases with the file that they are in.
fn cases() -> Vec<(String, Value)> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| !path.ends_with("vault-setup.json"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        all.extend(cases.into_iter().map(|case| (name.clone(), case)));
    }
    assert!(all.len() > 800, "only {} cases were found", all.len());
    all
}

fn count_by_file(cases: &[(String, Value)]) -> BTreeMap<String, usize> {
    let mut totals = BTreeMap::new();
    for (file, _) in cases {
        *totals.entry(file.clone()).or_default() += 1;
    }
    totals
}

/// Runs one case; the error says what differs.
fn run(bao: &OpenBao, case: &Value) -> Result<(), String> {
    let scratch = Scratch::new("golden");
    let own = scratch.path().display().to_string();
    let filled = |text: &str| {
        // The recorded program wrote into the file `out`; `render` writes to the standard output, and has no
        // file to name.
        text.replace("->${GOLDEN_DIR}/out)", "->)")
            .replace("${GOLDEN_DIR}", &own)
            .replace("${VAULT_ADDR}", &bao.address())
    };
    for (name, content) in case["files"].as_object().into_iter().flatten() {
        let path = scratch.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = content.as_str().unwrap();
        match content.strip_prefix("@symlink:") {
            Some(target) => symlink(filled(target), &path).unwrap(),
            None => fs::write(&path, content).unwrap(),
        }
    }
    let mut command = Command::new(tools::product("leasehold-agent"));
    command
        .args(["render", "-t", "-"])
        .current_dir(scratch.path())
        .env_clear();
    command
        .env("PATH", "/usr/bin:/bin")
        .env("TZ", "UTC")
        .env("GOLDEN_DIR", &own);
    command.env("VAULT_ADDR", bao.address());
    command.env("VAULT_TOKEN", case["token"].as_str().unwrap_or("root"));
    for (name, value) in case["env"].as_object().into_iter().flatten() {
        command.env(name, filled(value.as_str().unwrap()));
    }
    let options = &case["options"];
    for (option, flag) in [
        ("left_delimiter", "--left-delimiter"),
        ("right_delimiter", "--right-delimiter"),
        ("sandbox_path", "--sandbox-path"),
    ] {
        if let Some(value) = options[option].as_str() {
            command.arg(flag).arg(filled(value));
        }
    }
    if options["error_on_missing_key"] == true {
        command.arg("--error-on-missing-key");
    }
    for name in options["function_denylist"]
        .as_array()
        .into_iter()
        .flatten()
    {
        command
            .arg("--function-denylist")
            .arg(name.as_str().unwrap());
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let template = case["template"].as_str().unwrap().to_owned();
    let writer = thread::spawn(move || {
        let _ = stdin.write_all(template.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let expected = &case["expect"];
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let failed = format!("exit {:?}, {:?}", output.status.code(), shortened(&errors));
    if let Some(wanted) = expected["output"].as_str() {
        let wanted = filled(wanted);
        if !output.status.success() {
            return Err(failed);
        }
        if output.stdout != wanted.as_bytes() {
            let got = String::from_utf8_lossy(&output.stdout).into_owned();
            return Err(format!(
                "{:?}, recorded {:?}",
                shortened(&got),
                shortened(&wanted)
            ));
        }
    } else if let Some(pattern) = expected["matches"].as_str() {
        let pattern = Regex::new(&filled(pattern)).map_err(|error| error.to_string())?;
        let got = String::from_utf8_lossy(&output.stdout);
        let whole = pattern
            .find_iter(&got)
            .any(|found| found.len() == got.len());
        if !output.status.success() || !whole {
            return Err(format!("{:?} is not {pattern}; {failed}", shortened(&got)));
        }
    } else {
        if output.status.code() != Some(1) {
            return Err(format!(
                "rendered, recorded the error {}",
                expected["error"]
            ));
        }
        if !output.stdout.is_empty() {
            return Err("something was written to standard output beside an error".to_owned());
        }
        let found = match (
            expected["error"].as_str(),
            expected["error_matches"].as_str(),
        ) {
            (Some(text), _) => errors.contains(&filled(text)),
            (None, Some(pattern)) => Regex::new(&filled(pattern))
                .map_err(|error| error.to_string())?
                .is_match(&errors),
            (None, None) => false,
        };
        if !found {
            let recorded = [&expected["error"], &expected["error_matches"]];
            let recorded = recorded
                .iter()
                .find_map(|one| one.as_str())
                .unwrap_or_default();
            return Err(format!("{:?}, recorded {recorded:?}", shortened(&errors)));
        }
    }
    for (name, wanted) in expected["files"].as_object().into_iter().flatten() {
        let path = scratch.join(name);
        let content = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        if wanted["content"]
            .as_str()
            .is_some_and(|wanted| filled(wanted) != content)
        {
            return Err(format!("{name} holds {content:?}"));
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        let wanted = wanted["mode"]
            .as_str()
            .and_then(|mode| u32::from_str_radix(mode, 8).ok());
        if wanted.is_some_and(|wanted| wanted != mode) {
            return Err(format!(
                "{name} has mode {mode:o}, recorded {:o}",
                wanted.unwrap_or(0)
            ));
        }
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(300).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Compares with the recorded numbers, or raises them when told to.
fn check_floor(harness: &str, equal: &BTreeMap<String, usize>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/floors.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    let mut floors: Value = serde_json::from_str(&text).unwrap();
    let mut fallen = Vec::new();
    for (file, count) in equal {
        let floor = floors[harness][file].as_u64().unwrap_or(0) as usize;
        if *count < floor {
            fallen.push(format!("{file}: {count} equal, {floor} before"));
        }
    }
    assert!(
        fallen.is_empty(),
        "fewer are equal than before: {fallen:#?}"
    );
    if std::env::var_os("LEASEHOLD_GOLDEN_RECORD").is_some() {
        floors[harness] = json!(equal);
        fs::write(&path, serde_json::to_string_pretty(&floors).unwrap() + "\n").unwrap();
    }
}
