//! One vector, with exactly the numbers that its provider gave it.
//!
//! Providers write 32-bit floats, as short as those can be told (`0.1`) or as the 64-bit floats of the same value
//! (`0.10000000149011612`), and sometimes real 64-bit ones. A reader of 64-bit floats gets other numbers from each, so
//! it is remembered which one it was. Invariant: all numbers are finite, and there is at least one.

use std::{fmt::Write as _, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::VectorFormat;

/// A vector. Clones share the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Numbers);

#[derive(Debug, Clone, PartialEq)]
enum Numbers {
    /// Written as the shortest decimals that tell them from all other 32-bit floats.
    Short(Arc<[f32]>),
    /// Written as 64-bit floats of the same value.
    Wide(Arc<[f32]>),
    /// Numbers that 32 bits can't hold.
    Double(Arc<[f64]>),
}

impl Vector {
    /// Reads a JSON list of numbers, or a JSON text that is base64 of 32-bit floats, little-endian. `None` if it is
    /// neither, is empty, or a number is not finite.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        let json = json.trim_ascii();
        match json.strip_prefix('[') {
            Some(list) => Self::of_numbers(list.strip_suffix(']')?),
            None => Self::of_base64(&serde_json::from_str::<String>(json).ok()?),
        }
    }

    /// These numbers; `None` if there are none, or not all are finite.
    #[must_use]
    pub fn of(numbers: &[f32]) -> Option<Self> {
        let is_vector = !numbers.is_empty() && numbers.iter().all(|number| number.is_finite());
        is_vector.then(|| Self(Numbers::Short(numbers.into())))
    }

    fn of_numbers(list: &str) -> Option<Self> {
        let read = |text: &str| text.trim_ascii().parse::<f64>().ok();
        let numbers = list.split(',').map(read).collect::<Option<Vec<f64>>>()?;
        if !numbers.iter().all(|number| number.is_finite()) {
            return None;
        }
        let narrow = || numbers.iter().map(|number| narrowed(*number)).collect();
        let (mut is_wide, mut is_short) = (true, true);
        let mut shortest = String::new();
        for number in &numbers {
            is_wide = is_wide && is_same(f64::from(narrowed(*number)), *number);
            is_short = is_short && {
                shortest.clear();
                let written = write!(shortest, "{}", narrowed(*number));
                written.is_ok() && read(&shortest).is_some_and(|short| is_same(short, *number))
            };
            if !is_wide && !is_short {
                return Some(Self(Numbers::Double(numbers.into())));
            }
        }
        Some(Self(if is_short {
            Numbers::Short(narrow())
        } else {
            Numbers::Wide(narrow())
        }))
    }

    fn of_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        let numbers: Vec<f32> = numbers.iter().copied().map(f32::from_le_bytes).collect();
        if rest.is_empty() {
            Self::of(&numbers)
        } else {
            None
        }
    }

    /// How many numbers it has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        match &self.0 {
            Numbers::Short(numbers) | Numbers::Wide(numbers) => numbers.len(),
            Numbers::Double(numbers) => numbers.len(),
        }
    }

    /// How many bytes its numbers take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Numbers::Short(numbers) | Numbers::Wide(numbers) => size_of_val(&**numbers),
            Numbers::Double(numbers) => size_of_val(&**numbers),
        }
    }

    /// Appends it as JSON: the numbers that were read, or their 32-bit floats.
    pub fn write(&self, out: &mut Vec<u8>, format: VectorFormat) {
        match (format, &self.0) {
            (VectorFormat::Float, Numbers::Short(numbers)) => list(out, numbers.iter()),
            (VectorFormat::Float, Numbers::Wide(numbers)) => {
                list(out, numbers.iter().map(|number| f64::from(*number)));
            }
            (VectorFormat::Float, Numbers::Double(numbers)) => list(out, numbers.iter()),
            (VectorFormat::Base64, Numbers::Short(numbers) | Numbers::Wide(numbers)) => {
                base64(out, numbers.iter().copied());
            }
            (VectorFormat::Base64, Numbers::Double(numbers)) => {
                base64(out, numbers.iter().map(|number| narrowed(*number)));
            }
        }
    }
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(from)?;
        Self::read(json.get()).ok_or_else(|| D::Error::custom("not a list of numbers"))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the nearest is what is meant"
)]
fn narrowed(number: f64) -> f32 {
    number as f32
}

