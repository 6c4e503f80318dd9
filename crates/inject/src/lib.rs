//! A pod's annotations become a typed injection spec, and the spec a JSON patch.
