//! Whom a login's templates tell of a change, and when: equal ways to tell are one. How somebody is told is the
//! business of `notice`.

use std::time::Duration;

use leasehold_config::{DEFAULT_NOTIFY_TIMEOUT, Notify, Template};

use crate::{
    core::{
        commands::{First, Pace},
        machine::Rule,
        rendering::{CommandId, Severity, TemplateRules},
    },
    notice::Notice,
    plan::LoginPlan,
    templates::Target,
};

/// Changes within this time are one for the application.
const SETTLE: Duration = Duration::from_millis(500);

/// Fills in what follows from the login's templates and sinks.
pub(super) fn complete(login: &mut LoginPlan, notify: &[Notify]) {
    let told: Vec<Vec<CommandId>> = login
        .templates
        .iter()
        .map(|target| match target {
            Target::File(template) => notices_of(template, notify)
                .into_iter()
                .map(|(notice, pace)| {
                    number(
                        &mut login.notices,
                        &mut login.settings.commands,
                        notice,
                        pace,
                    )
                })
                .collect(),
            Target::Variable(_) => Vec::new(),
        })
        .collect();
    let severity = |fatal: bool| {
        if fatal {
            Severity::Fatal
        } else {
            Severity::Logged
        }
    };
    for (target, commands) in login.templates.iter().zip(told) {
        login.settings.templates.push(match target {
            Target::File(template) => TemplateRules {
                severity: severity(template.error_fatal),
                commands,
                wait: template.wait.map(|wait| (wait.min, wait.max)),
            },
            Target::Variable(template) => TemplateRules {
                severity: severity(template.error_fatal),
                commands: vec![login.notices.len()],
                wait: None,
            },
        });
    }
    login.settings.sinks = if login.sinks.is_empty() {
        Rule::Off
    } else {
        Rule::On
    };
}

/// How the application is told of one file, and when.
fn notices_of(template: &Template, notify: &[Notify]) -> Vec<(Notice, Pace)> {
    let blocks = || {
        notify
            .iter()
            .filter(|notify| notify.destination == template.destination)
    };
    let mut notices = Vec::new();
    if let Some(change) = &template.command {
        let mut change = change.clone();
        if let Some(timeout) = blocks().find_map(|notify| notify.timeout) {
            change.timeout = timeout;
        }
        let splay = blocks()
            .map(|notify| notify.splay)
            .max()
            .unwrap_or_default();
        let pace = Pace {
            settle: SETTLE,
            splay: splay.max(std::mem::take(&mut change.splay)),
            first: First::Told,
        };
        notices.push((Notice::Command(change), pace));
    }
    for notify in blocks() {
        let pace = Pace {
            settle: SETTLE,
            splay: notify.splay,
            first: First::Passed,
        };
        if let Some(signal) = &notify.signal {
            notices.push((Notice::Signal(signal.clone()), pace));
        }
        if let Some(request) = &notify.request {
            let notice = Notice::Request {
                request: request.clone(),
                timeout: notify.timeout.unwrap_or(DEFAULT_NOTIFY_TIMEOUT),
            };
            notices.push((notice, pace));
        }
    }
    notices
}

/// The number of a way to tell the application: equal ones are one, with the longer pause of both.
fn number(
    notices: &mut Vec<Notice>,
    paces: &mut Vec<Pace>,
    notice: Notice,
    pace: Pace,
) -> CommandId {
    if let Some(known) = notices.iter().position(|known| *known == notice) {
        if let Some(kept) = paces.get_mut(known) {
            kept.splay = kept.splay.max(pace.splay);
        }
        return known;
    }
    notices.push(notice);
    paces.push(pace);
    notices.len() - 1
}
