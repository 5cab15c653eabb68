//! One data type per file.

mod cas_register;
mod list;
mod register;

pub use cas_register::{CasRegister, CasRegisterOp};
pub use list::{List, ListMop, ListOp};
pub(super) use register::is_unparsed_read;
pub use register::{Register, RegisterOp};
