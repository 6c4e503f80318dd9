//! Answers of the server as templates see them: structs with the names that consul-template gives.

use std::{any::Any, collections::BTreeMap};

use crate::{
    functions,
    go::{Function, List, Map, MapType, Object, Text, Type, Value},
    snapshot::AnswerError,
};

/// A secret: what `secret` returns.
pub struct Secret {
    request_id: Text,
    lease_id: Text,
    lease_duration: i64,
    renewable: bool,
    data: Map,
    warnings: List,
    auth: Value,
    wrap_info: Value,
}

impl Secret {
    /// Reads the body of an answer.
    pub(crate) fn from_body(body: &Value) -> Result<Value, AnswerError> {
        let body = map(Some(body.clone()), "the body")?;
        let mut secret = Self {
            request_id: text(&body, "request_id")?,
            lease_id: text(&body, "lease_id")?,
            lease_duration: seconds(&body, "lease_duration")?,
            renewable: flag(&body, "renewable")?,
            data: map(body.get_text(b"data"), "data")?,
            warnings: texts(&body, "warnings")?,
            auth: Auth::from_body(&body)?,
            wrap_info: WrapInfo::from_body(&body)?,
        };
        // Some answers of the system, such as its health, have their data outermost.
        if secret.is_blank() && !body.is_nil() {
            secret.data = body;
        }
        Ok(Value::object(secret))
    }

    fn is_blank(&self) -> bool {
        self.request_id.is_empty()
            && self.lease_id.is_empty()
            && self.lease_duration == 0
            && !self.renewable
            && self.data.is_nil()
            && self.warnings.is_nil()
            && self.auth.is_nil()
            && self.wrap_info.is_nil()
    }

    /// The secret's data, which templates may change.
    pub fn data(&self) -> &Map {
        &self.data
    }
}

impl Object for Secret {
    fn type_name(&self) -> &'static str {
        "*dependency.Secret"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "RequestID" => Value::Text(self.request_id.clone()),
            "LeaseID" => Value::Text(self.lease_id.clone()),
            "LeaseDuration" => Value::int(self.lease_duration),
            "Renewable" => Value::Bool(self.renewable),
            "Data" => Value::Map(self.data.clone()),
            "Warnings" => Value::List(self.warnings.clone()),
            "Auth" => self.auth.clone(),
            "WrapInfo" => self.wrap_info.clone(),
            _ => return None,
        })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        named(
            self,
            &[
                "RequestID",
                "LeaseID",
                "LeaseDuration",
                "Renewable",
                "Data",
                "Warnings",
                "Auth",
                "WrapInfo",
            ],
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a log-in gave: `.Auth`.
struct Auth {
    client_token: Text,
    accessor: Text,
    policies: List,
    metadata: Map,
    lease_duration: i64,
    renewable: bool,
}

impl Auth {
    const TYPE: &str = "*dependency.SecretAuth";
    const FIELDS: &[&str] = &[
        "ClientToken",
        "Accessor",
        "Policies",
        "Metadata",
        "LeaseDuration",
        "Renewable",
    ];

    fn from_body(body: &Map) -> Result<Value, AnswerError> {
        let auth = map(body.get_text(b"auth"), "auth")?;
        if auth.is_nil() {
            return Ok(Value::NilObject(Self::TYPE));
        }
        let metadata = map(auth.get_text(b"metadata"), "auth.metadata")?;
        let metadata = if metadata.is_nil() {
            Map::nil(MapType::TextToText)
        } else {
            Map::new(
                MapType::TextToText,
                BTreeMap::clone(metadata.entries().as_ref()),
            )
        };
        Ok(Value::object(Self {
            client_token: text(&auth, "client_token")?,
            accessor: text(&auth, "accessor")?,
            policies: texts(&auth, "policies")?,
            metadata,
            lease_duration: seconds(&auth, "lease_duration")?,
            renewable: flag(&auth, "renewable")?,
        }))
    }
}

impl Object for Auth {
    fn type_name(&self) -> &'static str {
        Self::TYPE
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "ClientToken" => Value::Text(self.client_token.clone()),
            "Accessor" => Value::Text(self.accessor.clone()),
            "Policies" => Value::List(self.policies.clone()),
            "Metadata" => Value::Map(self.metadata.clone()),
            "LeaseDuration" => Value::int(self.lease_duration),
            "Renewable" => Value::Bool(self.renewable),
            _ => return None,
        })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        named(
            self,
            &[
                "ClientToken",
                "Accessor",
                "Policies",
                "Metadata",
                "LeaseDuration",
                "Renewable",
            ],
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a wrapped answer gave: `.WrapInfo`.
struct WrapInfo {
    token: Text,
    ttl: i64,
    creation_time: Text,
    wrapped_accessor: Text,
}

impl WrapInfo {
    const TYPE: &str = "*dependency.SecretWrapInfo";
    const FIELDS: &[&str] = &["Token", "TTL", "CreationTime", "WrappedAccessor"];

    fn from_body(body: &Map) -> Result<Value, AnswerError> {
        let wrap = map(body.get_text(b"wrap_info"), "wrap_info")?;
        if wrap.is_nil() {
            return Ok(Value::NilObject(Self::TYPE));
        }
        Ok(Value::object(Self {
            token: text(&wrap, "token")?,
            ttl: seconds(&wrap, "ttl")?,
            creation_time: text(&wrap, "creation_time")?,
            wrapped_accessor: text(&wrap, "wrapped_accessor")?,
        }))
    }
}

impl Object for WrapInfo {
    fn type_name(&self) -> &'static str {
        Self::TYPE
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Token" => Value::Text(self.token.clone()),
            "TTL" => Value::int(self.ttl),
            "CreationTime" => functions::parse_rfc3339(&self.creation_time.to_str_lossy())
                .unwrap_or_else(|| Value::Text(self.creation_time.clone())),
            "WrappedAccessor" => Value::Text(self.wrapped_accessor.clone()),
            _ => return None,
        })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        named(self, Self::FIELDS)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A certificate in PEM: what `pkiCert` returns.
