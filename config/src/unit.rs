//! Durations and sizes: a number and its unit.

use std::time::Duration;

/// Nothing is waited for longer: so no clock overflows.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86400);

/// `500ms`, `30s`, `5m`, `1h`, `2d`; `1.5s` too. A bare number is refused, but for `0`; so is more than ten years.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        "" if number == "0" => 0.0,
        _ => return None,
    };
    let duration = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
    (duration <= LONGEST).then_some(duration)
}

/// `512`, `64KiB`, `2MiB`, `1GiB`, and the decimal `kB`, `MB`, `GB`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text);
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(bytes)
}

/// The digits at the start, and the unit after them.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("1 h"), Some(Duration::from_secs(3600)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("3650d"), Some(LONGEST));
        for wrong in
            ["", "30", "s", "3651d", "-1s", "1.2.3s", "1y", "99999999999999999999d", "1e3s", "nan", "inf s"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_carry_their_unit() {
        assert_eq!(size("512"), Some(512));
        assert_eq!(size("64KiB"), Some(65536));
        assert_eq!(size("2MiB"), Some(2 << 20));
        assert_eq!(size("1 GB"), Some(1_000_000_000));
        for wrong in ["", "MiB", "1.5MiB", "-1", "1Mib", "99999999999999999999", "18446744073709551615KiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
