//! The layer around small services, as a client and a service see it.

mod answers;
mod exchange;
mod failures;
mod requests;
