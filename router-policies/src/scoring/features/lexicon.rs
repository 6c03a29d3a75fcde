//! Words that tell what kind of work is asked for, in English and Chinese.

use std::sync::OnceLock;

use super::cues::{self, Cue};
use super::tokens::{TextToken, TextTokenKind, hash_of, pair};

/// A kind of work, or a trait of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LexiconTopic {
    /// "not", "except", 不正确.
    Negation,
    /// Prove, derive, explain why.
    Reasoning,
    /// How many, how much.
    Amount,
    /// What, which, who, when, where.
    Fact,
    /// If, each, per, twice, remaining.
    Steps,
    /// Must, exactly, at least, without.
    Constraint,
    /// Stories, poems, essays, role play.
    Writing,
    /// Translate, summarise, rewrite, proofread.
    Rewriting,
    /// Greetings, opinions, advice.
    Chat,
    /// Extract, classify, list, table, JSON.
    Extraction,
    /// Programs and their parts.
    Code,
    /// Mathematics.
    Mathematics,
    /// Physics, chemistry, biology, engineering.
    Science,
    /// Law and morals.
    Law,
    /// Medicine and psychology.
    Medicine,
    /// History, politics, economy, business.
    Society,
    /// More than, less than, greater.
    Comparison,
    /// Puzzles: who sits where, truth tellers.
    Puzzle,
}

/// How many topics there are.
pub(super) const TOPICS: usize = 18;

/// How often the words and phrases of each topic and each cue occur.
#[derive(Debug, Default)]
pub(super) struct LexiconCounts {
    pub(super) topics: [u32; TOPICS],
    pub(super) cues: [u32; cues::KINDS],
    /// Cues among the first tokens, a bit each.
    pub(super) opening: u8,
}

/// Counts the words and phrases of topics and cues. What opens the request is what its last turn begins with: that turn
/// begins at the character `last`.
pub(super) fn count(tokens: &[TextToken], last: usize) -> LexiconCounts {
    let lexicon = lexicon();
    let mut counts = LexiconCounts::default();
    let opening = tokens.partition_point(|token| token.at < last);
    let opening = opening..opening + cues::OPENING;
    for (at, token) in tokens.iter().enumerate() {
        let mut hash = token.hash;
        let longest = if token.kind == TextTokenKind::Ideograph { 4 } else { 2 };
        for length in 1..=longest {
            let Some(entry) = lexicon.find(hash) else { break };
            if let Some(topic) = entry.topic {
                counts.topics[topic as usize] += 1;
            }
            if let Some(cue) = entry.cue {
                counts.cues[cue as usize] += 1;
                counts.opening |= u8::from(opening.contains(&at)) << cue as u8;
            }
            let Some(next) = tokens.get(at + length) else { break };
            hash = pair(hash, next.hash);
        }
    }
    counts
}

/// All words and phrases and their beginnings.
struct TopicLexicon {
    /// A bit for each of them by hash, so few that most tokens are settled by one look into 4 KiB.
    hints: Vec<u64>,
    /// At most a third full.
    table: Vec<Option<LexiconEntry>>,
}

/// A word or phrase; without a topic or a cue, only the beginning of one.
#[derive(Clone, Copy)]
struct LexiconEntry {
    hash: u64,
    topic: Option<LexiconTopic>,
    cue: Option<Cue>,
}

impl TopicLexicon {
    const SIZE: usize = 8192;

    fn new() -> Self {
        Self { hints: vec![0; 512], table: vec![None; Self::SIZE] }
    }

    fn find(&self, hash: u64) -> Option<LexiconEntry> {
        let (word, bit) = Self::hint(hash);
        if self.hints[word] & bit == 0 {
            return None;
        }
        let mut at = Self::place(hash);
        while let Some(entry) = self.table[at] {
            if entry.hash == hash {
                return Some(entry);
            }
            at = (at + 1) % Self::SIZE;
        }
        None
    }

