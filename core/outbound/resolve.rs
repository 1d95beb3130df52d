//! Name resolution under guard: the connection is made to an address that was checked here, so a name that answers
//! differently the second time (DNS rebinding) gains nothing.
//!
//! Knows neither URLs nor ports: names that the operator opened go through a client whose resolver does not filter.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{address::is_public, allow::AllowList};

/// Where addresses come from; tests hand in their own.
pub(super) trait Lookup: Send + Sync {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The machine's resolver.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|socket| socket.ip()).collect())
        })
    }
}

/// Every address of a name was refused.
#[derive(Debug, thiserror::Error)]
#[error("{name} resolves to {address}, which is not public")]
pub(super) struct AddressRefused {
    pub name: String,
    pub address: IpAddr,
}

/// The name is unknown, or the resolver failed.
#[derive(Debug, thiserror::Error)]
#[error("{name} does not resolve: {reason}")]
pub(super) struct NameUnknown {
    pub name: String,
    pub reason: String,
}

pub(super) struct GuardedResolver {
    pub lookup: Arc<dyn Lookup>,
    /// Networks allowed beside public ones; `None` lets every address through.
    pub guard: Option<Arc<AllowList>>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let (answer, guard) = (self.lookup.lookup(name.clone()), self.guard.clone());
        Box::pin(async move {
            let found = match answer.await {
                Ok(found) if !found.is_empty() => found,
                Ok(_) => return Err(NameUnknown { name, reason: "no address".into() }.into()),
                Err(error) => return Err(NameUnknown { name, reason: error.to_string() }.into()),
            };
            let passes = |address: &IpAddr| {
                guard.as_ref().is_none_or(|allowed| is_public(*address) || allowed.contains(*address))
            };
            let checked: Vec<SocketAddr> =
                found.iter().filter(|address| passes(address)).map(|address| SocketAddr::new(*address, 0)).collect();
            match (checked.is_empty(), found.first()) {
                (true, Some(address)) => Err(AddressRefused { name, address: *address }.into()),
                _ => Ok(Box::new(checked.into_iter()) as Addrs),
            }
        })
    }
}
