-- Large bodies of entities: each content once, whichever tenants and versions have it. Never changed and never deleted,
-- since the history of entities is not. Rows from before keep their bodies as they have them. As in the folder `postgres`.
CREATE TABLE bodies (
    hash TEXT NOT NULL PRIMARY KEY, -- SHA-256 of the body, hexadecimal
    body TEXT NOT NULL
);
-- Where it is not NULL, the row's own body is empty.
ALTER TABLE entities ADD COLUMN body_hash TEXT;
CREATE INDEX entities_body_hash ON entities (tenant, body_hash) WHERE body_hash IS NOT NULL;
