//! What single characters and lines tell.

use super::tokens::is_ideograph;

/// What single characters tell.
#[derive(Default)]
pub(super) struct CharacterCounts {
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

impl CharacterCounts {
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
        let of =
            |glyph: CharacterClass| lanes.iter().map(|lane| lane[glyph as usize] as usize).sum::<usize>();
        self.lines += of(CharacterClass::NewLine);
        self.letters += of(CharacterClass::Lower) + of(CharacterClass::Capital);
        self.capitals += of(CharacterClass::Capital);
        self.digits += of(CharacterClass::Digit);
        self.questions += of(CharacterClass::Question);
        self.sentences += of(CharacterClass::Exclamation) + of(CharacterClass::Question);
        self.commas += of(CharacterClass::Comma) + of(CharacterClass::Semicolon);
        self.latex += of(CharacterClass::Latex);
        self.money += of(CharacterClass::Percent);
        self.code += of(CharacterClass::Code);
        self.brackets += of(CharacterClass::Bracket);
        self.operators += of(CharacterClass::Operator);
        self.quotes += of(CharacterClass::Quote);
        self.ideographs += of(CharacterClass::Ideograph);
        self.other_script += of(CharacterClass::OtherScript);
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
enum CharacterClass {
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

const GLYPHS: usize = CharacterClass::Underscore as usize + 1;
const FIRST_IN_CONTEXT: CharacterClass = CharacterClass::Capital;

fn glyph(c: char) -> CharacterClass {
    match ASCII.get(c as usize) {
        Some(glyph) => *glyph,
        None if is_ideograph(c) => CharacterClass::Ideograph,
        None => match c {
            '。' => CharacterClass::Dot,
            '！' => CharacterClass::Exclamation,
            '？' => CharacterClass::Question,
            '，' | '、' | '；' => CharacterClass::Comma,
            '￥' | '€' | '£' => CharacterClass::Currency,
            '（' => CharacterClass::Bracket,
            '×' | '÷' | '≤' | '≥' => CharacterClass::Operator,
            '“' | '”' | '「' => CharacterClass::Quote,
            _ if c.is_alphabetic() => CharacterClass::OtherScript,
            _ => CharacterClass::Other,
        },
    }
}

static ASCII: [CharacterClass; 128] = {
    let mut glyphs = [CharacterClass::Other; 128];
    let mut code = 0;
    while code < 128 {
        glyphs[code as usize] = match code {
            b'a'..=b'z' => CharacterClass::Lower,
            b'A'..=b'Z' => CharacterClass::Capital,
            b'0'..=b'9' => CharacterClass::Digit,
            b'\n' => CharacterClass::NewLine,
            b'.' => CharacterClass::Dot,
            b'!' => CharacterClass::Exclamation,
            b'?' => CharacterClass::Question,
            b',' => CharacterClass::Comma,
            b';' => CharacterClass::Semicolon,
            b'\\' | b'^' => CharacterClass::Latex,
            b'$' => CharacterClass::Currency,
            b'%' => CharacterClass::Percent,
            b'{' | b'}' | b'`' => CharacterClass::Code,
            b'(' => CharacterClass::Bracket,
            b'=' | b'+' | b'*' | b'/' | b'<' | b'>' => CharacterClass::Operator,
            b'_' => CharacterClass::Underscore,
            b'"' => CharacterClass::Quote,
            _ => CharacterClass::Other,
        };
        code += 1;
    }
    glyphs
};
