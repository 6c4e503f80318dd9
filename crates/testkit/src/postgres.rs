//! A real PostgreSQL server in a folder of its own.
//!
//! PostgreSQL refuses to run as root, so as root it runs as `nobody` (through `setpriv`), or, where
//! `nobody` may not enter the folder that the tools are in, in a user namespace in which we are
//! somebody else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::net::Port;
use crate::process::{Server, guarded, is_root, setpriv};
use crate::scratch::Scratch;
use crate::tools;

/// Conventional id of `nobody`.
const NOBODY: u32 = 65_534;
const DEADLINE: Duration = Duration::from_secs(30);
/// Password of the superuser `postgres`, for local connections of tests only.
const PASSWORD: &str = "postgres-for-tests";

/// A running server with the superuser `postgres`. Dropping it ends the server.
#[derive(Debug)]
pub struct Postgres {
    port: Port,
    server: Option<Server>,
    /// Needed until the server ended.
    _scratch: Scratch,
}

impl Postgres {
    /// Makes a database folder, starts the server and waits until it lets the superuser in.
    pub fn start() -> Self {
        let scratch = Scratch::new("postgres");
        let identity = Identity::choose();
        let home = scratch.join("home");
        fs::create_dir_all(&home).expect("our own folder can be written");
        fs::write(scratch.join("password"), PASSWORD).expect("our own folder can be written");
        if let Identity::Nobody = identity {
            chown(&home, Some(NOBODY), Some(NOBODY)).expect("root may change owners");
        }
        let data = home.join("data");
        let mut initdb = identity.command(tools::postgresql("initdb"));
        initdb.arg("-D").arg(&data).args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        initdb.arg("--pwfile").arg(scratch.join("password"));
        let output = initdb
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("initdb could not be started: {error}"));
        assert!(
            output.status.success(),
            "initdb failed with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );

        let port = Port::reserve();
        let mut command = identity.command(tools::postgresql("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(&home);
        command.args(["-h", "127.0.0.1", "-p", &port.number().to_string()]);
        // Durability is of no use here, and room for a log-in every 200 ms from several tests is.
        command.args(["-c", "fsync=off", "-c", "max_connections=200"]);
        command.args(["-c", "log_connections=off", "-c", "shared_buffers=16MB"]);
        let mut server = Server::start("PostgreSQL", command, &scratch.join("server.log"));
        let mut postgres = Self {
            port,
            server: None,
            _scratch: scratch,
        };
        server.await_ready(DEADLINE, || postgres.log_in("postgres", PASSWORD).is_ok());
        postgres.server = Some(server);
        postgres
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// What OpenBao's database engine wants as `connection_url`, with its placeholders.
    pub fn connection_url(&self) -> String {
        format!(
            "postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/postgres?sslmode=disable",
            self.port.number()
        )
    }

    /// Name and password of the superuser.
    pub fn superuser(&self) -> (&'static str, &'static str) {
        ("postgres", PASSWORD)
    }

    /// Logs in and asks for the current user. The error is the server's text.
    pub fn log_in(&self, user: &str, password: &str) -> Result<(), String> {
        let rows = query(
            self.port.number(),
            user,
            password,
            "SELECT current_user::text",
        )?;
        match rows.first() {
            Some(found) if found == user => Ok(()),
            found => Err(format!("logged in as {user} and was told {found:?}")),
        }
    }

    /// Runs statements as superuser.
    #[track_caller]
    pub fn execute(&self, statements: &str) {
        query(self.port.number(), "postgres", PASSWORD, statements)
            .unwrap_or_else(|error| panic!("PostgreSQL refused `{statements}`: {error}"));
    }

    /// The users that may log in, the superuser left out, in order.
    #[track_caller]
    pub fn users(&self) -> Vec<String> {
        query(
            self.port.number(),
            "postgres",
            PASSWORD,
            "SELECT rolname::text FROM pg_roles WHERE rolcanlogin AND rolname <> 'postgres' \
             ORDER BY 1",
        )
        .unwrap_or_else(|error| panic!("PostgreSQL did not list its users: {error}"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // "Immediate shutdown": its children end with it.
        if let Some(mut server) = self.server.take() {
            server.stop(Signal::QUIT, Duration::from_secs(5));
        }
    }
}

/// Whom the server runs as.
#[derive(Debug, Clone, Copy)]
enum Identity {
    Ourselves,
    Nobody,
    /// Root outside, somebody else inside a user namespace.
    Mapped,
}

impl Identity {
    fn choose() -> Self {
        if !is_root() {
            return Self::Ourselves;
        }
        for identity in [Self::Nobody, Self::Mapped] {
            let works = identity
                .command(tools::postgresql("postgres"))
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            if works {
                return identity;
            }
        }
        panic!(
            "PostgreSQL does not run as root, and this machine lets root become nobody else: \
             `setpriv` of util-linux is missing, or nobody may not enter {}",
            tools::folder().display()
        );
    }

    fn command(self, program: PathBuf) -> Command {
        let mut command = match self {
            Self::Ourselves => guarded(program),
            Self::Nobody => {
                let id = NOBODY.to_string();
                let setpriv =
                    setpriv().map_or_else(|| OsStr::new("setpriv"), |path| path.as_os_str());
                let mut command = Command::new(setpriv);
                command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            Self::Mapped => {
                let mut command = guarded("unshare");
                command
                    .args(["--user", "--map-user=1000", "--map-group=1000", "--"])
                    .arg(program);
                command
            }
        };
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/");
        command
    }
}

/// Runs statements and gives the first column of what they return. On a thread of its own, for the
/// client drives a runtime, which is refused inside another one.
fn query(port: u16, user: &str, password: &str, statements: &str) -> Result<Vec<String>, String> {
    let run = || -> Result<Vec<String>, String> {
        let mut client = postgres::Config::new()
            .host("127.0.0.1")
            .port(port)
            .user(user)
            .password(password)
            .dbname("postgres")
            .connect_timeout(Duration::from_secs(5))
            .connect(postgres::NoTls)
            .map_err(|error| in_words(&error))?;
        let messages = client
            .simple_query(statements)
            .map_err(|error| in_words(&error))?;
        let mut values = Vec::new();
        for message in messages {
            if let postgres::SimpleQueryMessage::Row(row) = message {
                values.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        Ok(values)
    };
    thread::scope(|scope| {
        scope
            .spawn(run)
            .join()
            .unwrap_or_else(|_| Err("the client panicked".to_owned()))
    })
}

fn in_words(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(refused) => refused.message().to_owned(),
        None => format!("{error}"),
    }
}
