//! Functions for Consul and Nomad. Neither is reached from here: where the established program answers without asking,
//! so do these; otherwise they fail with a sentence that says so.

use crate::go::{Arguments, Failure, Function, Kind, Map, MapType, Type, Value};

/// A list of things of a type that has no values here.
const NONE: Type = Type::Object("[]*dependency.KeyPair");
const NO_SERVICES: Type = Type::Object("[]*dependency.HealthService");

const TEXT: &[Type] = &[Type::Text];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("key", TEXT, |_, args| {
        unless_asked(args, "key", "Consul", || "".into())
    }),
    Function::fixed("keyExists", TEXT, |_, args| {
        unless_asked(args, "keyExists", "Consul", || false.into())
    }),
    Function::fixed("keyOrDefault", &[Type::Text, Type::Text], |_, args| {
        unless_asked(args, "keyOrDefault", "Consul", || args.value(1).clone())
    }),
    Function::fixed("ls", TEXT, |_, args| {
        unless_asked(args, "ls", "Consul", empty)
    }),
    Function::fixed("safeLs", TEXT, |_, args| {
        unless_asked(args, "safeLs", "Consul", empty)
    }),
    Function::fixed("tree", TEXT, |_, args| {
        unless_asked(args, "tree", "Consul", empty)
    }),
    Function::fixed("safeTree", TEXT, |_, args| {
        unless_asked(args, "safeTree", "Consul", empty)
    }),
    Function::variadic("service", &[], Type::Text, |_, args| {
        unless_asked(args, "service", "Consul", empty)
    }),
    Function::variadic("connect", &[], Type::Text, |_, args| {
        unless_asked(args, "connect", "Consul", empty)
    }),
    Function::variadic("caLeaf", &[], Type::Text, |_, args| {
        unless_asked(args, "caLeaf", "Consul", || Value::Nil)
    }),
    Function::variadic("datacenters", &[], Type::Bool, |_, _| {
        refused("datacenters", "Consul")
    }),
    Function::variadic("services", &[], Type::Text, |_, _| {
        refused("services", "Consul")
    }),
    Function::variadic("node", &[], Type::Text, |_, _| refused("node", "Consul")),
    Function::variadic("nodes", &[], Type::Text, |_, _| refused("nodes", "Consul")),
    Function::variadic("caRoots", &[], Type::Text, |_, _| {
        refused("caRoots", "Consul")
    }),
    Function::fixed("partitions", &[], |_, _| refused("partitions", "Consul")),
    Function::variadic("peerings", &[], Type::Text, |_, _| {
        refused("peerings", "Consul")
    }),
    Function::variadic("exportedServices", &[], Type::Text, |_, _| {
        refused("exportedServices", "Consul")
    }),
    Function::fixed("importedServices", TEXT, |_, args| {
        if args.bytes(0).is_empty() {
            return Err(Failure::new("importedServices: partition name is required"));
        }
        refused("importedServices", "Consul")
    }),
    Function::variadic("nomadServices", &[], Type::Text, |_, _| {
        refused("nomadServices", "Nomad")
    }),
    Function::variadic("nomadService", &[], Type::Any, |_, _| {
        refused("nomadService", "Nomad")
    }),
    Function::variadic("nomadVarList", &[], Type::Text, |_, _| {
        refused("nomadVarList", "Nomad")
    }),
    Function::variadic("nomadVarListSafe", &[], Type::Text, |_, _| {
        refused("nomadVarListSafe", "Nomad")
    }),
    Function::fixed("nomadVar", TEXT, |_, args| {
        unless_asked(args, "nomadVar", "Nomad", || {
            Value::Map(Map::nil(MapType::TextToAny))
        })
    }),
    Function::fixed("nomadVarExists", TEXT, |_, args| {
        unless_asked(args, "nomadVarExists", "Nomad", || false.into())
    }),
    Function::fixed("explode", &[NONE], |_, _| Ok(Value::map::<&str>([]))),
    Function::fixed("byKey", &[NONE], |_, _| Ok(Value::map::<&str>([]))),
    Function::fixed("byMeta", &[Type::Text, NO_SERVICES], |_, _| {
        Ok(Value::map::<&str>([]))
    }),
    Function::fixed("byTag", &[Type::Any], |_, args| by("byTag", args)),
    Function::fixed("byPort", &[Type::Any], |_, args| by("byPort", args)),
];

fn empty() -> Value {
    Value::list(Vec::new())
}

/// The empty answer to an empty question, which nobody is asked.
fn unless_asked(
    args: Arguments<'_>,
    name: &str,
    system: &str,
    answer: impl FnOnce() -> Value,
) -> Result<Value, Failure> {
    if args.bytes(0).is_empty() {
        Ok(answer())
    } else {
        refused(name, system)
    }
}

fn refused(name: &str, system: &str) -> Result<Value, Failure> {
    Err(format!(
        "{name} asks {system}, and this agent has no connection to {system}: it reads Vault only"
    )
    .into())
}

fn by(name: &str, args: Arguments<'_>) -> Result<Value, Failure> {
    match args.value(0).kind() {
        Kind::Invalid => Ok(Value::map::<&str>([])),
        _ => Err(format!("{name}: wrong argument type {}", args.value(0).type_name()).into()),
    }
}
