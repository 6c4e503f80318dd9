//! Vault Agent's configuration as types: read HCL and JSON, write JSON.
