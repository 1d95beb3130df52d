//! What campaigns have spent, and what of their budgets is leased to which node.
//!
//! Whoever changes a campaign's numbers or leases first locks its row of `budgets`; several rows are locked in the order
//! of their names, after the row of `counters` if that is needed too: so no two transactions can wait for each other.
//! [`Book`] decides; this file reads and writes.

use std::collections::HashMap;

use sqlx::{Row, any::AnyRow};

use super::{
    Carried, Store, StoreError, StoredEvent, TenantScope, Transaction,
    book::{Book, Exchange, Lease},
    events::insert_one,
    take,
};
use crate::domain::{ALERTS, AvailId, Event, EventType, Moment, Money, Slug, Span, Terms};

/// Leases exchanged in one transaction: other writers wait for as long as it takes.
const LEASES_PER_TRANSACTION: usize = 50;

/// What a node leaves that died is swept away after so long: by then it does not come back, whatever its clock says.
const BURY_AFTER: Span = Span::from_secs(3_600);

/// Who records events, and which of them its leases cover.
#[derive(Clone, Copy, Debug, Default)]
pub struct Billing<'a> {
    /// Whose leases; empty for one that has none.
    pub node: &'a str,
    /// Per event, whether it was promised a place of the node's lease; missing is no.
    pub covered: &'a [bool],
    pub now: Moment,
    /// Up to where a node's own journal is carried over with these events.
    pub carried: Option<Carried<'a>>,
}

/// A campaign's numbers after a change, as one node sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    pub tenant: Slug,
    pub campaign: Slug,
    /// Grows with each change of this campaign's numbers or leases: tells the newer of two balances.
    pub revision: i64,
    pub terms: Terms,
    pub spent: Money,
    /// Charged impressions.
    pub impressions: u64,
    /// Counted beyond the limit, free of charge.
    pub unbilled: u64,
    /// Impressions of the node's lease, if it is alive.
    pub leased: u32,
    /// What the lease was granted at.
    pub lease_price: Money,
    /// The node asked for more than it could have.
    pub scarce: bool,
}

/// What a node would like to change about its lease of one campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub tenant: Slug,
    pub campaign: Slug,
    pub exchange: Exchange,
}

/// A campaign's row, locked by the transaction that read it.
pub(super) struct Account {
    tenant: Slug,
    campaign: Slug,
    pub book: Book,
    /// The node's lease when the row was locked.
    found: Lease,
    version: i64,
    alerted: u8,
    revision: i64,
    scarce: bool,
}

impl Account {
    /// Locks a campaign's row (made if it is missing) and reads it with its living leases.
    pub async fn open(
        transaction: &mut Transaction,
        tenant: &Slug,
        campaign: &Slug,
        node: &str,
        now: Moment,
    ) -> Result<Self, StoreError> {
        let row = sqlx::query(
            "INSERT INTO budgets (tenant, campaign, revision, updated_at) VALUES ($1, $2, $3, $3) \
             ON CONFLICT (tenant, campaign) DO UPDATE SET revision = budgets.revision + 1 \
             RETURNING budget, goal, price, spent, impressions, unbilled, alerted, revision, version",
        )
        .bind(tenant.as_str())
        .bind(campaign.as_str())
        .bind(now.as_micros())
        .fetch_one(&mut **transaction)
        .await?;
        let mut book = book(&row)?;
        // A statement of its own: it has to see what was committed while the first one waited for the lock.
        let leases = sqlx::query(
            "SELECT leases.node, impressions, price FROM budget_leases AS leases \
             JOIN budget_nodes AS nodes ON nodes.node = leases.node AND nodes.expires_at > $3 \
             WHERE tenant = $1 AND campaign = $2",
        )
        .bind(tenant.as_str())
        .bind(campaign.as_str())
        .bind(now.as_micros())
        .fetch_all(&mut **transaction)
        .await?;
        for row in leases {
            let lease = Lease { impressions: row.try_get(1)?, price: row.try_get(2)? };
            if row.try_get::<&str, _>(0)? == node {
                book.own = lease;
            } else {
                book.others_impressions = book.others_impressions.saturating_add(lease.impressions);
                book.others_money = book.others_money.saturating_add(lease.money());
            }
        }
        Ok(Self {
            tenant: tenant.clone(),
            campaign: campaign.clone(),
            found: book.own,
            book,
            alerted: u8::try_from(row.try_get::<i64, _>(6)?).unwrap_or(0),
            revision: row.try_get(7)?,
            version: row.try_get(8)?,
            scarce: false,
        })
    }

