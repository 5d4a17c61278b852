//! What Linux says of a process in `/proc/self`. Elsewhere nothing is known.

/// The kernel's unit of time for processes, `USER_HZ`, is a hundredth of a second wherever programs can see it.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Process {
    /// Time on processors, in seconds.
    pub cpu: f64,
    /// Memory in use, in bytes.
    pub memory: u64,
    /// Threads.
    pub threads: u64,
}

impl Process {
    /// Reads `stat` and `status` of a process.
    #[must_use]
    pub fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name of the program is in brackets, and may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        let cpu = (ticks()? + ticks()?) / TICKS_PER_SECOND;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Self {
            cpu,
            memory: number("VmRSS:")?.checked_mul(1024)?,
            threads: number("Threads:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\trefrain\nVmHWM:\t  99 kB\nVmRSS:\t    2048 kB\nThreads:\t7\n";

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "4711 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 7 0 99 1 2";
        let expected = Process {
            cpu: 4.0,
            memory: 2 << 20,
            threads: 7,
        };
        assert_eq!(Process::parse(stat, STATUS), Some(expected));
    }

    #[test]
    fn anything_else_is_nothing() {
        for stat in [
            "",
            "1 (x)",
            "1 (x) S 1 2 3 4 5 6 7 8 9 10 250",
            "1 (x) S a b c d e f g h i j k l",
        ] {
            assert_eq!(Process::parse(stat, STATUS), None, "{stat}");
        }
        let stat = "1 (x) S 1 2 3 4 5 6 7 8 9 10 250 150 0";
        assert_eq!(
            Process::parse(stat, "VmRSS:\t18446744073709551615 kB\nThreads: 1"),
            None
        );
        assert_eq!(Process::parse(stat, "Threads: 1"), None);
    }
}
