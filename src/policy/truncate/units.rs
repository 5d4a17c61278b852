//! What of a conversation can only be left out together.
//!
//! Before the last message of a user, a unit is a user's message with everything up to the next one;
//! what stands before the first user is a unit too. After it, a unit is an exchange: a message of the
//! assistant with the results of its tool calls. Units that a tool call and its result have a part in
//! are one. The last message of a user and the last exchange are in no unit, nor are system messages:
//! they stay.

use std::collections::BTreeMap;

use serde_json::Value;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// System and developer; also what can't be read, which is therefore never left out.
    System,
    User,
    Assistant,
    /// A tool, or a function.
    Tool,
}

impl Role {
    pub(super) fn of(message: &Value) -> Self {
        match message.get("role").and_then(Value::as_str) {
            Some("user") => Self::User,
            Some("assistant") => Self::Assistant,
            Some("tool" | "function") => Self::Tool,
            Some(_) | None => Self::System,
        }
    }
}

/// What joins a result to its call.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Call<'m> {
    Id(&'m str),
    /// The name of a function, where there is no id.
    Name(&'m str),
}

/// The units that may be left out, the oldest first, as the positions of their messages. One that was
/// joined of several is as old as its newest.
pub(super) fn droppable(messages: &[Value]) -> Vec<Vec<usize>> {
    let (places, count) = places(messages);
    let mut units = Units((0..=count).collect());
    let mut calls = BTreeMap::new();
    for (message, place) in messages.iter().zip(&places) {
        match Role::of(message) {
            Role::Assistant => calls.extend(calls_of(message).map(|call| (call, *place))),
            Role::Tool => {
                // Some give the same id again and again: the last call of that id is the one.
                if let Some(of_call) = result_of(message).and_then(|call| calls.get(&call)) {
                    units.join(*of_call, *place);
                }
            }
            Role::System | Role::User => {}
        }
    }
    let mut members = vec![Vec::new(); count];
    for (message, place) in places.into_iter().enumerate() {
        if let Some(members) = members.get_mut(units.newest(place)) {
            members.push(message);
        }
    }
    members.retain(|members| !members.is_empty());
    members
}

/// The unit of each message, by age, and how many there are. That number itself is the place of what
/// stays.
fn places(messages: &[Value]) -> (Vec<usize>, usize) {
    let roles: Vec<Role> = messages.iter().map(Role::of).collect();
    let last_user = roles.iter().rposition(|role| *role == Role::User);
    let is_after = |position| last_user.is_none_or(|user| user < position);
    let mut count = 0;
    let mut is_open = false;
    let mut places: Vec<Option<usize>> = Vec::with_capacity(roles.len());
    for (position, role) in roles.iter().enumerate() {
        let starts = match role {
            Role::System => {
                places.push(None);
                continue;
            }
            Role::User => true,
            Role::Assistant => is_after(position),
            Role::Tool => false,
        };
        if last_user == Some(position) {
            is_open = false;
            places.push(None);
            continue;
        }
        if starts || !is_open {
            count += 1;
            is_open = true;
        }
        places.push(Some(count - 1));
    }
    let exchanges = places.iter().skip(last_user.map_or(0, |user| user + 1));
    let last_exchange = exchanges.flatten().max().copied();
    let place_of = |place: Option<usize>| match place {
        Some(place) if last_exchange != Some(place) => place,
        Some(_) | None => count,
    };
    (places.into_iter().map(place_of).collect(), count)
}

/// Which units are one: for each a newer one that it is joined to, or itself.
struct Units(Vec<usize>);

impl Units {
    /// The newest that this one is joined to.
    fn newest(&mut self, mut unit: usize) -> usize {
        while let Some(newer) = self.newer(unit) {
            let newest = self.newer(newer).unwrap_or(newer);
            self.set(unit, newest);
            unit = newest;
        }
        unit
    }

    fn newer(&self, unit: usize) -> Option<usize> {
        self.0.get(unit).copied().filter(|newer| *newer != unit)
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.newest(one), self.newest(other));
        self.set(one.min(other), one.max(other));
    }

    fn set(&mut self, unit: usize, newer: usize) {
        if let Some(place) = self.0.get_mut(unit) {
            *place = newer;
        }
    }
}

