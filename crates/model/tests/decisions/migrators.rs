//! What migration tools printed when they were asked, word for word, and what is made of it.

use model::migrate::{
    Ran, Said,
    State::{self, Done, Pending, Unclear},
    Tool, Verdict, judge,
};

/// sqlx-cli 0.9.0 on PostgreSQL 15: a new database, one brought forward, one with a new file, one
/// whose file was altered since, and one that is not there.
const SQLX: [(i32, &str, &str, State); 5] = [
    (0, "1/pending first orders\n2/pending note\n", "", Pending),
    (0, "1/installed first orders\n2/installed note\n", "", Done),
    (0, "1/installed first orders\n2/installed note\n3/pending bad\n", "", Pending),
    (
        0,
        "1/installed first orders\n2/installed (different checksum) note\n\
         applied migration had checksum b6e9b273799898c68428cf2fed36ad3d\n\
         local migration has checksum c9fda2174f924d1aecc435d0cb8499f8\n3/pending bad\n",
        "",
        Unclear,
    ),
    (
        1,
        "error: error returned from database: database \"nope\" does not exist at line 948\n",
        "",
        Unclear,
    ),
];

const PRISMA_LOADED: &str = "Loaded Prisma config from prisma.config.ts.\n\n\
                             Prisma config detected, skipping environment variable loading.\n";

/// Prisma 6.19.3 with its engine in JavaScript and its adapter for PostgreSQL: something is left,
/// nothing is.
const PRISMA: [(i32, &str, State); 2] = [
    (
        1,
        "Prisma schema loaded from prisma/schema.prisma\n\
         Datasource \"db\": PostgreSQL database \"postgres\", schema \"public\" using driver \
         adapter \"@prisma/adapter-pg\"\n\n3 migrations found in prisma/migrations\n\
         Following migrations have not yet been applied:\n2_more\n3_bad\n\n\
         To apply migrations in development run prisma migrate dev.\n\
         To apply migrations in production run prisma migrate deploy.\n",
        Pending,
    ),
    (0, "1 migration found in prisma/migrations\n\nDatabase schema is up to date!\n", Done),
];

/// The same on its standard error, of a migration that failed, or was killed in its middle.
const PRISMA_FAILED: &str = "Following migration have failed:\n3_bad\n\n\
    During development if the failed migration(s) have not been deployed to a production \
    database you can then fix the migration(s) and run prisma migrate dev.\n\n\
    The failed migration(s) can be marked as rolled back or applied:\n";

fn said(code: i32, out: &str, error: &str) -> Said {
    Said { code: Some(code), out: out.to_owned(), error: error.to_owned() }
}

#[test]
fn sqlx_is_understood() {
    for (code, out, error, state) in SQLX {
        assert_eq!(said(code, out, error).state(Tool::Sqlx), state, "{out}");
    }
    assert_eq!(said(0, SQLX[2].1, "").applied(Tool::Sqlx), ["1", "2"]);
    // What failed was taken back by the database: the same was said before and after.
    let before = said(0, SQLX[2].1, "");
    let verdict = judge(Tool::Sqlx, Ran::Badly, Some(&before), Some(&before.clone()));
    assert_eq!(verdict, Verdict::Untouched);
    let further = said(0, "1/installed first orders\n2/installed note\n3/installed bad\n", "");
    let verdict = judge(Tool::Sqlx, Ran::Badly, Some(&before), Some(&further));
    assert_eq!(verdict, Verdict::Unclear);
}

#[test]
fn prisma_is_understood() {
    for (code, out, state) in PRISMA {
        assert_eq!(said(code, out, PRISMA_LOADED).state(Tool::Prisma), state, "{out}");
    }
    let failed = format!("{PRISMA_LOADED}{PRISMA_FAILED}");
    let failed = said(1, "3 migrations found in prisma/migrations\n\n", &failed);
    assert_eq!(failed.state(Tool::Prisma), Unclear);
    let before = said(1, PRISMA[0].1, PRISMA_LOADED);
    for ran in [Ran::Badly, Ran::Cut] {
        let verdict = judge(Tool::Prisma, ran, Some(&before), Some(&failed));
        assert_eq!(verdict, Verdict::Unclear, "{ran:?}");
        let verdict = judge(Tool::Prisma, ran, Some(&before), Some(&before.clone()));
        assert_eq!(verdict, Verdict::Untouched, "{ran:?}");
    }
}
