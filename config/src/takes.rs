//! What a model takes of a request, and what becomes of the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What becomes of something in a request that a model is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// The model takes it as it is.
    #[default]
    Taken,
    /// It is told in another form that says the same.
    Altered,
    /// It is left out, and named in `x-xietong-left-out`.
    LeftOut,
    /// The model is not asked; a client that named it gets an error that names the field.
    Refused,
}

impl Treatment {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Altered => "altered",
            Self::LeftOut => "left_out",
            Self::Refused => "refused",
        }
    }
}

use Treatment::{Altered, LeftOut, Refused};

macro_rules! request_features {
    ($($(#[doc = $doc:literal])+ $variant:ident $key:ident $treatments:expr;)+) => {
        /// Something that requests may have and not every model takes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RequestFeature {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl RequestFeature {
            /// All of them, in the order of their definition.
            pub const ALL: [Self; [$(stringify!($key)),+].len()] = [$(Self::$variant),+];

            /// Its key.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => stringify!($key),)+ }
            }

            /// What it is, and how it is altered where that can be.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What can become of it, beside being taken.
            pub fn treatments(self) -> &'static [Treatment] {
                match self { $(Self::$variant => &$treatments,)+ }
            }
        }

        /// What a model takes of a request, where that differs from what is known of its provider and family.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(transform = narrow)]
        pub(crate) struct TakesFile {
            $($(#[doc = $doc])+
            #[serde(skip_serializing_if = "Option::is_none")]
            pub(crate) $key: Option<Treatment>,)+
            /// The most texts that `stop` may have; a request with more is refused. Default: any number.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(range(max = 16))]
            pub(crate) most_stops: Option<u8>,
            /// The types of pictures that may be sent as data; a request with another one is refused. Default: all.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub(crate) picture_types: Option<Vec<PictureType>>,
            /// What the id of a tool's call may look like; another is put into this form. Default `any`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub(crate) tool_ids: Option<ToolIdForm>,
        }

        impl TakesFile {
            pub(crate) fn treatments(&self) -> [(RequestFeature, Option<Treatment>); RequestFeature::ALL.len()] {
                [$((RequestFeature::$variant, self.$key)),+]
            }
        }
    };
}

/// Offers for each key what can become of it alone, and not every treatment.
fn narrow(schema: &mut schemars::Schema) {
    for feature in RequestFeature::ALL {
        let Some(key) = schema.pointer_mut(&format!("/properties/{}", feature.word())) else { continue };
        let words: Vec<_> =
            [Treatment::Taken].iter().chain(feature.treatments()).map(|it| it.word()).collect();
        *key = json!({ "type": "string", "enum": words, "description": feature.about() });
    }
}

request_features! {
    /// `temperature` other than 1.
    Temperature temperature [LeftOut, Refused];
    /// `top_p` other than 1.
    TopP top_p [LeftOut, Refused];
    /// `top_k`.
    TopK top_k [LeftOut, Refused];
    /// `min_p` other than 0.
    MinP min_p [LeftOut, Refused];
    /// `presence_penalty` other than 0.
    PresencePenalty presence_penalty [LeftOut, Refused];
    /// `frequency_penalty` other than 0.
    FrequencyPenalty frequency_penalty [LeftOut, Refused];
    /// `repetition_penalty` other than 1.
    RepetitionPenalty repetition_penalty [LeftOut, Refused];
    /// `seed`.
    Seed seed [LeftOut, Refused];
    /// `logit_bias`.
    LogitBias logit_bias [LeftOut, Refused];
    /// `logprobs` with `top_logprobs`.
    Logprobs logprobs [LeftOut, Refused];
    /// `n` above 1.
    SeveralAnswers several_answers [Refused];
    /// `temperature` together with `top_p`; the second is what is left out.
    TemperatureWithTopP temperature_with_top_p [LeftOut, Refused];
    /// `temperature`, `top_p` or `top_k` of a request that asks the model to think.
    SamplingWithThinking sampling_with_thinking [LeftOut, Refused];
    /// `reasoning_effort`.
    ReasoningEffort reasoning_effort [LeftOut, Refused];
    /// A request not to think; left out, the model thinks as it would without it.
    ThinkingOff thinking_off [LeftOut, Refused];
    /// Words for how hard to think; altered, it is told a number of tokens.
    EffortWords effort_words [Altered];
    /// A number of tokens to think in, as a client of Anthropic's API may write it; altered, it is a word for how hard to think.
    ThinkingBudget thinking_budget [Altered];
    /// `tool_choice` that requires a call, of any tool or of one; altered, the model is asked not to think.
    ForcedTools forced_tools [Altered, Refused];
    /// `tool_choice` that names a tool.
    NamedTool named_tool [Refused];
    /// `tool_choice` that requires a call of a model that is asked to think; altered, it is asked not to think.
    ForcedToolsWithThinking forced_tools_with_thinking [Altered, Refused];
    /// `parallel_tool_calls`.
    ParallelToolCalls parallel_tool_calls [LeftOut, Refused];
    /// An empty list of tools; altered, there is none, and no `tool_choice`.
    EmptyTools empty_tools [Altered];
    /// A tool whose parameters are an object without `properties`; altered, there are none of them.
    OpenObjects open_objects [Altered];
    /// `response_format` with the type `json_object`.
    JsonObject json_object [Refused];
    /// `response_format` with a JSON schema.
    JsonSchema json_schema [Refused];
    /// An answer in JSON together with tools.
    JsonWithTools json_with_tools [Refused];
    /// The role `developer`; altered, it is `system`.
    DeveloperRole developer_role [Altered];
    /// System messages one after the other at the beginning; altered, they are one.
    SeveralSystems several_systems [Altered];
    /// System messages after the beginning; altered, they are sent as user messages.
    LaterSystem later_system [Altered];
    /// User or assistant messages of white space only.
    BlankTexts blank_texts [LeftOut];
    /// `stop`.
    Stop stop [Refused];
    /// Texts of `stop` that are nothing but white space.
    BlankStops blank_stops [Refused];
    /// Pictures by an address that the provider would have to fetch.
    PictureUrls picture_urls [Refused];
}

