//! A socket that is not written to for ever.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Fails to write when the other side has taken nothing for `patience`. Reading is left as it is.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Made when the other side is slow for the first time.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether a write waits, since the timer was set.
    is_waiting: bool,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            timer: None,
            is_waiting: false,
        }
    }

    /// What became of a write; an error if it has waited for too long.
    fn within_time<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !self.is_waiting {
            self.is_waiting = true;
            let now = Instant::now();
            // A time that can't be told is never over.
            if let Some(deadline) = now.checked_add(patience) {
                timer.as_mut().reset(deadline);
            }
        }
        ready!(timer.as_mut().poll(context));
        let message = "the client takes nothing of its answer";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within_time(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.within_time(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.within_time(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.within_time(shut, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up_on() {
        let (ours, _theirs) = duplex(4);
        let mut patient = Patient::new(ours, PATIENCE);
        let start = Instant::now();
        patient.write_all(b"1234").await.unwrap();
        let error = patient.write_all(b"5").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_is_not() {
        let (ours, mut theirs) = duplex(1);
        let mut patient = Patient::new(ours, PATIENCE);
        let reading = async {
            let mut got = String::new();
            for _ in 0..6 {
                tokio::time::sleep(PATIENCE - Duration::from_millis(1)).await;
                got.push(char::from(theirs.read_u8().await.unwrap()));
            }
            got
        };
        let (written, got) = tokio::join!(patient.write_all(b"slowly"), reading);
        written.unwrap();
        assert_eq!(got, "slowly");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_without_anything_to_write_does_not_count() {
        let (ours, mut theirs) = duplex(1);
        let mut patient = Patient::new(ours, PATIENCE);
        let mut byte = [0];
        for _ in 0..3 {
            patient.write_all(b"x").await.unwrap();
            let mut next = Box::pin(patient.write_all(b"y"));
            assert!(futures_util::poll!(&mut next).is_pending());
            theirs.read_exact(&mut byte).await.unwrap();
            next.await.unwrap();
            theirs.read_exact(&mut byte).await.unwrap();
            tokio::time::sleep(PATIENCE * 2).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_without_end_is_no_error() {
        let (ours, _theirs) = duplex(1);
        let mut patient = Patient::new(ours, Duration::MAX);
        patient.write_all(b"x").await.unwrap();
        let mut next = Box::pin(patient.write_all(b"y"));
        tokio::time::sleep(PATIENCE * 1000).await;
        assert!(futures_util::poll!(&mut next).is_pending());
    }
}
