//! One login at work: its machine, its connection, its tokens, its answers and its templates. It performs what
//! the machine decides, and turns what comes back into events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use leasehold_template::{Dependency, Snapshot};
use leasehold_vault::{
    Client, LeaseId, LoggedIn, Login, LoginError, MethodError, SetupError, Token,
};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    answers::{Content, Got, Unanswered},
    clock,
    core::{
        failure::Failure,
        lifetime::Lifetime,
        machine::{Machine, Rule},
        message::{Action, Event, Leave, Level, Line},
        moment::Moment,
        rendering::{DependencyId, RenderOutcome, TemplateId},
        telling::Telling,
        token::Generation,
    },
    environment::Environment,
    host,
    log::Log,
    plan::LoginPlan,
    process, sentence,
    sinks::{self, Content as SinkContent},
    state::StateFolder,
    status::{LoginStatus, NoticeStatus, SecretStatus, TemplateStatus},
    supervisor::Supervisor,
    templates::Loaded,
};

mod arriving;
mod calls;
mod keeping;
mod questions;

use self::questions::{Questions, shown};

const SINK: &str = "agent.sink.file";
const AGENT: &str = "agent";
const AUTH: &str = "agent.auth.handler";

/// What a task brings back.
pub enum Report {
    /// A login ended; the method comes back with what it remembers.
    LoggedIn(Box<Login>, Result<Box<LoggedIn>, LoginError>),
    /// The sources of the credentials were asked; the method comes back, and whether they give others.
    Asked(Box<Login>, Result<bool, LoginError>),
    /// A read ended.
    Fetched(DependencyId, Generation, Box<Result<Got, Unanswered>>),
    /// Anything that needs no value.
    Event(Event),
}

/// One login at work.
pub struct Session {
    plan: LoginPlan,
    machine: Machine,
    client: Client,
    /// Absent while it is at work.
    login: Option<Box<Login>>,
    /// A login was wanted while the method was at work.
    login_waits: bool,
    tokens: BTreeMap<Generation, Token>,
    wrapped: Option<SinkContent>,
    questions: Questions,
    snapshot: Snapshot,
    answers: BTreeMap<DependencyId, KeptAnswer>,
    templates: Vec<Loaded>,
    context: Context,
    queue: VecDeque<Event>,
    unsaved: bool,
    saving: Telling,
    asking: Telling,
    ready: bool,
    awaits_process: bool,
    supervisor: Option<Supervisor>,
    leave: Option<Leave>,
}

/// What a session shares with the program around it.
#[derive(Clone)]
pub struct Context {
    /// Where reports go, with the session's number.
    pub reports: UnboundedSender<(usize, Report)>,
    /// The session's number.
    pub number: usize,
    /// The log.
    pub log: Log,
    /// The environment that commands and templates see.
    pub environment: Environment,
    /// Where the state goes.
    pub state: Option<StateFolder>,
    /// Names this start of the machine.
    pub boot: String,
    /// The processes that commands have started.
    pub children: process::Children,
}

struct KeptAnswer {
    content: Content,
    lease: LeaseId,
    lifetime: Lifetime,
}

/// Why a login cannot begin its work.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The method's settings.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The connection.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A sink.
    #[error("a token sink cannot be written")]
    Sink(#[from] crate::volume::VolumeError),
}

impl Session {
    /// Prepares a login: nothing is sent yet.
    ///
    /// # Errors
    /// Settings, connection or sinks cannot be used.
    pub fn new(
        mut plan: LoginPlan,
        context: Context,
        chance: Box<dyn crate::core::chance::Chance>,
    ) -> Result<Self, SessionError> {
        let login = Login::new(&plan.method)?;
        let client = Client::new(plan.connection.clone())?;
        sinks::check(&plan.sinks)?;
        let templates = std::mem::take(&mut plan.templates);
        let templates = templates.into_iter().map(Loaded::read).collect();
        Ok(Self {
            machine: Machine::new(plan.settings.clone(), chance),
            plan,
            client,
            login: Some(Box::new(login)),
            login_waits: false,
            tokens: BTreeMap::new(),
            wrapped: None,
            questions: Questions::default(),
            snapshot: Snapshot::new(),
            answers: BTreeMap::new(),
            templates,
            context,
            queue: VecDeque::new(),
            unsaved: false,
            saving: Telling::new(),
            asking: Telling::new(),
            ready: false,
            awaits_process: false,
            supervisor: None,
            leave: None,
        })
    }

