//! What rules name that only the whole configuration knows: topics, other routes, models of some provenance.

use std::collections::BTreeSet;
use std::sync::Arc;

use router_policies::Policy;

use super::ResolveReport;
use crate::problems::{item_path, key_path};
use crate::suggest::hint;
use crate::{ModelConfig, ModelProvider, NamedTopic, Route};

/// Reports what the rules of these routes name and nobody has, and gives each route the topics that its rules ask for.
pub(super) fn rules(
    mut routes: Vec<Arc<Route>>,
    topics: &[NamedTopic],
    report: &mut ResolveReport,
) -> Vec<Arc<Route>> {
    let named: Vec<(String, bool)> =
        routes.iter().map(|route| (route.name.clone(), hands_over(&route.policy))).collect();
    for (number, shared) in routes.iter_mut().enumerate() {
        let path = key_path(&item_path("routes", number), "policy");
        one(shared, &path, &named, topics, report);
        one_supplier(shared, &key_path(&item_path("routes", number), "ladder"), report);
        if shared.policy.required_inputs().topic {
            let topics = topics.iter().map(|named| Arc::clone(&named.topic)).collect();
            *shared = Arc::new(Route { topics, ..Route::clone(shared) });
        }
    }
    routes
}

fn hands_over(policy: &Policy) -> bool {
    policy.rules().iter().any(|(_, rule)| rule.route.is_some())
}

fn one(
    route: &Route,
    path: &str,
    named: &[(String, bool)],
    topics: &[NamedTopic],
    report: &mut ResolveReport,
) {
    for (at, rule) in route.policy.rules() {
        let at = format!("{path}.{at}");
        if let Some(topic) = &rule.when.topic
            && !topics.iter().any(|named| named.topic.name == *topic)
            && !report.is_invalid("topics")
        {
            let hint = hint(topic, topics.iter().map(|named| named.topic.name.as_str()));
            report.fault(&format!("{at}.when.topic"), format!("there is no topic `{topic}`{hint}"));
        }
        if let Some(other) = &rule.route {
            let at = key_path(&at, "route");
            match named.iter().find(|(name, _)| name == other) {
                None => {
                    let hint = hint(other, named.iter().map(|(name, _)| name.as_str()));
                    report.fault(&at, format!("there is no route `{other}`{hint}"));
                }
                Some((name, _)) if *name == route.name => {
                    report.fault(&at, "is the route that the rule stands in")
                }
                Some((name, true)) => {
                    report.fault(
                        &at,
                        format!("`{name}` hands over to other routes itself; one step is allowed"),
                    );
                }
                Some(_) => {}
            }
        }
        let nobody = |meets: &dyn Fn(&ModelConfig) -> bool| {
            !route.ladder.is_empty() && !route.ladder.iter().any(|it| meets(it))
        };
        if rule
            .require
            .as_ref()
            .is_some_and(|require| nobody(&|model| require.met_by(model.provenance.stated())))
        {
            report.warn(
                &key_path(&at, "require"),
                "no model of this route's ladder states this: such requests fail",
            );
        }
        if rule.locality.is_some() && nobody(&|model| model.local) {
            report.warn(
                &key_path(&at, "locality"),
                "no model of this route's ladder is local: such requests fail",
            );
        }
    }
}

/// Warns where everything hangs on one supplier: when that one is down, or the contract ends, nobody answers.
fn one_supplier(route: &Route, path: &str, report: &mut ResolveReport) {
    let supplier = |model: &Arc<ModelConfig>| match &model.provider {
        _ if model.local => None,
        ModelProvider::Embedded(_) => None,
        ModelProvider::Remote(remote) => {
            let hosts = remote.endpoints.iter().filter_map(|endpoint| {
                let url = url::Url::parse(&endpoint.base_url).ok()?;
                let port = url.port().map_or(String::new(), |port| format!(":{port}"));
                Some(format!("{}{port}", url.host_str()?))
            });
            let hosts: BTreeSet<String> = hosts.collect();
            // Several addresses of one model are several suppliers.
            if hosts.len() == 1 { hosts.into_iter().next() } else { None }
        }
    };
    let mut suppliers = route.ladder.iter().map(supplier);
    let Some(Some(first)) = suppliers.next() else { return };
    if suppliers.all(|other| other.as_ref() == Some(&first)) {
        let words =
            format!("every model of it comes from {first}: when that supplier is down, nobody answers");
        report.warn(path, &words);
    }
}
