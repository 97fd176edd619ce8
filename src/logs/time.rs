//! The time of a line, in UTC. Its text is made once a second for each thread.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `2026-11-22T12:00:01`
const SECONDS: usize = 19;

thread_local! {
    static LAST: Cell<(u64, [u8; SECONDS])> = const { Cell::new((0, *b"1970-01-01T00:00:00")) };
}

/// A time, ready to be written.
pub(super) struct Now {
    seconds: [u8; SECONDS],
    micros: u32,
}

impl Now {
    pub(super) fn read() -> Self {
        Self::at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// The time so long after the year 1970 began.
    pub(super) fn at(since_1970: Duration) -> Self {
        let number = since_1970.as_secs();
        let (last, text) = LAST.get();
        let seconds = if last == number { text } else { seconds(number) };
        LAST.set((number, seconds));
        Self { seconds, micros: since_1970.subsec_micros() }
    }

    /// `2026-11-22T12:00:01.000342Z`
    pub(super) fn push_full(&self, line: &mut String) {
        push(line, &self.seconds);
        let mut fraction = *b".000000Z";
        let mut rest = self.micros;
        for digit in fraction[1..7].iter_mut().rev() {
            *digit = digit_of(rest);
            rest /= 10;
        }
        push(line, &fraction);
    }

    /// `12:00:01`
    pub(super) fn push_clock(&self, line: &mut String) {
        push(line, &self.seconds[11..]);
    }
}

fn push(line: &mut String, ascii: &[u8]) {
    line.push_str(std::str::from_utf8(ascii).expect("digits and punctuation are ASCII"));
}

fn digit_of(number: u32) -> u8 {
    b'0' + u8::try_from(number % 10).expect("a digit is less than 10")
}

fn seconds(since_1970: u64) -> [u8; SECONDS] {
    let (days, second) = (since_1970 / 86_400, since_1970 % 86_400);
    let (year, month, day) = date(days);
    let mut text = *b"0000-00-00T00:00:00";
    let parts = [(0..4, year), (5..7, month), (8..10, day)];
    let clock = [(11..13, second / 3600), (14..16, second / 60 % 60), (17..19, second % 60)];
    for (place, number) in parts.into_iter().chain(clock) {
        let mut rest = u32::try_from(number).unwrap_or(0);
        for digit in text[place].iter_mut().rev() {
            *digit = digit_of(rest);
            rest /= 10;
        }
    }
    text
}

/// Year, month and day, in the calendar of today. A year is taken to begin in March: then the leap day is its last, and
/// months of 31 and 30 days alternate in runs of five, which 153 days are.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    // From 1 March of the year 0; 400 years have 146,097 days.
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (number, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_709_251_199, "2024-02-29T23:59:59"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(std::str::from_utf8(&seconds(number)).unwrap(), expected);
        }
    }

    /// The dates of a hundred years, against those of HTTP, which another crate makes.
    #[test]
    fn every_day_agrees_with_another_calendar() {
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        for days in 0..36_525 {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(days * 86_400));
            let (year, month, day) = date(days);
            let month = names[usize::try_from(month).unwrap() - 1];
            assert_eq!(text[5..16], format!("{day:02} {month} {year}"));
        }
    }

    #[test]
    fn a_fraction_has_six_digits_and_seconds_go_on() {
        let at = |seconds, micros: u32| {
            let mut text = String::new();
            Now::at(Duration::new(seconds, micros * 1000)).push_full(&mut text);
            text
        };
        assert_eq!(at(1, 342), "1970-01-01T00:00:01.000342Z");
        assert_eq!(at(1, 999_999), "1970-01-01T00:00:01.999999Z");
        assert_eq!(at(62, 0), "1970-01-01T00:01:02.000000Z");
    }
}
