//! What tells people at a glance that a request is work or a trifle: the task that it names, the thing that is to be
//! made, what is required of it; or a greeting, a common fact, a simple job.
//!
//! They are apart from the readable features, because the shipped weights and calibrations are fitted on those sixty.

use std::sync::LazyLock;

use crate::scoring::numbers::ln;

/// How many cues there are.
pub const CUES: usize = 11;

/// Their names, in order.
pub const CUE_NAMES: [&str; CUES] = [
    "tasks",
    "artefacts",
    "requirements",
    "courtesies",
    "fact_questions",
    "common_facts",
    "simple_jobs",
    "opens_with_task",
    "opens_with_question",
    "opens_with_courtesy",
    "opens_with_simple_job",
];

/// What a word or phrase is a cue for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    /// Work that takes thought: design, migrate, prove, 起草.
    Task,
    /// A large thing to make or to change: a compiler, a contract, 系统.
    Artefact,
    /// What makes work longer: edge cases, rollbacks, 一致性.
    Requirement,
    /// A greeting, thanks, a word of small talk.
    Courtesy,
    /// How a question for one fact is put: who wrote, 是什么.
    FactQuestion,
    /// What such questions ask for: a capital, a colour, 反义词.
    CommonFact,
    /// A job done in a line: translate, spell, extract, 造句.
    SimpleJob,
}

/// How many kinds of cue there are.
pub(super) const KINDS: usize = 7;
/// A word among so many first tokens opens the request.
pub(super) const OPENING: usize = 4;
/// More words of a kind than this say no more.
const ENOUGH: usize = 6;

/// The cues by the counts of their words, and by the kinds of cue among the first tokens, a bit each. Counts as ln(1 + n), n at
/// most [`ENOUGH`]; the rest 0 or 1.
pub(super) fn cues(counts: &[u32; KINDS], opening: u8) -> [f32; CUES] {
    static LOGS: LazyLock<[f32; ENOUGH + 1]> =
        LazyLock::new(|| std::array::from_fn(|n| ln(1.0 + n as f64) as f32));
    let opens = |cue: Cue| f32::from(u8::from(opening & (1 << cue as u8) != 0));
    let openings = [Cue::Task, Cue::FactQuestion, Cue::Courtesy, Cue::SimpleJob].map(opens);
    std::array::from_fn(|at| match counts.get(at) {
        Some(count) => LOGS[(*count as usize).min(ENOUGH)],
        None => openings[at - KINDS],
    })
}

