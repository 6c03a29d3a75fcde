//! Questions whose answers are known: sums, facts and word problems of our own, and grade-school problems (GSM8K) where
//! the labelled data is at hand. And some without an answer, to learn from how long what is said to them is.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use router_policies::answers::FinalAnswer;
use router_policies::scoring::random::SplitMix64;
use serde_json::Value;

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which kind it is of.
    pub kind: &'static str,
    /// Its name within the kind.
    pub id: String,
    /// What is asked.
    pub prompt: String,
    /// A number, or words that the answer has in it; `None`: no answer is right or wrong.
    pub answer: Option<String>,
    /// How good a large model's answer is, 0..=1: a label where there is one, else taken to be right.
    pub large: f64,
}

impl Question {
    /// Whether an answer is right.
    pub fn is_answered_by(&self, text: &str) -> Option<bool> {
        let answer = self.answer.as_deref()?;
        if answer.parse::<f64>().is_err() {
            return Some(text.to_lowercase().contains(&answer.to_lowercase()));
        }
        let expected = FinalAnswer::Number(answer.to_owned());
        Some(FinalAnswer::of(text) == expected || FinalAnswer::of(&last_number(text)) == expected)
    }
}

/// What a text's last number is written as.
fn last_number(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let Some(end) = text.iter().rposition(char::is_ascii_digit) else { return String::new() };
    let inside = |it: &char| it.is_ascii_digit() || matches!(it, '.' | ',');
    let begin = text[..=end].iter().rposition(|it| !inside(it)).map_or(0, |before| before + 1);
    text[begin..=end].iter().filter(|it| **it != ',').collect()
}

/// All of our own, in a fixed order.
pub fn own() -> Vec<Question> {
    let mut all = sums();
    all.extend(sums_in_words());
    all.extend(facts());
    all.extend(problems());
    all.extend(open());
    all
}

/// No more of each kind than so many, as far apart as can be.
pub fn spread(all: Vec<Question>, most: usize) -> Vec<Question> {
    let mut of_kind: BTreeMap<&str, usize> = BTreeMap::new();
    all.iter().for_each(|it| *of_kind.entry(it.kind).or_default() += 1);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut takes = |it: &Question| {
        let (at, count) = (seen.entry(it.kind).or_default(), of_kind[it.kind].max(1));
        *at += 1;
        let up_to = |at: usize| at * most.min(count) / count;
        up_to(*at) > up_to(*at - 1)
    };
    all.into_iter().filter(|it| takes(it)).collect()
}

/// Sums from easy to hard, half of them asked in Chinese.
pub fn sums() -> Vec<Question> {
    let mut all = Vec::new();
    for (at, size) in [3, 7, 12, 25, 60, 140, 350, 900, 2500, 9000].into_iter().enumerate() {
        for step in 0..8_u64 {
            let (one, other) = (size + 3 * step, size / 2 + 7 * step + at as u64);
            let (sign, result) =
                if step.is_multiple_of(2) { ("+", one + other) } else { ("×", one * other) };
            let (prompt, kind) = match step % 4 {
                0 | 1 => {
                    (format!("What is {one} {sign} {other}? Answer with the number only."), "sums, English")
                }
                _ => (format!("{one} {sign} {other} 等于多少？只回答数字。"), "sums, Chinese"),
            };
            all.push(known(kind, all.len(), prompt, result.to_string()));
        }
    }
    all
}

/// Sums whose answer may have words around it.
fn sums_in_words() -> Vec<Question> {
    let mut draws = SplitMix64(11);
    let ask = |at: usize| {
        let most = [10, 30, 100, 400, 2000][at % 5];
        let (one, other) = (2 + draws.below(most) as u64, 2 + draws.below(most) as u64);
        let (prompt, result) = match at % 3 {
            0 => (format!("What is {one} plus {other}?"), one + other),
            1 => (format!("What is {one} times {other}?"), one * other),
            _ => (format!("Add up {one}, {other} and {}.", one + 1), 2 * one + other + 1),
        };
        known("sums in words", at, prompt, result.to_string())
    };
    (0..40).map(ask).collect()
}

