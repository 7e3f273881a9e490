//! The last parameter of a script function: a map of what is optional.
//!
//! Each getter names a key; [`Options::finish`] refuses every key that no getter named. So the list
//! of known options is the code that reads them and cannot go stale.

use rhai::Map;

use crate::error::{Error, Result, did_you_mean};
use crate::script::value::{FromScript, describe, from_script};

/// Reads a function's option map.
///
/// ```text
/// let mut options = Options::of("steer", map);
/// let strength = options.get("strength", 1.0)?;
/// let positions = options.maybe::<Vec<usize>>("positions")?;
/// let reduce = options.choice("reduce", &[("mean", Reduce::Mean), ("sum", Reduce::Sum)])?;
/// options.finish()?;
/// ```
#[must_use = "options are checked by finish()"]
pub struct Options {
    function: &'static str,
    given: Map,
    known: Vec<(&'static str, String)>,
}

impl Options {
    /// The options `given` to `function`.
    pub fn of(function: &'static str, given: Map) -> Self {
        Self { function, given, known: Vec::new() }
    }

    /// The option `key`, or `default` where it is not given (or is `()`).
    ///
    /// # Errors
    /// The value is of another type.
    pub fn get<T: FromScript + std::fmt::Debug>(&mut self, key: &'static str, default: T) -> Result<T> {
        self.know(key, format!("{default:?}"));
        Ok(self.read(key)?.unwrap_or(default))
    }

    /// The option `key` where it is given.
    ///
    /// # Errors
    /// The value is of another type.
    pub fn maybe<T: FromScript>(&mut self, key: &'static str) -> Result<Option<T>> {
        self.know(key, String::new());
        self.read(key)
    }

    /// The option `key`, which must be given.
    ///
    /// # Errors
    /// The option is missing, or of another type.
    pub fn required<T: FromScript>(&mut self, key: &'static str) -> Result<T> {
        self.know(key, "required".into());
        self.read(key)?.ok_or_else(|| {
            Error::new(format!("{} needs the option \"{key}\": {}", self.function, T::expected()))
        })
    }

    /// The option `key` as one of named values; the first is the default.
    ///
    /// # Errors
    /// The value is not a string, or names none of `choices`.
    pub fn choice<T: Clone>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Result<T> {
        let names = || choices.iter().map(|(name, _)| *name);
        self.know(key, names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" | "));
        let name = match self.read::<String>(key)? {
            Some(name) => name,
            None => names().next().unwrap_or_default().to_owned(),
        };
        choices.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).ok_or_else(|| {
            let all = names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            let error = Error::new(format!(
                "{}: option \"{key}\": expected one of {all}, found {name:?}",
                self.function
            ));
            match did_you_mean(&name, names()) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }

    /// True where `key` is given, also where a getter has read it.
    pub fn has(&self, key: &str) -> bool {
        self.given.get(key).is_some_and(|value| !value.is_unit())
    }

    /// Refuses keys that no getter named.
    ///
    /// # Errors
    /// Names the unknown key, the nearest known one, and all options with their defaults.
    pub fn finish(self) -> Result<()> {
        let names = || self.known.iter().map(|(name, _)| *name);
        match self.given.keys().find(|key| !names().any(|known| known == key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let error = Error::new(format!("{} has no option \"{key}\"", self.function));
                let list = self.list();
                Err(match did_you_mean(key, names()) {
                    Some(hint) => error.hint(format!("{hint} {list}")),
                    None => error.hint(list),
                })
            }
        }
    }

    fn list(&self) -> String {
        if self.known.is_empty() {
            return format!("{} takes no options", self.function);
        }
        let all: Vec<String> = self
            .known
            .iter()
            .map(|(name, default)| match default.as_str() {
                "" => (*name).to_owned(),
                "required" => format!("{name} (required)"),
                default => format!("{name} = {default}"),
            })
            .collect();
        format!("options: {}", all.join(", "))
    }

    fn know(&mut self, key: &'static str, default: String) {
        self.known.push((key, default));
    }

    fn read<T: FromScript>(&self, key: &str) -> Result<Option<T>> {
        match self.given.get(key) {
            None => Ok(None),
            Some(value) if value.is_unit() => Ok(None),
            Some(value) => match T::from_script(value) {
                Some(value) => Ok(Some(value)),
                None => Err(Error::new(format!(
                    "{}: option \"{key}\": expected {}, found {}",
                    self.function,
                    T::expected(),
                    describe(value)
                ))),
            },
        }
    }
}

/// Reads a value that is given as `name`: an argument of several possible types.
///
/// # Errors
/// The value is of another type.
pub fn argument<T: FromScript>(function: &str, name: &str, value: &rhai::Dynamic) -> Result<T> {
    from_script(&format!("{function}: {name}"), value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rhai::Dynamic;

    fn map(entries: &[(&str, Dynamic)]) -> Map {
        entries.iter().map(|(key, value)| ((*key).into(), value.clone())).collect()
    }

    #[test]
    fn integers_widen_and_defaults_hold() {
        let mut options = Options::of("steer", map(&[("strength", 2_i64.into())]));
        assert_eq!(options.get("strength", 1.0).unwrap(), 2.0);
        assert_eq!(options.get("layer", 3_usize).unwrap(), 3);
        assert_eq!(options.maybe::<bool>("quiet").unwrap(), None);
        options.finish().unwrap();
    }

    #[test]
    fn an_unknown_key_names_the_nearest_and_lists_all() {
        let mut options = Options::of("steer", map(&[("strenght", 2_i64.into())]));
        options.get("strength", 1.0).unwrap();
        options.maybe::<usize>("layer").unwrap();
        let error = options.finish().unwrap_err();
        assert_eq!(error.what(), "steer has no option \"strenght\"");
        assert_eq!(error.help().unwrap(), "did you mean \"strength\"? options: strength = 1.0, layer");
    }

    #[test]
    fn a_wrong_type_names_option_expected_and_found() {
        let mut options = Options::of("steer", map(&[("strength", "much".into())]));
        let error = options.get("strength", 1.0).unwrap_err();
        assert_eq!(error.what(), "steer: option \"strength\": expected a number, found string \"much\"");
    }

    #[test]
    fn a_missing_required_option_says_what_it_must_be() {
        let mut options = Options::of("steer", Map::new());
        let error = options.required::<usize>("layer").unwrap_err();
        assert_eq!(error.what(), "steer needs the option \"layer\": an integer of 0 or more");
    }

    #[test]
    fn a_choice_is_checked_and_defaults_to_the_first() {
        let choices = [("mean", 1), ("sum", 2)];
        let mut options = Options::of("pool", Map::new());
        assert_eq!(options.choice("reduce", &choices).unwrap(), 1);
        let mut options = Options::of("pool", map(&[("reduce", "sun".into())]));
        let error = options.choice("reduce", &choices).unwrap_err();
        assert_eq!(error.what(), "pool: option \"reduce\": expected one of \"mean\", \"sum\", found \"sun\"");
        assert_eq!(error.help().unwrap(), "did you mean \"sum\"?");
    }
}
