//! The clock of the machine and the one alarm that wakes the agent. Both go on while the machine sleeps, so an
//! agent that wakes up on a suspended laptop or a migrated node sees at once what has run out.

use std::io;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec,
};
use tokio::net::unix::pipe::Receiver;

use crate::core::moment::Moment;

/// The present moment.
#[must_use]
pub fn now() -> Moment {
    let now = rustix::time::clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or_default();
    Moment::after_start(std::time::Duration::new(seconds, nanoseconds))
}

/// Wakes the agent at one moment at a time.
pub struct Alarm {
    /// To tokio a timer is a descriptor that becomes readable, as a pipe is.
    timer: Receiver,
    set: Option<Moment>,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// The kernel gives no timer.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self {
            timer: Receiver::from_owned_fd_unchecked(timer)?,
            set: None,
        })
    }

    /// Sets the alarm to a moment, or off.
    ///
    /// # Errors
    /// The kernel refuses the moment.
    pub fn set(&mut self, at: Option<Moment>) -> io::Result<()> {
        if self.set == at {
            return Ok(());
        }
        self.set = at;
        let value = at.map_or(
            Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            |at| {
                let at = at.since_start();
                Timespec {
                    tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
                    // A moment of zero would switch the timer off.
                    tv_nsec: i64::from(at.subsec_nanos().max(1)),
                }
            },
        );
        let interval = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let setting = Itimerspec {
            it_interval: interval,
            it_value: value,
        };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &setting)?;
        Ok(())
    }

    /// Waits until the moment has come; for ever when none is set.
    ///
    /// # Errors
    /// The kernel's timer fails.
    pub async fn rings(&mut self) -> io::Result<()> {
        loop {
            self.timer.readable().await?;
            let mut count = [0; 8];
            match self.timer.try_read(&mut count) {
                Ok(_) => {
                    // A read that finds nothing more makes the next wait go through the event loop: without it an
                    // alarm for a moment in the past would ring again before anything else gets its turn.
                    let _nothing = self.timer.try_read(&mut count);
                    self.set = None;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rings_when_the_moment_has_come_and_can_be_set_again() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut alarm = Alarm::new().unwrap();
            for _ in 0..3 {
                let at = now() + Duration::from_millis(20);
                alarm.set(Some(at)).unwrap();
                alarm.rings().await.unwrap();
                assert!(now() >= at);
            }
            alarm.set(Some(Moment::default())).unwrap();
            alarm.rings().await.unwrap();
        });
    }
}
