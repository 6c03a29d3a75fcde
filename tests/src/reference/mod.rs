//! What others see of the gateway: as golden files, which fail a test where a name leaves or comes, and as the pages of
//! `docs/reference`. `make reference` writes both anew.

mod configuration;
pub mod golden;
mod markdown;
pub mod pages;
pub mod queries;
pub mod tables;