    /// The first to claim a hash keeps it, of topics and of cues; a word takes over what was only a beginning.
    fn insert(&mut self, hash: u64, topic: Option<LexiconTopic>, cue: Option<Cue>) {
        let (word, bit) = Self::hint(hash);
        self.hints[word] |= bit;
        let mut at = Self::place(hash);
        while let Some(entry) = &mut self.table[at] {
            if entry.hash == hash {
                entry.topic = entry.topic.or(topic);
                entry.cue = entry.cue.or(cue);
                return;
            }
            at = (at + 1) % Self::SIZE;
        }
        self.table[at] = Some(LexiconEntry { hash, topic, cue });
    }

    /// The word and the bit in it of a hash's hint.
    fn hint(hash: u64) -> (usize, u64) {
        ((hash >> 55) as usize, 1 << (hash >> 49 & 63))
    }

    fn place(hash: u64) -> usize {
        (hash >> 51) as usize
    }
}

fn lexicon() -> &'static TopicLexicon {
    static LEXICON: OnceLock<TopicLexicon> = OnceLock::new();
    LEXICON.get_or_init(|| {
        let mut lexicon = TopicLexicon::new();
        let topics = WORDS.iter().map(|&(topic, words)| (words, Some(topic), None));
        let cues = cues::WORDS.iter().map(|&(cue, words)| (words, None, Some(cue)));
        for (words, topic, cue) in topics.chain(cues) {
            for word in words.split_whitespace() {
                let parts = parts(word);
                for end in 1..=parts.len() {
                    let hash = parts[1..end].iter().fold(parts[0], |hash, part| pair(hash, *part));
                    let whole = end == parts.len();
                    lexicon.insert(hash, topic.filter(|_| whole), cue.filter(|_| whole));
                }
            }
        }
        lexicon
    })
}

/// The hashes of a phrase's tokens: `how_many` has two, a run of Chinese characters as many as characters.
fn parts(phrase: &str) -> Vec<u64> {
    if phrase.is_ascii() {
        phrase.split('_').map(hash_of).collect()
    } else {
        phrase.chars().map(|c| hash_of(c.encode_utf8(&mut [0; 4]))).collect()
    }
}

