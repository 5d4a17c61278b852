//! Finds the end of a JSON object while it comes in pieces.

/// How far an object has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonEnd {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    is_over: bool,
}

impl JsonEnd {
    /// Takes in the next piece.
    pub(super) fn read(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.is_over {
                return;
            }
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_over = self.depth == 0;
                }
                _ => {}
            }
        }
    }

    /// Whether the object is whole.
    pub(super) fn is_over(self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn brackets_in_strings_end_nothing() {
        let mut end = JsonEnd::default();
        end.read(r#"{"a": "}\"]", "b": [{}]"#);
        assert!(!end.is_over());
        end.read(" }");
        assert!(end.is_over());
    }

    proptest! {
        #[test]
        fn an_object_ends_with_its_last_byte(key in any::<String>(), text in any::<String>(), cut in any::<prop::sample::Index>()) {
            let object = json!({ key: [text, {"n": null}] }).to_string();
            let mut cut = cut.index(object.len());
            while !object.is_char_boundary(cut) {
                cut -= 1;
            }
            let mut end = JsonEnd::default();
            end.read(&object[..cut]);
            prop_assert!(!end.is_over());
            end.read(&object[cut..]);
            prop_assert!(end.is_over());
        }
    }
}
