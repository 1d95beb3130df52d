-- The first tables. The folder `postgres` beside this one has the same for PostgreSQL: one set of queries serves both,
-- so only BIGINT and TEXT are used. Times are microseconds since the Unix epoch.

-- Numbers that must grow in commit order. A writer takes its numbers by UPDATE … RETURNING; the row lock makes writers
-- queue until the first has committed, so a reader that has seen number N will never meet a smaller one later.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value)
VALUES ('events', 0), ('dead_letters', 0), ('generation', 0), ('api_keys', 0), ('key_changes', 0);

-- Tenants and the version that each is at. A change locks its tenant's row, so changes of one tenant queue. A deleted
-- tenant keeps its row, its history and its numbering; it may come back.
CREATE TABLE tenants (
    tenant  TEXT   NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    deleted BIGINT NOT NULL -- 0 or 1
);

-- What tenants consist of: one row per entity and stretch of versions in which it had this body. The state at version
-- V is every row with since <= V < until. Bodies are never changed; a row that ends gets its `until`.
CREATE TABLE entities (
    tenant TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    name   TEXT   NOT NULL, -- a slug or a path
    since  BIGINT NOT NULL, -- first version of the tenant that has it
    until  BIGINT,          -- first version that has it no more; NULL while it is there
    body   TEXT   NOT NULL, -- JSON in the bundle's shape, or a script's text
    PRIMARY KEY (tenant, kind, name, since)
);
-- An entity is there once.
CREATE UNIQUE INDEX entities_now ON entities (tenant, kind, name) WHERE until IS NULL;
-- What one change brought and took away, in the order in which it is listed.
CREATE INDEX entities_since ON entities (tenant, since, kind, name);
CREATE INDEX entities_until ON entities (tenant, until, kind, name) WHERE until IS NOT NULL;

-- Who changed a tenant, when and by which door: the audit log. Never changed, only added to.
CREATE TABLE changes (
    tenant  TEXT   NOT NULL,
    version BIGINT NOT NULL, -- that the change made
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    door    TEXT   NOT NULL,
    summary TEXT   NOT NULL,
    deleted BIGINT NOT NULL, -- 1: the change deleted the tenant
    request TEXT,            -- id of the request that did it
    PRIMARY KEY (tenant, version)
);

-- Keys to the API. The key itself is shown once and never stored.
CREATE TABLE api_keys (
    id         BIGINT NOT NULL PRIMARY KEY,
    tenant     TEXT   NOT NULL, -- empty: a key of the platform, good for all tenants
    name       TEXT   NOT NULL,
    prefix     TEXT   NOT NULL, -- the first characters, for people to tell keys apart
    hash       TEXT   NOT NULL UNIQUE, -- SHA-256 of the whole key, hexadecimal
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id);

-- Who made, replaced and revoked keys: the other half of the audit log. Never changed, only added to.
CREATE TABLE key_changes (
    id      BIGINT NOT NULL PRIMARY KEY,
    tenant  TEXT   NOT NULL, -- empty: of the platform
    api_key BIGINT NOT NULL,
    op      TEXT   NOT NULL, -- added, changed or removed
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    door    TEXT   NOT NULL,
    summary TEXT   NOT NULL,
    request TEXT
);
CREATE INDEX key_changes_of_tenant ON key_changes (tenant, id);

-- Answers to requests that carried an Idempotency-Key, so that a repetition gets the same answer.
CREATE TABLE idempotency (
    owner        TEXT   NOT NULL, -- whose keys these are: two callers may use the same one
    token        TEXT   NOT NULL, -- the Idempotency-Key
    request_hash TEXT   NOT NULL,
    started_at   BIGINT NOT NULL,
    status       BIGINT, -- NULL while the first request runs
    headers      TEXT,   -- JSON array of pairs
    body         TEXT,
    PRIMARY KEY (owner, token)
);
CREATE INDEX idempotency_age ON idempotency (started_at);

-- Records of decisions, to explain and to replay them. Swept by age.
CREATE TABLE decisions (
    tenant  TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    channel TEXT   NOT NULL,
    time    BIGINT NOT NULL,
    version BIGINT NOT NULL, -- of the tenant's state that was decided on
    body    TEXT   NOT NULL, -- JSON
    PRIMARY KEY (tenant, id)
);
CREATE INDEX decisions_in_order ON decisions (tenant, time, id);
CREATE INDEX decisions_age ON decisions (time);

-- Every counted event. Never changed, only added to; swept by age.
CREATE TABLE events (
    tenant       TEXT NOT NULL,
    id           BIGINT NOT NULL, -- unique over all tenants, ascending in commit order
    event_id     TEXT NOT NULL, -- of what makes it one event
    channel      TEXT, -- NULL for events about a campaign's budget, as ad and counted_by
    session      TEXT NOT NULL, -- our own name, unique
    viewer       TEXT, -- the caller's name, not unique
    avail        TEXT NOT NULL,
    pod_position BIGINT NOT NULL,
    ad           TEXT,
    campaign     TEXT,
    event_type   TEXT NOT NULL,
    time         BIGINT NOT NULL,
    received     BIGINT NOT NULL,
    device       TEXT NOT NULL,
    geo          TEXT NOT NULL,
    counted_by   TEXT,
    traffic      TEXT NOT NULL,
    price        BIGINT NOT NULL, -- what was charged, in micro-units
    error_code   BIGINT,
    value        BIGINT, -- in millionths
    more         TEXT, -- JSON: what few events have
    PRIMARY KEY (tenant, id)
);
-- An event counts once.
CREATE UNIQUE INDEX events_once ON events (tenant, event_id);
-- What a viewer who comes back has seen.
CREATE INDEX events_by_viewer ON events (tenant, viewer, time) WHERE viewer IS NOT NULL AND event_type = 'impression';

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

-- How far each node's own journal has been carried over: in the transaction that carried it, so that nothing is twice.
CREATE TABLE journal_positions (
    node    TEXT   NOT NULL PRIMARY KEY,
    segment BIGINT NOT NULL,
    record  BIGINT NOT NULL -- records of the segment that were carried over
);

-- The newest event of each tenant: who has something new is one look.
CREATE TABLE event_heads (
    tenant TEXT   NOT NULL PRIMARY KEY,
    id     BIGINT NOT NULL
);