/// Capitals from well known to hardly known, in English and Chinese.
const CAPITALS: [(&str, &str, &str, &str); 28] = [
    ("France", "Paris", "法国", "巴黎"),
    ("Japan", "Tokyo", "日本", "东京"),
    ("Italy", "Rome", "意大利", "罗马"),
    ("Canada", "Ottawa", "加拿大", "渥太华"),
    ("Australia", "Canberra", "澳大利亚", "堪培拉"),
    ("Turkey", "Ankara", "土耳其", "安卡拉"),
    ("Brazil", "Brasília", "巴西", "巴西利亚"),
    ("Egypt", "Cairo", "埃及", "开罗"),
    ("Norway", "Oslo", "挪威", "奥斯陆"),
    ("Switzerland", "Bern", "瑞士", "伯尔尼"),
    ("Kenya", "Nairobi", "肯尼亚", "内罗毕"),
    ("Peru", "Lima", "秘鲁", "利马"),
    ("Morocco", "Rabat", "摩洛哥", "拉巴特"),
    ("Kazakhstan", "Astana", "哈萨克斯坦", "阿斯塔纳"),
    ("Myanmar", "Naypyidaw", "缅甸", "内比都"),
    ("Bhutan", "Thimphu", "不丹", "廷布"),
    ("Burkina Faso", "Ouagadougou", "布基纳法索", "瓦加杜古"),
    ("Suriname", "Paramaribo", "苏里南", "帕拉马里博"),
    ("Kyrgyzstan", "Bishkek", "吉尔吉斯斯坦", "比什凯克"),
    ("Slovenia", "Ljubljana", "斯洛文尼亚", "卢布尔雅那"),
    ("Tonga", "Nukuʻalofa", "汤加", "努库阿洛法"),
    ("Belize", "Belmopan", "伯利兹", "贝尔莫潘"),
    ("Eritrea", "Asmara", "厄立特里亚", "阿斯马拉"),
    ("Moldova", "Chișinău", "摩尔多瓦", "基希讷乌"),
    ("Malawi", "Lilongwe", "马拉维", "利隆圭"),
    ("Palau", "Ngerulmud", "帕劳", "恩吉鲁穆德"),
    ("Laos", "Vientiane", "老挝", "万象"),
    ("Uruguay", "Montevideo", "乌拉圭", "蒙得维的亚"),
];

/// Signs of elements, of which some are told by the name and some are not.
const ELEMENTS: [(&str, &str); 16] = [
    ("gold", "Au"),
    ("silver", "Ag"),
    ("iron", "Fe"),
    ("sodium", "Na"),
    ("potassium", "K"),
    ("lead", "Pb"),
    ("tin", "Sn"),
    ("mercury", "Hg"),
    ("tungsten", "W"),
    ("antimony", "Sb"),
    ("calcium", "Ca"),
    ("oxygen", "O"),
    ("copper", "Cu"),
    ("ytterbium", "Yb"),
    ("rubidium", "Rb"),
    ("hafnium", "Hf"),
];

fn facts() -> Vec<Question> {
    let mut all = Vec::new();
    for (at, (country, capital, land, city)) in CAPITALS.into_iter().enumerate() {
        let prompt = match at % 2 {
            0 => format!("What is the capital of {country}?"),
            _ => format!("Name the capital city of {country}, and nothing else."),
        };
        all.push(known("facts, English", at, prompt, capital.to_owned()));
        all.push(known("facts, Chinese", at, format!("{land}的首都是哪里？"), city.to_owned()));
    }
    for (at, (element, sign)) in ELEMENTS.into_iter().enumerate() {
        let prompt =
            format!("What is the chemical symbol of {element}? Put it in brackets, like this: (Xy).");
        all.push(known("facts, English", 100 + at, prompt, format!("({sign})")));
    }
    all
}

