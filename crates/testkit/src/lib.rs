//! For tests only: a kubelet-like pod runner, a real OpenBao server, a scripted API server.
