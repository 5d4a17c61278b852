//! Which trace a request belongs to: W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context/>).

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Says which trace a request belongs to.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Says what the tracers before know of it.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest state that is passed on, in bytes: what the specification asks for at least.
const LONGEST_STATE: usize = 512;
/// The most members of a state, by the specification.
const MOST_MEMBERS: usize = 32;

/// A place in a trace: what `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace: u128,
    /// The span that what follows is a child of; never 0.
    pub span: u64,
    /// Whether the trace is recorded.
    pub is_sampled: bool,
}

impl TraceContext {
    /// A new trace.
    #[must_use]
    pub fn fresh(is_sampled: bool) -> Self {
        Self {
            trace: fastrand::u128(1..),
            span: fresh_span(),
            is_sampled,
        }
    }

    /// What a `traceparent` header says; `None` if it can't be understood, and a new trace has to begin.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_well_formed = is_hex(version, 2)
            && version != "ff"
            && is_hex(trace, 32)
            && is_hex(span, 16)
            && is_hex(flags, 2)
            // A later version may say more.
            && (version != "00" || parts.next().is_none());
        if !is_well_formed {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace,
            span,
            is_sampled: flags & 1 == 1,
        })
    }

    /// The same trace, for what is a child of `span`.
    #[must_use]
    pub fn within(self, span: u64) -> Self {
        Self { span, ..self }
    }
}

/// As `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace,
            span,
            is_sampled,
        } = self;
        write!(
            f,
            "00-{trace:032x}-{span:016x}-{:02x}",
            u8::from(*is_sampled)
        )
    }
}

/// What tracers before this one say of a trace, in words of their own: `tracestate`, passed on as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceState(Arc<str>);

impl TraceState {
    /// What the `tracestate` headers say together; `None` if that is nothing, or is not well formed. Of what is longer
    /// than 512 bytes, the first members are kept: they are the latest.
    #[must_use]
    pub fn parse<'h>(headers: impl IntoIterator<Item = &'h str>) -> Option<Self> {
        let members = headers.into_iter().flat_map(|header| header.split(','));
        let members = members.map(|member| member.trim_matches([' ', '\t']));
        let mut text = String::new();
        let mut is_full = false;
        for (number, member) in members.filter(|member| !member.is_empty()).enumerate() {
            if number == MOST_MEMBERS || !is_member(member) {
                return None;
            }
            is_full |= text.len() + 1 + member.len() > LONGEST_STATE;
            if !is_full {
                if !text.is_empty() {
                    text.push(',');
                }
                text.push_str(member);
            }
        }
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// As `tracestate`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether this is `key=value`, section 3.3.1.3.
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else {
        return false;
    };
    let is_key =
        |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let begins_well = key
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    begins_well
        && key.len() <= 256
        && key.bytes().all(is_key)
        && (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

/// What the headers of a request say of its trace.
#[must_use]
pub fn received(headers: &HeaderMap) -> Option<(TraceContext, Option<TraceState>)> {
    let mut parents = headers.get_all(TRACEPARENT).into_iter();
    let parent = parents.next()?.to_str().ok()?;
    // Nobody knows which of two is right.
    if parents.next().is_some() {
        return None;
    }
    let context = TraceContext::parse(parent)?;
    let states = headers.get_all(TRACESTATE).into_iter();
    let states: Result<Vec<&str>, _> = states.map(HeaderValue::to_str).collect();
    let state = states.ok().and_then(TraceState::parse);
    Some((context, state))
}

/// What goes along with a call to a provider, so that it can be part of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagated {
    /// The trace, and the span of the call.
    pub context: TraceContext,
    /// What the tracers before know of it.
    pub state: Option<TraceState>,
}

impl Propagated {
    /// Writes it into the headers of the call.
    pub fn put(&self, headers: &mut HeaderMap) {
        if let Ok(parent) = HeaderValue::try_from(self.context.to_string()) {
            headers.insert(TRACEPARENT, parent);
        }
        let state = self.state.as_ref().map(TraceState::as_str);
        if let Some(Ok(state)) = state.map(HeaderValue::from_str) {
            headers.insert(TRACESTATE, state);
        }
    }
}

/// An id for a new span.
#[must_use]
pub fn fresh_span() -> u64 {
    fastrand::u64(1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_alike() {
        let context = TraceContext::parse(GIVEN).unwrap();
        assert!(context.is_sampled);
        assert_eq!(context.to_string(), GIVEN);
        let fresh = TraceContext::fresh(false);
        assert_eq!(TraceContext::parse(&fresh.to_string()), Some(fresh));
        assert_ne!(fresh, TraceContext::fresh(false));
    }

    #[test]
    fn a_later_version_may_say_more_and_this_one_may_not() {
        let later = GIVEN.replacen("00", "01", 1) + "-more";
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(GIVEN));
        assert_eq!(TraceContext::parse(&format!("{GIVEN}-more")), None);
    }

    fn state(headers: &[&str]) -> Option<String> {
        let state = TraceState::parse(headers.iter().copied());
        state.map(|state| state.as_str().to_owned())
    }

    #[test]
    fn a_state_is_passed_on_as_it_came() {
        assert_eq!(
            state(&["a=1, b@t=x y ,", "c=!"]).as_deref(),
            Some("a=1,b@t=x y,c=!")
        );
        let long = format!("k={}", "v".repeat(250));
        let three = [long.as_str(), long.as_str(), long.as_str()].join(",");
        assert_eq!(state(&[&three]).unwrap().len(), 2 * long.len() + 1);
        // What is dropped is dropped to its end: the order means something.
        assert_eq!(
            state(&[&format!("{three},a=1")]).unwrap().len(),
            2 * long.len() + 1
        );
    }

    #[test]
    fn what_is_no_state_is_none() {
        let many = vec!["a=1"; MOST_MEMBERS + 1].join(",");
        for bad in [
            "", ",", "a", "A=1", "=1", "a=", "a=b=c", "a=\u{e9}", "a=1,b", "_a=1", &many,
        ] {
            assert_eq!(state(&[bad]), None, "{bad}");
        }
        assert_eq!(state(&[]), None);
    }

    #[test]
    fn what_is_sent_is_what_would_be_received() {
        let sent = Propagated {
            context: TraceContext::fresh(true),
            state: TraceState::parse(["a=1"]),
        };
        let mut headers = HeaderMap::new();
        sent.put(&mut headers);
        assert_eq!(received(&headers), Some((sent.context, sent.state)));
        headers.append(TRACEPARENT, HeaderValue::from_static(GIVEN));
        assert_eq!(received(&headers), None);
        headers.remove(TRACEPARENT);
        assert_eq!(received(&headers), None);
    }

    #[test]
    fn what_is_no_context_is_none() {
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
