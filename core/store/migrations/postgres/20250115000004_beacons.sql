-- Beacons of third parties that the server fires for viewers, and the ledger of what became of them; as in the folder
-- `sqlite`, with its comments.

CREATE TABLE beacon_orders (
    tenant     TEXT COLLATE "C" NOT NULL,
    showing    TEXT COLLATE "C" NOT NULL,
    session    TEXT COLLATE "C" NOT NULL,
    channel    TEXT COLLATE "C" NOT NULL,
    ad         TEXT COLLATE "C" NOT NULL,
    counts     TEXT COLLATE "C" NOT NULL,
    sealed     TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, showing)
);
CREATE INDEX beacon_orders_age ON beacon_orders (expires_at);
CREATE INDEX beacon_orders_of_session ON beacon_orders (tenant, session);

CREATE TABLE beacons (
    tenant     TEXT COLLATE "C" NOT NULL,
    event      TEXT COLLATE "C" NOT NULL,
    place      BIGINT NOT NULL,
    showing    TEXT COLLATE "C" NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    event_time BIGINT NOT NULL,
    error_code BIGINT,
    day        TEXT COLLATE "C" NOT NULL,
    channel    TEXT COLLATE "C" NOT NULL,
    ad         TEXT COLLATE "C" NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    next_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant, event, place)
);
CREATE INDEX beacons_due ON beacons (next_at);
CREATE INDEX beacons_of_showing ON beacons (tenant, showing);

CREATE TABLE beacon_cursors (
    tenant   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO beacon_cursors (tenant, position) SELECT tenant, id FROM event_heads;

CREATE TABLE beacon_days (
    tenant       TEXT COLLATE "C" NOT NULL,
    day          TEXT COLLATE "C" NOT NULL,
    channel      TEXT COLLATE "C" NOT NULL,
    ad           TEXT COLLATE "C" NOT NULL,
    decided      BIGINT NOT NULL DEFAULT 0,
    stitched     BIGINT NOT NULL DEFAULT 0,
    delivered    BIGINT NOT NULL DEFAULT 0,
    fired        BIGINT NOT NULL DEFAULT 0,
    withheld     BIGINT NOT NULL DEFAULT 0,
    acknowledged BIGINT NOT NULL DEFAULT 0,
    failed       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, day, channel, ad)
);
