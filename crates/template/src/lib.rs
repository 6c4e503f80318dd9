//! Go templates with the consul-template functions, rendered from a snapshot of data.