#[expect(clippy::float_cmp, reason = "the very same number is meant")]
fn is_same(one: f64, other: f64) -> bool {
    one == other
}

fn list(out: &mut Vec<u8>, numbers: impl Iterator<Item = impl serde::Serialize>) {
    out.push(b'[');
    for (place, number) in numbers.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        super::write_json(out, &number);
    }
    out.push(b']');
}

fn base64(out: &mut Vec<u8>, numbers: impl Iterator<Item = f32>) {
    let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, num, prelude::*};

    fn written(vector: &Vector, format: VectorFormat) -> String {
        let mut out = Vec::new();
        vector.write(&mut out, format);
        String::from_utf8(out).unwrap()
    }

    /// The numbers that a client with 64-bit floats gets.
    fn numbers(json: &str) -> Vec<f64> {
        let list = json.strip_prefix('[').unwrap().strip_suffix(']').unwrap();
        list.split(',')
            .map(|text| text.trim().parse().unwrap())
            .collect()
    }

    #[test]
    fn numbers_stay_what_they_were_however_they_were_written() {
        for (text, bytes) in [
            ("[0.1,-0.0069292835,1e-10]", 12),
            ("[0.10000000149011612,-0.006929283495992422]", 8),
            ("[0.1234567890123456,1.0]", 16),
            ("[1, 0, -2.5]", 12),
            ("[1e300]", 8),
        ] {
            let vector = Vector::read(text).unwrap();
            assert_eq!(vector.bytes(), bytes, "{text}");
            assert_eq!(
                numbers(&written(&vector, VectorFormat::Float)),
                numbers(text),
                "{text}"
            );
        }
        let vector = Vector::read(" \"AAAAPwAAgL8=\" ").unwrap();
        assert_eq!(written(&vector, VectorFormat::Float), "[0.5,-1.0]");
        assert_eq!(written(&vector, VectorFormat::Base64), "\"AAAAPwAAgL8=\"");
    }

    #[test]
    fn what_is_no_vector_is_none() {
        for wrong in [
            "",
            "[]",
            "[1",
            "1",
            "null",
            "[[1]]",
            "[1,]",
            "[\"1\"]",
            "[null]",
            "[1e999]",
            "\"\"",
            "\"AAA\"",
            "\"AAAAPwA=\"",
            "\"AADAfw==\"",
            "\"not base64!\"",
            "{}",
        ] {
            assert_eq!(Vector::read(wrong), None, "{wrong}");
        }
        assert_eq!(Vector::of(&[f32::NAN]), None);
        assert_eq!(Vector::of(&[]), None);
    }

    const FINITE32: num::f32::Any = num::f32::NORMAL;
    const FINITE64: num::f64::Any = num::f64::NORMAL;

    proptest! {
        #[test]
        fn floats_of_32_bits_survive_both_formats(wanted in vec(FINITE32 | num::f32::SUBNORMAL | num::f32::ZERO, 1..20)) {
            let vector = Vector::of(&wanted).unwrap();
            let json = serde_json::to_string(&wanted).unwrap();
            for format in [VectorFormat::Float, VectorFormat::Base64] {
                let again = Vector::read(&written(&vector, format)).unwrap();
                prop_assert_eq!(written(&again, VectorFormat::Base64), written(&vector, VectorFormat::Base64));
                prop_assert_eq!(numbers(&written(&again, VectorFormat::Float)), numbers(&json));
            }
        }

        #[test]
        fn floats_of_64_bits_survive_as_numbers(wanted in vec(FINITE64, 1..20)) {
            let json = serde_json::to_string(&wanted).unwrap();
            let vector = Vector::read(&json).unwrap();
            prop_assert_eq!(numbers(&written(&vector, VectorFormat::Float)), wanted);
        }

        #[test]
        fn anything_is_read_or_not(text in "\\PC*") {
            let _read = Vector::read(&text);
        }
    }
}
