//! The proof: an exam whose answers a program judges, sat by real models through a running gateway.
//!
//! - [`exam`]: the questions, and the order in which they are asked.
//! - [`process`]: the gateway as a program of its own, with its log and its processor time.
//! - [`asking`]: one question over the wire, as a stream.
//! - [`answers`]: what was answered, as lines of a file that a run adds to.
//! - [`sitting`]: asks every model every question, and goes on where it was broken off.
//! - [`foresight`], [`replay`]: what the gateway foresees of a question, and what its guard says of a recorded answer.
//! - [`cases`], [`ways`]: what each way of choosing between two models comes to.
//! - [`report`], [`drawing`]: the same as tables and as curves.

pub mod answers;
pub mod asking;
pub mod cases;
pub mod drawing;
pub mod exam;
pub mod foresight;
pub mod judging;
pub mod process;
pub mod replay;
pub mod report;
pub mod sitting;
pub mod ways;
