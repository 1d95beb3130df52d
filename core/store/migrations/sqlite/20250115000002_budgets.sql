-- What campaigns have spent of their budgets, and what of them is leased to nodes. Amounts are micro-units. As in the
-- folder `postgres`.

-- A campaign's numbers, at any time the sums of its events: `spent` of their prices, `impressions` of those charged.
CREATE TABLE budgets (
    tenant       TEXT   NOT NULL,
    campaign     TEXT   NOT NULL,
    version      BIGINT NOT NULL DEFAULT 0, -- of the tenant, that declared the limits
    budget       BIGINT,                    -- NULL: no limit
    goal         BIGINT,                    -- impressions; NULL: no limit
    price        BIGINT NOT NULL DEFAULT 0, -- of one impression
    spent        BIGINT NOT NULL DEFAULT 0,
    impressions  BIGINT NOT NULL DEFAULT 0,
    unbilled     BIGINT NOT NULL DEFAULT 0, -- counted beyond the limit
    alerted      BIGINT NOT NULL DEFAULT 0, -- percent of the budget that its owner knows to be spent
    ending_until BIGINT NOT NULL DEFAULT 0, -- until then, a node is about to end the campaign
    revision     BIGINT NOT NULL,           -- grows with each change of the row or its leases; starts with the time, so
                                            -- that a row which is deleted and comes back goes on
    updated_at   BIGINT NOT NULL,           -- when spent, impressions or unbilled changed
    PRIMARY KEY (tenant, campaign)
);

-- Processes that lease. When one has not renewed its row in time, its leases are void.
CREATE TABLE budget_nodes (
    node       TEXT   NOT NULL PRIMARY KEY, -- random, per process
    expires_at BIGINT NOT NULL
);

-- Impressions that are kept for one node. Changed by whoever holds the campaign's row in `budgets`.
CREATE TABLE budget_leases (
    tenant      TEXT   NOT NULL,
    campaign    TEXT   NOT NULL,
    node        TEXT   NOT NULL,
    impressions BIGINT NOT NULL,
    price       BIGINT NOT NULL,
    PRIMARY KEY (tenant, campaign, node)
);