/// Problems of two or three steps.
fn problems() -> Vec<Question> {
    let mut draws = SplitMix64(23);
    let ask = |at: usize| {
        let [a, b, c, d] = [(3, 9), (4, 20), (2, 7), (5, 40)].map(|(least, span)| least + draws.below(span));
        let (prompt, result) = match at % 6 {
            0 => (
                format!(
                    "Mia has {a} boxes with {b} pencils in each. She gives {c} pencils to her brother. How many \
                     pencils does she have left?"
                ),
                a * b - c,
            ),
            1 => (
                format!(
                    "A ticket costs {b} dollars, and for every ticket there is a fee of {c} dollars. How many \
                     dollars do {a} tickets cost together with their fees?"
                ),
                a * (b + c),
            ),
            2 => (
                format!(
                    "Ben reads {b} pages a day for {a} days, and then {d} more pages on Sunday. How many pages \
                     does he read in all?"
                ),
                a * b + d,
            ),
            3 => (
                format!(
                    "There are {} children. They form groups of {a}. Each group gets {c} balls. How many balls \
                     are needed?",
                    a * b
                ),
                b * c,
            ),
            4 => (
                format!(
                    "果园里有{a}排苹果树，每排{b}棵。今年又种了{d}棵，后来有{c}棵被砍掉。现在一共有多少棵苹果树？"
                ),
                a * b + d - c,
            ),
            _ => (
                format!(
                    "小明买了{a}本书，每本{b}元，又买了一支{c}元的笔。他付了{}元，应找回多少元？",
                    a * b + c + d
                ),
                d,
            ),
        };
        known("word problems", at, prompt, result.to_string())
    };
    (0..30).map(ask).collect()
}

/// What people ask for of which no answer is the right one.
const OPEN: [&str; 16] = [
    "Write a short story about a lighthouse keeper who finds a letter.",
    "Give me three ideas for a birthday present for my grandmother.",
    "Explain to a child why the sky is blue.",
    "Hello, how are you today?",
    "Translate into French: The train leaves at seven.",
    "Write a Python function that tells whether a word is a palindrome.",
    "Summarise in one sentence: The river rose overnight, and by morning the lower fields were under water.",
    "Write a polite e-mail that declines an invitation to a conference.",
    "Is this review positive or negative? Answer with one word: The soup was cold and the waiter rude.",
    "List the steps for changing a bicycle tyre.",
    "Write an SQL query that counts the orders of each customer.",
    "写一首关于秋天的短诗。",
    "你好，请介绍一下你自己。",
    "把下面的句子翻译成英文：明天会下雨。",
    "如何学好英语？请给出五条建议。",
    "用一个词回答：这句话是褒义还是贬义？“他做事总是拖拖拉拉。”",
];

fn open() -> Vec<Question> {
    let ask = |(at, prompt): (usize, &str)| Question {
        answer: None,
        ..known("open", at, prompt.to_owned(), String::new())
    };
    OPEN.into_iter().enumerate().map(ask).collect()
}

/// The answers to those problems of GSM8K's test set (openai/grade-school-math, MIT) that are asked, by the ids of the
/// labelled data.
const GSM8K: &str = include_str!("gsm8k.tsv");

