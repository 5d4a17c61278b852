//! A request's items: what each is kept under, and how they are divided among calls.
//!
//! Pure. Invariant: whatever is divided comes together again in order, and nothing of it twice.

use std::{collections::HashMap, ops::Range};

use crate::{
    policy::identity::{Fingerprint, Scope},
    provider::Batch,
    units::Tokens,
    wire::embeddings::{EmbeddingsRequest, Item},
};

/// What shapes the vectors of a request beside its items.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape(Scope);

impl Shape {
    /// Of a request that `target` answers in `scope`; for the end user `user` alone, if there is one.
    pub(super) fn of(
        scope: Scope,
        target: &str,
        request: &EmbeddingsRequest,
        user: Option<&str>,
    ) -> Self {
        let mut written = Vec::new();
        let mut add = |name: &str, value: &str| {
            for part in [name, value] {
                written.extend_from_slice(&(part.len() as u64).to_le_bytes());
                written.extend_from_slice(part.as_bytes());
            }
        };
        add("embeddings", target);
        if let Some(dimensions) = request.dimensions() {
            add("dimensions", &dimensions.to_string());
        }
        if let Some(user) = user {
            add("user", user);
        }
        let mut others: Vec<_> = request.unknown_fields().collect();
        others.sort_unstable_by_key(|(name, _)| *name);
        for (name, value) in others {
            add(name, &value.to_string());
        }
        Self(Scope::of(scope.digest(&written)))
    }

    /// What the vector of this item is kept under.
    pub(super) fn key(self, item: Item<'_>) -> Fingerprint {
        let written = match item {
            Item::Text(text) => [b"t", text.as_bytes()].concat(),
            Item::Tokens(list) => {
                let tokens = list.iter().flat_map(|token| token.to_le_bytes());
                std::iter::once(b'n').chain(tokens).collect()
            }
        };
        Fingerprint::of(self.0.digest(&written))
    }
}

/// For each of these, the place of the first that is equal.
pub(super) fn firsts(keys: &[Fingerprint]) -> Vec<usize> {
    let mut first = HashMap::with_capacity(keys.len());
    let places = keys.iter().enumerate();
    places
        .map(|(place, key)| *first.entry(*key).or_insert(place))
        .collect()
}

/// Divides items that have at most so many tokens each into calls, in order. An item that is too long for any call has
/// one of its own, so that its provider can say so.
pub(super) fn split(tokens: &[Tokens], batch: Batch) -> Vec<Range<usize>> {
    let most = batch.tokens.map_or(u64::MAX, |tokens| tokens.0);
    let mut calls: Vec<Range<usize>> = Vec::new();
    let mut sum = 0_u64;
    for (place, item) in tokens.iter().enumerate() {
        sum = sum.saturating_add(item.0);
        match calls.last_mut() {
            Some(call) if call.len() < batch.items && sum <= most => call.end = place + 1,
            _ => {
                calls.push(place..place + 1);
                sum = item.0;
            }
        }
    }
    calls
}

