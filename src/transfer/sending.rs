//! An import under way: lines become batches, each of which the gateway confirms.

use std::{
    fs::File,
    io::{self, BufReader, Seek, Write},
    pin::Pin,
    time::Duration,
};

use reqwest::{RequestBuilder, StatusCode};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Gateway, Import, LineError, Totals, TransferError,
    lines::{Line, Lines},
    refusal,
    watch::Watch,
};
use crate::inert;

/// A batch is sent as soon as it has so many bytes, however few its lines are.
const BATCH: usize = 4 << 20;
/// A header is shorter than this, in bytes.
const HEADER: usize = 1 << 10;

/// What the gateway answers to a batch.
#[derive(Deserialize)]
struct Confirmed {
    imported: u64,
    skipped: u64,
    refused: u64,
    errors: Vec<LineError>,
}

/// A line and its number in the file.
type Numbered = (u64, Vec<u8>);

/// Lines that are sent at once.
#[derive(Default)]
struct Batch {
    /// Names the gateway that they come from.
    header: Option<Numbered>,
    lines: Vec<Numbered>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, line: Numbered) {
        self.bytes += line.1.len();
        self.lines.push(line);
    }

    /// Takes all lines out; those that come next have the same header.
    fn take(&mut self) -> Self {
        let header = self.header.clone();
        std::mem::replace(
            self,
            Self {
                header,
                ..Self::default()
            },
        )
    }

    fn all(&self) -> impl Iterator<Item = &Numbered> {
        self.header.iter().chain(&self.lines)
    }

    fn body(&self) -> Vec<u8> {
        let lines: Vec<&[u8]> = self.all().map(|(_, line)| line.as_slice()).collect();
        lines.join(&b'\n')
    }

    /// The number in the file of what the body has as its line `number`.
    fn number(&self, number: u64) -> Option<u64> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.all().nth(place).map(|(number, _)| *number)
    }

    fn halves(mut self) -> [Self; 2] {
        let lines = self.lines.split_off(self.lines.len() / 2);
        let header = self.header.clone();
        let second = Self {
            header,
            lines,
            bytes: 0,
        };
        [self, second]
    }
}

/// Whether a line names the gateway that the lines after it come from.
fn is_header(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "refrain_cache")]
        _form: IgnoredAny,
    }
    line.len() < HEADER && serde_json::from_slice::<Header>(line).is_ok()
}

/// What is to become of lines that are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// They are looked at, and nothing is done.
    Check,
    /// They are taken in.
    TakeIn,
}

impl Aim {
    /// Batches are told apart by the one who sends them: of each, what is good counts.
    fn query(self) -> &'static str {
        match self {
            Self::Check => "import?partial=true&dry_run=true",
            Self::TakeIn => "import?partial=true",
        }
    }

    /// What happens to good lines.
    fn verb(self) -> &'static str {
        match self {
            Self::Check => "good",
            Self::TakeIn => "imported",
        }
    }
}

/// An import under way.
pub(super) struct Sending<'a, I> {
    gateway: &'a Gateway,
    interrupt: Pin<&'a mut I>,
    progress: &'a mut (dyn Write + Send),
    watch: Watch,
    totals: Totals,
    errors: Vec<LineError>,
    /// The first line that is not confirmed.
    from: u64,
    aim: Aim,
}

impl<'a, I: Future<Output = ()>> Sending<'a, I> {
    pub(super) fn new(
        gateway: &'a Gateway,
        interrupt: Pin<&'a mut I>,
        progress: &'a mut (dyn Write + Send),
        from: u64,
        aim: Aim,
    ) -> Self {
        Self {
            gateway,
            interrupt,
            progress,
            watch: Watch::new(&gateway.clock),
            totals: Totals::default(),
            errors: Vec::new(),
            from,
            aim,
        }
    }

    /// What has become of the lines so far.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// The first line that is not confirmed.
    pub(super) fn from(&self) -> u64 {
        self.from
    }

    /// The lines that were refused, as far as that is told of each.
    pub(super) fn into_errors(self) -> Vec<LineError> {
        self.errors
    }

