//! The table of a profile.
//!
//! ```text
//!  SHARE    TIME/RUN  CALLS/RUN   TIME/CALL  TEMPLATE
//!  61.2 %   410.0 µs        300      1.4 µs  match="product" (theme.xsl:12:3)
//!   8.1 %    54.2 µs          1     54.2 µs  match="/" (theme.xsl:4:3)
//!  30.7 %   205.8 µs                         all else: parsing, serialising, variables, built-in templates
//! 1492 runs of 670.0 µs each
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use vestibule_layers::trial::Profile;

/// The whole text.
pub(super) fn table(profile: &Profile) -> String {
    let all = micros(profile.run_time);
    let runs = number(profile.runs.max(1));
    let mut text =
        format!("{:>7}  {:>12}  {:>9}  {:>10}  TEMPLATE\n", "SHARE", "TIME/RUN", "CALLS/RUN", "TIME/CALL");
    let mut line = |time: f64, calls: Option<f64>, what: &str| {
        let share = if all > 0.0 { 100.0 * time / all } else { 0.0 };
        let of_call = calls.map(|calls| format!("{:.1} µs", time / calls)).unwrap_or_default();
        let calls = calls.map(|calls| format!("{:.0}", calls / runs)).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{share:>5.1} %  {:>9.1} µs  {calls:>9}  {of_call:>10}  {what}", time / runs);
    };
    for cost in &profile.templates {
        line(micros(cost.time), Some(number(cost.calls)), &format!("{} ({})", cost.template, cost.place));
    }
    let templates: f64 = profile.templates.iter().map(|cost| micros(cost.time)).sum();
    let rest = (all - templates).max(0.0);
    line(rest, None, "all else: parsing, serialising, variables, built-in templates");
    let _ = writeln!(text, "{} runs of {:.1} µs each", profile.runs, all / runs);
    text
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a profile is no bookkeeping")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_layers::trial::{Place, TemplateCost};

    #[test]
    fn shares_are_of_the_whole_and_what_is_no_template_is_told_too() {
        let cost = |template: &str, calls, micros| TemplateCost {
            template: template.to_owned(),
            place: Place { file: "a.xsl".to_owned(), line: 3, column: Some(5) },
            calls,
            time: Duration::from_micros(micros),
        };
        let profile = Profile {
            runs: 10,
            run_time: Duration::from_millis(1),
            templates: vec![cost("match=\"a\"", 200, 600), cost("name=\"b\"", 10, 100)],
        };
        let expected = "  SHARE      TIME/RUN  CALLS/RUN   TIME/CALL  TEMPLATE
 60.0 %       60.0 µs         20      3.0 µs  match=\"a\" (a.xsl:3:5)
 10.0 %       10.0 µs          1     10.0 µs  name=\"b\" (a.xsl:3:5)
 30.0 %       30.0 µs                         all else: parsing, serialising, variables, built-in templates
10 runs of 100.0 µs each
";
        assert_eq!(table(&profile), expected);
    }
}
