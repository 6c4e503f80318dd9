//! The webhook server, and the offline tools of the same logic.