#[derive(Clone)]
pub struct PemEncoded {
    /// The certificate.
    pub certificate: Text,
    /// Its private key.
    pub key: Text,
    /// The issuer's certificate.
    pub ca: Text,
    /// The chain of issuers.
    pub ca_chain: Vec<Text>,
}

impl Object for PemEncoded {
    fn type_name(&self) -> &'static str {
        "dependency.PemEncoded"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Cert" => Value::Text(self.certificate.clone()),
            "Key" => Value::Text(self.key.clone()),
            "CA" => Value::Text(self.ca.clone()),
            "CAChain" => Value::texts(self.ca_chain.iter().cloned()),
            _ => return None,
        })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        named(self, &["Cert", "Key", "CA", "CAChain"])
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        // So that a template written for a secret finds the fields where it looks for them.
        const ITSELF: Function =
            Function::fixed("Data", &[], |_, arguments| Ok(arguments.receiver().clone()));
        (name == "Data").then_some(&ITSELF)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Whether a pointer of this type, when it is nil, points to nothing that would have the field.
pub(crate) fn may_have_field(type_name: &str, field: &str) -> bool {
    match type_name {
        Auth::TYPE => Auth::FIELDS.contains(&field),
        WrapInfo::TYPE => WrapInfo::FIELDS.contains(&field),
        _ => true,
    }
}

fn named(object: &dyn Object, names: &[&'static str]) -> Vec<(&'static str, Value)> {
    names
        .iter()
        .filter_map(|name| Some((*name, object.field(name)?)))
        .collect()
}

fn wrong(place: &'static str, wanted: &'static str, found: &Value) -> AnswerError {
    AnswerError::NotSecret {
        place,
        wanted,
        found: found.type_name(),
    }
}

fn map(value: Option<Value>, place: &'static str) -> Result<Map, AnswerError> {
    match value {
        Some(Value::Map(map)) => Ok(map),
        None | Some(Value::Nil) => Ok(Map::nil(MapType::TextToAny)),
        Some(other) => Err(wrong(place, "an object", &other)),
    }
}

fn text(map: &Map, name: &'static str) -> Result<Text, AnswerError> {
    match map.get_text(name.as_bytes()) {
        Some(Value::Text(text)) => Ok(text),
        None | Some(Value::Nil) => Ok(Text::default()),
        Some(other) => Err(wrong(name, "a text", &other)),
    }
}

fn flag(map: &Map, name: &'static str) -> Result<bool, AnswerError> {
    match map.get_text(name.as_bytes()) {
        Some(Value::Bool(flag)) => Ok(flag),
        None | Some(Value::Nil) => Ok(false),
        Some(other) => Err(wrong(name, "true or false", &other)),
    }
}

fn seconds(map: &Map, name: &'static str) -> Result<i64, AnswerError> {
    match map.get_text(name.as_bytes()) {
        Some(Value::Number(text)) => {
            let number = text.to_str_lossy().parse();
            number.map_err(|_| wrong(name, "a whole number", &Value::Number(text)))
        }
        None | Some(Value::Nil) => Ok(0),
        Some(other) => Err(wrong(name, "a whole number", &other)),
    }
}

fn texts(map: &Map, name: &'static str) -> Result<List, AnswerError> {
    match map.get_text(name.as_bytes()) {
        Some(Value::List(list)) => {
            match list.items().iter().find(|item| item.as_text().is_none()) {
                None => Ok(List::new(Type::Text, list.items().to_vec())),
                Some(other) => Err(wrong(name, "a list of texts", other)),
            }
        }
        None | Some(Value::Nil) => Ok(List::nil(Type::Text)),
        Some(other) => Err(wrong(name, "a list of texts", &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn data(body: &str) -> Vec<String> {
        let body = json::read(body.as_bytes(), json::Numbers::AsText).expect("valid JSON");
        let secret = Secret::from_body(&body).expect("a secret");
        let secret: &Secret = secret.downcast().expect("a secret");
        secret
            .data()
            .keys()
            .iter()
            .filter_map(|key| key.as_text().map(|text| text.to_str_lossy().into_owned()))
            .collect()
    }

    #[test]
    fn an_answer_without_any_field_of_a_secret_is_data_itself() {
        assert_eq!(
            data(r#"{"initialized":true,"sealed":false}"#),
            ["initialized", "sealed"]
        );
        assert_eq!(
            data(r#"{"request_id":"r","initialized":true}"#),
            Vec::<String>::new()
        );
        assert_eq!(data(r#"{"request_id":"r","data":{"a":1}}"#), ["a"]);
    }
}
