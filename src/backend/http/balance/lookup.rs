//! The addresses of names, looked up again when their time to live is over.
//!
//! /etc/hosts comes first; then the name servers of /etc/resolv.conf, or the one that `resolver` names, are asked for A, AAAA
//! or SRV records. What they do not know, the system's own look-up may still find (mDNS, LDAP): without a time to live. When a
//! look-up fails, the addresses of the last one stay, and it is tried again soon, then less and less often.
//!
//! What a name server says is bounded: so many addresses, and no shorter or longer time to live.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{IntoName as _, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use tokio::time::Instant;

use super::entry::{Entry, Location, Target};
use super::group::Group;
use crate::backend::http::server::Server;

/// The most addresses that a name may have.
const MOST: usize = 64;

/// A name is looked up again after at least, and at most, so long: a time to live of 0 must not keep us busy, and a change of
/// /etc/hosts or /etc/resolv.conf should not need a reload.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);

/// A look-up that failed is tried again after [`SOONEST`], then twice as long, up to this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
enum LookupError {
    #[error("the name servers have no answer")]
    Servers(#[source] NetError),
    #[error("neither name servers nor the system know it")]
    System(#[source] io::Error),
    #[error("it has no addresses")]
    None,
}

/// What a look-up has found, and how long it holds.
struct Found {
    targets: Vec<Target>,
    holds: Duration,
}

/// Whom to ask, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) server: Option<SocketAddr>,
    /// The name of the application, for the log.
    pub(super) application: Arc<str>,
}

/// Looks an entry up again and again.
pub(super) async fn follow(names: Names, entry: Entry, group: Arc<Group>, at: usize) {
    let (name, application) = (entry.location.to_string(), &*names.application);
    let mut told = String::new();
    let mut failed = 0;
    loop {
        let wait = match names.look_up(&entry).await {
            Ok(found) => {
                let listed = list(&found.targets);
                if listed != told {
                    tracing::info!(application, name, servers = listed, "a name was looked up");
                    told = listed;
                }
                group.replace(at, &found.targets);
                failed = 0;
                found.holds.clamp(SOONEST, LATEST)
            }
            Err(error) => {
                let error = vestibule_layers::rescue::chain(&error);
                if failed == 0 {
                    tracing::warn!(
                        application,
                        name,
                        "failed to look a name up; what it had before stays: {error}"
                    );
                }
                group.give_up(at);
                failed += 1;
                SOONEST.saturating_mul(1 << (failed - 1).min(6)).min(PATIENCE)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

fn list(targets: &[Target]) -> String {
    let mut listed = String::new();
    for target in targets {
        let backup = if target.backup { " (backup)" } else { "" };
        let comma = if listed.is_empty() { "" } else { ", " };
        let _ = write!(listed, "{comma}{}{backup}", target.server);
    }
    listed
}

impl Names {
    async fn look_up(&self, entry: &Entry) -> Result<Found, LookupError> {
        match &entry.location {
            Location::Server(server) => {
                let (targets, holds) = self.targets(entry, server).await?;
                Ok(Found { targets, holds })
            }
            Location::Service(name) => self.service(entry, name).await,
        }
    }

    async fn targets(&self, entry: &Entry, server: &Server) -> Result<(Vec<Target>, Duration), LookupError> {
        let Some((host, port)) = server.name() else {
            return Ok((vec![entry.target(server.clone())], LATEST));
        };
        let (mut addresses, holds) = self.addresses(host).await?;
        // Name servers turn the list at each answer: cores and workers should agree about its order.
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(LookupError::None);
        }
        let targets = addresses.into_iter().take(MOST);
        let targets = targets.map(|address| entry.target(server.at(SocketAddr::new(address, port))));
        Ok((targets.collect(), holds))
    }

    /// RFC 2782: the servers of the lowest priority serve, the others are for when they do not.
    async fn service(&self, entry: &Entry, name: &str) -> Result<Found, LookupError> {
        let resolver = self.resolver().await.map_err(LookupError::Servers)?;
        let answer = resolver.srv_lookup(name).await.map_err(LookupError::Servers)?;
        let mut holds = left(answer.valid_until());
        let mut records: Vec<&SRV> =
            answer.answers().iter().filter_map(|record| service(&record.data)).collect();
        records.sort_unstable_by_key(|record| (record.priority, record.port));
        records.truncate(MOST);
        let first = records.first().map_or(0, |record| record.priority);
        let mut targets: Vec<Target> = Vec::new();
        let mut failure = LookupError::None;
        for record in records {
            let host = record.target.to_utf8();
            // `.` says that there is no such service; what is no host name leads nowhere.
            let Ok(server) = format!("{}:{}", host.trim_end_matches('.'), record.port).parse() else {
                continue;
            };
            match self.targets(entry, &server).await {
                Ok((found, hold)) => {
                    holds = holds.min(hold);
                    targets.extend(found.into_iter().map(|target| Target {
                        weight: u32::from(record.weight).max(1),
                        backup: target.backup || record.priority > first,
                        ..target
                    }));
                }
                Err(error) => failure = error,
            }
        }
        targets.truncate(MOST);
        if targets.is_empty() { Err(failure) } else { Ok(Found { targets, holds }) }
    }

    /// The addresses of a host, and how long they hold.
    async fn addresses(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), LookupError> {
        if let Some(addresses) = in_hosts(host).await {
            return Ok((addresses, LATEST));
        }
        let asked = async { self.resolver().await?.lookup_ip(host).await };
        match asked.await {
            Ok(answer) => Ok((answer.iter().collect(), left(answer.valid_until()))),
            Err(error) if self.server.is_some() => Err(LookupError::Servers(error)),
            Err(_) => {
                let found = tokio::net::lookup_host((host, 0)).await.map_err(LookupError::System)?;
                Ok((found.map(|address| address.ip()).collect(), LATEST))
            }
        }
    }

    /// Made for each look-up, for it reads files that may change.
    async fn resolver(&self) -> Result<TokioResolver, NetError> {
        let server = self.server;
        let made = tokio::task::spawn_blocking(move || {
            let mut builder = match server {
                None => TokioResolver::builder_tokio()?,
                Some(server) => {
                    TokioResolver::builder_with_config(only(server), TokioRuntimeProvider::default())
                }
            };
            let options = builder.options_mut();
            options.cache_size = 0;
            options.use_hosts_file = ResolveHosts::Never;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            builder.build()
        });
        made.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked).into()))
    }
}

/// A configuration with one name server.
fn only(server: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, connections.into())])
}

/// What /etc/hosts says of a name. Nobody else is asked about one that it holds, not for the other kind of address either.
async fn in_hosts(host: &str) -> Option<Vec<IpAddr>> {
    let name = host.into_name().ok()?;
    let read = tokio::task::spawn_blocking(move || {
        let hosts = Hosts::from_system().ok()?;
        let of = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind));
        let found = [of(RecordType::A), of(RecordType::AAAA)].into_iter().flatten();
        let addresses = found.flat_map(|lookup| lookup.answers().to_vec());
        Some(addresses.filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
    });
    read.await.ok()?.filter(|addresses| !addresses.is_empty())
}

fn service(data: &RData) -> Option<&SRV> {
    if let RData::SRV(record) = data { Some(record) } else { None }
}

fn left(until: std::time::Instant) -> Duration {
    until.saturating_duration_since(Instant::now().into_std())
}
