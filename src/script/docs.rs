//! What a doc says, in parts.

/// An option, as a doc lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionDoc {
    /// Its key in the map.
    pub name: String,
}

/// The options that a doc lists after `Options`.
pub fn options(doc: &str) -> Vec<OptionDoc> {
    let Some(at) = doc.find("Options") else { return Vec::new() };
    let list = doc[at..].split("\n\n").next().unwrap_or_default();
    let (mut depth, mut found) = (0_usize, Vec::new());
    let mut rest = list;
    while let Some(at) = rest.find(['`', '(', ')']) {
        let sign = &rest[at..=at];
        rest = &rest[at + 1..];
        match sign {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {
                let (name, behind) = rest.split_once('`').unwrap_or((rest, ""));
                rest = behind;
                let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if depth == 0 && is_name {
                    found.push(OptionDoc { name: name.to_owned() });
                }
            }
        }
    }
    found
}
