//! The signals that the agent listens to, and what each asks for.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::agent::Happening;

/// The signals that matter. Made before anything else, so that none is lost.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    user_1: Signal,
    user_2: Signal,
    child: Signal,
}

impl Signals {
    /// Installs the handlers; needs a running event loop.
    ///
    /// # Errors
    /// The kernel refuses one.
    pub fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
            child: signal(SignalKind::child())?,
        })
    }

    pub(super) async fn next(&mut self) -> Happening {
        tokio::select! {
            _ = self.terminate.recv() => Happening::Stop,
            _ = self.interrupt.recv() => Happening::Stop,
            _ = self.quit.recv() => Happening::Quit,
            _ = self.hang_up.recv() => Happening::Reload,
            _ = self.user_1.recv() => Happening::Nothing,
            _ = self.user_2.recv() => Happening::Nothing,
            _ = self.child.recv() => Happening::ChildEnded,
        }
    }
}
