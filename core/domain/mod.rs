//! The words of the product: tenants, channels, campaigns, ads, avails, viewers, events, money and time.
//!
//! Plain values on `std` and `serde`. This module deliberately knows no time source, no I/O and no wire shape:
//! `bundle` reads YAML into it, `store` writes it to tables, `http` renders it.

pub mod ad;
pub mod avail;
pub mod budget;
pub mod campaign;
pub mod channel;
pub mod clock;
pub mod counter;
pub mod event;
pub mod event_id;
pub mod event_type;
pub mod hashed;
pub mod money;
pub mod refusal;
pub mod rule;
pub mod slug;
pub mod tenant;
pub mod text;
pub mod time;
pub mod viewer;

pub use ad::{Ad, AdRule, AdType, Creative, ImageCreative, RuleOperator, RuleType, RuleValue};
pub use avail::{Avail, AvailId, AvailKind, Position};
pub use budget::{ALERTS, CampaignLimits, Terms};
pub use campaign::{Campaign, CampaignStatus, CapPeriod, FrequencyCap, Pacing};
pub use channel::{AdServer, Beaconing, Channel, DemandOrder, ExtensionRef, MarkerPolicy, MidBreakJoin, PreRoll};
pub use clock::{Clock, SystemClock};
pub use counter::{Counted, CounterError, CounterGrant, CounterName, CounterPeriod, CounterSubject};
pub use event::{Attribution, Entity, Event, More};
pub use event_id::{EVENT_ID_CHARS, EventId};
pub use event_type::{CountedBy, CustomType, EventType, MAX_CUSTOM_TYPE, Traffic};
pub use hashed::Hashed;
pub use money::Money;
pub use refusal::{MAX_POINTER_BYTES, Refusal, RefusalError};
pub use rule::{BitSet, Condition, RuleError, RulePart};
pub use slug::Slug;
pub use tenant::{
    AddressPolicy, ExtensionUse, OnError, Privacy, ReportTime, Status, Tenant, TenantManifest, Trial, TrialMode,
};
pub use text::Text;
pub use time::{Moment, Span};
pub use viewer::{DeviceType, Viewer};
