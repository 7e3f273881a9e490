//! What a user may change about a script from outside: `--set key=value`.
//!
//! A script declares a setting where it uses it, `setting("layers", 12)`; the default gives the type.
//! Before a script runs, [`Settings::check`] compares what was given with the calls that [`declared`]
//! finds in its syntax tree, so a misspelt key costs no work.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Array, Dynamic, Expr, Position, Stmt};

use crate::error::{Error, Result, did_you_mean};
use crate::script::error::ScriptResult;
use crate::script::value::{describe, type_name};

/// The name of the script function that declares a setting.
const DECLARE: &str = "setting";

/// Values given from outside, and settings declared so far.
#[derive(Debug, Default)]
pub struct Settings {
    given: RefCell<BTreeMap<String, String>>,
    declared: RefCell<BTreeMap<String, Setting>>,
}

#[derive(Debug, Clone)]
struct Setting {
    default: Dynamic,
    value: Dynamic,
}

/// A setting as a script's text declares it.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Its key.
    pub name: String,
    /// Its default, where that is a literal.
    pub default: Option<Dynamic>,
    /// Where the script declares it; none in a module.
    pub position: Position,
}

/// What the text of a script and of its modules says about settings.
#[derive(Debug, Default)]
pub struct Declarations {
    /// Settings in the order of the text.
    pub settings: Vec<Declared>,
    /// Some name is computed: more settings may appear when the script runs.
    pub open: bool,
    /// Modules that are imported by a literal path.
    pub imports: Vec<Import>,
}

/// `import "path" as alias`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The path, as it is written.
    pub path: String,
    /// The name that the module gets; empty for none.
    pub alias: String,
}

impl Settings {
    /// Settings `given` as key and text.
    pub fn new(given: BTreeMap<String, String>) -> Self {
        Self { given: RefCell::new(given), declared: RefCell::default() }
    }

    /// Gives a setting a value from outside, from now on.
    pub fn give(&self, name: &str, text: &str) {
        self.given.borrow_mut().insert(name.to_owned(), text.to_owned());
    }

    /// What was given from outside.
    pub fn given(&self) -> BTreeMap<String, String> {
        self.given.borrow().clone()
    }

    /// Declares a setting and gives its value: what was given from outside, or `default`.
    ///
    /// # Errors
    /// The given text is no value of the default's type, or the name was declared with another default.
    pub fn declare(&self, name: &str, default: Dynamic) -> Result<Dynamic> {
        let value = match self.given.borrow().get(name) {
            Some(text) => parse(name, text, &default)?,
            None => default.clone(),
        };
        let mut declared = self.declared.borrow_mut();
        let earlier = declared.get(name).map(|earlier| describe(&earlier.default));
        if let Some(earlier) = earlier.filter(|earlier| *earlier != describe(&default)) {
            return Err(Error::new(format!(
                "setting \"{name}\" has the default {} here, and {earlier} where it was declared before",
                describe(&default)
            )));
        }
        declared.insert(name.to_owned(), Setting { default, value: value.clone() });
        Ok(value)
    }

    /// Checks what was given against what a script's text declares, before the script runs.
    ///
    /// # Errors
    /// A given key is not declared (unless more settings may appear), or its value has the wrong type, with the place
    /// of the declaration.
    pub fn check(&self, declarations: &Declarations) -> ScriptResult<()> {
        for (key, text) in self.given.borrow().iter() {
            match declarations.settings.iter().find(|setting| setting.name == *key) {
                Some(Declared { default: Some(default), position, .. }) => {
                    parse(key, text, default).map(drop).map_err(|error| {
                        let mut error = Box::<rhai::EvalAltResult>::from(error);
                        error.set_position(*position);
                        error
                    })?;
                }
                Some(_) => {}
                None if declarations.open => {}
                None => {
                    let known: Vec<(&str, String)> = declarations
                        .settings
                        .iter()
                        .map(|setting| {
                            (setting.name.as_str(), setting.default.as_ref().map_or("…".into(), literal))
                        })
                        .collect();
                    return Err(unknown(key, &known).into());
                }
            }
        }
        Ok(())
    }