    /// Writes an event for each share of the budget that has been reached since the last time.
    pub async fn alert(
        &mut self,
        transaction: &mut Transaction,
        now: Moment,
        alerts: &mut Vec<StoredEvent>,
    ) -> Result<(), StoreError> {
        let level = self.book.terms.alert_level(Money::from_micros(self.book.spent));
        for (percent, event_type) in ALERTS {
            if (self.alerted + 1..=level).contains(&percent) {
                let event = self.event(event_type, now);
                alerts.extend(insert_one(transaction, event).await?);
            }
        }
        // Lower after a budget was raised: its shares are still to come.
        self.alerted = level;
        Ok(())
    }

    /// Named after the amount: each share of an amount is told of once, whatever happens to the row.
    fn event(&self, event_type: EventType, now: Moment) -> Event {
        let event = Event {
            session: format!("campaign:{}", self.campaign),
            avail: AvailId::new(format!("budget:{}", self.book.terms.budget.unwrap_or_default())),
            campaign: Some(self.campaign.clone()),
            ..Event::new(self.tenant.clone(), event_type, now)
        };
        event.identified()
    }

    /// Writes the numbers, and what is left of the node's lease.
    pub async fn save(&self, transaction: &mut Transaction, node: &str, now: Moment) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE budgets SET spent = $3, impressions = $4, unbilled = $5, alerted = $6, updated_at = $7 \
             WHERE tenant = $1 AND campaign = $2",
        )
        .bind(self.tenant.as_str())
        .bind(self.campaign.as_str())
        .bind(self.book.spent)
        .bind(self.book.impressions)
        .bind(self.book.unbilled)
        .bind(i64::from(self.alerted))
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await?;
        if self.book.own == self.found {
            return Ok(());
        }
        sqlx::query("UPDATE budget_leases SET impressions = $4 WHERE tenant = $1 AND campaign = $2 AND node = $3")
            .bind(self.tenant.as_str())
            .bind(self.campaign.as_str())
            .bind(node)
            .bind(self.book.own.impressions)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    /// Replaces the node's lease; takes away what dead nodes left.
    async fn exchange(
        &mut self,
        transaction: &mut Transaction,
        exchange: Exchange,
        node: &str,
        now: Moment,
    ) -> Result<(), StoreError> {
        self.scarce = !self.book.exchange(exchange);
        sqlx::query(
            "DELETE FROM budget_leases WHERE tenant = $1 AND campaign = $2 \
             AND (node = $3 OR node NOT IN (SELECT node FROM budget_nodes WHERE expires_at > $4))",
        )
        .bind(self.tenant.as_str())
        .bind(self.campaign.as_str())
        .bind(node)
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await?;
        if self.book.own.impressions == 0 {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO budget_leases (tenant, campaign, node, impressions, price) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(self.tenant.as_str())
        .bind(self.campaign.as_str())
        .bind(node)
        .bind(self.book.own.impressions)
        .bind(self.book.own.price)
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    pub fn into_balance(self) -> Balance {
        balance(self.tenant, self.campaign, self.revision, &self.book, self.scarce)
    }
}

impl Store {
    /// Writes campaigns' limits, as a tenant's `version` declares them; rows that a later version wrote stay. A share of a
    /// new budget that has been reached already is told of at once. Answers each campaign's balance, without leases, and
    /// the alerts.
    pub async fn set_terms(
        &self,
        scope: &TenantScope,
        version: i64,
        terms: &[(Slug, Terms)],
        now: Moment,
    ) -> Result<(Vec<Balance>, Vec<StoredEvent>), StoreError> {
        let mut known = self.balances(scope).await?;
        let mut changed: Vec<&(Slug, Terms)> = {
            let stand: HashMap<_, _> = known.iter().map(|known| (&known.campaign, known.terms)).collect();
            terms.iter().filter(|(slug, terms)| stand.get(slug) != Some(terms)).collect()
        };
        let mut alerts = Vec::new();
        if !changed.is_empty() {
            changed.sort_by(|a, b| a.0.cmp(&b.0));
            let mut transaction = self.write().await?;
            // Alerts take numbers: that row is locked before any of `budgets`.
            take(&mut transaction, "events", 0).await?;
            for (campaign, terms) in changed {
                let mut account = Account::open(&mut transaction, scope.tenant(), campaign, "", now).await?;
                if account.version > version {
                    continue;
                }
                account.book.terms = *terms;
                set_terms(&mut transaction, scope, campaign, version, terms).await?;
                account.alert(&mut transaction, now, &mut alerts).await?;
                account.save(&mut transaction, "", now).await?;
            }
            transaction.commit().await?;
            known = self.balances(scope).await?;
        }
        Ok((known, alerts))
    }

    /// Exchanges leases of `node`, in the order of tenants and campaigns, and answers the balances in the order of the
    /// wishes. After an error, some exchanges may have been made. The node has to be alive ([`Self::renew_node`]).
    pub async fn exchange_leases(&self, wishes: &[Wish], node: &str, now: Moment) -> Result<Vec<Balance>, StoreError> {
        let mut places: Vec<usize> = (0..wishes.len()).collect();
        places.sort_by_key(|place| wishes.get(*place).map(|wish| (&wish.tenant, &wish.campaign)));
        let mut balances = Vec::with_capacity(wishes.len());
        for batch in places.chunks(LEASES_PER_TRANSACTION) {
            let mut transaction = self.write().await?;
            let mut granted = Vec::with_capacity(batch.len());
            for (place, wish) in batch.iter().filter_map(|place| Some((*place, wishes.get(*place)?))) {
                let mut account = Account::open(&mut transaction, &wish.tenant, &wish.campaign, node, now).await?;
                account.exchange(&mut transaction, wish.exchange, node, now).await?;
                granted.push((place, account.into_balance()));
            }
            transaction.commit().await?;
            balances.append(&mut granted);
        }
        balances.sort_by_key(|(place, _)| *place);
        Ok(balances.into_iter().map(|(_, balance)| balance).collect())
    }

    /// Keeps a node's leases alive until `until`. False if the node is new, or had been taken for dead: it has no leases
    /// then. No row of `budgets` is locked; should another node take this one for dead at this very moment, a promise is
    /// broken, but no limit.
    pub async fn renew_node(&self, node: &str, until: Moment, now: Moment) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let renewed = sqlx::query("UPDATE budget_nodes SET expires_at = $2 WHERE node = $1 AND expires_at > $3")
            .bind(node)
            .bind(until.as_micros())
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        if renewed.rows_affected() > 0 {
            transaction.commit().await?;
            return Ok(true);
        }
        drop_leases(&mut transaction, node, now).await?;
        sqlx::query(
            "INSERT INTO budget_nodes (node, expires_at) VALUES ($1, $2) \
             ON CONFLICT (node) DO UPDATE SET expires_at = excluded.expires_at",
        )
        .bind(node)
        .bind(until.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(false)
    }

    /// Gives back all leases of a node that stops, and buries nodes that died long ago.
    pub async fn drop_leases(&self, node: &str, now: Moment) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        drop_leases(&mut transaction, node, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The numbers of all tenants' campaigns, of those that changed since a moment, without leases.
    pub async fn balances_since(&self, since: Moment) -> Result<Vec<Balance>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT budget, goal, price, spent, impressions, unbilled, revision, tenant, campaign FROM budgets \
             WHERE updated_at >= $1",
        )
        .bind(since.as_micros())
        .fetch_all(&mut link)
        .await?;
        let read = |row: &AnyRow| {
            let (tenant, campaign) = (slug(row, 7, "tenant")?, slug(row, 8, "campaign")?);
            Ok(balance(tenant, campaign, row.try_get(6)?, &book(row)?, false))
        };
        rows.iter().map(read).collect()
    }

    /// The numbers of a tenant's campaigns, without leases, in the order of their names.
    pub async fn balances(&self, scope: &TenantScope) -> Result<Vec<Balance>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT budget, goal, price, spent, impressions, unbilled, revision, campaign FROM budgets \
             WHERE tenant = $1 ORDER BY campaign",
        )
        .bind(scope.as_str())
        .fetch_all(&mut link)
        .await?;
        let read = |row: &AnyRow| {
            let campaign = slug(row, 7, "campaign")?;
            Ok(balance(scope.tenant().clone(), campaign, row.try_get(6)?, &book(row)?, false))
        };
        rows.iter().map(read).collect()
    }

    /// Deletes what a tenant's campaigns spent: its slug may come back as somebody else's.
    pub(super) async fn forget_budgets(
        &self,
        transaction: &mut Transaction,
        scope: &TenantScope,
    ) -> Result<(), StoreError> {
        // Many rows, in no order: meanwhile nobody charges, and locks others.
        take(transaction, "events", 0).await?;
        for sql in ["DELETE FROM budgets WHERE tenant = $1", "DELETE FROM budget_leases WHERE tenant = $1"] {
            sqlx::query(sql).bind(scope.as_str()).execute(&mut **transaction).await?;
        }
        Ok(())
    }

    /// Takes it on to end a campaign that is spent, delivered or past its flight. One node gets the task; another one can
    /// when `until` has passed, in case the first one died of it.
    pub async fn claim_ending(
        &self,
        scope: &TenantScope,
        campaign: &Slug,
        until: Moment,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let claimed = sqlx::query(
            "UPDATE budgets SET ending_until = $3 WHERE tenant = $1 AND campaign = $2 AND ending_until <= $4",
        )
        .bind(scope.as_str())
        .bind(campaign.as_str())
        .bind(until.as_micros())
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(claimed.rows_affected() == 1)
    }
}

