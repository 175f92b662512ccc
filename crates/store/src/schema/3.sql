-- What was decided about jobs that run by the clock.
CREATE TABLE job (
    environment TEXT NOT NULL,
    service TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (environment, service)
) STRICT;
