-- The first tables, as in the folder `sqlite` beside this one, with its comments: one set of queries serves both, so
-- only BIGINT and TEXT are used. COLLATE "C" orders text by its bytes, as SQLite does, whatever the database's locale.

CREATE TABLE counters (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value)
VALUES ('events', 0), ('dead_letters', 0), ('generation', 0), ('api_keys', 0), ('key_changes', 0);

CREATE TABLE tenants (
    tenant  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    deleted BIGINT NOT NULL
);

CREATE TABLE entities (
    tenant TEXT COLLATE "C" NOT NULL,
    kind   TEXT COLLATE "C" NOT NULL,
    name   TEXT COLLATE "C" NOT NULL,
    since  BIGINT NOT NULL,
    until  BIGINT,
    body   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, kind, name, since)
);
CREATE UNIQUE INDEX entities_now ON entities (tenant, kind, name) WHERE until IS NULL;
CREATE INDEX entities_since ON entities (tenant, since, kind, name);
CREATE INDEX entities_until ON entities (tenant, until, kind, name) WHERE until IS NOT NULL;

CREATE TABLE changes (
    tenant  TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    actor   TEXT COLLATE "C" NOT NULL,
    door    TEXT COLLATE "C" NOT NULL,
    summary TEXT COLLATE "C" NOT NULL,
    deleted BIGINT NOT NULL,
    request TEXT COLLATE "C",
    PRIMARY KEY (tenant, version)
);

CREATE TABLE api_keys (
    id         BIGINT NOT NULL PRIMARY KEY,
    tenant     TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    prefix     TEXT COLLATE "C" NOT NULL,
    hash       TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id);

CREATE TABLE key_changes (
    id      BIGINT NOT NULL PRIMARY KEY,
    tenant  TEXT COLLATE "C" NOT NULL,
    api_key BIGINT NOT NULL,
    op      TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    actor   TEXT COLLATE "C" NOT NULL,
    door    TEXT COLLATE "C" NOT NULL,
    summary TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C"
);
CREATE INDEX key_changes_of_tenant ON key_changes (tenant, id);

CREATE TABLE idempotency (
    owner        TEXT COLLATE "C" NOT NULL,
    token        TEXT COLLATE "C" NOT NULL,
    request_hash TEXT COLLATE "C" NOT NULL,
    started_at   BIGINT NOT NULL,
    status       BIGINT,
    headers      TEXT COLLATE "C",
    body         TEXT COLLATE "C",
    PRIMARY KEY (owner, token)
);
CREATE INDEX idempotency_age ON idempotency (started_at);

CREATE TABLE decisions (
    tenant  TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    time    BIGINT NOT NULL,
    version BIGINT NOT NULL,
    body    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX decisions_in_order ON decisions (tenant, time, id);
CREATE INDEX decisions_age ON decisions (time);

CREATE TABLE events (
    tenant       TEXT COLLATE "C" NOT NULL,
    id           BIGINT NOT NULL,
    event_id     TEXT COLLATE "C" NOT NULL,
    channel      TEXT COLLATE "C",
    session      TEXT COLLATE "C" NOT NULL,
    viewer       TEXT COLLATE "C",
    avail        TEXT COLLATE "C" NOT NULL,
    pod_position BIGINT NOT NULL,
    ad           TEXT COLLATE "C",
    campaign     TEXT COLLATE "C",
    event_type   TEXT COLLATE "C" NOT NULL,
    time         BIGINT NOT NULL,
    received     BIGINT NOT NULL,
    device       TEXT COLLATE "C" NOT NULL,
    geo          TEXT COLLATE "C" NOT NULL,
    counted_by   TEXT COLLATE "C",
    traffic      TEXT COLLATE "C" NOT NULL,
    price        BIGINT NOT NULL,
    error_code   BIGINT,
    value        BIGINT,
    more         TEXT COLLATE "C",
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX events_once ON events (tenant, event_id);
CREATE INDEX events_by_viewer ON events (tenant, viewer, time) WHERE viewer IS NOT NULL AND event_type = 'impression';

CREATE TABLE sink_cursors (
    tenant     TEXT COLLATE "C" NOT NULL,
    sink       TEXT COLLATE "C" NOT NULL,
    position   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, sink)
);

CREATE TABLE dead_letters (
    tenant      TEXT COLLATE "C" NOT NULL,
    id          BIGINT NOT NULL,
    sink        TEXT COLLATE "C" NOT NULL,
    first_event BIGINT NOT NULL,
    last_event  BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    error       TEXT COLLATE "C" NOT NULL,
    time        BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE journal_positions (
    node    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    segment BIGINT NOT NULL,
    record  BIGINT NOT NULL
);
CREATE TABLE event_heads (
    tenant TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id     BIGINT NOT NULL
);
