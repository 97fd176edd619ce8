//! Which variables can have a value where they are asked for: one that nothing sets is a slip.

use crate::config::{App, Component, Condition, Config, Route, Target};
use crate::diagnostic::Diagnostics;
use crate::kind::Kinds;
use crate::pattern::Pattern;
use crate::place::Spanned;
use crate::suggest::one_slip;

/// Checks all that is asked for, from the outermost layer inwards.
pub(super) fn check(config: &Config, kinds: &Kinds, diagnostics: &mut Diagnostics) {
    let of_the_front_server = ["REMOTE_USER", "AUTH_TYPE"].into_iter().filter(|_| config.trust.user);
    let set = config.env.iter().map(|(name, _)| name.as_str());
    let names = set.chain(of_the_front_server).map(str::to_owned).collect();
    let mut scope = Scope { names, is_standard: kinds.standard_variable, apps: &config.apps, diagnostics };
    scope.layers(&config.layers);
    scope.routes(&config.routes);
}

/// What is set at some height of the tree.
struct Scope<'a> {
    /// Beside the standard ones.
    names: Vec<String>,
    is_standard: fn(&str) -> bool,
    apps: &'a [App],
    diagnostics: &'a mut Diagnostics,
}

impl Scope<'_> {
    fn routes(&mut self, routes: &[Route]) {
        for route in routes {
            let outside = self.names.len();
            self.route(route);
            self.names.truncate(outside);
        }
    }

    /// In the order in which a request meets it: captures, conditions, layers, target.
    fn route(&mut self, route: &Route) {
        if let Some(pattern) = route.path.as_ref().and_then(|path| Pattern::parse(path).ok()) {
            self.names.extend(pattern.names().map(str::to_owned));
        }
        self.conditions(&route.conditions);
        self.layers(&route.layers);
        match &route.target {
            Target::Routes(routes) => self.routes(routes),
            Target::Backend(backend) => self.reads(backend),
            Target::App(index) => {
                // Absent only if some app has a mistake.
                if let Some(app) = self.apps.get(*index) {
                    self.reads(&app.backend);
                }
            }
        }
    }

    fn conditions(&mut self, conditions: &[Condition]) {
        for condition in conditions {
            match condition {
                Condition::Is(predicate) => self.component(predicate),
                Condition::Any(alternatives) => {
                    for all in alternatives {
                        self.conditions(all);
                    }
                }
                Condition::Not(all) => {
                    // Where these do not hold, they have captured nothing.
                    let outside = self.names.len();
                    self.conditions(all);
                    self.names.truncate(outside);
                }
            }
        }
    }

    fn layers(&mut self, layers: &[Component]) {
        for layer in layers {
            self.component(layer);
        }
    }

    fn component(&mut self, component: &Component) {
        self.reads(component);
        self.names.extend((component.kind.sets)(&component.settings));
    }

    fn reads(&mut self, component: &Component) {
        for variable in &component.reads {
            if !(self.is_standard)(variable) && !self.names.contains(&variable.value) {
                self.report(variable);
            }
        }
    }

    fn report(&mut self, variable: &Spanned<String>) {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let mut mistake = self
            .diagnostics
            .error(&variable.place, format!("nothing sets the variable `{}` here", variable.value));
        mistake.did_you_mean(variable, names.iter().copied());
        if let Some(standard) = one_slip(variable, self.is_standard) {
            mistake.help(format!("did you mean `{standard}`?"));
        }
        mistake.help("a variable is set by the request, `env`, a capture, or a layer further out");
        if !names.is_empty() {
            mistake.help(format!("set here beside the request's own: {}", names.join(", ")));
        }
    }
}
