//! One login at work: its machine, its connection, its tokens, its answers and its templates. It performs what
//! the machine decides, and turns what comes back into events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use leasehold_template::{Dependency, Snapshot};
use leasehold_vault::{
    Client, LeaseId, LoggedIn, Login, LoginError, MethodError, SetupError, Token,
};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    answers::{self, Content, Got, Unanswered},
    clock,
    core::{
        failure::{Failure, FailureKind},
        lifetime::Lifetime,
        machine::{Machine, Rule},
        message::{Action, AdoptedSecret, Change, Event, Leave},
        moment::Moment,
        rendering::{DependencyId, RenderOutcome, TemplateId},
        token::{Generation, Grant},
    },
    environment::Environment,
    host,
    log::Log,
    plan::LoginPlan,
    process, sentence,
    sinks::{self, Content as SinkContent},
    state::{Kept, KeptSecret, StateFolder},
    status::{LoginStatus, NoticeStatus, SecretStatus, TemplateStatus},
    supervisor::Supervisor,
    templates::Loaded,
};

mod calls;
mod questions;

use questions::{Questions, shown};

const SINK: &str = "agent.sink.file";
const AGENT: &str = "agent";

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
                let event = self.logged_in(result);
                self.take(event);
            }
            Report::Asked(login, result) => {
                self.login = Some(login);
                if std::mem::take(&mut self.login_waits) {
                    self.log_in();
                    return;
                }
                match result {
                    Ok(false) => {}
                    Ok(true) => self.take(Event::CredentialsChanged),
                    Err(error) => {
                        let text =
                            format!("the last credentials stay: {}", sentence::chain(&error));
                        self.context.log.warn("agent.auth.handler", text);
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

    fn adopt(&mut self, kept: &Kept) -> Option<Event> {
        let token = Token::new(kept.token.clone()).ok()?;
        self.tokens.insert(kept.generation, token);
        let now = clock::now();
        let mut secrets = Vec::new();
        for secret in &kept.secrets {
            if secret.ends().is_some_and(|ends| ends <= now) {
                continue;
            }
            let Ok(answer) = secret.content.answer() else {
                continue;
            };
            let dependency = secret.dependency();
            let id = self.questions.id(&dependency);
            self.snapshot.insert(dependency, answer);
            self.answers.insert(
                id,
                KeptAnswer {
                    content: secret.content.clone(),
                    lease: LeaseId::new(secret.lease.clone()),
                    lifetime: secret.lifetime(),
                },
            );
            secrets.push(AdoptedSecret {
                dependency: id,
                generation: secret.generation,
                lifetime: secret.lifetime(),
                ends: secret.ends(),
            });
        }
        let count = secrets.len();
        self.context.log.info(
            AGENT,
            format!("found the state of an earlier run: a token and {count} answers"),
        );
        Some(Event::Adopt {
            generation: kept.generation,
            secrets,
        })
    }

    fn save(&mut self) {
        let Some(state) = &self.context.state else {
            return;
        };
        let generation = self.machine.token().generation();
        let Some((generation, token)) =
            generation.and_then(|generation| Some((generation, self.tokens.get(&generation)?)))
        else {
            return;
        };
        let secrets = self.machine.secrets().filter_map(|(id, secret)| {
            let answer = self.answers.get(&id)?;
            Some(KeptSecret::new(
                self.questions.get(id)?,
                secret.generation()?,
                answer.lifetime,
                secret.ends(),
                answer.lease.expose().to_owned(),
                answer.content.clone(),
            ))
        });
        let kept = Kept::new(
            self.origin(),
            self.context.boot.clone(),
            generation,
            token.expose().to_owned(),
            secrets.collect(),
        );
        if let Err(error) = state.save(&self.plan.name, &kept) {
            let text = format!("a restart will log in anew: {}", sentence::chain(&error));
            self.context.log.warn(AGENT, text);
        }
    }

    /// What tells this login from any other.
    fn origin(&self) -> String {
        let method = &self.plan.method;
        let config: Vec<String> = method
            .config
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        format!(
            "{} {} {} {} {}",
            self.plan.connection.address,
            self.plan
                .connection
                .namespace
                .as_deref()
                .unwrap_or_default(),
            method.kind,
            method.mount_path.as_deref().unwrap_or_default(),
            config.join(" ")
        )
    }

    fn logged_in(&mut self, result: Result<Box<LoggedIn>, LoginError>) -> Event {
        let (token, grant) = match result.map(|boxed| *boxed) {
            Ok(LoggedIn::Token(auth)) => {
                let ttl = Some(auth.lease_duration).filter(|ttl| !ttl.is_zero());
                (auth.client_token, Grant::fresh(ttl, auth.renewable))
            }
            Ok(LoggedIn::Adopted { token, status }) => (token, grant(&status)),
            Ok(LoggedIn::Wrapped(info)) => {
                self.wrapped = Some(SinkContent::Wrapped(info.sink_line()));
                return Event::LoggedInWrapped;
            }
            Err(error) => {
                let kind = match &error {
                    LoginError::Refused { error, .. } => answers::kind(error),
                    _ => FailureKind::Local,
                };
                let mut text = sentence::chain(&error);
                if let LoginError::Unreadable { path, source, .. } = &error
                    && source.kind() == std::io::ErrorKind::NotFound
                {
                    text.push_str(&format!(
                        "; the agent only reads `{}`: another container of the pod has to write it, an init container or a native sidecar that starts before the agent, on a volume that the agent mounts too",
                        path.display()
                    ));
                }
                return Event::LoginFailed(Failure::new(kind, text));
            }
        };
        let next = self
            .machine
            .token()
            .generation()
            .map_or(1, |generation| generation + 1);
        self.tokens.insert(next, token);
        // Two logins back everything has ended or is about to; what is kept longer is kept for nothing.
        let oldest = next.saturating_sub(3);
        self.tokens.retain(|&generation, _| generation >= oldest);
        Event::LoggedIn(grant)
    }

    fn fetched(
        &mut self,
        dependency: DependencyId,
        generation: Generation,
        result: Result<Got, Unanswered>,
    ) -> Event {
        let got = match result {
            Ok(got) => got,
            Err(unanswered) => {
                return Event::FetchFailed {
                    dependency,
                    generation,
                    failure: unanswered.into_failure(),
                };
            }
        };
        for warning in &got.warnings {
            self.context.log.warn(AGENT, format!("(view) {warning}"));
        }
        let answer = match got.content.answer() {
            Ok(answer) => answer,
            Err(error) => {
                let path = self
                    .questions
                    .get(dependency)
                    .map(shown)
                    .unwrap_or_default();
                let text = format!("the answer to {path} cannot be used: {error}");
                let failure = Failure::new(FailureKind::ServerError(None), text);
                return Event::FetchFailed {
                    dependency,
                    generation,
                    failure,
                };
            }
        };
        let before = self.answers.get(&dependency);
        let same = before.is_some_and(|before| before.content.shows_the_same_as(&got.content));
        if !same && let Some(question) = self.questions.get(dependency) {
            self.snapshot.insert(question.clone(), answer);
        }
        let lifetime = got.lifetime;
        let kept = KeptAnswer {
            content: got.content,
            lease: got.lease,
            lifetime,
        };
        self.answers.insert(dependency, kept);
        let change = if same { Change::Same } else { Change::New };
        Event::Fetched {
            dependency,
            generation,
            lifetime,
            change,
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

fn grant(status: &leasehold_vault::TokenStatus) -> Grant {
    if status.is_endless() {
        return Grant::fresh(None, false);
    }
    Grant {
        granted: Some(std::time::Duration::from_secs(
            status.creation_ttl.max(status.ttl),
        )),
        left: Some(std::time::Duration::from_secs(status.ttl)),
        renewable: status.renewable,
    }
}
