//! Lines, as a test sees them.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use super::*;

/// What was written so far.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The lines that are logged by `log`, in this form, without their times.
pub(crate) fn lines(pretty: bool, log: impl FnOnce(&Form)) -> Vec<String> {
    let written = Written::default();
    let form = Form(Arc::new(AtomicBool::new(pretty)));
    let made = subscriber(EnvFilter::new(FILTER), form.clone(), false, written.clone());
    tracing::subscriber::with_default(made, || log(&form));
    let bytes = written.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.lines().map(|line| {
        let (head, rest) = line.split_once([' ', ',']).unwrap();
        assert!(head.contains("20"), "{line}");
        if head.starts_with('{') {
            format!("{{{rest}")
        } else {
            rest.to_owned()
        }
    });
    lines.collect()
}

#[test]
fn the_form_may_be_changed_while_lines_are_written() {
    let lines = lines(true, |form| {
        tracing::info!(count = 1, "first");
        form.choose(false);
        tracing::warn!(name = "a\u{1b}[31m\nb", "second");
        form.choose(true);
        tracing::warn!(name = "a\u{1b}[31m\nb", "third");
        tracing::debug!("nobody wants to know");
    });
    assert_eq!(
        lines,
        [
            " INFO first count=1",
            r#"{"level":"WARN","message":"second","name":"a\u001b[31m\nb"}"#,
            r#" WARN third name="a\u{1b}[31m\nb""#,
        ]
    );
}
