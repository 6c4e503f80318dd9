//! Renews the leases and tokens behind kept answers, for as long as they are given out. When is decided in `cache`.

use std::{rc::Rc, time::Duration};

use crate::{
    answers, clock,
    clock::Alarm,
    core::failure::Failure,
    listener::{
        Desk, PROXY,
        cache::{Held, Key},
    },
};

/// Keeps what is in the cache alive, until the agent ends.
pub(super) async fn keep(desk: Rc<Desk>) {
    let Ok(mut alarm) = Alarm::new() else {
        let words = "the kernel gives no timer, so kept leases are not renewed";
        desk.log.warn(PROXY, words);
        return;
    };
    loop {
        let wakes = desk.cache.borrow().wakes();
        if alarm.set(wakes).is_err() {
            return;
        }
        tokio::select! {
            rung = alarm.rings() => if rung.is_err() { return },
            () = desk.kept.notified() => {}
        }
        let due = desk.cache.borrow_mut().due(clock::now());
        for (key, held, namespace) in due {
            tokio::task::spawn_local(renew(Rc::clone(&desk), key, held, namespace));
        }
    }
}

async fn renew(desk: Rc<Desk>, key: Key, held: Held, namespace: String) {
    let answer = match &held {
        Held::Lease(lease, bearer) => desk
            .client
            .renew_lease_in(&namespace, bearer, lease, Duration::ZERO)
            .await
            .map(|renewed| (renewed.duration, renewed.renewable)),
        Held::Token(token) => desk
            .client
            .renew_self_in(&namespace, token, Duration::ZERO)
            .await
            .map(|auth| (auth.lease_duration, auth.renewable)),
    };
    let answer = answer.map_err(|error| {
        let kind = answers::kind(&error);
        let failure = Failure::new(kind, "a kept lease or token could not be renewed");
        desk.log
            .debug(PROXY, format!("{failure} ({})", failure.class()));
        failure
    });
    let chance = &mut *desk.chance.borrow_mut();
    desk.cache
        .borrow_mut()
        .renewed(&key, clock::now(), &answer, chance);
    desk.kept.notify_one();
}