    /// Sends the lines of `input`, which is what `import` names, from its beginning.
    pub(super) async fn file(
        &mut self,
        input: &mut File,
        import: &Import,
    ) -> Result<(), TransferError> {
        let failed = |source| TransferError::File {
            path: import.file.clone(),
            source,
        };
        let most = usize::try_from(import.batch).unwrap_or(usize::MAX);
        input.rewind().map_err(failed)?;
        let mut lines = Lines::new(BufReader::new(input));
        let mut batch = Batch::default();
        while let Some((number, line)) = lines.next().map_err(failed)? {
            match line {
                Line::Whole(line) if is_header(&line) => {
                    self.batch(batch.take()).await?;
                    batch.header = Some((number, line));
                }
                Line::Whole(line) if number >= import.from => batch.push((number, line)),
                Line::TooLong if number >= import.from => {
                    self.batch(batch.take()).await?;
                    self.refuse(number, "it is longer than a gateway reads")?;
                }
                Line::Whole(_) | Line::TooLong => {}
            }
            if batch.lines.len() >= most || batch.bytes >= BATCH {
                self.batch(batch.take()).await?;
            }
        }
        self.batch(batch).await?;
        self.say()?;
        Ok(())
    }

    /// Sends a batch, in halves if it is too large for the gateway.
    async fn batch(&mut self, batch: Batch) -> Result<(), TransferError> {
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let Some((last, _)) = batch.lines.last() else {
                continue;
            };
            let last = *last;
            let request = self.gateway.client.post(self.gateway.at(self.aim.query()));
            let request = request
                .header("content-type", "application/x-ndjson")
                .body(batch.body());
            let posting = self.gateway.post(request);
            let Self {
                progress,
                totals,
                watch,
                aim,
                ..
            } = self;
            let (clock, started) = (&self.gateway.clock, watch.started());
            let say = || said(progress, *aim, *totals, clock.now().since(started));
            match watch.over(posting, self.interrupt.as_mut(), say).await?? {
                Some(confirmed) => self.note(&batch, confirmed)?,
                None if batch.lines.len() > 1 => {
                    let [first, second] = batch.halves();
                    waiting.extend([second, first]);
                    continue;
                }
                None => self.refuse(last, "it is larger than the gateway's `server.max_body`")?,
            }
            self.from = last + 1;
        }
        Ok(())
    }

    fn note(&mut self, batch: &Batch, confirmed: Confirmed) -> Result<(), TransferError> {
        let header = batch.header.as_ref();
        let of_header = confirmed.errors.first().filter(|error| error.line == 1);
        if let (Some((line, _)), Some(error)) = (header, of_header) {
            return Err(TransferError::Foreign {
                line: *line,
                message: inert::line(&error.error),
            });
        }
        let untold = confirmed
            .refused
            .saturating_sub(confirmed.errors.len() as u64);
        for LineError { line, error } in confirmed.errors {
            let line = batch.number(line).unwrap_or(line);
            self.tell(line, error)?;
        }
        if let (1.., Some((first, _)), Some((last, _))) =
            (untold, batch.lines.first(), batch.lines.last())
        {
            writeln!(
                self.progress,
                "lines {first} to {last}: {untold} more were refused"
            )?;
        }
        self.totals.imported += confirmed.imported;
        self.totals.skipped += confirmed.skipped;
        self.totals.refused += confirmed.refused;
        Ok(())
    }

    fn refuse(&mut self, line: u64, why: &str) -> io::Result<()> {
        self.totals.refused += 1;
        self.tell(line, why.to_owned())
    }

    /// Says why a line is refused, now and at the end.
    fn tell(&mut self, line: u64, error: String) -> io::Result<()> {
        let said = writeln!(self.progress, "line {line}: {}", inert::line(&error));
        self.errors.push(LineError { line, error });
        said
    }

    fn say(&mut self) -> io::Result<()> {
        let elapsed = self.gateway.clock.now().since(self.watch.started());
        said(self.progress, self.aim, self.totals, elapsed)
    }
}

impl Gateway {
    /// Has a batch taken in; `None` if it is too large.
    async fn post(&self, request: RequestBuilder) -> Result<Option<Confirmed>, TransferError> {
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => {
                let body = response.bytes().await;
                let body = body.map_err(|error| self.unreachable(&error))?;
                let confirmed = serde_json::from_slice(&body);
                confirmed.map(Some).map_err(|_| TransferError::Unreachable {
                    url: self.url.clone(),
                    cause: "what answers there is no gateway".to_owned(),
                })
            }
            StatusCode::PAYLOAD_TOO_LARGE => Ok(None),
            _ => Err(refusal(response).await),
        }
    }
}

fn said(out: &mut dyn Write, aim: Aim, totals: Totals, elapsed: Duration) -> io::Result<()> {
    let Totals {
        imported,
        skipped,
        refused,
    } = totals;
    let lines = imported + skipped + refused;
    #[expect(clippy::cast_precision_loss, reason = "a rate, for people")]
    let rate = lines as f64 / elapsed.as_secs_f64().max(1e-3);
    writeln!(
        out,
        "{lines} lines, {rate:.0}/s: {imported} {}, {skipped} skipped, {refused} refused",
        aim.verb()
    )
}
