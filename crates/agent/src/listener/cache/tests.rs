//! The rules of the lease cache, in synthetic time.

use super::*;
use crate::core::chance::Always;
use crate::listener::head::parse_head;

fn at(seconds: u64) -> Moment {
    Moment::after_start(Duration::from_secs(seconds))
}

fn token(text: &str) -> Token {
    Token::new(text.to_owned()).unwrap()
}

fn key(path: &str, token: &Token) -> Key {
    let head = format!("GET /v1/{path} HTTP/1.1\r\nHost: h\r\n\r\n");
    Key::of(&parse_head(head.as_bytes()).unwrap(), b"", Some(token))
}

struct World {
    cache: Cache,
    own: Token,
}

impl World {
    fn new() -> Self {
        let own = token("agent");
        let mut cache = Cache::default();
        cache.follow(Some(&own));
        Self { cache, own }
    }

    /// With a lease of the agent's token, until the sixtieth second.
    fn with_lease() -> (Self, Key) {
        let mut world = Self::new();
        let own = world.own.clone();
        let key = world.lease("db/creds/a", &own);
        (world, key)
    }

    /// With such a lease, a child of the agent's token, a lease of the child, and a child of the child.
    fn with_family() -> (Self, [Key; 4]) {
        let (mut world, lease) = Self::with_lease();
        let own = world.own.clone();
        let (made, child) = world.child("child", &own, false);
        let below = world.lease("db/creds/b", &child);
        let (grandchild, _) = world.child("grandchild", &child, false);
        (world, [lease, made, below, grandchild])
    }

    fn answer(&mut self, path: &str, bearer: &Token, body: &str, now: u64) -> Key {
        let key = key(path, bearer);
        let asked = Asked {
            path,
            namespace: "",
            token: Some(bearer),
        };
        let response = HttpResponse::text(200, "application/json", body.to_owned());
        self.cache
            .put(key, &asked, &response, at(now), &mut Always(0.5));
        key
    }

    fn lease(&mut self, path: &str, bearer: &Token) -> Key {
        let body = format!(
            r#"{{"lease_id":"{path}/x","renewable":true,"lease_duration":60,"data":{{}}}}"#
        );
        self.answer(path, bearer, &body, 0)
    }

    fn child(&mut self, name: &str, bearer: &Token, orphan: bool) -> (Key, Token) {
        let body = format!(
            r#"{{"auth":{{"client_token":"{name}","accessor":"of-{name}","renewable":true,"lease_duration":60,"orphan":{orphan},"policies":[],"token_type":"service"}}}}"#
        );
        let path = format!("auth/token/create/{name}");
        (self.answer(&path, bearer, &body, 0), token(name))
    }

    fn has(&mut self, key: Key) -> bool {
        self.cache.get(&key, at(1)).is_some()
    }

    fn left<const COUNT: usize>(&mut self, keys: [Key; COUNT]) -> [bool; COUNT] {
        keys.map(|key| self.has(key))
    }
}

#[test]
fn keeps_leases_of_managed_tokens_and_tokens_made_by_them() {
    let mut world = World::new();
    let (own, other) = (world.own.clone(), token("other"));
    let lease = world.lease("db/creds/a", &own);
    assert!(world.has(lease));
    let foreign = world.lease("db/creds/a", &other);
    assert!(!world.has(foreign), "of a token that nobody here manages");
    let (made, child) = world.child("child", &own, false);
    let grandchild = world.lease("db/creds/b", &child);
    assert!(world.has(made) && world.has(grandchild));
    let (stranger, _) = world.child("stranger", &other, false);
    assert!(!world.has(stranger));
    let (orphan, _) = world.child("orphan", &other, true);
    assert!(world.has(orphan));
    for body in [
        r#"{"lease_id":"","renewable":false,"lease_duration":60,"data":{}}"#,
        r#"{"lease_id":"l","renewable":false,"lease_duration":60,"data":{}}"#,
        r#"{"lease_id":"l","renewable":true,"lease_duration":0,"data":{}}"#,
        "[]",
    ] {
        let key = world.answer("kv/a", &own, body, 0);
        assert!(!world.has(key), "{body}");
    }
}

#[test]
fn renews_at_two_thirds_until_the_server_no_longer_extends() {
    let (mut world, key) = World::with_lease();
    assert_eq!(world.cache.wakes(), Some(at(40)));
    assert!(world.cache.due(at(39)).is_empty());
    assert_eq!(world.cache.due(at(40)).len(), 1);
    assert!(world.cache.due(at(40)).is_empty(), "it is on its way");
    let half = &mut Always(0.5);
    let full = Ok((Duration::from_secs(60), true));
    world.cache.renewed(&key, at(40), &full, half);
    assert_eq!(world.cache.wakes(), Some(at(80)));
    assert!(world.cache.get(&key, at(79)).is_some());
    world.cache.due(at(80));
    let capped = Ok((Duration::from_secs(20), true));
    world.cache.renewed(&key, at(80), &capped, half);
    // Given out no more in the last tenth of its life.
    assert_eq!(world.cache.wakes(), Some(at(94)));
    assert!(world.cache.get(&key, at(93)).is_some());
    assert!(world.cache.get(&key, at(94)).is_none());
    assert_eq!(world.cache.wakes(), None);
}

