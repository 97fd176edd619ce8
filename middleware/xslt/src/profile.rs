//! Profiles: how often a sheet's templates are called, and how long each of them takes.
//!
//! libxslt counts by itself, in the compiled sheet, for runs that ask for it. So a profile has a sheet of its own, which one run
//! at a time uses, and nobody else. Its clock has ticks of 10 µs: a template that takes less is seen in some of its calls, and the mean
//! over many runs tells.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use libxslt_sys::Table;

use crate::error::{Fault, Place, XsltError};
use crate::place;
use crate::pool::{Pool, Task};
use crate::sheet::{Sheet, Sheets, Stylesheet};
use crate::trace::Call;

/// libxslt's tick
const TICK: Duration = Duration::from_micros(10);

/// What some runs of a sheet came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// How many runs
    pub runs: u64,
    /// What they took together: parsing, all templates, serialising
    pub run_time: Duration,
    /// The templates that were called; the one that took longest is the first
    pub templates: Vec<TemplateCost>,
}

/// What one template has cost in all runs of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateCost {
    /// How it is written: `match="item" mode="short"`
    pub template: String,
    /// Where it stands
    pub place: Place,
    /// How often it was called
    pub calls: u64,
    /// What it took, without the templates that it called
    pub time: Duration,
}

/// Runs a task over and over, for so long and at least once. Its sheets are those of files: they are compiled again, for this alone.
/// The first failure of a run ends it.
///
/// It blocks while sheets are compiled, as [`Stylesheet::compile`] does.
///
/// # Panics
/// As [`Pool::transform`] does.
pub async fn profile(task: Task, time: Duration) -> Result<Profile, XsltError> {
    let stylesheet = task.stylesheet.to_be_profiled()?;
    let task = Task { stylesheet: stylesheet.clone(), ..task };
    let (pool, start) = (Pool::new(1, 1), Instant::now());
    loop {
        // One that does not end in time may be at the counters still: nobody reads them then.
        pool.transform(task.clone()).await?;
        if start.elapsed() >= time {
            break;
        }
    }
    let counters = stylesheet.counters();
    Ok(Profile { runs: counters.runs, run_time: counters.run_time, templates: stylesheet.0.costs() })
}

impl Stylesheet {
    fn to_be_profiled(&self) -> Result<Self, XsltError> {
        let Some(origin) = &self.0.origin else {
            return Err(XsltError::NotFetched { uri: self.name() });
        };
        let mut stylesheet = Self::compile(&origin.paths, &origin.policy)?;
        let sheets = std::sync::Arc::get_mut(&mut stylesheet.0).ok_or(XsltError::Busy)?;
        sheets.list.iter_mut().for_each(|sheet| sheet.is_profiled = true);
        Ok(stylesheet)
    }
}

impl Sheets {
    /// The counters of all templates that were called, once no run is at them.
    fn costs(&self) -> Vec<TemplateCost> {
        let mut costs = Vec::new();
        for sheet in &self.list {
            sheet.add_costs(self.engine.table, &mut costs);
        }
        costs.sort_by_key(|cost| Reverse((cost.time, cost.calls)));
        costs
    }
}

impl Sheet {
    fn add_costs(&self, table: &Table, costs: &mut Vec<TemplateCost>) {
        let mut next = self.style.as_ptr();
        // SAFETY: the sheet's imports and templates live as long as itself; no run writes to them, as the only ones have ended.
        unsafe {
            while let Some(sheet) = next.as_ref() {
                let mut template = sheet.templates;
                while let Some(counted) = template.as_ref() {
                    let calls = u64::try_from(counted.calls).unwrap_or(0);
                    if let Some(call) = Call::of(table, counted).filter(|_| calls > 0) {
                        let ticks = u32::try_from(counted.time).unwrap_or(u32::MAX);
                        costs.push(TemplateCost {
                            template: call.template,
                            place: exact(call.place),
                            calls,
                            time: TICK * ticks,
                        });
                    }
                    template = counted.next;
                }
                next = (table.xsltNextImport)(next);
            }
        }
    }
}

/// The place with its column.
fn exact(place: Place) -> Place {
    let known = place.clone();
    let mut fault = Fault { place: Some(place), element: Some("template".to_owned()), ..Fault::bare("") };
    place::refine(&mut fault);
    fault.place.unwrap_or(known)
}
