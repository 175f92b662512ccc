//! The verbs, one a file.

mod abort;
mod admission;
mod attach;
mod audit;
mod backup;
mod carry;
mod cert;
mod check;
mod cleanup;
pub mod completion;
mod confirm;
mod daemon;
mod deploy;
pub mod doctor;
mod down;
mod env;
mod exec;
mod health;
mod history;
mod init;
mod later;
mod lock;
mod logs;
mod maintenance;
pub mod man;
mod metrics;
mod migrate;
mod nginx;
mod own;
mod plan;
mod prepare;
mod project;
mod promote;
mod proxy;
mod ps;
mod releases;
mod resume;
mod rollback;
mod run;
mod running;
mod scale;
mod schema;
mod secrets;
mod setup;
mod show;
mod status;
mod support_bundle;
mod top;
mod turn;
mod upgrade;
mod version;
mod which;

use crate::{
    cli::grammar::Verb,
    demo::{self, DemoOptions},
    halt::Halt,
    session::Session,
};
use model::deployment::Change;

/// Does what the verb says; gives the exit code.
///
/// # Errors
///
/// Where it was not done.
pub async fn run(session: &Session, verb: Verb) -> Result<u8, Halt> {
    match verb {
        Verb::Deploy(args) => deploy::run(session, args).await,
        Verb::Plan(args) => plan::run(session, &args.release, args.save).await,
        Verb::Promote(args) => promote::run(session, args).await,
        Verb::Attach(args) => attach::run(session, &args).await,
        Verb::Abort(args) => abort::run(session, &args).await,
        Verb::Resume(args) => resume::run(session, &args).await,
        Verb::Rollback(args) => rollback::run(session, args).await,
        Verb::Lock(args) => lock::lock(session, args).await,
        Verb::Unlock(args) => lock::unlock(session, args).await,
        Verb::Freeze(args) => lock::freeze(session, args).await,
        Verb::Unfreeze(args) => lock::unfreeze(session, args).await,
        Verb::Status(args) => status::run(session, &args).await,
        Verb::Health(args) => health::run(session, &args).await,
        Verb::History(args) => history::run(session, &args).await,
        Verb::Audit(args) => audit::run(session, &args).await,
        Verb::Show(args) => show::run(session, &args).await,
        Verb::Ps(args) => ps::run(session, &args).await,
        Verb::Logs(args) => logs::run(session, &args).await,
        Verb::Run(args) => run::run(session, args).await,
        Verb::Migrate(args) => migrate::run(session, args).await,
        Verb::Exec(args) => exec::run(session, args).await,
        Verb::Env(args) => env::run(session, &args).await,
        Verb::SupportBundle(args) => support_bundle::run(session, &args).await,
        Verb::Top(args) => top::run(session, &args).await,
        Verb::Metrics => metrics::run(session).await,
        Verb::Restart(args) => running::run(session, args, Change::Restart).await,
        Verb::Stop(args) => running::run(session, args, Change::Stop).await,
        Verb::Start(args) => running::run(session, args, Change::Start).await,
        Verb::Scale(args) => scale::run(session, args).await,
        Verb::Releases(args) => releases::run(session, args).await,
        Verb::Backup(args) => backup::run(session, args).await,
        Verb::Cleanup(args) => cleanup::run(session, &args).await,
        Verb::Down(args) => down::run(session, &args).await,
        Verb::Daemon(args) => daemon::run(session, &args.act).await,
        Verb::Proxy(args) => proxy::run(session, &args.act).await,
        Verb::Maintenance(args) => maintenance::run(session, args.act).await,
        Verb::Cert(args) => cert::run(session, args.act).await,
        Verb::Setup(args) => setup::run(session, &args).await,
        Verb::Doctor(args) => doctor::run(session, &args).await,
        Verb::Demo(args) => Ok(demonstrate(DemoOptions { app: args.app, load: args.load })),
        Verb::Init => init::run(session),
        Verb::Check(args) => check::run(session, &args),
        Verb::Completion(args) => Ok(completion::run(&session.ui.out, &args)),
        Verb::Man(args) => Ok(man::run(&session.ui.out, &args)),
        Verb::Project(args) => project::run(session, &args.act),
        Verb::Nginx(args) => nginx::run(session, &args.act),
        Verb::Schema => Ok(schema::run(session)),
        Verb::Secrets(args) => secrets::run(session, &args.act),
        Verb::Own(args) => own::run(session, args.act).await,
        Verb::Version { all } => version::run(session, all).await,
    }
}

/// It runs this program, and prints as a user would see it.
fn demonstrate(options: DemoOptions) -> u8 {
    u8::from(demo::run(&options) != std::process::ExitCode::SUCCESS)
}
