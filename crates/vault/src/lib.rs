//! HTTP client for the Vault API, and the login methods.
