//! Migrations by the tools that people use: begun once, and judged by what they say.

use crate::world::{EPOCH, World, service, silent, ulid};
use engine::port::migrator::NotMigrated;
use model::{
    id::{DeploymentId, InstanceId},
    migrate::{MigrateRun, MigrateSpec, Migrated, TIMEOUT, Tool},
    release::{Release, Source},
};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// Files, by their paths in the release.
type Files = Vec<(String, String)>;

/// A tool, and how a person uses it.
struct Subject {
    tool: Tool,
    up: &'static str,
    status: &'static str,
    directory: Option<&'static str>,
    /// Besides migrations.
    files: Files,
    /// The n-th migration: what it does, in the tool's own words.
    migration: fn(usize, Does) -> (String, String),
    /// What it calls the n-th one.
    name: fn(usize) -> String,
}

#[derive(Clone, Copy)]
enum Does {
    Adds,
    Drops,
    Fails,
}

/// An application whose database is migrated by a tool.
struct Shop<'s> {
    world: World,
    subject: &'s Subject,
}

impl Shop<'_> {
    async fn release(&self, version: &str, migrations: &[Does]) -> Release {
        let source = self.world.outside(&format!("source-{version}"));
        let mine = migrations.iter().enumerate();
        let mine = mine.map(|(at, does)| (self.subject.migration)(at + 1, *does));
        for (path, text) in self.subject.files.iter().cloned().chain(mine) {
            let path = source.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let upload = ulid(version);
        let mut packed = vec![];
        drivers::releases::send::pack(&source, None, &mut packed).unwrap();
        let (releases, id) = (&self.world.local.releases, DeploymentId(upload.clone()));
        releases.receive(&self.world.environment, &id, packed.as_slice()).unwrap();
        let source = Source::Upload { upload, described: "a test".to_owned(), commit: None };
        let mut service = service("good");
        let library = testkit::library::python("migrators", "1");
        for (name, value) in [
            ("PYTHONPATH", library.display().to_string()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("SHOP_DB", self.database().display().to_string()),
        ] {
            service.env.insert(name.to_owned(), value);
        }
        self.world.staged(version, service, &source).await
    }

    fn database(&self) -> PathBuf {
        self.world.outside("data").join("shop.db")
    }

    fn run(&self, release: &Release, from: Option<&str>) -> MigrateRun {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let spec = MigrateSpec {
            tool: self.subject.tool,
            up: words(self.subject.up),
            status: Some(words(self.subject.status)),
            undo: None,
            directory: self.subject.directory.map(str::to_owned),
            timeout: TIMEOUT,
            lock_timeout: None,
        };
        MigrateRun {
            id: InstanceId(format!("shop.test.web.run.{}m", release.id.0.to_lowercase())),
            service: "web".parse().unwrap(),
            release: release.id.clone(),
            version: release.version.clone(),
            from: from.map(str::to_owned),
            spec,
        }
    }

    async fn migrate(
        &self,
        release: &Release,
        from: Option<&str>,
    ) -> Result<(Migrated, Vec<String>), NotMigrated> {
        let said = Arc::new(Mutex::new(vec![]));
        let told = said.clone();
        let note = move |text: String| told.lock().unwrap().push(text);
        let (migrator, run) = (&self.world.local.migrator, self.run(release, from));
        let environment = &self.world.environment;
        let done = migrator.migrate(environment, &run, release, EPOCH, &note).await?;
        migrator.settle(&run, EPOCH).await.unwrap();
        // Asked again, it is not run again: it is told how it ended.
        let again = migrator.migrate(environment, &run, release, EPOCH, &silent).await?;
        assert_eq!(again.applied, done.applied);
        let said = said.lock().unwrap().clone();
        Ok((done, said))
    }
}

/// What each tool must come to.
async fn conforms(subject: &Subject) {
    use Does::{Adds, Drops, Fails};
    let shop = Shop { world: World::new(), subject };
    let first = shop.release("1.0.0", &[Adds]).await;
    let (done, _) = shop.migrate(&first, None).await.unwrap();
    assert_eq!(done.applied.last(), Some(&(subject.name)(1)), "{done:?}");
    assert_eq!((done.brought.len(), done.destructive.len()), (1, 0), "{done:?}");

    let second = shop.release("2.0.0", &[Adds, Drops]).await;
    let (done, said) = shop.migrate(&second, Some("1.0.0")).await.unwrap();
    assert!(done.applied.contains(&(subject.name)(2)), "{done:?}");
    assert_eq!((done.brought.len(), done.destructive.len()), (1, 1), "{done:?}");
    assert!(said.iter().any(|it| it.contains(&done.destructive[0])), "{said:?}");

    let third = shop.release("3.0.0", &[Adds, Drops, Fails]).await;
    let failed = shop.migrate(&third, Some("2.0.0")).await.unwrap_err();
    assert!(!failed.unclear, "nothing was applied: {failed:?}");
    assert!(failed.failure.evidence.join("\n").contains("nowhere"), "{failed:?}");

    let fourth = shop.release("4.0.0", &[Adds, Drops, Adds, Fails]).await;
    let failed = shop.migrate(&fourth, Some("2.0.0")).await.unwrap_err();
    assert!(failed.unclear, "one of two was applied: {failed:?}");
    assert!(failed.failure.hints.iter().any(|it| it.contains("--release 4.0.0")), "{failed:?}");

    // What cannot be asked is not touched.
    let fifth = shop.release("5.0.0", &[Adds, Drops, Adds]).await;
    fs::remove_file(shop.database()).unwrap();
    fs::create_dir(shop.database()).unwrap();
    let failed = shop.migrate(&fifth, Some("2.0.0")).await.unwrap_err();
    assert!(!failed.unclear && failed.failure.message.contains("before it is migrated"));
    assert_eq!(fs::read_dir(shop.database()).unwrap().count(), 0);
}

fn file(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

#[tokio::test]
async fn alembic_is_believed() {
    let environment = "import os, sqlalchemy
from alembic import context
engine = sqlalchemy.create_engine('sqlite:///' + os.environ['SHOP_DB'])
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
";
    let migration = |number: usize, does| {
        let what = match does {
            Does::Adds => format!("op.create_table('t{number}', sa.Column('id', sa.Integer))"),
            Does::Drops => "op.drop_table('t1')".to_owned(),
            Does::Fails => "op.drop_table('nowhere')".to_owned(),
        };
        let before = match number {
            1 => "None".to_owned(),
            _ => format!("'r{}'", number - 1),
        };
        let text = format!(
            "import sqlalchemy as sa\nfrom alembic import op\nrevision = 'r{number}'\n\
             down_revision = {before}\ndef upgrade():\n    {what}\n\
             def downgrade():\n    op.drop_table('t{number}')\n"
        );
        (format!("alembic/versions/r{number}.py"), text)
    };
    conforms(&Subject {
        tool: Tool::Alembic,
        up: "python3 -m alembic upgrade head",
        status: "python3 -m alembic current",
        directory: Some("alembic/versions"),
        files: vec![
            file("alembic.ini", "[alembic]\nscript_location = %(here)s/alembic\n"),
            file("alembic/env.py", environment),
        ],
        migration,
        name: |number| format!("r{number}"),
    })
    .await;
}

#[tokio::test]
async fn django_is_believed() {
    let settings = "import os
SECRET_KEY = 'none'
INSTALLED_APPS = ['shop']
DATABASES = {'default': {
    'ENGINE': 'django.db.backends.sqlite3', 'NAME': os.environ['SHOP_DB']}}
";
    let manage = "import os, sys
from django.core.management import execute_from_command_line
os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'
execute_from_command_line(sys.argv)
";
    let migration = |number: usize, does| {
        let what = match does {
            Does::Adds => format!(
                "migrations.CreateModel('T{number}', [('id', models.AutoField(primary_key=True))])"
            ),
            Does::Drops => "migrations.DeleteModel('T1')".to_owned(),
            Does::Fails => "migrations.RunSQL('DROP TABLE nowhere')".to_owned(),
        };
        let before = match number {
            1 => String::new(),
            _ => format!("('shop', 'm{}')", number - 1) + ",",
        };
        let text = format!(
            "from django.db import migrations, models\nclass Migration(migrations.Migration):\n    \
             dependencies = [{before}]\n    operations = [{what}]\n"
        );
        (format!("shop/migrations/m{number}.py"), text)
    };
    conforms(&Subject {
        tool: Tool::Django,
        up: "python3 manage.py migrate --noinput",
        status: "python3 manage.py showmigrations --plan",
        directory: None,
        files: vec![
            file("manage.py", manage),
            file("settings.py", settings),
            file("shop/__init__.py", ""),
            file("shop/migrations/__init__.py", ""),
        ],
        migration,
        name: |number| format!("shop.m{number}"),
    })
    .await;
}
