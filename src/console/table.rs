//! Tables whose columns line up, whatever script their cells are in.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::text::cut;
use crate::inert;

/// What is between columns.
const GAP: &str = "  ";
/// The least that is left of the column that gives way, in columns of the terminal.
const LEAST: usize = 12;

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    title: &'static str,
    is_right: bool,
    gives_way: bool,
}

impl Column {
    pub(super) fn left(title: &'static str) -> Self {
        Self {
            title,
            is_right: false,
            gives_way: false,
        }
    }

    /// Of numbers.
    pub(super) fn right(title: &'static str) -> Self {
        Self {
            is_right: true,
            ..Self::left(title)
        }
    }

    /// Of texts that are cut where there is no room for them.
    pub(super) fn flexible(title: &'static str) -> Self {
        Self {
            gives_way: true,
            ..Self::left(title)
        }
    }
}

/// Rows of cells.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        let titles = columns.iter().map(|column| column.title.to_owned());
        Self {
            rows: vec![titles.collect()],
            columns,
        }
    }

    /// One more row, whose cells may say anything.
    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows
            .push(cells.iter().map(|cell| inert::line(cell)).collect());
    }

    /// Writes it, with lines of at most `width`. Nothing, if there are no rows.
    pub(super) fn write(
        &self,
        out: &mut (dyn Write + Send),
        width: Option<usize>,
    ) -> io::Result<()> {
        if self.rows.len() < 2 {
            return Ok(());
        }
        let widths = self.widths(width);
        for row in &self.rows {
            let mut line = String::new();
            let cells = row.iter().zip(&self.columns).zip(&widths);
            for (place, ((cell, column), width)) in cells.enumerate() {
                if place > 0 {
                    line.push_str(GAP);
                }
                let cell = cut(cell, *width);
                let blanks = " ".repeat(width.saturating_sub(cell.width()));
                let parts = if column.is_right {
                    [&blanks, &cell]
                } else {
                    [&cell, &blanks]
                };
                line.extend(parts.map(String::as_str));
            }
            let line = line.trim_end();
            match width {
                Some(width) => writeln!(out, "{}", cut(line, width))?,
                None => writeln!(out, "{line}")?,
            }
        }
        Ok(())
    }

    fn widths(&self, most: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|place| {
                let cells = self.rows.iter().filter_map(|row| row.get(place));
                cells.map(|cell| cell.width()).max().unwrap_or(0)
            })
            .collect();
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let too_much = most.map_or(0, |most| {
            (widths.iter().sum::<usize>() + gaps).saturating_sub(most)
        });
        let yielding = widths.iter_mut().zip(&self.columns);
        for (width, _) in yielding.filter(|(_, column)| column.gives_way) {
            *width = width.saturating_sub(too_much).max(LEAST.min(*width));
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: Option<usize>, prompts: &[&str]) -> Vec<String> {
        let mut table = Table::new(vec![
            Column::right("USES"),
            Column::flexible("PROMPT"),
            Column::left("MODEL"),
        ]);
        for prompt in prompts {
            table.row(&["7".to_owned(), (*prompt).to_owned(), "m".to_owned()]);
        }
        let mut out = Vec::new();
        table.write(&mut out, width).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_line_up_by_what_is_seen() {
        let lines = written(None, &["ab", "日本", "e\u{301}"]);
        assert_eq!(
            lines,
            [
                "USES  PROMPT  MODEL",
                "   7  ab      m",
                "   7  日本    m",
                "   7  e\u{301}       m",
            ]
        );
    }

    #[test]
    fn lines_fit_and_stay_lines() {
        let long = "word ".repeat(50);
        let lines = written(
            Some(40),
            &[&long, "\u{1b}[31mred\nnew \u{202e}line", &"語".repeat(50)],
        );
        assert_eq!(lines.len(), 4);
        for line in &lines {
            assert!(line.width() <= 40, "{line}");
            assert!(!line.contains('\u{1b}') && !line.contains('\u{202e}'));
        }
        assert!(lines[1].contains('…') && lines[1].ends_with('m'));
        assert!(
            written(Some(5), &[&long])
                .iter()
                .all(|line| line.width() <= 5)
        );
    }

    #[test]
    fn no_rows_are_no_table() {
        assert_eq!(written(None, &[]), [""; 0]);
    }
}
