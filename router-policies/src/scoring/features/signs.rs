//! What single characters and lines tell.

use super::tokens::is_ideograph;

/// What single characters tell.
#[derive(Default)]
pub(super) struct Signs {
    pub(super) lines: usize,
    pub(super) letters: usize,
    pub(super) capitals: usize,
    pub(super) digits: usize,
    pub(super) decimals: usize,
    pub(super) latex: usize,
    pub(super) code: usize,
    pub(super) code_lines: usize,
    pub(super) operators: usize,
    pub(super) blanks: usize,
    pub(super) quotes: usize,
    pub(super) ideographs: usize,
    pub(super) other_script: usize,
    pub(super) questions: usize,
    pub(super) sentences: usize,
    pub(super) commas: usize,
    pub(super) brackets: usize,
    pub(super) longest_paragraph: usize,
    pub(super) examples: usize,
    pub(super) list_items: usize,
    pub(super) money: usize,
    pub(super) names: usize,
    /// Where the capitals are.
    pub(super) capitals_at: Vec<usize>,
}

impl Signs {
    pub(super) fn count(chars: &[char]) -> Self {
        let mut signs = Self { lines: usize::from(!chars.is_empty()), ..Self::default() };
        // In four lanes: adding to the same number again and again waits for itself.
        let mut lanes = [[0u32; GLYPHS]; 4];
        let mut previous = '\n';
        let mut line_began = 0;
        for (at, &c) in chars.iter().enumerate() {
            let glyph = glyph(c);
            lanes[at % 4][glyph as usize] += 1;
            if glyph >= FIRST_IN_CONTEXT {
                let next = chars.get(at + 1).copied().unwrap_or('\n');
                signs.in_context(at, previous, c, next);
                if c == '\n' {
                    signs.line(&chars[line_began..at]);
                    line_began = at + 1;
                }
            }
            previous = c;
        }
        signs.line(&chars[line_began..]);
        signs.add(&lanes);
        signs
    }

    /// What characters count for whatever stands beside them.
    fn add(&mut self, lanes: &[[u32; GLYPHS]; 4]) {
        let of = |glyph: Glyph| lanes.iter().map(|lane| lane[glyph as usize] as usize).sum::<usize>();
        self.lines += of(Glyph::NewLine);
        self.letters += of(Glyph::Lower) + of(Glyph::Capital);
        self.capitals += of(Glyph::Capital);
        self.digits += of(Glyph::Digit);
        self.questions += of(Glyph::Question);
        self.sentences += of(Glyph::Exclamation) + of(Glyph::Question);
        self.commas += of(Glyph::Comma) + of(Glyph::Semicolon);
        self.latex += of(Glyph::Latex);
        self.money += of(Glyph::Percent);
        self.code += of(Glyph::Code);
        self.brackets += of(Glyph::Bracket);
        self.operators += of(Glyph::Operator);
        self.quotes += of(Glyph::Quote);
        self.ideographs += of(Glyph::Ideograph);
        self.other_script += of(Glyph::OtherScript);
    }

    /// What a character counts for by its neighbours.
    fn in_context(&mut self, at: usize, previous: char, c: char, next: char) {
        match c {
            'A'..='Z' => {
                self.names += usize::from(previous == ' ' && next.is_ascii_lowercase());
                self.capitals_at.push(at);
            }
            '.' | '。' if previous.is_ascii_digit() && next.is_ascii_digit() => self.decimals += 1,
            '.' | '。' => self.sentences += 1,
            ';' => self.code += usize::from(next == '\n'),
            '$' | '￥' | '€' | '£' if next.is_ascii_digit() => self.money += 1,
            '$' => self.latex += 1,
            '_' => {
                self.blanks += usize::from(previous == '_' && next != '_');
                self.code += usize::from(previous.is_ascii_alphanumeric() && next.is_ascii_alphanumeric());
            }
            _ => {}
        }
    }

    fn line(&mut self, line: &[char]) {
        self.longest_paragraph = self.longest_paragraph.max(line.len());
        let indent = line.iter().take_while(|c| matches!(c, ' ' | '\t')).count();
        let text = &line[indent.min(line.len())..];
        let fence = text.starts_with(&['`', '`', '`']);
        let end = line.iter().rev().find(|c| !c.is_whitespace());
        let ends_like_code = matches!(end, Some('{' | '}' | ';'));
        self.code_lines += usize::from(fence || ends_like_code || (indent >= 4 && !text.is_empty()));
        let item = match text {
            ['-' | '*' | '•', ' ', ..] => true,
            [first, '.' | ')' | '、', ..] => first.is_ascii_digit(),
            _ => false,
        };
        self.list_items += usize::from(item);
        let example = matches!(text, ['Q' | 'A' | '问' | '答', ':' | '：', ..]);
        self.examples += usize::from(example);
    }
}

/// What a character counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
enum Glyph {
    Other,
    Lower,
    Digit,
    Question,
    Exclamation,
    Comma,
    Latex,
    Percent,
    Code,
    Bracket,
    Operator,
    Quote,
    Ideograph,
    OtherScript,
    // From here on the neighbours are looked at too.
    Capital,
    NewLine,
    Dot,
    Semicolon,
    Currency,
    Underscore,
}

const GLYPHS: usize = Glyph::Underscore as usize + 1;
const FIRST_IN_CONTEXT: Glyph = Glyph::Capital;

fn glyph(c: char) -> Glyph {
    match ASCII.get(c as usize) {
        Some(glyph) => *glyph,
        None if is_ideograph(c) => Glyph::Ideograph,
        None => match c {
            '。' => Glyph::Dot,
            '！' => Glyph::Exclamation,
            '？' => Glyph::Question,
            '，' | '、' | '；' => Glyph::Comma,
            '￥' | '€' | '£' => Glyph::Currency,
            '（' => Glyph::Bracket,
            '×' | '÷' | '≤' | '≥' => Glyph::Operator,
            '“' | '”' | '「' => Glyph::Quote,
            _ if c.is_alphabetic() => Glyph::OtherScript,
            _ => Glyph::Other,
        },
    }
}

static ASCII: [Glyph; 128] = {
    let mut glyphs = [Glyph::Other; 128];
    let mut code = 0;
    while code < 128 {
        glyphs[code as usize] = match code {
            b'a'..=b'z' => Glyph::Lower,
            b'A'..=b'Z' => Glyph::Capital,
            b'0'..=b'9' => Glyph::Digit,
            b'\n' => Glyph::NewLine,
            b'.' => Glyph::Dot,
            b'!' => Glyph::Exclamation,
            b'?' => Glyph::Question,
            b',' => Glyph::Comma,
            b';' => Glyph::Semicolon,
            b'\\' | b'^' => Glyph::Latex,
            b'$' => Glyph::Currency,
            b'%' => Glyph::Percent,
            b'{' | b'}' | b'`' => Glyph::Code,
            b'(' => Glyph::Bracket,
            b'=' | b'+' | b'*' | b'/' | b'<' | b'>' => Glyph::Operator,
            b'_' => Glyph::Underscore,
            b'"' => Glyph::Quote,
            _ => Glyph::Other,
        };
        code += 1;
    }
    glyphs
};
