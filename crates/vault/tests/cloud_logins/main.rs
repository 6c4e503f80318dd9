//! Logins by what a cloud platform says about the pod, and by LDAP: scripted metadata and token services, and a
//! server that checks what it is shown. OpenBao is built without these methods.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where its stage cannot be set"
)]

mod aws;
mod others;
mod signature;
mod stage;
