//! Keys and certificates, of sprig.

use std::any::Any;

use crate::{
    base64::{self, Alphabet},
    functions::print,
    go::{Arguments, Context, Failure, Function, Object, Text, Type, Value},
    time::Duration,
    x509::{self, Kind, PrivateKey, Request, Role, Signer},
};

const CERTIFICATE: Type = Type::Object("sprig.certificate");
/// What making an RSA key counts in steps.
const KEY_STEPS: u64 = 2_000_000;
const RSA_BITS: usize = 2048;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::fixed("sprig_genPrivateKey", &[Type::Text], |context, args| {
        let kind = match args.bytes(0) {
            b"" | b"rsa" => Kind::Rsa(4096),
            b"ecdsa" => Kind::Ecdsa,
            b"ed25519" => Kind::Ed25519,
            b"dsa" => {
                let message = "DSA keys are not made here, since hardly anything accepts them: use rsa, ecdsa or ed25519";
                return Err(Failure::new(message));
            }
            _ => return Ok(format!("Unknown type {}", args.text(0)).into()),
        };
        Ok(pem(&new_key(context, kind)?)?.into())
    }),
    Function::fixed(
        "sprig_buildCustomCert",
        &[Type::Text, Type::Text],
        |_, args| {
            let certificate = base64::decode(args.bytes(0), Alphabet::Standard)
                .map_err(|_| Failure::new("unable to decode base64 certificate"))?;
            let key = base64::decode(args.bytes(1), Alphabet::Standard)
                .map_err(|_| Failure::new("unable to decode base64 private key"))?;
            if !x509::has_pem(&certificate) {
                return Err(Failure::new("unable to decode certificate"));
            }
            x509::check_certificate(&certificate).map_err(|error| {
                format!("error parsing certificate: decodedCert.Bytes: {error}")
            })?;
            PrivateKey::check_pem(&key)
                .map_err(|error| format!("error parsing private key: {error}"))?;
            Ok(Value::object(Certificate {
                certificate: certificate.into(),
                key: key.into(),
            }))
        },
    ),
    Function::fixed("sprig_genCA", &[Type::Text, Type::INT], |context, args| {
        let key = new_key(context, Kind::Rsa(RSA_BITS))?;
        authority(context, args, &key)
    }),
    Function::fixed(
        "sprig_genCAWithKey",
        &[Type::Text, Type::INT, Type::Text],
        |context, args| {
            let key = given_key(args.bytes(2))?;
            authority(context, args, &key)
        },
    ),
    Function::fixed(
        "sprig_genSelfSignedCert",
        &[Type::Text, Type::List, Type::List, Type::INT],
        |context, args| {
            let key = new_key(context, Kind::Rsa(RSA_BITS))?;
            leaf(context, args, &key, None)
        },
    ),
    Function::fixed(
        "sprig_genSelfSignedCertWithKey",
        &[Type::Text, Type::List, Type::List, Type::INT, Type::Text],
        |context, args| {
            let key = given_key(args.bytes(4))?;
            leaf(context, args, &key, None)
        },
    ),
    Function::fixed(
        "sprig_genSignedCert",
        &[Type::Text, Type::List, Type::List, Type::INT, CERTIFICATE],
        |context, args| {
            let key = new_key(context, Kind::Rsa(RSA_BITS))?;
            leaf(context, args, &key, args.value(4).downcast())
        },
    ),
    Function::fixed(
        "sprig_genSignedCertWithKey",
        &[
            Type::Text,
            Type::List,
            Type::List,
            Type::INT,
            CERTIFICATE,
            Type::Text,
        ],
        |context, args| {
            let key = given_key(args.bytes(5))?;
            leaf(context, args, &key, args.value(4).downcast())
        },
    ),
];

