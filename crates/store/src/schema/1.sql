-- The life that may write.  Every writing transaction compares.
CREATE TABLE epoch (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO epoch (one, epoch) VALUES (1, 0);

CREATE TABLE deployment (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    kind TEXT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('planning', 'running', 'ended')),
    outcome TEXT,
    superseded_by TEXT,
    from_release TEXT,
    to_release TEXT,
    asked_by TEXT NOT NULL,
    reason TEXT,
    overrides TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    failure TEXT,
    overridden TEXT NOT NULL DEFAULT '[]',
    plan TEXT,
    traffic TEXT,
    CHECK ((stage = 'ended') = (outcome IS NOT NULL)),
    CHECK (stage <> 'running' OR plan IS NOT NULL)
) STRICT;
-- The lock: one deployment at a time.  It needs no removal by hand.
CREATE UNIQUE INDEX lock ON deployment (environment) WHERE stage <> 'ended';
CREATE INDEX deployment_of_environment ON deployment (environment, place);
CREATE INDEX deployment_in_trouble ON deployment (place)
    WHERE outcome = 'needs_attention' AND superseded_by IS NULL;

-- AUTOINCREMENT: no sequence number is used twice, also when old lines are gone.
CREATE TABLE line (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment INTEGER NOT NULL REFERENCES deployment (place) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX line_of_deployment ON line (deployment, sequence);

CREATE TABLE generation (
    environment TEXT PRIMARY KEY,
    highest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A port belongs to one service of one environment; instances of it hold the lease.  Where the
-- configuration fixes a port, the next instance takes it over from the last.
CREATE TABLE port (
    port INTEGER PRIMARY KEY,
    environment TEXT NOT NULL,
    service TEXT NOT NULL
) STRICT;
CREATE TABLE lease (
    instance TEXT PRIMARY KEY,
    port INTEGER NOT NULL REFERENCES port (port)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_of_port ON lease (port);

CREATE TABLE standing (
    environment TEXT NOT NULL,
    release TEXT NOT NULL,
    version TEXT NOT NULL,
    standing TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    change INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (environment, release)
) STRICT, WITHOUT ROWID;

CREATE TABLE retired (
    instance TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    body TEXT NOT NULL,
    not_before_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
