//! The store as what remembers jobs.

use crate::{
    store::Store,
    table::{deployment, job},
};
use async_trait::async_trait;
use engine::port::job_book::JobBook;
use model::{
    failure::Failure,
    name::{EnvironmentId, Name},
    schedule::Memory,
};

#[async_trait]
impl JobBook for Store {
    async fn environments(&self) -> Result<Vec<EnvironmentId>, Failure> {
        self.read(deployment::environments).await
    }

    async fn job(
        &self,
        environment: &EnvironmentId,
        service: &Name,
    ) -> Result<Option<Memory>, Failure> {
        let (environment, service) = (environment.clone(), service.clone());
        self.read(move |it| job::of(it, &environment, &service)).await
    }

    async fn set_job(
        &self,
        environment: &EnvironmentId,
        service: &Name,
        memory: &Memory,
    ) -> Result<(), Failure> {
        let (environment, service) = (environment.clone(), service.clone());
        let memory = memory.clone();
        self.write(move |it| job::set(it, &environment, &service, &memory)).await
    }
}
