//! Who has signed in.
//!
//! A session is a random name in a cookie. Of the name only the hash is kept, so that whoever sees this memory can't use
//! it; the token that goes with it is derived from the name by a secret of the process. A session ends twelve hours after
//! it began, when its owner signs out, when there are too many, or when the admin's key changes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::same;
use crate::{clock::Moment, config::KeyDigest};

/// The name of the cookie.
pub(super) const COOKIE: &str = "refrain_session";
/// How long a session lasts.
pub(super) const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at the same time.
const MOST: usize = 1000;
/// The length of a session's name: 256 bits, in base64.
const LENGTH: usize = 43;

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    secret: [u8; 32],
    /// By the hash of their names.
    all: Mutex<HashMap<blake3::Hash, Signed>>,
}

#[derive(Debug)]
struct Signed {
    /// When.
    at: Moment,
    /// With which key.
    key: KeyDigest,
}

impl Signed {
    fn is_over(&self, now: Moment) -> bool {
        now.since(self.at) >= LASTS
    }
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// What its pages send along to act.
    pub(super) token: String,
}

/// A session that begins.
#[derive(Debug)]
pub(super) struct Begun {
    /// The value of its cookie.
    pub(super) cookie: String,
    /// What its pages send along to act.
    pub(super) token: String,
}

impl Sessions {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            all: Mutex::default(),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Signed>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one for somebody who has `key`; `random` is its name. The oldest one ends if there are too many.
    pub(super) fn begin(&self, random: [u8; 32], key: KeyDigest, now: Moment) -> Begun {
        let cookie = URL_SAFE_NO_PAD.encode(random);
        let mut all = self.all();
        if all.len() >= MOST {
            all.retain(|_, signed| !signed.is_over(now));
        }
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, signed)| signed.at);
            if let Some(oldest) = oldest.map(|(name, _)| *name) {
                all.remove(&oldest);
            }
        }
        all.insert(blake3::hash(cookie.as_bytes()), Signed { at: now, key });
        Begun {
            token: self.token(&cookie),
            cookie,
        }
    }

    /// The session that one of the cookies names, if it was begun with `key` and goes on.
    pub(super) fn of(&self, headers: &HeaderMap, key: &KeyDigest, now: Moment) -> Option<Session> {
        let mut named = named(headers).peekable();
        named.peek()?;
        let mut all = self.all();
        let found = named.find(|name| {
            let name = blake3::hash(name.as_bytes());
            let Some(signed) = all.get(&name) else {
                return false;
            };
            let goes_on = !signed.is_over(now) && same(&signed.key, key);
            if !goes_on {
                all.remove(&name);
            }
            goes_on
        });
        found.map(|name| Session {
            token: self.token(name),
        })
    }

    /// Ends all that the cookies name.
    pub(super) fn end(&self, headers: &HeaderMap) {
        let mut all = self.all();
        for name in named(headers) {
            all.remove(&blake3::hash(name.as_bytes()));
        }
    }

    /// Ends those that were not begun with `key`.
    pub(super) fn keep_only(&self, key: Option<&KeyDigest>) {
        self.all()
            .retain(|_, signed| key.is_some_and(|key| same(&signed.key, key)));
    }

    fn token(&self, name: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(b"refrain 2026-11 admin session\0");
        hasher.update(name.as_bytes());
        hasher.finalize().to_hex().to_string()
    }
}

