//! Time, the host, and who watches.

use crate::state::Life;
use async_trait::async_trait;
use engine::port::{
    clock::Clock,
    machine::{Facts, Machine},
    observer::Observer,
};
use model::{
    deployment::News, failure::Failure, id::DeploymentId, name::EnvironmentId, service::Millis,
};

#[async_trait]
impl Clock for Life {
    fn now_ms(&self) -> u64 {
        let mut state = self.world.state();
        state.now_ms += 1;
        state.now_ms
    }

    fn elapsed_ms(&self) -> u64 {
        self.world.state().now_ms
    }

    /// Nothing here takes long enough to be told of; a pause between two tries passes at once.
    async fn wait(&self, time: Millis) {
        if time < Millis::seconds(5) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Machine for Life {
    async fn facts(&self, _: &EnvironmentId) -> Result<Facts, Failure> {
        self.look(|_| {
            Ok(Facts {
                disk_free_bytes: 1 << 40,
                inodes_free: 1 << 30,
                memory_available_bytes: 1 << 30,
                unwritable: None,
            })
        })
        .await
    }

    async fn ports_taken(&self, _: &[u16]) -> Result<Vec<(u16, String)>, Failure> {
        Ok(vec![])
    }

    async fn free_ports(&self, count: usize, leased: &[u16]) -> Result<Vec<u16>, Failure> {
        Ok(self
            .look(|it| {
                let taken: Vec<u16> = it.running.values().filter_map(|it| it.port).collect();
                let free =
                    (20_000..30_000).filter(|it| !leased.contains(it) && !taken.contains(it));
                free.take(count).collect()
            })
            .await)
    }

    async fn version_of(&self, program: &str) -> Option<String> {
        Some(format!("{program} 20.1"))
    }

    async fn may_run_as(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn boot_id(&self) -> String {
        "boot".to_owned()
    }
}

impl Observer for Life {
    fn tell(&self, _: &DeploymentId, _: u64, news: News) {
        self.world.state().news.push(news);
    }
}
