//! What the server logs and how: text or JSON lines on standard error, from one level upwards.

use tracing::level_filters::LevelFilter;

/// A log level that does not exist, in the established injector's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Error setting log level: unknown log level: {0}\n--log-level accepts trace, debug, info, warn and error"
)]
pub struct UnknownLevel(String);

/// Reads a level: blanks around it and capitals do not matter.
///
/// # Errors
/// A word that is no level.
pub fn level(text: &str) -> Result<LevelFilter, UnknownLevel> {
    match text.trim().to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" => Ok(LevelFilter::DEBUG),
        "" | "info" | "notice" => Ok(LevelFilter::INFO),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "err" | "error" => Ok(LevelFilter::ERROR),
        _ => Err(UnknownLevel(text.to_owned())),
    }
}

/// Sends everything from `level` upwards to standard error. A second call changes nothing.
pub fn start(level: LevelFilter, format: &str) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    let started = if format == "json" {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.try_init()
    };
    if started.is_err() {
        tracing::debug!("a subscriber for log lines is there already and stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_without_regard_to_blanks_and_capitals() {
        assert_eq!(level(" Warning "), Ok(LevelFilter::WARN));
        assert_eq!(level(""), Ok(LevelFilter::INFO));
        assert_eq!(level("ERR"), Ok(LevelFilter::ERROR));
        let message = level("chatty").unwrap_err().to_string();
        assert!(
            message.starts_with("Error setting log level: unknown log level: chatty"),
            "{message}"
        );
    }
}