    /// Checks, after a script has run, that all given keys were declared on the way.
    ///
    /// # Errors
    /// A given key was never declared.
    pub fn check_used(&self) -> Result<()> {
        let declared = self.declared.borrow();
        let given = self.given.borrow();
        match given.keys().find(|key| !declared.contains_key(*key)) {
            None => Ok(()),
            Some(key) => {
                let known: Vec<(&str, String)> = declared
                    .iter()
                    .map(|(name, setting)| (name.as_str(), literal(&setting.default)))
                    .collect();
                Err(unknown(key, &known))
            }
        }
    }

    /// The values of all declared settings, by name.
    pub fn values(&self) -> BTreeMap<String, Dynamic> {
        self.declared.borrow().iter().map(|(name, setting)| (name.clone(), setting.value.clone())).collect()
    }
}

fn unknown(key: &str, known: &[(&str, String)]) -> Error {
    let error = Error::new(format!("this script has no setting \"{key}\""));
    if known.is_empty() {
        return error.hint("it has no settings");
    }
    let list =
        known.iter().map(|(name, default)| format!("{name} = {default}")).collect::<Vec<_>>().join(", ");
    error.hint(match did_you_mean(key, known.iter().map(|(name, _)| *name)) {
        Some(hint) => format!("{hint} settings: {list}"),
        None => format!("settings: {list}"),
    })
}

/// A default as a script would write it.
fn literal(value: &Dynamic) -> String {
    if let Ok(text) = value.as_immutable_string_ref() {
        return format!("{:?}", text.as_str());
    }
    if let Ok(array) = value.as_array_ref() {
        return format!("[{}]", array.iter().map(literal).collect::<Vec<_>>().join(", "));
    }
    value.to_string()
}

/// A default as `--set` takes it.
fn example(value: &Dynamic) -> String {
    match value.as_array_ref() {
        Ok(array) => array.iter().map(Dynamic::to_string).collect::<Vec<_>>().join(","),
        Err(_) => value.to_string(),
    }
}

/// Reads `text` as a value of `like`'s type.
fn parse(name: &str, text: &str, like: &Dynamic) -> Result<Dynamic> {
    let refuse = |expected: &str| {
        Err(Error::new(format!("setting \"{name}\": expected {expected}, found \"{text}\""))
            .hint(format!("for example --set {name}={}", example(like))))
    };
    if like.is_string() {
        return Ok(text.to_owned().into());
    }
    if like.is_bool() {
        return match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => refuse("true or false"),
        };
    }
    if like.is_int() {
        return match text.parse::<i64>() {
            Ok(value) => Ok(value.into()),
            Err(_) => refuse("an integer"),
        };
    }
    if like.is_float() {
        return match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value.into()),
            _ => refuse("a number"),
        };
    }
    if let Ok(defaults) = like.as_array_ref() {
        let list = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
        let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        let element = defaults.first().cloned().unwrap_or_else(|| Dynamic::from(String::new()));
        let items = items.map(|item| parse(name, item.trim_matches('"'), &element));
        return Ok(items.collect::<Result<Array>>()?.into());
    }
    Err(Error::new(format!("setting \"{name}\" has a default of type {}", type_name(like)))
        .hint("a setting is true or false, an integer, a number, a string or an array of one of these"))
}

