//! The sidecar: tokens, leases, rendering, processes, listener.
