//! How hard a request is: a prompt as numbers, and what is foreseen of each class of model.
//!
//! ```text
//! Prompt ─features→ Features ─feature_transform→ FeatureVector ─scorers→ ClassPredictions
//!        ─calibrate, ladder_prediction→ LadderPrediction: the chances of a ladder
//! ```
//!
//! - [`features`]: a prompt as numbers. [`stem`]: when two questions are the same.
//! - [`scorers`]: features to predictions, one file a scorer. [`class_predictions`]: how likely each class of model is to
//!   suffice, and how familiar the prompt is. [`ladder_prediction`]: what is foreseen for a ladder, shipped or calibrated.
//! - [`kinds`]: which kind of question a prompt is. [`cards`]: what models of the catalogue make of each.
//! - [`score_reasons`]: which features moved a prompt's difficulty most.
//! - [`topics`]: which field a prompt belongs to. [`writing_system`]: which writing it is in.
//! - [`calibrate`]: the shipped scorer adapted to labelled rows. [`certify`]: a threshold whose loss is bounded with known
//!   confidence. [`evaluate`]: how good a ranking is for routing.
//! - What they are made with: [`feature_transform`] (features as the scorers see them), [`ridge`] and [`squares`] (fits),
//!   [`bytes`] (weights as they ship), [`numbers`] (elementary functions with the same bits everywhere), [`random`].

pub mod bytes;
pub mod calibrate;
pub mod cards;
pub mod certify;
pub mod class_predictions;
pub mod evaluate;
pub mod feature_transform;
pub mod features;
pub mod kinds;
pub mod ladder_prediction;
pub mod numbers;
pub mod random;
pub mod ridge;
pub mod score_reasons;
pub mod scorers;
pub mod squares;
pub mod stem;
pub mod topics;
pub mod writing_system;
