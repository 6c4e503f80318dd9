//! Ten templates as they stand in the annotations of real pods, and an answer that holds what they ask for.

/// Name, definitions and text of each template.
pub(crate) const TYPICAL: [(&str, &str, &str); 10] = [
    (
        "env-file",
        "",
        "{{ with secret \"database/creds/app\" }}DB_USER={{ .Data.username }}\n\
         DB_PASS={{ .Data.password }}\n{{ end }}",
    ),
    (
        "env-file-quoted",
        "",
        "{{ with secret \"secret/app\" }}{{ range $k, $v := .Data.data }}\
         export {{ $k | toUpper }}={{ printf \"%v\" $v | toJSON }}\n{{ end }}{{ end }}",
    ),
    (
        "spring-properties",
        "",
        "{{ with secret \"secret/app\" }}{{ range $k, $v := .Data.data }}\
         app.{{ $k }}={{ $v | sprig_toString | replaceAll \"\\\\\" \"\\\\\\\\\" }}\n{{ end }}{{ end }}",
    ),
    (
        "json",
        "",
        "{{ with secret \"secret/app\" }}{{ .Data.data | toJSONPretty }}{{ end }}",
    ),
    (
        "yaml",
        "",
        "{{ with secret \"secret/app\" }}{{ .Data.data | toYAML | indent 2 }}{{ end }}",
    ),
    (
        "database-url",
        "",
        "{{ with secret \"database/creds/app\" }}postgresql://{{ .Data.username }}:\
         {{ .Data.password | urlquery }}@db.example:5432/app{{ end }}",
    ),
    (
        "tls-bundle",
        "",
        "{{ with secret \"pki/issue/web\" \"common_name=web.example\" }}{{ .Data.private_key | trimSpace }}\n\
         {{ .Data.certificate | trimSpace }}\n{{ end }}",
    ),
    (
        "conditions",
        "",
        "{{ with secret \"secret/app\" }}{{ range $i, $h := .Data.data.hosts }}{{ if gt $i 0 }},{{ end }}\
         {{ if eq $h \"a\" }}first{{ else if eq $h \"b\" }}second{{ else }}{{ $h }}{{ end }}{{ end }}{{ end }}",
    ),
    (
        "several-secrets",
        "",
        "{{ range sprig_list \"one\" \"two\" \"three\" \"four\" }}{{ with secret (printf \"secret/%s\" .) }}\
         {{ .Data.data.user }}:{{ .Data.data.password }}\n{{ end }}{{ end }}",
    ),
    (
        "defined-templates",
        "{{ define \"pool\" }}[{{ .name }}]\nsize = {{ .size }}\n{{ end }}",
        "{{ with secret \"secret/app\" }}{{ $port := .Data.data.port }}{{ range $n := loop 5 }}\
         {{ template \"pool\" (sprig_dict \"name\" (printf \"pool-%d\" $n) \"size\" $port) }}{{ end }}{{ end }}",
    ),
];

/// The answer to everything.
pub(crate) const ANSWER: &str = r#"{"request_id":"r","lease_id":"database/creds/app/x","lease_duration":3600,"renewable":true,
"data":{"username":"v-app-1","password":"p@ss/w rd","certificate":"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
"private_key":"-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n",
"data":{"user":"svc","password":"p@ss \"w\"","port":5432,"ratio":0.25,"enabled":true,"hosts":["a","b","c","d"],"limits":{"cpu":"500m","memory":"256Mi"}},
"metadata":{"version":3}}}"#;