async fn drop_leases(transaction: &mut Transaction, node: &str, now: Moment) -> Result<(), StoreError> {
    // Many leases, in no order: meanwhile nobody charges, and locks others.
    take(transaction, "events", 0).await?;
    let buried = (now - BURY_AFTER).as_micros();
    for sql in [
        "DELETE FROM budget_leases WHERE node = $1 OR node IN (SELECT node FROM budget_nodes WHERE expires_at < $2)",
        "DELETE FROM budget_nodes WHERE node = $1 OR expires_at < $2",
    ] {
        sqlx::query(sql).bind(node).bind(buried).execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn set_terms(
    transaction: &mut Transaction,
    scope: &TenantScope,
    campaign: &Slug,
    version: i64,
    terms: &Terms,
) -> Result<(), StoreError> {
    let goal = terms.goal.map(|goal| i64::try_from(goal).unwrap_or(i64::MAX));
    sqlx::query(
        "UPDATE budgets SET version = $3, budget = $4, goal = $5, price = $6, ending_until = 0 \
         WHERE tenant = $1 AND campaign = $2",
    )
    .bind(scope.as_str())
    .bind(campaign.as_str())
    .bind(version)
    .bind(terms.budget.map(Money::micros))
    .bind(goal)
    .bind(terms.price.micros())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Of columns `budget, goal, price, spent, impressions, unbilled`.
fn book(row: &AnyRow) -> Result<Book, StoreError> {
    let terms = Terms {
        budget: row.try_get::<Option<i64>, _>(0)?.map(Money::from_micros),
        goal: row.try_get::<Option<i64>, _>(1)?.map(unsigned),
        price: Money::from_micros(row.try_get(2)?),
    };
    Ok(Book {
        terms,
        spent: row.try_get(3)?,
        impressions: row.try_get(4)?,
        unbilled: row.try_get(5)?,
        ..Book::default()
    })
}

fn balance(tenant: Slug, campaign: Slug, revision: i64, book: &Book, scarce: bool) -> Balance {
    Balance {
        tenant,
        campaign,
        revision,
        terms: book.terms,
        spent: Money::from_micros(book.spent),
        impressions: unsigned(book.impressions),
        unbilled: unsigned(book.unbilled),
        leased: u32::try_from(book.own.impressions).unwrap_or(u32::MAX),
        lease_price: Money::from_micros(book.own.price),
        scarce,
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn slug(row: &AnyRow, index: usize, column: &'static str) -> Result<Slug, StoreError> {
    let unreadable = |reason| StoreError::Row { table: "budgets", column, reason };
    row.try_get::<&str, _>(index)?.parse().map_err(unreadable)
}