#[rustfmt::skip]
const WORDS: [(LexiconTopic, &str); TOPICS] = [
    (LexiconTopic::Negation, "not except never cannot neither nor isn incorrect false wrong least unlikely 不是 不属于 不正确 错误 \
        不能 不包括 不符合 除 没有 并非 不可 有误 不当"),
    (LexiconTopic::Reasoning, "prove proof derive deduce explain why justify analyze analyse evaluate compare infer reason reasoning \
        demonstrate critique argue implies conclude conclusion hypothesis therefore step_by strategy tradeoffs design \
        证明 推导 解释 为什么 分析 推断 论证 比较 推理 推出 论述 理由 结论 评价 设计"),
    (LexiconTopic::Amount, "how_many how_much how_long how_far what_percentage total altogether sum average difference 多少 几个 总共 一共 \
        合计 平均 总和"),
    (LexiconTopic::Fact, "what which who whom whose when where name capital 哪 哪个 谁 什么 何时 哪里 哪些 下列"),
    (LexiconTopic::Steps, "if then each every per twice half double triple after before remaining left first next finally times rest \
        another together 如果 那么 每 每个 倍 剩下 首先 然后 最后 若 则 设"),
    (LexiconTopic::Constraint, "must exactly only at_least at_most without ensure should required limit constraint constraints \
        no_more within between following format 必须 至少 至多 只能 不超过 不少于 要求 确保 恰好 以内"),
    (LexiconTopic::Writing, "write story poem essay blog song lyrics novel haiku character roleplay creative fiction tagline slogan \
        speech letter email article scene dialogue limerick 写 故事 诗 作文 文章 小说 歌词 文案 演讲 续写 扮演 剧本"),
    (LexiconTopic::Rewriting, "translate translation summarize summarise summary paraphrase rewrite rephrase proofread shorten grammar \
        tldr simplify edit polish 翻译 总结 概括 改写 润色 摘要 缩写 译成"),
    (LexiconTopic::Chat, "hi hello hey thanks please favorite feel feeling recommend suggestion suggestions advice tips opinion joke \
        fun love hobby 你好 您好 请问 推荐 建议 聊 笑话 喜欢 谢谢"),
    (LexiconTopic::Extraction, "extract classify identify list table json csv xml label category sentiment entities premise passage \
        according_to context 提取 抽取 分类 列出 表格 识别 标签 根据 材料 阅读"),
    (LexiconTopic::Code, "python javascript java rust typescript sql html css code coding function class bug debug compile algorithm api \
        script program implement array string loop variable regex query database server docker linux def return import \
        assert const let var null none int bool git bash react 代码 函数 编程 程序 算法 数组 接口 报错 数据库 脚本 调试"),
    (LexiconTopic::Mathematics, "equation polynomial integral derivative matrix probability triangle circle prime integer integers \
        theorem function_f modulo sqrt frac vector graph angle square radius solve compute calculate evaluate_the \
        coefficient real_number sequence series area volume divided multiplied log sin cos limit_of group ring field \
        方程 函数_f 积分 导数 矩阵 概率 三角形 圆 整数 定理 求 计算 向量 角 数列 面积 体积 最大值 最小值 不等式"),
    (LexiconTopic::Science, "energy force mass velocity acceleration electron atom molecule reaction acid cell protein gene species \
        temperature pressure voltage current circuit wave light field_strength enzyme chemical physics biology chemistry \
        engineering 能量 质量 速度 电子 原子 反应 细胞 基因 温度 压强 电路 电流 化学 物理 生物 溶液 离子"),
    (LexiconTopic::Law, "law legal court contract plaintiff defendant statute crime criminal liable liability constitution moral \
        morally ethics ethical duty jury tort 法律 法院 合同 被告 原告 犯罪 刑法 民法 判决 责任 诉讼 规定 行政"),
    (LexiconTopic::Medicine, "patient disease treatment symptoms clinical drug blood doctor diagnosis therapy psychological therapist \
        infection cancer pain 患者 疾病 治疗 症状 药物 诊断 医生 临床"),
    (LexiconTopic::Society, "war century government president economy market price policy state political society company management \
        money investment history tax trade demand supply business 政府 经济 市场 历史 政治 企业 社会 国家 战争 改革 政策"),
    (LexiconTopic::Comparison, "more_than less_than greater fewer larger smaller older younger higher lower than most longer 大于 小于 \
        多于 少于 超过 更多 更大"),
    (LexiconTopic::Puzzle, "puzzle houses clue clues lies liar tells_the truth sits seated directly_left arrangement riddle logic \
        possible_world knight knave ordering 谜 逻辑 真话 假话 排列 顺序 座位"),
];

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    #[track_caller]
    fn check(text: &str, topic: LexiconTopic, expected: u32) {
        let counts = count(&tokens(&text.chars().collect::<Vec<_>>()), 0).topics;
        assert_eq!(counts[topic as usize], expected, "{text}: {topic:?}");
    }

    #[test]
    fn finds_words_and_phrases_in_both_languages() {
        check("Prove that it holds and explain why", LexiconTopic::Reasoning, 3);
        check("How many apples are left?", LexiconTopic::Amount, 1);
        check("请证明并解释", LexiconTopic::Reasoning, 2);
        check("下列说法不正确的是", LexiconTopic::Negation, 1);
        check("Translate into French: 你好", LexiconTopic::Rewriting, 1);
        check("写一首诗", LexiconTopic::Writing, 2);
        check("how are you", LexiconTopic::Amount, 0);
    }

    #[test]
    fn topics_are_in_the_order_of_their_list() {
        for (at, (topic, _)) in WORDS.iter().enumerate() {
            assert_eq!(*topic as usize, at);
        }
    }
}
