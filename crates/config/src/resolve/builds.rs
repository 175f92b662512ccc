//! Builds with their variables: those for the build, and no others.

use super::Filling;
use crate::{
    draft::{
        build::BuildDraft,
        variable::{Variable, Variables},
    },
    judge,
    report::Placed,
};
use model::{build::BuildSpec, name::Name, service::ServiceSpec};
use std::collections::BTreeMap;

impl Filling<'_> {
    /// That of the whole environment first, then those of services.
    pub(super) fn builds(&mut self, services: &[ServiceSpec]) -> Vec<BuildSpec> {
        let whole = match (&self.environment.build, &self.project.build) {
            (Some(own), Some(base)) => Some(own.with(own.value.over(&base.value))),
            (own, base) => own.clone().or_else(|| base.clone()),
        };
        let laid = judge::laid(self.project, self.environment);
        let mut drafts: Vec<(Option<Name>, Placed<BuildDraft>)> =
            whole.into_iter().map(|it| (None, it)).collect();
        drafts.extend(laid.into_iter().filter_map(|(name, it)| Some((Some(name), it.build?))));
        let mut builds = vec![];
        for (service, draft) in &drafts {
            self.expect_secrets(service.as_ref(), draft, services);
            let variables = self.build_variables(service.as_ref());
            let env = variables.into_iter().map(|(name, it)| (name, it.value)).collect();
            match draft.value.filled(service.as_ref(), env) {
                Some(build) => builds.push(build),
                None => {
                    self.report
                        .error(draft.place, draft.path.clone(), "`build` runs nothing")
                        .hint("add `commands: [[npm, run, build]]`, or remove it");
                }
            }
        }
        if drafts.is_empty() {
            self.refuse_useless();
        }
        builds
    }

    /// The service's, with the environment's over them, as for variables of instances.
    fn build_variables(&self, service: Option<&Name>) -> BTreeMap<String, Variable> {
        let mut all = BTreeMap::new();
        let is_mine = |name: &Name| service.is_none_or(|it| it == name);
        let mut add = |from: &Variables| all.extend(from.build.clone());
        let bases = self.project.services.iter().filter(|(name, _)| is_mine(name));
        bases.for_each(|(_, it)| add(&it.env));
        add(&self.environment.env);
        let overs = self.environment.services.iter().filter(|(name, _)| is_mine(name));
        overs.for_each(|(_, it)| add(&it.env));
        all
    }

    fn expect_secrets(
        &mut self,
        service: Option<&Name>,
        draft: &Placed<BuildDraft>,
        services: &[ServiceSpec],
    ) {
        let is_mine = |it: &&ServiceSpec| service.is_none_or(|name| it.name == *name);
        for name in draft.value.secrets.iter().flat_map(|it| &it.value) {
            let has = |it: &ServiceSpec| it.secret_env.contains(&name.value);
            if !services.iter().filter(is_mine).any(has) {
                let message = format!("no service has a secret variable `{}`", name.value);
                self.report
                    .error(name.place, name.path.clone(), message)
                    .hint("name one of `secrets`, or of an env file");
            }
        }
    }

    /// Variables for a build where there is none.
    fn refuse_useless(&mut self) {
        for (name, variable) in self.build_variables(None) {
            let message = format!("`{name}` is for the build, and nothing is built");
            self.report
                .error(variable.place, variable.path, message)
                .hint("add `build: { commands: … }`, or write it without `build`");
        }
    }
}
