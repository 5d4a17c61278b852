//! What is known of a metric.

use metrics::Unit;

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it is measured in, if that has a unit.
    pub unit: Option<Unit>,
    /// Its labels, all of which every series has.
    pub labels: &'static [Label],
    /// What it says, for people.
    pub help: &'static str,
}

/// What a metric does.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// It only grows, by whole numbers.
    Counter,
    /// It only grows, by parts too. The recorder knows whole counters only, so it is written beside it.
    FloatCounter,
    /// It goes up and down.
    Gauge,
    /// Observations by size, in buckets up to these bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Prometheus' word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter | Self::FloatCounter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A label.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// The values of a label.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Of a list that is elsewhere: what they are, for people.
    Named(&'static str),
}

impl Metric {
    /// The same, measured in this unit.
    pub(super) const fn measured_in(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [Label],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        unit: None,
        labels,
        help,
    }
}

pub(super) const fn counter(
    name: &'static str,
    labels: &'static [Label],
    help: &'static str,
) -> Metric {
    metric(name, Kind::Counter, labels, help)
}

pub(super) const fn grows_by_parts(
    name: &'static str,
    labels: &'static [Label],
    help: &'static str,
) -> Metric {
    metric(name, Kind::FloatCounter, labels, help)
}

pub(super) const fn gauge(
    name: &'static str,
    labels: &'static [Label],
    help: &'static str,
) -> Metric {
    metric(name, Kind::Gauge, labels, help)
}

pub(super) const fn histogram(
    name: &'static str,
    buckets: &'static [f64],
    labels: &'static [Label],
    help: &'static str,
) -> Metric {
    metric(name, Kind::Histogram(buckets), labels, help)
}