/// Shares out `total` by weight; the shares add up to it.
pub(super) fn share(total: u64, weights: &[u64]) -> Vec<u64> {
    let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let (mut before, mut given) = (0_u128, 0_u64);
    let shares = weights.iter().map(|weight| {
        before += u128::from(*weight);
        let until = (u128::from(total) * before).checked_div(all).unwrap_or(0);
        // No more than `total`, since `before` is no more than `all`.
        let until = u64::try_from(until).unwrap_or(total);
        let share = until - given;
        given = until;
        share
    });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::controls::Controls;
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};
    use std::collections::HashSet;

    fn request(fields: &Value) -> EmbeddingsRequest {
        let mut body = json!({"model": "m", "input": "a"});
        let fields = fields.as_object().cloned().unwrap();
        body.as_object_mut().unwrap().extend(fields);
        EmbeddingsRequest::parse(body.to_string().into(), &mut Controls::default()).unwrap()
    }

    #[test]
    fn what_shapes_a_vector_tells_keys_apart() {
        let scope = Scope::of([1; 32]);
        let key = |scope, target, fields: Value, user| {
            Shape::of(scope, target, &request(&fields), user).key(Item::Text("a"))
        };
        let plain = key(scope, "p/e", json!({}), None);
        for same in [
            json!({"encoding_format": "base64"}),
            json!({"user": "u"}),
            json!({"model": "alias"}),
            json!({"dimensions": null, "x": null}),
            json!({"input": ["b", "c"]}),
        ] {
            assert_eq!(key(scope, "p/e", same.clone(), None), plain, "{same}");
        }
        let others = [
            plain,
            key(Scope::of([2; 32]), "p/e", json!({}), None),
            key(scope, "p/f", json!({}), None),
            key(scope, "p/e", json!({"dimensions": 5}), None),
            key(scope, "p/e", json!({"input_type": "query"}), None),
            key(scope, "p/e", json!({"input_type": "passage"}), None),
            key(scope, "p/e", json!({}), Some("u")),
            key(scope, "p/e", json!({}), Some("v")),
        ];
        assert_eq!(others.iter().collect::<HashSet<_>>().len(), others.len());
        let (one, other) = (json!({"x": 1, "y": 2}), json!({"y": 2, "x": 1}));
        assert_eq!(key(scope, "p/e", one, None), key(scope, "p/e", other, None));
    }

    #[test]
    fn texts_and_tokens_have_keys_of_their_own() {
        let shape = Shape::of(Scope::of([1; 32]), "p/e", &request(&json!({})), None);
        let items = [
            Item::Text("a"),
            Item::Text("A"),
            Item::Text("n\u{1}\0\0\0"),
            Item::Text("\u{1}\0\0\0"),
            Item::Tokens(&[1]),
            Item::Tokens(&[1, 0]),
            Item::Tokens(&[256]),
        ];
        let keys: HashSet<_> = items.iter().map(|item| shape.key(*item)).collect();
        assert_eq!(keys.len(), items.len());
    }

    #[test]
    fn a_call_holds_what_it_may() {
        let split = |sizes: &[u64], items, tokens: Option<u64>| {
            let sizes: Vec<Tokens> = sizes.iter().copied().map(Tokens).collect();
            let tokens = tokens.map(Tokens);
            split(&sizes, Batch { items, tokens })
        };
        assert_eq!(split(&[1; 5], 2, None), [0..2, 2..4, 4..5]);
        assert_eq!(
            split(&[4, 6, 1, 20, 1], 9, Some(10)),
            [0..2, 2..3, 3..4, 4..5]
        );
        assert!(split(&[], 9, None).is_empty());
        assert_eq!(split(&[u64::MAX, u64::MAX], 9, Some(5)), [0..1, 1..2]);
    }

    proptest! {
        #[test]
        fn calls_cover_all_items_in_order(
            sizes in vec(0_u64..50, 0..40), items in 1_usize..6, tokens in proptest::option::of(1_u64..100),
        ) {
            let sizes: Vec<Tokens> = sizes.into_iter().map(Tokens).collect();
            let calls = split(&sizes, Batch { items, tokens: tokens.map(Tokens) });
            let joined: Vec<usize> = calls.iter().cloned().flatten().collect();
            prop_assert_eq!(joined, (0..sizes.len()).collect::<Vec<_>>());
            for call in calls {
                let sum: u64 = sizes[call.clone()].iter().map(|size| size.0).sum();
                prop_assert!(call.len() <= items);
                prop_assert!(call.len() == 1 || tokens.is_none_or(|most| sum <= most));
            }
        }

        #[test]
        fn shares_add_up(total in any::<u64>(), weights in vec(1_u64..1 << 40, 1..30)) {
            let shares = share(total, &weights);
            prop_assert_eq!(shares.iter().map(|share| u128::from(*share)).sum::<u128>(), u128::from(total));
        }

        #[test]
        fn the_first_of_equals_stands_for_all(numbers in vec(0_u8..6, 0..20)) {
            let keys: Vec<_> = numbers.iter().map(|number| Fingerprint::of([*number; 32])).collect();
            for (place, first) in firsts(&keys).into_iter().enumerate() {
                prop_assert_eq!(keys.iter().position(|key| *key == keys[place]), Some(first));
            }
        }
    }
}