/// Finds the settings and imports that a syntax tree names literally.
pub fn declared(ast: &AST) -> Declarations {
    let mut found = Declarations::default();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position)))
            | Some(ASTNode::Stmt(Stmt::FnCall(call, position)))
                if call.name == DECLARE && !call.is_qualified() =>
            {
                match call.args.first() {
                    Some(Expr::StringConstant(name, _)) => found.settings.push(Declared {
                        name: name.to_string(),
                        default: call.args.get(1).and_then(|default| default.get_literal_value(None)),
                        position: *position,
                    }),
                    _ => found.open = true,
                }
            }
            Some(ASTNode::Stmt(Stmt::Import(import, _))) => match &import.0 {
                Expr::StringConstant(path, _) => {
                    found
                        .imports
                        .push(Import { path: path.to_string(), alias: import.1.as_str().to_owned() });
                }
                _ => found.open = true,
            },
            _ => {}
        }
        true
    });
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::script::error::core_error;
    use rhai::Engine;

    fn given(entries: &[(&str, &str)]) -> Settings {
        Settings::new(entries.iter().map(|(key, text)| ((*key).into(), (*text).into())).collect())
    }

    #[test]
    fn a_text_is_read_as_the_defaults_type() {
        let settings = given(&[("b", "true"), ("i", "-3"), ("f", "2"), ("s", "7"), ("a", "[1, 2,3]")]);
        assert!(settings.declare("b", false.into()).unwrap().as_bool().unwrap());
        assert_eq!(settings.declare("i", 1_i64.into()).unwrap().as_int().unwrap(), -3);
        assert_eq!(settings.declare("f", 0.5.into()).unwrap().as_float().unwrap(), 2.0);
        assert_eq!(settings.declare("s", "x".into()).unwrap().to_string(), "7");
        let array = settings.declare("a", vec![Dynamic::from(9_i64)].into()).unwrap();
        assert_eq!(array.into_typed_array::<i64>().unwrap(), [1, 2, 3]);
        settings.check_used().unwrap();
    }

    #[test]
    fn a_wrong_type_says_expected_and_found() {
        let settings = given(&[("layers", "many")]);
        let error = settings.declare("layers", 12_i64.into()).unwrap_err();
        assert_eq!(error.what(), "setting \"layers\": expected an integer, found \"many\"");
    }

    #[test]
    fn a_name_with_two_defaults_is_refused() {
        let settings = given(&[]);
        let _ = settings.declare("layers", 12_i64.into()).unwrap();
        let _ = settings.declare("layers", 12_i64.into()).unwrap();
        assert!(settings.declare("layers", 13_i64.into()).is_err());
    }

    #[test]
    fn the_text_of_a_script_tells_its_settings() {
        let engine = Engine::new();
        let ast = engine
            .compile(
                r#"import "ipd" as ipd;
                let n = setting("n", -4);
                fn f() { if true { setting("names", ["a", "b"]) } }
                let late = setting("late", 2 + n);"#,
            )
            .unwrap();
        let found = declared(&ast);
        let names: Vec<&str> = found.settings.iter().map(|setting| setting.name.as_str()).collect();
        assert_eq!(names, ["n", "late", "names"]);
        assert_eq!(found.settings[0].default.as_ref().unwrap().as_int().unwrap(), -4);
        assert_eq!(found.imports, [Import { path: "ipd".into(), alias: "ipd".into() }]);
        assert!(!found.open);

        let error = core_error(&given(&[("m", "3")]).check(&found).unwrap_err()).unwrap();
        assert_eq!(error.what(), "this script has no setting \"m\"");
        assert_eq!(error.help().unwrap(), "settings: n = -4, late = …, names = [\"a\", \"b\"]");
        let misgiven = given(&[("n", "x")]).check(&found).unwrap_err();
        assert_eq!(misgiven.position().line(), Some(2));
        given(&[("n", "3"), ("late", "x")]).check(&found).unwrap();
    }

    #[test]
    fn a_computed_name_leaves_the_check_to_the_end() {
        let engine = Engine::new();
        let found = declared(&engine.compile(r#"for n in ["a", "b"] { setting(n, 1); }"#).unwrap());
        assert!(found.open);
        let settings = given(&[("c", "3")]);
        settings.check(&found).unwrap();
        let _ = settings.declare("a", 1_i64.into()).unwrap();
        assert_eq!(settings.check_used().unwrap_err().help().unwrap(), "settings: a = 1");
    }
}
