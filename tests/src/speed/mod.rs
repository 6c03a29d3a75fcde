//! What a gateway costs beside a plain reverse proxy: the same requests through nginx and through Xietong, in alternation,
//! the proxies on one core, clients and upstream on another.

pub mod bodies;
pub mod contender;
pub mod drawing;
pub mod load;
pub mod process;
pub mod slow;
pub mod table;
pub mod upstream;