#[rustfmt::skip]
pub(super) const WORDS: [(Cue, &str); KINDS] = [
    (Cue::Task, "design redesign architect implement implementing implementation build building develop developing construct \
        migrate migrating migration refactor refactoring port optimize optimise optimizing debug debugging diagnose investigate \
        troubleshoot engineer audit prove proof disprove derive derivation formalize formalise verify draft plan planning \
        negotiate analyze analyse analysis evaluate assess compare contrast critique argue justify simulate deploy determine \
        establish show_that integrate automate review research devise formulate propose synthesize orchestrate parallelize \
        vectorize profile benchmark overhaul modernize harden work_out work_through root_cause explain_why patch create \
        set_up restructure forecast estimate_the rewrite_the clone find_out find_why \
        设计 架构 实现 开发 构建 搭建 迁移 重构 移植 优化 调试 排查 定位 诊断 逆向 审计 审查 审阅 审核 证明 推导 论证 求证 验证 规划 \
        制定 起草 草拟 撰写 编写 拟定 分析 剖析 评估 评价 比较 对比 论述 阐述 评述 建模 仿真 部署 修复 构造 研究 制订 测算 策划 \
        讨论 求解 建立 改造 整合 集成 复现 梳理 解决"),
    (Cue::Artefact, "compiler interpreter parser lexer kernel scheduler database databases engine architecture protocol pipeline \
        pipelines cluster clusters framework library application app website platform service services microservice microservices \
        monolith repository repo codebase code_base pull_request contract agreement nda lease clause clauses licence policy \
        strategy roadmap proposal thesis dissertation literature_review report curriculum syllabus business_plan financial_model \
        clinical_trial experiment experiments theorem lemma conjecture algorithm algorithms schema data_structure allocator \
        collector emulator simulator operating_system driver firmware module modules system systems infrastructure backend \
        frontend api sdk plugin crawler renderer shader workflow motion memorandum whitepaper specification manual treaty patent \
        screenplay novel virtual_machine rate_limiter state_machine smart_contract neural_network test_suite threat_model \
        编译器 解释器 解析器 内核 调度器 数据库 引擎 系统 协议 流水线 集群 框架 平台 应用程序 服务 微服务 仓库 代码库 合同 \
        条款 方案 战略 策略 综述 报告 论文 申请书 意见书 计划 预案 模型 算法 定理 起诉状 答辩状 章程 制度 标书 白皮书 教案 剧本 \
        小说 实验 试验 网关 中间件 虚拟机 驱动 小程序 网站 爬虫 后台 前端 后端 模块"),
    (Cue::Requirement, "must including include includes support supports supporting without handle handles edge_cases edge_case \
        trade_offs tradeoffs risks risk rollback rollbacks consistent consistency concurrency concurrent concurrently distributed \
        tolerant tolerance failover scalable latency throughput availability production secure security compliance compliant \
        gdpr hipaa comprehensive complete detailed entire whole across every scratch tests regression bound bounds worst_case \
        complexity invariant invariants guarantee guarantees rigorous rigorously formally assumptions recommendations \
        alternatives justification mitigations constraints causes deadlock deadlocks lock replication sharding crash recovery \
        weeks months pages billion compatible compatibility downtime root_cause step_by semantics failure failures load reasons \
        包括 包含 涵盖 支持 要求 保证 确保 处理 考虑 给出 说明 以及 兼容 权衡 风险 故障 一致性 并发 高可用 容错 完整 详细 逐条 逐一 \
        逐项 回滚 测试 步骤 复杂度 上界 边界 性能 安全 合规 可扩展 严格 严谨 全面 深入 不少于 结合 理由 依据 原因 恢复 崩溃 \
        生产环境 线上 延迟 吞吐 百万 千万 分布式 必须 并且 不超过"),
    (Cue::Courtesy, "hi hello hey thanks thank thx bye goodbye good_morning good_night good_evening good_afternoon how_are ok okay \
        lol haha welcome sorry congratulations congrats cheers nice_to see_you yes no yeah \
        你好 您好 早上好 早安 晚上好 晚安 下午好 谢谢 多谢 感谢 再见 拜拜 好的 哈哈 嗯 在吗 辛苦 明天见 不客气 对不起 早啊"),
    (Cue::FactQuestion, "what_is what_are who_is who_was who_wrote who_painted who_invented who_discovered when_did when_was \
        where_is which_city which_country which_planet how_many how_old how_tall how_far is_a is_the is_it do_you are_you what_color \
        what_colour what_year what_day what_time what_language whats who when where name_the name_three name_a how_do what_does \
        是什么 是谁 多少 几 哪里 哪个 哪一 哪座 哪国 哪年 什么时候 怎么说 怎么读 等于 吗 谁写 叫什么 多高 多大 多长 多远 是不是 \
        什么意思"),
    (Cue::CommonFact, "capital colour color currency continent planet president author painter symbol population birthday animal \
        synonym synonyms antonym opposite plural flag anthem tallest smallest longest highest fastest moon sun legs days letters \
        vowels fruit fruits country city language year song weather \
        首都 颜色 货币 作者 反义词 近义词 同义词 符号 化学式 人口 国旗 生日 最高 最长 星期 月份 季节 省会 朝代 拼音 部首 笔画 行星 \
        大洲 山峰 国庆节 节日 水果 天气 太阳 城市"),
    (Cue::SimpleJob, "translate translation extract spell uppercase lowercase capitalize sort alphabetically alphabetical typo typos \
        spelling convert count recommend suggest joke haiku limerick riddle summarize summarise one_sentence shorten rephrase \
        paraphrase classify sentiment spam positive negative greeting caption tweet round rhyme rhymes fun_fact fix_the correct_the \
        翻译 译成 提取 改错 错别字 大写 小写 排序 换算 推荐 笑话 造句 造个 概括 一句话 情感 正面 负面 改写 祝福 谜语 儿歌 口号 列举 \
        说出 拼写 缩短 标点 用英语 用日语"),
];

#[cfg(test)]
mod tests {
    use super::super::{Features, Prompt};
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, expected: f32) {
        let at = CUE_NAMES.iter().position(|found| *found == name).expect("a cue");
        let value = Features::of(&Prompt::from_text(text)).cues[at];
        assert!((value - expected).abs() < 1e-6, "{text:?}: {name} is {value}, not {expected}");
    }

    fn log(count: u8) -> f32 {
        f32::from(1 + count).ln()
    }

    #[test]
    fn cues_say_what_they_are_named_for() {
        check("Write a compiler and a parser", "artefacts", log(2));
        check("请设计一个分布式系统", "tasks", log(1));
        check("请设计一个分布式系统", "opens_with_task", 1.0);
        check("I once saw somebody design a boat", "opens_with_task", 0.0);
        check("Who wrote Hamlet?", "opens_with_question", 1.0);
        check("法国的首都是哪里？", "common_facts", log(1));
        check("Thanks!", "opens_with_courtesy", 1.0);
        check("Translate: cheese", "opens_with_simple_job", 1.0);
        check(&"design ".repeat(100), "tasks", log(6));
        check("", "tasks", 0.0);
    }
}