#[test]
fn what_is_kept_is_renewed_in_its_own_namespace() {
    for (namespace, path, expected) in [
        ("", "db/creds/a", ""),
        ("", "team/db/creds/a", "team"),
        ("team/", "db/creds/a", "team"),
        ("/team", "b/db/creds/a", "team/b"),
    ] {
        let mut world = World::new();
        let own = world.own.clone();
        let asked = Asked {
            path,
            namespace,
            token: Some(&own),
        };
        let body = r#"{"lease_id":"db/creds/a/x.n","renewable":true,"lease_duration":60}"#;
        let response = HttpResponse::text(200, "application/json", body.to_owned());
        let key = key(path, &own);
        world
            .cache
            .put(key, &asked, &response, at(0), &mut Always(0.5));
        let due = world.cache.due(at(50));
        let namespaces: Vec<&str> = due.iter().map(|(.., space)| space.as_str()).collect();
        assert_eq!(namespaces, [expected], "{namespace} {path}");
    }
}

#[test]
fn a_refused_renewal_ends_the_giving_out_and_a_missing_one_is_tried_again() {
    let half = &mut Always(0.5);
    let (mut world, key) = World::with_lease();
    world.cache.due(at(40));
    let away = Err(Failure::new(FailureKind::NoAnswer, "away"));
    world.cache.renewed(&key, at(40), &away, half);
    assert!(world.cache.wakes() > Some(at(44)) && world.cache.wakes() < Some(at(51)));
    assert_eq!(world.cache.due(at(51)).len(), 1);
    let forbidden = Err(Failure::new(FailureKind::Definite(403), "no right"));
    world.cache.renewed(&key, at(51), &forbidden, half);
    assert!(world.cache.get(&key, at(53)).is_some(), "good to its end");
    let gone = Err(Failure::new(FailureKind::Definite(400), "lease not found"));
    world.cache.renewed(&key, at(53), &gone, half);
    assert!(world.cache.get(&key, at(53)).is_none());
}

#[test]
fn what_hangs_on_a_token_goes_with_it() {
    let check = |path: &str, body: &str, bearer: &str, left: [bool; 4]| {
        let (mut world, keys) = World::with_family();
        let bearer = token(bearer);
        world.cache.revoked(path, body.as_bytes(), Some(&bearer));
        assert_eq!(world.left(keys), left, "{path} {body}");
    };
    let child = r#"{"token":"child"}"#;
    check(
        "auth/token/revoke",
        child,
        "agent",
        [true, false, false, false],
    );
    check(
        "auth/token/revoke-orphan",
        child,
        "agent",
        [true, false, false, true],
    );
    check(
        "auth/token/revoke-self",
        "",
        "child",
        [true, false, false, false],
    );
    let accessor = r#"{"accessor":"of-child"}"#;
    check(
        "auth/token/revoke-accessor",
        accessor,
        "agent",
        [true, false, false, false],
    );
    check("auth/token/revoke-self", "", "agent", [false; 4]);
    let lease = r#"{"lease_id":"db/creds/a/x"}"#;
    check(
        "sys/leases/revoke",
        lease,
        "agent",
        [false, true, true, true],
    );
    check(
        "sys/leases/revoke/db/creds/b/x",
        "",
        "agent",
        [true, true, false, true],
    );
    check(
        "sys/leases/revoke-prefix/db/creds/",
        "",
        "agent",
        [false, true, false, true],
    );
    check(
        "sys/leases/revoke-force/db/creds/a",
        "",
        "agent",
        [false, true, true, true],
    );
    check(
        "team/auth/token/revoke",
        child,
        "agent",
        [true, false, false, false],
    );
    check("kv/data/a", "", "agent", [true; 4]);
}

#[test]
fn a_new_token_of_the_agents_leaves_what_hung_on_the_old_to_its_end() {
    let (mut world, family) = World::with_family();
    let other = token("other");
    let (orphan, _) = world.child("orphan", &other, true);
    world.cache.follow(Some(&token("next")));
    assert_eq!(world.left(family), [false; 4]);
    assert!(world.has(orphan));
}

#[test]
fn clears_by_path_token_accessor_and_lease() {
    let check = |what: Clear<'_>, left: [bool; 4]| {
        let (mut world, keys) = World::with_family();
        world.cache.clear(&what);
        assert_eq!(world.left(keys), left);
    };
    let path = |prefix, namespace| Clear::Path { prefix, namespace };
    check(path("/v1/db/", ""), [false, true, false, true]);
    check(path("/v1/db/", "root/"), [false, true, false, true]);
    check(path("/v1/db/", "team"), [true; 4]);
    check(Clear::Token("child"), [true, false, false, false]);
    check(Clear::Accessor("of-child"), [true, false, false, false]);
    check(Clear::Lease("db/creds/a/x"), [false, true, true, true]);
    check(Clear::All, [false; 4]);
}

#[test]
fn after_all_was_cleared_nothing_is_kept_until_the_next_login() {
    for what in [Clear::All, Clear::Token("agent")] {
        let (mut world, before) = World::with_lease();
        let own = world.own.clone();
        world.cache.clear(&what);
        world.cache.follow(Some(&own));
        let after = world.lease("db/creds/a", &own);
        let (made, child) = world.child("child", &own, false);
        let below = world.lease("db/creds/b", &child);
        assert_eq!(world.left([before, after, made, below]), [false; 4]);
        assert_eq!(world.cache.wakes(), None, "nothing is renewed");
        let (orphan, _) = world.child("orphan", &own, true);
        assert!(world.has(orphan), "it hangs on nothing");
        let next = token("next");
        world.cache.follow(Some(&next));
        let lease = world.lease("db/creds/a", &next);
        assert!(world.has(lease));
    }
    let mut world = World::new();
    let own = world.own.clone();
    world.cache.clear(&Clear::Token("another"));
    let lease = world.lease("db/creds/a", &own);
    assert!(world.has(lease));
}
