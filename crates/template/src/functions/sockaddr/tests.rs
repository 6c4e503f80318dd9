//! Expressions over a machine with known addresses, with what go-sockaddr 1.0.7 made of them.

use std::time::SystemTime;

use crate::{FileToWrite, Host, Interface, Options, Snapshot, Template, render};

/// A host that has nothing but addresses.
struct Machine;

impl Host for Machine {
    fn now(&mut self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn fill_random(&mut self, _buffer: &mut [u8]) -> Result<(), String> {
        Err(String::new())
    }

    fn environment(&mut self, _name: &str) -> Option<String> {
        None
    }

    fn run_plugin(&mut self, _command: &str, _arguments: &[String]) -> Result<Vec<u8>, String> {
        Err(String::new())
    }

    fn write_file(&mut self, _file: &FileToWrite<'_>) -> Result<(), String> {
        Err(String::new())
    }

    fn check_sandbox(&mut self, _sandbox: &str, _path: &str) -> Result<(), String> {
        Err(String::new())
    }

    fn interfaces(&mut self) -> Vec<Interface> {
        let of = |name: &str, index, mtu, hardware: &str, flags: &str, address: &str, length| {
            Interface {
                name: name.to_owned(),
                index,
                mtu,
                flags: flags.split('|').map(str::to_owned).collect(),
                hardware_address: hardware.to_owned(),
                address: address.parse().unwrap(),
                prefix_length: length,
                is_default_route: name == "eth0",
            }
        };
        let lo = |address, length| of("lo", 1, 65536, "", "up|loopback|running", address, length);
        let eth = |address, length| {
            let flags = "up|broadcast|multicast|running";
            of("eth0", 4, 1400, "02:fc:00:00:00:01", flags, address, length)
        };
        vec![
            lo("127.0.0.1", 8),
            lo("::1", 128),
            eth("192.0.2.2", 24),
            eth("fd00::2", 64),
            eth("fe80::fc:ff:fe00:1", 64),
        ]
    }

    fn print(&mut self, _text: &[u8]) {}
}

fn evaluated(expression: &str) -> String {
    let template = Template::parse(
        format!("{{{{ sockaddr `{expression}` }}}}"),
        Options::default(),
    );
    let rendered = render(&template.unwrap(), &Snapshot::new(), &mut Machine);
    match rendered {
        Ok(rendered) => String::from_utf8(rendered.output.to_vec()).unwrap(),
        Err(error) => error.message().to_owned(),
    }
}

#[test]
fn expressions_give_what_was_recorded() {
    let cases: Vec<serde_json::Value> = serde_json::from_str(include_str!("tests.json")).unwrap();
    let mut different = Vec::new();
    for case in &cases {
        let expression = case["expression"].as_str().unwrap();
        let (expected, actual) = (case["gives"].as_str().unwrap(), evaluated(expression));
        if actual != expected {
            different.push(format!(
                "{expression}\n  recorded {expected}\n  found    {actual}"
            ));
        }
    }
    assert!(cases.len() > 300, "cases were lost");
    assert!(
        different.is_empty(),
        "{}\n{}",
        different.len(),
        different.join("\n")
    );
}

#[test]
fn an_expression_spends_what_its_template_may() {
    let nested = "{{ sockaddr `(".to_owned() + &"(".repeat(140) + "1" + &")".repeat(141) + "` }}";
    let inside = "{{ if 1 }}".repeat(140) + &nested + &"{{ end }}".repeat(140);
    for (source, message) in [
        (
            "{{ range 5000 }}{{ sockaddr `GetPrivateIP` }}{{ end }}",
            "took more than 20000000 steps",
        ),
        (
            "{{ sockaddr `range 9000000000 }}{{ end` }}",
            "took more than 20000 steps",
        ),
        (
            "{{ sockaddr `template \"a\" }}{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ print` }}",
            "exceeded maximum template depth (0)",
        ),
        (inside.as_str(), ""),
    ] {
        let template = Template::parse(source, Options::default()).unwrap();
        let rendered = render(&template, &Snapshot::new(), &mut Machine);
        let found = rendered.err().map(|error| error.message().to_owned());
        assert!(found.unwrap_or_default().contains(message), "{source}");
    }
}
