-- The first tables. Only BIGINT and TEXT are used, so that one set of queries serves SQLite and PostgreSQL.
-- Times are microseconds since the Unix epoch.

-- Numbers that must grow in commit order. A writer takes its numbers by UPDATE … RETURNING at the start of its
-- transaction; the row lock makes writers queue, so a reader that has seen number N will never meet a smaller one later.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('events', 0), ('bundles', 0), ('dead_letters', 0);

-- Every version of every tenant's bundle, as the files that were applied. Never changed, only added to.
CREATE TABLE bundles (
    tenant     TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    hash       TEXT   NOT NULL, -- SHA-256 of the files, hexadecimal
    files      TEXT   NOT NULL, -- JSON object: path → text
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, version)
);

-- The journal of counted events. Never changed, only added to.
CREATE TABLE events (
    tenant       TEXT   NOT NULL,
    id           BIGINT NOT NULL, -- unique over all tenants, ascending in commit order
    channel      TEXT   NOT NULL,
    session      TEXT   NOT NULL, -- our own name, unique
    viewer       TEXT,            -- the caller's name, not unique
    avail        TEXT   NOT NULL,
    pod_position BIGINT NOT NULL,
    ad           TEXT   NOT NULL,
    campaign     TEXT,
    event_type   TEXT   NOT NULL,
    time         BIGINT NOT NULL,
    device       TEXT   NOT NULL,
    geo          TEXT   NOT NULL,
    counted_by   TEXT   NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- An event counts once.
CREATE UNIQUE INDEX events_once ON events (tenant, session, avail, pod_position, event_type);

-- How far each sink has got in the journal.
CREATE TABLE sink_cursors (
    tenant     TEXT   NOT NULL,
    sink       TEXT   NOT NULL,
    position   BIGINT NOT NULL, -- id of the last event that was delivered or given up
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, sink)
);

-- Batches that a sink's receiver would not take. Sinks are pure, so the range of events is all a redelivery needs;
-- requests themselves are not kept, their headers hold the tenant's tokens.
CREATE TABLE dead_letters (
    tenant      TEXT   NOT NULL,
    id          BIGINT NOT NULL,
    sink        TEXT   NOT NULL,
    first_event BIGINT NOT NULL,
    last_event  BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    error       TEXT   NOT NULL,
    time        BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
