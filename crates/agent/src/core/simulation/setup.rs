//! Worlds to be: the injector's usual settings, one template for each list of what it asks for, and whatever a
//! test wants otherwise.

use std::time::Duration;

use crate::core::{
    machine::{Rule, Settings},
    rendering::{DependencyId, Severity, TemplateRules},
    secrets::SecretRules,
    simulation::{Kind, World, seconds},
    token::LoginPauses,
};

/// What a world is made of.
#[derive(Clone)]
pub(crate) struct Setup {
    settings: Settings,
    uses: Vec<Vec<DependencyId>>,
    kinds: Vec<(DependencyId, Kind)>,
    token: (u64, u64),
    seed: u64,
}

impl Setup {
    /// One template for each list of what it asks for. What no call of `with` gives is missing on the server.
    pub(crate) fn templates<const COUNT: usize>(uses: [&[DependencyId]; COUNT]) -> Self {
        Self {
            settings: settings(COUNT),
            uses: uses.into_iter().map(<[_]>::to_vec).collect(),
            kinds: Vec::new(),
            token: (3600, 86_400),
            seed: 1,
        }
    }

    /// One template that asks for one thing of this kind, number 1.
    pub(crate) fn one(kind: Kind) -> Self {
        Self::templates([&[1]]).with(1, kind)
    }

    /// One template that asks for a credential with such a lease, number 1.
    pub(crate) fn leased(ttl: u64, max: u64) -> Self {
        Self::one(Kind::Leased { ttl, max })
    }

    /// What a number stands for on the server.
    pub(crate) fn with(mut self, dependency: DependencyId, kind: Kind) -> Self {
        self.kinds.push((dependency, kind));
        self
    }

    /// Other settings than the usual ones.
    pub(crate) fn rules(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The life of the server's tokens, and how long they can be renewed.
    pub(crate) const fn tokens(mut self, ttl: u64, max: u64) -> Self {
        self.token = (ttl, max);
        self
    }

    /// Where chance begins, where a test looks at several courses.
    pub(crate) const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The settings, for a machine without a world.
    pub(crate) fn settings(self) -> Settings {
        self.settings
    }

    /// The world, in which nothing has begun.
    pub(crate) fn world(self) -> World {
        let mut world = World::new(self.settings, self.uses, self.kinds, self.seed);
        (world.server.token_ttl, world.server.token_max) = self.token;
        world
    }

    /// The world with its agent started.
    pub(crate) fn started(self) -> World {
        let mut world = self.world();
        world.start();
        world
    }
}

/// The injector's usual settings: refusals end the agent, nothing else special.
fn settings(templates: usize) -> Settings {
    Settings {
        login: LoginPauses {
            first: seconds(1),
            largest: seconds(300),
        },
        login_spread: Duration::ZERO,
        exit_on_login_error: Rule::Off,
        exit_on_refusal: Rule::On,
        exit_when_complete: Rule::Off,
        revoke_on_exit: Rule::Off,
        revoke_after_hand_over: Rule::Off,
        sinks: Rule::On,
        secrets: SecretRules {
            static_interval: seconds(300),
            threshold: 0.9,
            retries: 12,
            first_pause: Duration::from_millis(250),
            largest_pause: seconds(60),
        },
        templates: (0..templates)
            .map(|id| TemplateRules {
                severity: Severity::Fatal,
                commands: vec![id],
                wait: None,
            })
            .collect(),
        commands: Vec::new(),
    }
}
