//! What backends that forward to other processes have in common.

pub(super) mod address;
pub(super) mod deadline;
