-- Sums of the events; as in the folder `sqlite`, with its comments.

CREATE TABLE rollup_cursors (
    tenant   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    epoch    BIGINT NOT NULL
);

CREATE TABLE rollup_zones (
    tenant TEXT COLLATE "C" NOT NULL,
    since  BIGINT NOT NULL,
    zone   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, since)
);

CREATE TABLE report_days (
    tenant        TEXT COLLATE "C" NOT NULL,
    day           TEXT COLLATE "C" NOT NULL,
    first_event   BIGINT NOT NULL,
    last_event    BIGINT NOT NULL,
    events        BIGINT NOT NULL,
    build         BIGINT NOT NULL DEFAULT 0,
    last_build    BIGINT NOT NULL DEFAULT 0,
    state         TEXT COLLATE "C" NOT NULL DEFAULT 'open',
    closed_at     BIGINT,
    reopened_at   BIGINT,
    claimed_until BIGINT NOT NULL DEFAULT 0,
    raw_complete  BIGINT NOT NULL DEFAULT 1,
    uniques_exact BIGINT NOT NULL DEFAULT 1,
    sessions_kept BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant, day)
);
CREATE INDEX report_days_open ON report_days (tenant, day) WHERE state = 'open';

CREATE TABLE rollup_builds (
    tenant TEXT COLLATE "C" NOT NULL,
    day    TEXT COLLATE "C" NOT NULL,
    build  BIGINT NOT NULL,
    until  BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, build)
);

CREATE TABLE rollup_minutes (
    tenant  TEXT COLLATE "C" NOT NULL,
    minute  BIGINT NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    traffic TEXT COLLATE "C" NOT NULL,
    breaks          BIGINT NOT NULL,
    break_us        BIGINT NOT NULL,
    decided         BIGINT NOT NULL,
    decided_us      BIGINT NOT NULL,
    stitched        BIGINT NOT NULL,
    impressions     BIGINT NOT NULL,
    starts          BIGINT NOT NULL,
    first_quartiles BIGINT NOT NULL,
    midpoints       BIGINT NOT NULL,
    third_quartiles BIGINT NOT NULL,
    completes       BIGINT NOT NULL,
    clicks          BIGINT NOT NULL,
    errors          BIGINT NOT NULL,
    others          BIGINT NOT NULL,
    spend           BIGINT NOT NULL,
    PRIMARY KEY (tenant, minute, channel, traffic)
);

CREATE TABLE rollup_hours (
    tenant     TEXT COLLATE "C" NOT NULL,
    day        TEXT COLLATE "C" NOT NULL,
    build      BIGINT NOT NULL,
    hour       BIGINT NOT NULL,
    channel    TEXT COLLATE "C" NOT NULL,
    campaign   TEXT COLLATE "C" NOT NULL,
    ad         TEXT COLLATE "C" NOT NULL,
    device     TEXT COLLATE "C" NOT NULL,
    geo        TEXT COLLATE "C" NOT NULL,
    counted_by TEXT COLLATE "C" NOT NULL,
    traffic    TEXT COLLATE "C" NOT NULL,
    breaks          BIGINT NOT NULL,
    break_us        BIGINT NOT NULL,
    decided         BIGINT NOT NULL,
    decided_us      BIGINT NOT NULL,
    stitched        BIGINT NOT NULL,
    impressions     BIGINT NOT NULL,
    starts          BIGINT NOT NULL,
    first_quartiles BIGINT NOT NULL,
    midpoints       BIGINT NOT NULL,
    third_quartiles BIGINT NOT NULL,
    completes       BIGINT NOT NULL,
    clicks          BIGINT NOT NULL,
    errors          BIGINT NOT NULL,
    others          BIGINT NOT NULL,
    spend           BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, build, hour, channel, campaign, ad, device, geo, counted_by, traffic)
);

CREATE TABLE rollup_days (
    tenant     TEXT COLLATE "C" NOT NULL,
    day        TEXT COLLATE "C" NOT NULL,
    build      BIGINT NOT NULL,
    channel    TEXT COLLATE "C" NOT NULL,
    campaign   TEXT COLLATE "C" NOT NULL,
    ad         TEXT COLLATE "C" NOT NULL,
    device     TEXT COLLATE "C" NOT NULL,
    geo        TEXT COLLATE "C" NOT NULL,
    counted_by TEXT COLLATE "C" NOT NULL,
    traffic    TEXT COLLATE "C" NOT NULL,
    breaks          BIGINT NOT NULL,
    break_us        BIGINT NOT NULL,
    decided         BIGINT NOT NULL,
    decided_us      BIGINT NOT NULL,
    stitched        BIGINT NOT NULL,
    impressions     BIGINT NOT NULL,
    starts          BIGINT NOT NULL,
    first_quartiles BIGINT NOT NULL,
    midpoints       BIGINT NOT NULL,
    third_quartiles BIGINT NOT NULL,
    completes       BIGINT NOT NULL,
    clicks          BIGINT NOT NULL,
    errors          BIGINT NOT NULL,
    others          BIGINT NOT NULL,
    spend           BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, build, channel, campaign, ad, device, geo, counted_by, traffic)
);

CREATE TABLE rollup_names (
    tenant   TEXT COLLATE "C" NOT NULL,
    day      TEXT COLLATE "C" NOT NULL,
    build    BIGINT NOT NULL,
    channel  TEXT COLLATE "C" NOT NULL,
    campaign TEXT COLLATE "C" NOT NULL,
    ad       TEXT COLLATE "C" NOT NULL,
    traffic  TEXT COLLATE "C" NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, build, channel, campaign, ad, traffic, kind, name)
);

CREATE TABLE day_sessions (
    tenant  TEXT COLLATE "C" NOT NULL,
    day     TEXT COLLATE "C" NOT NULL,
    build   BIGINT NOT NULL,
    session TEXT COLLATE "C" NOT NULL,
    cells   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, day, build, session)
);

CREATE TABLE rollup_uniques (
    tenant   TEXT COLLATE "C" NOT NULL,
    day      TEXT COLLATE "C" NOT NULL,
    build    BIGINT NOT NULL,
    mask     BIGINT NOT NULL,
    channel  TEXT COLLATE "C" NOT NULL,
    campaign TEXT COLLATE "C" NOT NULL,
    ad       TEXT COLLATE "C" NOT NULL,
    device   TEXT COLLATE "C" NOT NULL,
    geo      TEXT COLLATE "C" NOT NULL,
    uniques  BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, build, mask, channel, campaign, ad, device, geo)
);