/// Grade-school problems, with the labels of GPT-4 (`strong:gpt-4-1106`) for the large model.
///
/// # Errors
/// Files of labelled prompts (`openai_gsm.jsonl.gz`, `routellm.jsonl.gz`) that are not in the folder, or are none.
pub fn gsm8k(data: &Path) -> Result<Vec<Question>, String> {
    let id = |row: &Value| row["id"].as_str().and_then(|id| Some(id.split_once(':')?.1.to_owned()));
    let prompts = read(&data.join("openai_gsm.jsonl.gz"))?;
    let labels = read(&data.join("routellm.jsonl.gz"))?;
    let mut all = Vec::new();
    for line in GSM8K.lines() {
        let Some((name, answer)) = line.split_once('\t') else { continue };
        let of = |rows: &[Value]| {
            let found = rows.iter().find(|row| id(row).as_deref() == Some(name));
            found.cloned().ok_or_else(|| format!("no row {name}"))
        };
        let prompt = of(&prompts)?["query"].as_str().unwrap_or_default().to_owned();
        let large = of(&labels)?["scores"]["strong:gpt-4-1106"].as_f64().unwrap_or(1.0);
        let question = known("GSM8K", all.len(), prompt, answer.to_owned());
        all.push(Question { id: name.to_owned(), large, ..question });
    }
    Ok(all)
}

/// Questions of one's own: JSON lines of `{"prompt", "answer"}`.
///
/// # Errors
/// A file that cannot be read, with the line.
pub fn of_file(file: &Path) -> Result<Vec<Question>, String> {
    let text = std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
    let ask = |(at, line): (usize, &str)| {
        let place = || format!("{}:{}", file.display(), at + 1);
        let row: Value = serde_json::from_str(line).map_err(|why| format!("{}: {why}", place()))?;
        let of = |key: &str| row[key].as_str().map(str::to_owned);
        let missing = || format!("{}: `prompt` and `answer` are texts", place());
        Ok(known("rows", at, of("prompt").ok_or_else(missing)?, of("answer").ok_or_else(missing)?))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(ask).collect()
}

/// How a gzip'd file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The rows of a file of the labelled data, gzip'd or plain.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn read(file: &Path) -> Result<Vec<Value>, String> {
    let named = |why: std::io::Error| format!("{}: {why}", file.display());
    let bytes = std::fs::read(file).map_err(named)?;
    let mut text = String::new();
    if bytes.starts_with(&GZIP) {
        flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).map_err(named)?;
    } else {
        (&*bytes).read_to_string(&mut text).map_err(named)?;
    }
    let line = |line: &str| serde_json::from_str(line).map_err(|why| format!("{}: {why}", file.display()));
    text.lines().map(line).collect()
}

fn known(kind: &'static str, at: usize, prompt: String, answer: String) -> Question {
    Question { kind, id: at.to_string(), prompt, answer: Some(answer), large: 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_right_from_wrong() {
        let check = |answer: &str, text: &str, right: bool| {
            let question = known("", 0, String::new(), answer.to_owned());
            assert_eq!(question.is_answered_by(text), Some(right), "{answer}: {text}");
        };
        check("19", "19", true);
        check("19", "12 + 7 = 19", true);
        check("19", "The sum of 12 and 7 is 19.", true);
        check("19", "The sum of 12 and 7 is 18.", false);
        check("1700", "Together that makes $1,700.00 in all", true);
        check("19", "", false);
        check("Paris", "The capital of France is **Paris**.", true);
        check("(K)", "The symbol is (K).", true);
        check("(K)", "The symbol is (Ka).", false);
    }

    #[test]
    fn a_part_is_spread_over_all() {
        let part = spread(sums(), 10);
        let english: Vec<&str> =
            part.iter().filter(|it| it.kind == "sums, English").map(|it| it.id.as_str()).collect();
        assert_eq!(part.len(), 20);
        assert_eq!(english, ["5", "13", "21", "29", "37", "45", "53", "61", "69", "77"]);
        assert_eq!(spread(sums(), 1000).len(), 80);
    }

    #[test]
    fn questions_are_many_and_each_has_a_name_of_its_own() {
        let all = own();
        let names: std::collections::BTreeSet<_> = all.iter().map(|it| (it.kind, it.id.clone())).collect();
        assert!(names.len() == all.len() && all.len() > 230, "{}", all.len());
        assert_eq!(GSM8K.lines().count(), 50);
    }
}
