-- Sums of the events, and how far they have come. At any time they are what counting all events up to the cursor gives.
-- Amounts are micro-units, lengths microseconds. As in the folder `postgres`.

-- How far a tenant's events have been counted. Counting moves the cursor in the transaction that adds the sums.
CREATE TABLE rollup_cursors (
    tenant   TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL, -- id of the last event that was counted
    epoch    BIGINT NOT NULL  -- grows when events that were counted are renamed: what was read before is void
);

-- The time zone that told the days of a tenant's events, from an event's id on.
CREATE TABLE rollup_zones (
    tenant TEXT   NOT NULL,
    since  BIGINT NOT NULL,
    zone   TEXT   NOT NULL,
    PRIMARY KEY (tenant, since)
);

-- The days that have events. A day's sums are the rows of its `build`; a recount writes another build and then
-- switches over.
CREATE TABLE report_days (
    tenant        TEXT   NOT NULL,
    day           TEXT   NOT NULL, -- on the tenant's calendar: 2026-11-24
    first_event   BIGINT NOT NULL, -- the ids between which its events lie
    last_event    BIGINT NOT NULL,
    events        BIGINT NOT NULL,
    build         BIGINT NOT NULL DEFAULT 0,
    last_build    BIGINT NOT NULL DEFAULT 0, -- the last number that was given to a recount
    state         TEXT   NOT NULL DEFAULT 'open', -- or closed; an event that comes late opens the day again
    closed_at     BIGINT,                    -- when it was last closed
    reopened_at   BIGINT,
    claimed_until BIGINT NOT NULL DEFAULT 0, -- until then, a node is about to close it
    raw_complete  BIGINT NOT NULL DEFAULT 1, -- 0: single events were deleted by age, so it cannot be recounted
    uniques_exact BIGINT NOT NULL DEFAULT 1, -- 0: an event came after that
    sessions_kept BIGINT NOT NULL DEFAULT 1, -- 0: day_sessions has no rows of it any more
    PRIMARY KEY (tenant, day)
);
CREATE INDEX report_days_open ON report_days (tenant, day) WHERE state = 'open';

-- Builds that are written or no longer used; deleted in steps once their time has come.
CREATE TABLE rollup_builds (
    tenant TEXT   NOT NULL,
    day    TEXT   NOT NULL,
    build  BIGINT NOT NULL,
    until  BIGINT NOT NULL, -- a recount that lives moves this on
    PRIMARY KEY (tenant, day, build)
);

-- The last hours by the minute, for live pages. Swept.
CREATE TABLE rollup_minutes (
    tenant  TEXT   NOT NULL,
    minute  BIGINT NOT NULL, -- since the epoch
    channel TEXT   NOT NULL,
    traffic TEXT   NOT NULL,
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
) WITHOUT ROWID;

-- Where an event has no channel, campaign or ad the column is empty.
CREATE TABLE rollup_hours (
    tenant     TEXT   NOT NULL,
    day        TEXT   NOT NULL,
    build      BIGINT NOT NULL,
    hour       BIGINT NOT NULL, -- since the epoch; one that midnight cuts belongs to two days
    channel    TEXT   NOT NULL,
    campaign   TEXT   NOT NULL,
    ad         TEXT   NOT NULL,
    device     TEXT   NOT NULL,
    geo        TEXT   NOT NULL,
    counted_by TEXT   NOT NULL,
    traffic    TEXT   NOT NULL,
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
) WITHOUT ROWID;

CREATE TABLE rollup_days (
    tenant     TEXT   NOT NULL,
    day        TEXT   NOT NULL,
    build      BIGINT NOT NULL,
    channel    TEXT   NOT NULL,
    campaign   TEXT   NOT NULL,
    ad         TEXT   NOT NULL,
    device     TEXT   NOT NULL,
    geo        TEXT   NOT NULL,
    counted_by TEXT   NOT NULL,
    traffic    TEXT   NOT NULL,
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
) WITHOUT ROWID;

-- What has a name instead of a column: errors by code, a tenant's own types of events, alerts of budgets.
CREATE TABLE rollup_names (
    tenant   TEXT   NOT NULL,
    day      TEXT   NOT NULL,
    build    BIGINT NOT NULL,
    channel  TEXT   NOT NULL,
    campaign TEXT   NOT NULL,
    ad       TEXT   NOT NULL,
    traffic  TEXT   NOT NULL,
    kind     TEXT   NOT NULL, -- error or event
    name     TEXT   NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, build, channel, campaign, ad, traffic, kind, name)
) WITHOUT ROWID;

-- Where a session had a valid impression on a day: what its next impression adds to the uniques follows from it. The
-- session is a hash of its name.
CREATE TABLE day_sessions (
    tenant  TEXT   NOT NULL,
    day     TEXT   NOT NULL,
    build   BIGINT NOT NULL,
    session TEXT   NOT NULL,
    cells   TEXT   NOT NULL,
    PRIMARY KEY (tenant, day, build, session)
) WITHOUT ROWID;

-- Sessions with a valid impression, for each way to group a day. `mask` has a bit for each column that groups: 1
-- channel, 2 campaign, 4 ad, 8 device, 16 geo; the others are empty.
CREATE TABLE rollup_uniques (
    tenant   TEXT   NOT NULL,
    day      TEXT   NOT NULL,
    build    BIGINT NOT NULL,
    mask     BIGINT NOT NULL,
    channel  TEXT   NOT NULL,
    campaign TEXT   NOT NULL,
    ad       TEXT   NOT NULL,
    device   TEXT   NOT NULL,
    geo      TEXT   NOT NULL,
    uniques  BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, build, mask, channel, campaign, ad, device, geo)
) WITHOUT ROWID;
