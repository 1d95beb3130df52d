-- How many sessions each node has open, said every few seconds: the live feed sums them. As in the folder `sqlite`.
CREATE TABLE live_sessions (
    node     TEXT COLLATE "C" NOT NULL, -- random, per process
    tenant   TEXT COLLATE "C" NOT NULL,
    channel  TEXT COLLATE "C" NOT NULL,
    sessions BIGINT NOT NULL,
    seen_at  BIGINT NOT NULL,
    PRIMARY KEY (node, tenant, channel)
);
CREATE INDEX live_sessions_of_tenant ON live_sessions (tenant, channel);