/// A type of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PictureType {
    /// `image/png`.
    Png,
    /// `image/jpeg`.
    Jpeg,
    /// `image/gif`.
    Gif,
    /// `image/webp`.
    Webp,
    /// `image/heic` and `image/heif`.
    Heic,
    /// `image/bmp`.
    Bmp,
    /// `image/tiff`.
    Tiff,
}

impl PictureType {
    /// What a type after `image/` is; `None`: unheard of.
    pub fn of(subtype: &str) -> Option<Self> {
        Some(match subtype.to_ascii_lowercase().as_str() {
            "png" => Self::Png,
            "jpeg" | "jpg" => Self::Jpeg,
            "gif" => Self::Gif,
            "webp" => Self::Webp,
            "heic" | "heif" => Self::Heic,
            "bmp" => Self::Bmp,
            "tiff" => Self::Tiff,
            _ => return None,
        })
    }
}

/// What the id of a tool's call may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolIdForm {
    /// Anything.
    #[default]
    Any,
    /// Up to 64 letters, digits, `_` and `-`.
    Plain,
    /// Up to 40 characters.
    Short,
    /// Nine letters and digits.
    Nine,
}

/// Some of what requests may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeatureSet(u64);

impl FeatureSet {
    /// This one alone.
    pub const fn only(feature: RequestFeature) -> Self {
        Self(1 << feature as u8)
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, feature: RequestFeature) -> Self {
        Self(self.0 | Self::only(feature).0)
    }

    /// Those of either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Adds one, or takes it away.
    pub fn set(&mut self, feature: RequestFeature, there: bool) {
        self.0 = self.0 & !Self::only(feature).0 | if there { Self::only(feature).0 } else { 0 };
    }

    /// Adds one.
    pub fn insert(&mut self, feature: RequestFeature) {
        *self = self.with(feature);
    }

    /// Whether this one is among them.
    pub const fn has(self, feature: RequestFeature) -> bool {
        self.0 & Self::only(feature).0 != 0
    }

    /// Those of both.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What one model takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelTakes {
    altered: FeatureSet,
    left_out: FeatureSet,
    refused: FeatureSet,
    /// The most texts that `stop` may have; `None`: any number.
    pub most_stops: Option<u8>,
    /// The types of pictures that may be sent as data; `None`: all.
    pub picture_types: Option<Vec<PictureType>>,
    /// What the id of a tool's call may look like.
    pub tool_ids: ToolIdForm,
    heeded: FeatureSet,
    /// What is taken because the entry of the model says so.
    granted: FeatureSet,
}

impl ModelTakes {
    /// What becomes of this.
    pub fn of(&self, feature: RequestFeature) -> Treatment {
        match feature {
            _ if self.altered.has(feature) => Altered,
            _ if self.left_out.has(feature) => LeftOut,
            _ if self.refused.has(feature) => Refused,
            _ => Treatment::Taken,
        }
    }

    /// What a request has to be looked at for: all that is not taken as it is.
    pub fn heeded(&self) -> FeatureSet {
        self.heeded
    }

    /// By key, what is not taken as it is, and what is only because the model's entry says so.
    pub fn shown(&self) -> TakesShown {
        let told = self.altered.and(self.left_out).and(self.refused).and(self.granted);
        let told = RequestFeature::ALL.into_iter().filter(|it| told.has(*it));
        let mut shown: TakesShown = told.map(|it| (it.word(), json!(self.of(it)))).collect();
        shown.extend(self.most_stops.map(|most| ("most_stops", json!(most))));
        shown.extend(self.picture_types.as_ref().map(|list| ("picture_types", json!(list))));
        shown.extend((self.tool_ids != ToolIdForm::Any).then(|| ("tool_ids", json!(self.tool_ids))));
        shown
    }

    /// What the entry of a model says of it, over what is known.
    pub(crate) fn overridden(mut self, own: &TakesFile) -> Self {
        let granted = own.treatments().into_iter().filter(|(_, it)| *it == Some(Treatment::Taken));
        granted.for_each(|(feature, _)| self.granted.insert(feature));
        self.join(own);
        self
    }

    /// Changes it to what a row or a file says.
    pub(crate) fn join(&mut self, file: &TakesFile) {
        for (feature, treatment) in file.treatments() {
            let Some(treatment) = treatment else { continue };
            for (set, its) in
                [(&mut self.altered, Altered), (&mut self.left_out, LeftOut), (&mut self.refused, Refused)]
            {
                set.set(feature, its == treatment);
            }
        }
        self.most_stops = file.most_stops.or(self.most_stops);
        self.picture_types = file.picture_types.clone().or_else(|| self.picture_types.take());
        self.tool_ids = file.tool_ids.unwrap_or(self.tool_ids);
        self.heeded = self.altered.and(self.left_out).and(self.refused);
        let counted = [
            (self.most_stops.is_some(), RequestFeature::Stop),
            (self.picture_types.is_some(), RequestFeature::PictureUrls),
        ];
        counted.iter().filter(|(is, _)| *is).for_each(|(_, feature)| self.heeded.insert(*feature));
    }
}

/// Keys of `takes` with their values, as they are shown.
pub type TakesShown = Vec<(&'static str, Value)>;
