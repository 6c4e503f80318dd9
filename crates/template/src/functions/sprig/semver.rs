//! Semantic versions, of sprig.

use std::any::Any;

use super::dates::places::bytes;
use crate::{
    go::{Failure, Function, Object, Text, Type, Value},
    semver::{Constraints, Part, Version},
};

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::fixed("sprig_semver", &[Type::Text], |_, args| {
        Version::parse(&args.text(0))
            .map(Value::object)
            .map_err(|error| error.to_string().into())
    }),
    Function::fixed(
        "sprig_semverCompare",
        &[Type::Text, Type::Text],
        |_, args| {
            let constraints =
                Constraints::parse(&args.text(0)).map_err(|error| error.to_string())?;
            let version = Version::parse(&args.text(1)).map_err(|error| error.to_string())?;
            Ok(constraints.check(&version).into())
        },
    ),
];

const POINTER: &str = "*semver.Version";
const VERSION: &[Type] = &[Type::Object(POINTER)];

static METHODS: &[Function] = &[
    Function::fixed("Major", &[], |_, args| {
        Ok(Value::uint64(version(args.receiver())?.major))
    }),
    Function::fixed("Minor", &[], |_, args| {
        Ok(Value::uint64(version(args.receiver())?.minor))
    }),
    Function::fixed("Patch", &[], |_, args| {
        Ok(Value::uint64(version(args.receiver())?.patch))
    }),
    Function::fixed("Prerelease", &[], |_, args| {
        Ok(version(args.receiver())?.prerelease.as_str().into())
    }),
    Function::fixed("Metadata", &[], |_, args| {
        Ok(version(args.receiver())?.metadata.as_str().into())
    }),
    Function::fixed("Original", &[], |_, args| {
        Ok(version(args.receiver())?.original.as_str().into())
    }),
    Function::fixed("String", &[], |_, args| {
        Ok(version(args.receiver())?.to_string().into())
    }),
    Function::fixed("Compare", VERSION, |_, args| {
        Ok(Value::int(
            version(args.receiver())?.compare(version(args.value(0))?) as i64,
        ))
    }),
    Function::fixed("Equal", VERSION, |_, args| {
        Ok(version(args.receiver())?
            .compare(version(args.value(0))?)
            .is_eq()
            .into())
    }),
    Function::fixed("LessThan", VERSION, |_, args| {
        Ok(version(args.receiver())?
            .compare(version(args.value(0))?)
            .is_lt()
            .into())
    }),
    Function::fixed("LessThanEqual", VERSION, |_, args| {
        Ok(version(args.receiver())?
            .compare(version(args.value(0))?)
            .is_le()
            .into())
    }),
    Function::fixed("GreaterThan", VERSION, |_, args| {
        Ok(version(args.receiver())?
            .compare(version(args.value(0))?)
            .is_gt()
            .into())
    }),
    Function::fixed("GreaterThanEqual", VERSION, |_, args| {
        Ok(version(args.receiver())?
            .compare(version(args.value(0))?)
            .is_ge()
            .into())
    }),
    // For encoders and databases in Go; templates can call them all the same.
    Function::fixed("Value", &[], |_, args| {
        Ok(version(args.receiver())?.to_string().into())
    }),
    Function::fixed("MarshalText", &[], |_, args| {
        let text = version(args.receiver())?.to_string();
        Ok(bytes(text.as_bytes()))
    }),
    Function::fixed("MarshalJSON", &[], |_, args| {
        let text = version(args.receiver())?.to_string();
        Ok(bytes(format!("\"{text}\"").as_bytes()))
    }),
    Function::fixed("SetPrerelease", &[Type::Text], |_, args| {
        let changed = version(args.receiver())?.with_prerelease(&args.text(0));
        changed
            .map(Value::object)
            .map_err(|error| error.to_string().into())
    }),
    Function::fixed("SetMetadata", &[Type::Text], |_, args| {
        let changed = version(args.receiver())?.with_metadata(&args.text(0));
        changed
            .map(Value::object)
            .map_err(|error| error.to_string().into())
    }),
    Function::fixed("IncMajor", &[], |_, args| {
        Ok(Value::object(
            version(args.receiver())?.incremented(Part::Major),
        ))
    }),
    Function::fixed("IncMinor", &[], |_, args| {
        Ok(Value::object(
            version(args.receiver())?.incremented(Part::Minor),
        ))
    }),
    Function::fixed("IncPatch", &[], |_, args| {
        Ok(Value::object(
            version(args.receiver())?.incremented(Part::Patch),
        ))
    }),
];

fn version(value: &Value) -> Result<&Version, Failure> {
    value.downcast().ok_or_else(|| {
        Failure::new("runtime error: invalid memory address or nil pointer dereference")
    })
}

impl Object for Version {
    fn type_name(&self) -> &'static str {
        POINTER
    }

    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Templates cannot reach these, but verbs that are not for texts print them.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("major", Value::uint64(self.major)),
            ("minor", Value::uint64(self.minor)),
            ("patch", Value::uint64(self.patch)),
            ("pre", self.prerelease.as_str().into()),
            ("metadata", self.metadata.as_str().into()),
            ("original", self.original.as_str().into()),
        ]
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<Text> {
        Some(self.to_string().into())
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
