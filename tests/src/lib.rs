//! Whole-system scenarios on real parts; see `tests/e2e`.
