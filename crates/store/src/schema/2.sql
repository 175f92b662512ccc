-- What people said of an environment by hand, and took back: the newest of each kind holds.
CREATE TABLE mark (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    said TEXT NOT NULL,
    holds INTEGER NOT NULL,
    said_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX mark_of_environment ON mark (environment, said, place);