/// A certificate and its key, in PEM.
struct Certificate {
    certificate: Text,
    key: Text,
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        "sprig.certificate"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::Text(self.certificate.clone())),
            "Key" => Some(Value::Text(self.key.clone())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Cert", Value::Text(self.certificate.clone())),
            ("Key", Value::Text(self.key.clone())),
        ]
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| other.certificate == self.certificate && other.key == self.key)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn new_key(context: &mut Context<'_>, kind: Kind) -> Result<PrivateKey, Failure> {
    context.spend(KEY_STEPS)?;
    let mut seed = [0; 32];
    context
        .host()
        .fill_random(&mut seed)
        .map_err(Failure::from)?;
    PrivateKey::generate(kind, seed)
        .map_err(|error| format!("failed to generate private key: {error}").into())
}

fn given_key(text: &[u8]) -> Result<PrivateKey, Failure> {
    PrivateKey::from_pem(text).map_err(|error| format!("parsing private key: {error}").into())
}

fn pem(key: &PrivateKey) -> Result<String, Failure> {
    key.to_pem()
        .map_err(|error| format!("error pem-encoding key: {error}").into())
}

fn request<'a>(
    context: &mut Context<'_>,
    name: &'a str,
    days: i64,
    role: Role,
) -> Result<Request<'a>, Failure> {
    let mut serial = [0; 16];
    context
        .host()
        .fill_random(&mut serial)
        .map_err(Failure::from)?;
    let now = super::dates::now(context);
    let life = Duration::from_seconds(days.saturating_mul(86_400));
    Ok(Request {
        name,
        addresses: Vec::new(),
        dns_names: Vec::new(),
        not_after: now.plus(life),
        not_before: now,
        serial,
        role,
    })
}

fn made(
    request: &Request<'_>,
    key: &PrivateKey,
    signer: Option<&Signer<'_>>,
) -> Result<Value, Failure> {
    let certificate = x509::certificate(request, key, signer)
        .map_err(|error| format!("error creating certificate: {error}"))?;
    Ok(Value::object(Certificate {
        certificate: certificate.into(),
        key: pem(key)?.into(),
    }))
}

fn authority(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    key: &PrivateKey,
) -> Result<Value, Failure> {
    let name = args.text(0);
    made(
        &request(context, &name, args.int(1), Role::Authority)?,
        key,
        None,
    )
}

fn leaf(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    key: &PrivateKey,
    signer: Option<&Certificate>,
) -> Result<Value, Failure> {
    let signer_key = match signer {
        None => None,
        Some(signer) => {
            if !x509::has_pem(&signer.certificate) {
                return Err(Failure::new("unable to decode certificate"));
            }
            x509::check_certificate(&signer.certificate).map_err(|error| {
                format!("error parsing certificate: decodedSignerCert.Bytes: {error}")
            })?;
            let key = PrivateKey::from_pem(&signer.key);
            Some(key.map_err(|error| format!("error parsing private key: {error}"))?)
        }
    };
    let name = args.text(0);
    let mut request = request(context, &name, args.int(3), Role::Leaf)?;
    for address in args.list(1).map_or(&[][..], |list| list.items()) {
        let Some(text) = address.as_text() else {
            let shown = String::from_utf8_lossy(&print::display(address)?).into_owned();
            return Err(format!("error parsing ip: {shown} is not a string").into());
        };
        let text = text.to_str_lossy();
        request.addresses.push(
            text.parse()
                .map_err(|_| format!("error parsing ip: {text}"))?,
        );
    }
    for dns_name in args.list(2).map_or(&[][..], |list| list.items()) {
        let Some(text) = dns_name.as_text() else {
            let shown = String::from_utf8_lossy(&print::display(dns_name)?).into_owned();
            return Err(
                format!("error processing alternate dns name: {shown} is not a string").into(),
            );
        };
        if !text.is_ascii() {
            let name = print::quote(text);
            return Err(format!(
                "error creating certificate: x509: {name} cannot be encoded as an IA5String"
            )
            .into());
        }
        request.dns_names.push(text.to_str_lossy().into_owned());
    }
    let signer = signer.zip(signer_key.as_ref());
    let signer = signer.map(|(signer, key)| Signer {
        certificate: &signer.certificate,
        key,
    });
    made(&request, key, signer.as_ref())
}
