-- What sinks need beside their cursors: secrets of tenants, how each sink does, and letters that are to be delivered
-- again. The folder `sqlite` beside this one has the same for SQLite.

-- Passwords and tokens of receivers, sealed with a key of the tenant's. Never read back by anybody but the host.
CREATE TABLE tenant_secrets (
    tenant     TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    sealed     TEXT   NOT NULL, -- base64
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- Why a sink does not get on; no row while all is well.
CREATE TABLE sink_failures (
    tenant   TEXT   NOT NULL,
    sink     TEXT   NOT NULL,
    failures BIGINT NOT NULL, -- attempts in a row
    error    TEXT   NOT NULL,
    time     BIGINT NOT NULL, -- of the last
    PRIMARY KEY (tenant, sink)
);

-- Since when somebody wants the letter delivered again; NULL while nobody does.
ALTER TABLE dead_letters ADD COLUMN replay_at BIGINT;
ALTER TABLE sink_cursors ADD COLUMN held_by TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE sink_cursors ADD COLUMN held_until BIGINT NOT NULL DEFAULT 0;
