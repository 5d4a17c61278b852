//! Numbers, and texts that fit, for a terminal.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// As much of `text` as fits into `width` columns, with a sign that there is more.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 0;
    for piece in text.graphemes(true) {
        used += piece.width();
        if used + 1 > width {
            break;
        }
        shown.push_str(piece);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

/// A whole number, in groups of three digits.
pub(super) fn amount(number: f64) -> String {
    // Sums of nothing are -0.0, which is written with its sign.
    let digits = format!("{:.0}", number.max(0.0) + 0.0);
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// US dollars.
pub(super) fn usd(usd: f64) -> String {
    if usd == 0.0 {
        "$0".to_owned()
    } else if usd < 1.0 {
        format!("${usd:.4}")
    } else {
        format!("${usd:.2}")
    }
}

/// Bytes, in the largest unit that is not too large.
pub(super) fn bytes(bytes: f64) -> String {
    const UNITS: [(&str, f64); 3] = [
        ("GiB", 1_073_741_824.0),
        ("MiB", 1_048_576.0),
        ("KiB", 1024.0),
    ];
    let unit = UNITS.into_iter().find(|(_, size)| bytes >= *size);
    match unit {
        Some((name, size)) => format!("{:.1} {name}", bytes / size),
        None => format!("{bytes:.0} B"),
    }
}

/// A time, in its largest unit.
pub(super) fn span(seconds: f64) -> String {
    const UNITS: [(&str, f64); 3] = [("d", 86_400.0), ("h", 3600.0), ("m", 60.0)];
    let unit = UNITS.into_iter().find(|(_, size)| seconds >= *size);
    match unit {
        Some((name, size)) => format!("{:.0}{name}", (seconds / size).floor()),
        None => format!("{seconds:.0}s"),
    }
}

/// A share.
pub(super) fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.1} %", part / whole * 100.0)
    } else {
        "-".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inert;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!((amount(0.0), amount(-0.0)), ("0".into(), "0".into()));
        assert_eq!(amount(999.0), "999");
        assert_eq!(amount(1_234_567.0), "1 234 567");
        assert_eq!(
            (usd(0.0), usd(0.001_26), usd(12.345)),
            ("$0".into(), "$0.0013".into(), "$12.35".into())
        );
        assert_eq!(
            (bytes(12.0), bytes(1536.0)),
            ("12 B".into(), "1.5 KiB".into())
        );
        assert_eq!(
            (span(59.0), span(7_300.0), span(200_000.0)),
            ("59s".into(), "2h".into(), "2d".into())
        );
        assert_eq!(
            (percent(1.0, 4.0), percent(1.0, 0.0)),
            ("25.0 %".into(), "-".into())
        );
    }

    proptest! {
        #[test]
        fn what_is_cut_fits(text in any::<String>(), width in 0_usize..80) {
            let short = cut(&inert::line(&text), width);
            prop_assert!(short.width() <= width, "{:?} is {}", short, short.width());
        }
    }
}
