-- What campaigns have spent of their budgets, and what of them is leased to nodes; as in the folder `sqlite`, with its
-- comments.

CREATE TABLE budgets (
    tenant       TEXT COLLATE "C" NOT NULL,
    campaign     TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL DEFAULT 0,
    budget       BIGINT,
    goal         BIGINT,
    price        BIGINT NOT NULL DEFAULT 0,
    spent        BIGINT NOT NULL DEFAULT 0,
    impressions  BIGINT NOT NULL DEFAULT 0,
    unbilled     BIGINT NOT NULL DEFAULT 0,
    alerted      BIGINT NOT NULL DEFAULT 0,
    ending_until BIGINT NOT NULL DEFAULT 0,
    revision     BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, campaign)
);

CREATE TABLE budget_nodes (
    node       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE TABLE budget_leases (
    tenant      TEXT COLLATE "C" NOT NULL,
    campaign    TEXT COLLATE "C" NOT NULL,
    node        TEXT COLLATE "C" NOT NULL,
    impressions BIGINT NOT NULL,
    price       BIGINT NOT NULL,
    PRIMARY KEY (tenant, campaign, node)
);