    /// Begins, with what an earlier run kept where there is some.
    pub fn start(&mut self) {
        let kept = self
            .context
            .state
            .as_ref()
            .and_then(|state| state.load(&self.plan.name, &self.origin(), &self.context.boot));
        let event = kept
            .and_then(|kept| self.adopt(&kept))
            .unwrap_or(Event::Start);
        self.take(event);
    }

    /// The next moment at which something is due.
    #[must_use]
    pub fn wakes(&self) -> Option<Moment> {
        self.machine.wakes()
    }

    /// Whether everything of this login is in place.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.ready
    }

    /// How the session wants the agent to end, once it does.
    #[must_use]
    pub const fn leave(&self) -> Option<&Leave> {
        self.leave.as_ref()
    }

    /// What stands in the way now.
    #[must_use]
    pub fn trouble(&self) -> Option<&Failure> {
        self.machine.trouble()
    }

    /// The connection.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The token in use.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        self.tokens.get(&self.machine.token().usable()?)
    }

    /// The token of a login, as long as it may be revoked.
    #[must_use]
    pub fn token_of(&self, generation: Generation) -> Option<&Token> {
        self.tokens.get(&generation)
    }

    /// The name of the login.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// What tells of new credentials, where the configuration wants it watched.
    #[must_use]
    pub fn watched(&self) -> Option<leasehold_vault::Watched> {
        let login = self
            .login
            .as_ref()
            .filter(|_| self.plan.watch_credentials == Rule::On)?;
        login.watched()
    }

    /// Hands over the process that the rendered variables are for.
    pub fn supervise(&mut self, supervisor: Supervisor) {
        self.supervisor = Some(supervisor);
    }

    /// Takes in what a task brought back.
    pub fn report(&mut self, report: Report) {
        match report {
            Report::LoggedIn(login, result) => {
                self.login = Some(login);
                self.login_waits = false;
                let event = self.logged_in(result);
                self.take(event);
            }
            Report::Asked(login, result) => {
                self.login = Some(login);
                if std::mem::take(&mut self.login_waits) {
                    self.log_in();
                    return;
                }
                let now = clock::now();
                match result {
                    Ok(changed) => {
                        if let Some(over) = self.asking.over(now) {
                            let text = format!("asking for credentials works again {over}");
                            self.context.log.info(AUTH, text);
                        }
                        if changed {
                            self.take(Event::CredentialsChanged);
                        }
                    }
                    Err(error) => {
                        let text =
                            format!("the last credentials stay: {}", sentence::chain(&error));
                        let level = self.asking.failed(now, &text).level(Level::Warn);
                        self.context.log.say(&Line::new(level, AUTH, text));
                    }
                }
            }
            Report::Fetched(id, generation, result) => {
                let event = self.fetched(id, generation, *result);
                self.take(event);
            }
            Report::Event(event) => self.take(event),
        }
    }

    /// Takes in an event and does all that follows from it at once.
    pub fn take(&mut self, event: Event) {
        self.queue.push_back(event);
        while let Some(event) = self.queue.pop_front() {
            for action in self.machine.on(event, clock::now()) {
                self.perform(action);
            }
        }
        if std::mem::take(&mut self.unsaved) {
            self.save();
        }
    }

    /// What `status` and the metrics show.
    #[must_use]
    pub fn status(&self) -> LoginStatus {
        let secrets = self.machine.secrets().filter_map(|(id, secret)| {
            Some(SecretStatus {
                name: shown(self.questions.get(id)?),
                present: secret.is_there(),
                ends: secret.ends().map(Moment::since_start),
                next: secret.wakes().map(Moment::since_start),
                error: secret.last_failure().cloned().map(Into::into),
            })
        });
        let templates =
            self.machine
                .templates()
                .zip(&self.templates)
                .map(|((rendered, failure), template)| TemplateStatus {
                    destination: template.destination().to_owned(),
                    rendered: rendered == Rule::On,
                    written: template.placed_at().map(Moment::since_start),
                    error: failure.cloned().map(Into::into),
                });
        // The supervised process has no entry: it is no notice, and ends the agent when it fails.
        let notices = self.machine.outcomes().filter_map(|(id, outcome)| {
            let notice = self.plan.notices.get(id)?;
            Some(NoticeStatus {
                name: notice.shown(),
                kind: notice.kind().to_owned(),
                told: outcome.told(),
                failed: outcome.failed(),
                error: outcome.failure().cloned().map(Into::into),
            })
        });
        let requests = self.client.requests().into_iter().map(Into::into);
        LoginStatus {
            name: self.plan.name.clone(),
            logged_in: self.machine.token().usable().is_some(),
            logins: self.machine.token().generation().unwrap_or_default(),
            first_login: self.machine.token().first_login().map(Moment::since_start),
            token_ends: self.machine.token().ends().map(Moment::since_start),
            token_next: self.machine.token().next_renewal().map(Moment::since_start),
            complete: self.machine.is_complete(),
            error: self.trouble().cloned().map(Into::into),
            secrets: secrets.collect(),
            templates: templates.collect(),
            notices: notices.collect(),
            requests: requests.collect(),
        }
    }

    fn run_process(&mut self) {
        self.awaits_process = false;
        if let Some(supervisor) = &self.supervisor {
            let rendered = self.templates.iter().filter_map(Loaded::variable);
            let variables = rendered
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect();
            supervisor.run(variables);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::LogIn => self.log_in(),
            Action::RenewToken(generation) => self.renew_token(generation),
            Action::CheckToken(generation) => self.check_token(generation),
            Action::RevokeToken(generation) => self.revoke_token(generation),
            Action::Fetch(id, generation) => self.fetch(id, generation),
            Action::RenewLease(id, generation) => self.renew_lease(id, generation),
            Action::Forget(id) => {
                if let Some(question) = self.questions.get(id) {
                    self.snapshot.remove(question);
                }
                self.answers.remove(&id);
                self.unsaved = true;
            }
            Action::Render(id) => self.render(id),
            Action::WriteSinks(generation) => self.write_sinks(generation),
            Action::Run(id) if id == self.plan.notices.len() => {
                self.awaits_process = true;
                if self.ready {
                    self.run_process();
                }
                self.queue.push_back(Event::CommandEnded(id, Ok(())));
            }
            Action::Run(id) => self.run(id),
            Action::Ready => {
                self.ready = true;
                if self.awaits_process {
                    self.run_process();
                }
            }
            Action::Save => self.unsaved = true,
            Action::Log(line) => self.context.log.say(&line),
            Action::Leave(leave) => self.leave = Some(leave),
        }
    }

    fn render(&mut self, id: TemplateId) {
        let Some(template) = self.templates.get_mut(id) else {
            return;
        };
        let mut machine = host::Machine::new(self.context.environment.clone());
        let rendering = template.render(&self.snapshot, &mut machine, clock::now());
        if matches!(
            rendering.outcome,
            RenderOutcome::Created | RenderOutcome::Written
        ) {
            let (source, destination) = (template.source(), template.destination());
            let text = format!("(runner) rendered {source:?} => {destination:?}");
            self.context.log.info(AGENT, text);
        }
        let mut ids = |questions: &BTreeSet<Dependency>| -> BTreeSet<DependencyId> {
            questions
                .iter()
                .map(|question| self.questions.id(question))
                .collect()
        };
        let event = Event::Rendered {
            template: id,
            uses: ids(&rendering.uses),
            missing: ids(&rendering.missing),
            outcome: rendering.outcome,
        };
        self.queue.push_back(event);
    }
}