/// What may be names of sessions. All of them: another page of the same domain can set a cookie of this name, too, and the
/// browser may send it first.
fn named(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        (name.trim() == COOKIE && value.len() == LENGTH).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::clock::Clock;

    fn sessions() -> (Sessions, Clock, KeyDigest) {
        (
            Sessions::new([7; 32]),
            Clock::manual(),
            KeyDigest::of("key"),
        )
    }

    fn with_cookies(lines: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn cookie(value: &str) -> HeaderMap {
        with_cookies(&[format!("{COOKIE}={value}")])
    }

    #[test]
    fn a_session_goes_on_for_twelve_hours() {
        let (sessions, clock, key) = sessions();
        let begun = sessions.begin([1; 32], key, clock.now());
        let headers = cookie(&begun.cookie);
        let token = |now| {
            sessions
                .of(&headers, &key, now)
                .map(|session| session.token)
        };
        assert_eq!(token(clock.now()), Some(begun.token));
        clock.advance(LASTS - Duration::from_millis(1));
        assert!(token(clock.now()).is_some());
        clock.advance(Duration::from_millis(1));
        assert_eq!(token(clock.now()), None);
        assert!(sessions.all().is_empty());
    }

    #[test]
    fn sessions_have_tokens_of_their_own_and_names_that_are_not_kept() {
        let (sessions, clock, key) = sessions();
        let one = sessions.begin([1; 32], key, clock.now());
        let other = sessions.begin([2; 32], key, clock.now());
        assert_ne!(one.token, other.token);
        assert_eq!(one.cookie.len(), LENGTH);
        let elsewhere = Sessions::new([8; 32]).begin([1; 32], key, clock.now());
        assert_ne!(one.token, elsewhere.token);
        let shown = format!("{sessions:?}");
        assert!(!shown.contains(&one.cookie) && !shown.contains(&one.token));
    }

    #[test]
    fn the_right_cookie_is_found_among_others() {
        let (sessions, clock, key) = sessions();
        let begun = sessions.begin([1; 32], key, clock.now());
        let (right, wrong) = (begun.cookie, "A".repeat(LENGTH));
        let goes_on = |lines: &[String]| {
            let headers = with_cookies(lines);
            sessions.of(&headers, &key, clock.now()).is_some()
        };
        let pair = |value: &str| format!("{COOKIE}={value}");
        for lines in [
            vec![format!("a=b; {}; c=d", pair(&right))],
            vec![format!("{};{}", pair(&wrong), pair(&right))],
            vec![
                pair(&wrong),
                pair("short"),
                "no pair".to_owned(),
                pair(&right),
            ],
        ] {
            assert!(goes_on(&lines), "{lines:?}");
        }
        for lines in [
            vec![],
            vec![pair(&wrong)],
            vec![pair("")],
            vec![format!("x{}", pair(&right))],
            vec![format!("{}x", pair(&right))],
            vec![format!("Refrain_Session={right}")],
            vec![pair(&right.to_lowercase())],
        ] {
            assert!(!goes_on(&lines), "{lines:?}");
        }
        sessions.end(&with_cookies(&[pair(&wrong), pair(&right)]));
        assert!(!goes_on(&[pair(&right)]));
    }

    #[test]
    fn another_key_ends_sessions_for_good() {
        let (sessions, clock, key) = sessions();
        let next = KeyDigest::of("next");
        let begun = sessions.begin([1; 32], key, clock.now());
        let headers = cookie(&begun.cookie);
        assert_eq!(sessions.of(&headers, &next, clock.now()), None);
        assert_eq!(sessions.of(&headers, &key, clock.now()), None);
        let begun = sessions.begin([2; 32], key, clock.now());
        sessions.keep_only(Some(&key));
        let headers = cookie(&begun.cookie);
        assert!(sessions.of(&headers, &key, clock.now()).is_some());
        sessions.keep_only(Some(&next));
        assert_eq!(sessions.of(&headers, &key, clock.now()), None);
        sessions.begin([3; 32], key, clock.now());
        sessions.keep_only(None);
        assert!(sessions.all().is_empty());
    }

    #[test]
    fn the_oldest_goes_if_there_are_too_many() {
        let (sessions, clock, key) = sessions();
        let mut begun = Vec::new();
        for number in 0..=u32::try_from(MOST).unwrap() {
            let mut random = [0; 32];
            random[..4].copy_from_slice(&number.to_le_bytes());
            begun.push(sessions.begin(random, key, clock.now()));
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(sessions.all().len(), MOST);
        let goes_on = |at: usize| {
            let headers = cookie(&begun[at].cookie);
            sessions.of(&headers, &key, clock.now()).is_some()
        };
        assert!(!goes_on(0) && goes_on(1) && goes_on(MOST));
    }
}
