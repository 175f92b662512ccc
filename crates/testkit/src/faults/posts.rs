//! POSTs that are sent exactly while old instances drain.

use super::{
    data_plane::gap,
    report::{Context, Report},
    scene::{Allowed, Scene, quick},
};
use crate::stand::Layout;
use std::time::Duration;

const BOUNDED_POSTS: u64 = 2_000;
const FULL_POSTS: u64 = 10_000;
const DEPLOYMENTS_MAX: u32 = 60;
const POSTS_WAIT: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let wanted = context.pick(BOUNDED_POSTS, FULL_POSTS);
    report.case(&format!("{wanted} POSTs"), |report| {
        let layout = Layout { bake_s: 0.3, keep_warm_s: 0.5, ..quick() };
        let mut scene = Scene::quiet(layout, "");
        scene.load(|it| {
            it.get_clients = 0;
            it.post_clients = 8;
            it.connect_clients = 1;
            it.websocket_clients = 0;
            it.event_clients = 0;
            it.rate = Some(400.0);
            it.body_bytes_max = 16 << 10;
        });
        let mut version = String::new();
        let mut deployments = 0;
        while scene.loaded().progress().completed < wanted {
            deployments += 1;
            assert!(deployments <= DEPLOYMENTS_MAX, "the load is too slow");
            version = format!("1.0.{deployments}");
            scene.stand.deploy(&version, "").expect(0);
        }
        scene.loaded().until("all POSTs", POSTS_WAIT, |it| it.completed >= wanted);
        scene.serves(&version);
        let summary = scene.finish(Allowed::NONE).expect("a load runs");
        scene.no_descriptor_stays();
        let (sent, gap) = (summary.posts.sent, gap(&summary));
        report.note(format!("{sent} POSTs over {deployments} deployments, {gap}"));
    });
    report
}
