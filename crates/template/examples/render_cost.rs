//! What ten typical templates cost to render once their data is there: microseconds for each, as a line
//! of its name, the cost of parsing and the cost of rendering. `xtask bench` runs it beside the peer.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement needs the clock, and is there to be read"
)]

use std::{env, error::Error, time::Instant};

use leasehold_template::{Answer, Dependency, NoHost, Options, Snapshot, Template, render};

/// Name and source of each template.
const TEMPLATES: [(&str, &str); 10] = [
    (
        "env-file",
        "{{ with secret \"database/creds/app\" }}DB_USER={{ .Data.username }}\n\
         DB_PASS={{ .Data.password }}\n{{ end }}",
    ),
    (
        "env-file-quoted",
        "{{ with secret \"secret/app\" }}{{ range $k, $v := .Data.data }}\
         export {{ $k | toUpper }}={{ printf \"%v\" $v | toJSON }}\n{{ end }}{{ end }}",
    ),
    (
        "spring-properties",
        "{{ with secret \"secret/app\" }}{{ range $k, $v := .Data.data }}\
         app.{{ $k }}={{ $v | sprig_toString | replaceAll \"\\\\\" \"\\\\\\\\\" }}\n{{ end }}{{ end }}",
    ),
    (
        "json",
        "{{ with secret \"secret/app\" }}{{ .Data.data | toJSONPretty }}{{ end }}",
    ),
    (
        "yaml",
        "{{ with secret \"secret/app\" }}{{ .Data.data | toYAML | indent 2 }}{{ end }}",
    ),
    (
        "database-url",
        "{{ with secret \"database/creds/app\" }}postgresql://{{ .Data.username }}:\
         {{ .Data.password | urlquery }}@db.example:5432/app{{ end }}",
    ),
    (
        "tls-bundle",
        "{{ with secret \"pki/issue/web\" \"common_name=web.example\" }}{{ .Data.private_key | trimSpace }}\n\
         {{ .Data.certificate | trimSpace }}\n{{ end }}",
    ),
    (
        "conditions",
        "{{ with secret \"secret/app\" }}{{ range $i, $h := .Data.data.hosts }}{{ if gt $i 0 }},{{ end }}\
         {{ if eq $h \"a\" }}first{{ else if eq $h \"b\" }}second{{ else }}{{ $h }}{{ end }}{{ end }}{{ end }}",
    ),
    (
        "several-secrets",
        "{{ range sprig_list \"one\" \"two\" \"three\" \"four\" }}{{ with secret (printf \"secret/%s\" .) }}\
         {{ .Data.data.user }}:{{ .Data.data.password }}\n{{ end }}{{ end }}",
    ),
    (
        "defined-templates",
        "{{ define \"pool\" }}[{{ .name }}]\nsize = {{ .size }}\n{{ end }}\
         {{ with secret \"secret/app\" }}{{ $port := .Data.data.port }}{{ range $n := loop 5 }}\
         {{ template \"pool\" (sprig_dict \"name\" (printf \"pool-%d\" $n) \"size\" $port) }}{{ end }}{{ end }}",
    ),
];

/// The answer to everything.
const BODY: &str = r#"{"request_id":"r","lease_id":"database/creds/app/x","lease_duration":3600,"renewable":true,
"data":{"username":"v-app-1","password":"p@ss/w rd","certificate":"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
"private_key":"-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n",
"data":{"user":"svc","password":"p@ss \"w\"","port":5432,"ratio":0.25,"enabled":true,"hosts":["a","b","c","d"],"limits":{"cpu":"500m","memory":"256Mi"}},
"metadata":{"version":3}}}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: u32 = env::args().nth(1).map_or(Ok(20_000), |text| text.parse())?;
    println!("{:<20} {:>10} {:>10}", "template", "parse µs", "render µs");
    for (name, source) in TEMPLATES {
        let begun = Instant::now();
        for _ in 0..rounds.div_ceil(10) {
            Template::parse(source, Options::default())?;
        }
        let parse = begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds.div_ceil(10));
        let template = Template::parse(source, Options::default())?;
        let snapshot = answered(&template)?;
        let begun = Instant::now();
        for _ in 0..rounds {
            render(&template, &snapshot, &mut NoHost)?;
        }
        let cost = begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
        println!("{name:<20} {parse:>10.2} {cost:>10.2}");
    }
    Ok(())
}

/// A snapshot with everything that the template asks for.
fn answered(template: &Template) -> Result<Snapshot, Box<dyn Error>> {
    let mut snapshot = Snapshot::new();
    loop {
        let missing: Vec<Dependency> = render(template, &snapshot, &mut NoHost)?.missing;
        if missing.is_empty() {
            return Ok(snapshot);
        }
        for dependency in missing {
            snapshot.insert(dependency, Answer::secret(BODY.as_bytes())?);
        }
    }
}
