-- Beacons of third parties that the server fires for viewers, and the ledger of what became of them. As in the folder
-- `postgres`.

-- What it takes to fire an ad's beacons: written down when the ad is decided, gone when its addresses have run out.
CREATE TABLE beacon_orders (
    tenant     TEXT   NOT NULL,
    showing    TEXT   NOT NULL, -- the ad in its place in a viewer's break: the id of its event `decided`
    session    TEXT   NOT NULL,
    channel    TEXT   NOT NULL,
    ad         TEXT   NOT NULL,
    counts     TEXT   NOT NULL, -- addresses by type of event: {"impression":2}
    sealed     TEXT   NOT NULL, -- addresses, headers, facts for macros; encrypted under a key of the tenant
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, showing)
);
CREATE INDEX beacon_orders_age ON beacon_orders (expires_at);
CREATE INDEX beacon_orders_of_session ON beacon_orders (tenant, session);

-- One address that is to be fetched for one event, until it is done.
CREATE TABLE beacons (
    tenant     TEXT   NOT NULL,
    event      TEXT   NOT NULL, -- the event's id
    place      BIGINT NOT NULL, -- among the addresses of its type
    showing    TEXT   NOT NULL,
    event_type TEXT   NOT NULL,
    event_time BIGINT NOT NULL,
    error_code BIGINT,
    day        TEXT   NOT NULL, -- of the event, on the tenant's clock: where the ledger has it
    channel    TEXT   NOT NULL,
    ad         TEXT   NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    next_at    BIGINT NOT NULL, -- when it is to be tried; while it is on its way, when somebody else may try
    PRIMARY KEY (tenant, event, place)
);
CREATE INDEX beacons_due ON beacons (next_at);
CREATE INDEX beacons_of_showing ON beacons (tenant, showing);

-- How far each tenant's events have been looked at.
CREATE TABLE beacon_cursors (
    tenant   TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
-- What was counted before there was an outbox has been fired, or never will be.
INSERT INTO beacon_cursors (tenant, position) SELECT tenant, id FROM event_heads;

-- Changed in the same transactions as the above. fired = acknowledged + failed + rows of `beacons`.
CREATE TABLE beacon_days (
    tenant       TEXT   NOT NULL,
    day          TEXT   NOT NULL, -- 2025-01-15, on the tenant's clock
    channel      TEXT   NOT NULL,
    ad           TEXT   NOT NULL,
    decided      BIGINT NOT NULL DEFAULT 0, -- ads
    stitched     BIGINT NOT NULL DEFAULT 0, -- ads
    delivered    BIGINT NOT NULL DEFAULT 0, -- ads: impressions
    fired        BIGINT NOT NULL DEFAULT 0, -- addresses, as the rest
    withheld     BIGINT NOT NULL DEFAULT 0, -- of invalid traffic: not fired
    acknowledged BIGINT NOT NULL DEFAULT 0,
    failed       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, day, channel, ad)
);