fn calls_of(message: &Value) -> impl Iterator<Item = Call<'_>> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let ids = calls
        .into_iter()
        .flatten()
        .filter_map(|call| call.get("id")?.as_str());
    let name = message
        .get("function_call")
        .and_then(|call| call.get("name")?.as_str());
    ids.map(Call::Id).chain(name.map(Call::Name))
}

fn result_of(message: &Value) -> Option<Call<'_>> {
    let text = |name| message.get(name).and_then(Value::as_str);
    text("tool_call_id")
        .map(Call::Id)
        .or_else(|| text("name").map(Call::Name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Messages by letters: `s`ystem, `u`ser, `a`ssistant, `t`ool, and the ids of calls and results.
    fn messages(short: &str) -> Vec<Value> {
        short
            .split_whitespace()
            .map(|word| {
                let (role, ids) = word.split_at(1);
                match role {
                    "s" => json!({"role": "system", "content": "x"}),
                    "u" => json!({"role": "user", "content": "x"}),
                    "a" => {
                        let calls: Vec<Value> = ids
                            .chars()
                            .map(|id| json!({"id": id.to_string()}))
                            .collect();
                        json!({"role": "assistant", "tool_calls": calls})
                    }
                    "t" => json!({"role": "tool", "tool_call_id": ids}),
                    "A" => json!({"role": "assistant", "function_call": {"name": ids}}),
                    "f" => json!({"role": "function", "name": ids}),
                    _ => json!(ids),
                }
            })
            .collect()
    }

    fn check(short: &str, expected: &[&[usize]]) {
        assert_eq!(droppable(&messages(short)), expected, "{short}");
    }

    #[test]
    fn a_unit_is_a_turn_of_a_user() {
        check("s u a u a a u", &[&[1, 2], &[3, 4, 5]]);
        check("u u u", &[&[0], &[1]]);
        check("s a t u a u", &[&[1, 2], &[3, 4]]);
        check("u a s u s a u", &[&[0, 1], &[3, 5]]);
    }

    #[test]
    fn an_exchange_is_a_call_with_its_results() {
        check("u axy tx ty az tz", &[&[1, 2, 3]]);
        check("s u a u ax tx ay ty a", &[&[1, 2], &[4, 5], &[6, 7]]);
        check("u s t ax tx ay", &[&[2], &[3, 4]]);
        check("u a", &[]);
        check("u Af ff Ag fg", &[&[1, 2]]);
    }

    #[test]
    fn without_a_user_there_are_exchanges_only() {
        check("s ax tx ay ty a", &[&[1, 2], &[3, 4]]);
        check("t t a a", &[&[0, 1], &[2]]);
        check("s t t", &[]);
        check("s", &[]);
        check("", &[]);
    }

    #[test]
    fn a_call_and_its_result_are_in_one_unit() {
        // The result comes a turn later, or after the next call.
        check("u ax u tx u a u", &[&[0, 1, 2, 3], &[4, 5]]);
        check("u ax ay tx ty a", &[&[1, 2, 3, 4]]);
        // The result stays, so the call does.
        check("u ax u a u tx", &[&[2, 3]]);
        check("u ax u a u ay tx", &[&[2, 3]]);
        // As old as the newest.
        check("u ax u a u a tx a", &[&[2, 3], &[0, 1, 5, 6]]);
        // An id that is given again belongs to the call before.
        check("u ax tx u ax tx u", &[&[0, 1, 2], &[3, 4, 5]]);
        // Nobody called.
        check("u a u tx u", &[&[0, 1], &[2, 3]]);
    }

    #[test]
    fn what_cannot_be_read_stays() {
        check("o u a o u", &[&[1, 2]]);
    }
}
