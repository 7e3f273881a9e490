//! What people write who come from other languages, and how it is written here.

/// A hint for the word at `column` (from 1) of a line that could not be read or run, where the word, or what stands
/// around it, is another language's.
pub fn hint(line: &str, column: usize, word: &str) -> Option<&'static str> {
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
    let after = rest.strip_prefix(word).unwrap_or(&rest).trim_start();
    if let Some(hint) = of_word(word, after) {
        return Some(hint);
    }
    let is_in_brackets = count(&before, '(') > count(&before, ')');
    let is_given = (after.starts_with(':') && !after.starts_with("::"))
        || (after.starts_with('=') && !after.starts_with("=="));
    match rest.chars().next() {
        Some('#') => Some("a comment begins with `//`"),
        Some('\'') => Some("a text stands in double quotes: \"text\""),
        Some(':') if before.contains('[') => {
            Some("a range is `0..2`, of several axes in an array with `()` for a whole one: `t[[(), 0]]`")
        }
        Some(':') if before.contains('{') => Some("a map is `#{ name: value }`"),
        Some('+') if rest.starts_with("++") => Some("`x += 1`"),
        Some('-') if rest.starts_with("--") => Some("`x -= 1`"),
        _ if is_in_brackets && is_given && !word.is_empty() => {
            Some("options are a map, which comes last: `#{ name: value }`")
        }
        _ if after.starts_with('=') && is_given && before.trim().is_empty() => {
            Some("a variable is declared first: `let x = …`")
        }
        _ => None,
    }
}

/// What to write for a word, with what follows it.
fn of_word(word: &str, after: &str) -> Option<&'static str> {
    Some(match word {
        "True" | "TRUE" => "`true`",
        "False" | "FALSE" => "`false`",
        "None" | "nil" | "null" | "NULL" | "undefined" => "nothing is `()`",
        "and" => "`a && b`",
        "or" => "`a || b`",
        "not" => "`!a`",
        "elif" | "elsif" => "`else if`",
        "var" | "auto" => "a variable is `let x = …`",
        "def" | "func" | "function" => "a function is `fn name(a, b) { … }`",
        "lambda" => "a closure is `|a, b| a + b`",
        "with" | "using" => {
            "there is no `with`: hooks and caches belong to one call, and nothing has to be closed"
        }
        "class" | "struct" => "values with names are a map: `#{ name: value }`",
        "case" => "a switch is `switch x { 1 => …, _ => … }`",
        "foreach" => "a loop is `for x in array { … }`",
        "str" => "a text of a value is `x.to_string()`, or `${x}` between backticks",
        "print" if !after.starts_with('(') => "a call has parentheses: `print(x)`",
        "f" if after.starts_with('"') => "a text with values in it stands between backticks: `n = ${n}`",
        "if" if !after.is_empty() => "`let x = if a { b } else { c };`",
        _ => return None,
    })
}

/// What a condition that is no condition was meant to be.
pub fn condition(line: &str) -> Option<&'static str> {
    if line.contains(" and ") || line.contains(" or ") {
        return Some("conditions are joined by `&&` and `||`");
    }
    let is_assigned = line.match_indices('=').any(|(at, _)| {
        let around = |c: Option<char>| c.is_some_and(|c| "=<>!+-*/".contains(c));
        !around(line[..at].chars().next_back()) && !around(line[at + 1..].chars().next())
    });
    is_assigned.then_some("equality is `==`")
}

fn count(text: &str, wanted: char) -> usize {
    text.chars().filter(|c| *c == wanted).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_told_by_the_word_and_what_stands_around_it() {
        assert_eq!(hint("let x = None;", 9, "None"), Some("nothing is `()`"));
        assert_eq!(hint("# note", 1, ""), Some("a comment begins with `//`"));
        assert!(hint("run(p, sites = \"*\")", 8, "sites").unwrap().starts_with("options are a map"));
        assert!(hint("run(p, { sites: \"*\" })", 10, "sites").unwrap().starts_with("options are a map"));
        assert!(hint("sites = 3;", 1, "sites").unwrap().contains("let"));
        assert_eq!(hint("print(x)", 1, "print"), None);
        assert_eq!(hint("x == 3", 1, "x"), None);
        assert_eq!(condition("if a = 1 { }"), Some("equality is `==`"));
        assert_eq!(condition("if a <= 1 { }"), None);
        assert_eq!(condition("if a and b { }"), Some("conditions are joined by `&&` and `||`"));
    }
}
