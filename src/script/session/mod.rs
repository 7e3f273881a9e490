//! A session: inputs typed one by one, each of which sees what the earlier ones left.

mod text;

use std::collections::BTreeSet;
use std::path::Path;

use rhai::{
    AST, Array, Dynamic, ImmutableString, LexError, Module, ModuleResolver, Position, Scope, Shared, Stmt,
};

use crate::script::error::ScriptResult;
use crate::script::host::{Failure, Host};
use crate::script::library::Script;
use crate::script::modules::{self, FunctionDoc, ModuleDoc};
use crate::script::settings::declared;
use crate::script::source::{CLOSURE, INPUT};
use crate::script::value::type_name;
use text::{
    declared_in, end_of_code, end_of_statements, functions_alone, is_in_backticks, last_values, names_in,
    offset, renamed, without_comments, without_functions,
};

/// The name of the last value that a session showed.
pub const LAST: &str = "_";

/// What inputs of a session leave for the next ones.
#[derive(Default)]
pub struct Session {
    scope: Scope<'static>,
    inputs: Vec<Input>,
    /// Inputs so far, those that were taken back too: the number of the next one is one higher.
    count: usize,
    /// The number of the input whose value is `_`.
    last: Option<usize>,
}

/// One input that left something, or showed a value.
struct Input {
    number: usize,
    /// The name of its text.
    name: String,
    /// Its text compiled: some of it may have run.
    has_begun: bool,
    /// What ran of it.
    text: String,
    /// It ended in a value that was shown.
    is_shown: bool,
    /// The number of the input whose value it called `_`.
    used: Option<usize>,
    /// The variables that it declared.
    variables: Vec<String>,
    /// Its functions, as it declares them.
    signatures: Vec<String>,
    /// Those of its functions that a later input declares anew.
    replaced: Vec<String>,
    functions: Option<Shared<Module>>,
    imports: Vec<Imported>,
    before: Before,
}

/// A module that an input imported.
struct Imported {
    alias: String,
    module: Shared<Module>,
    doc: ModuleDoc,
}

/// The variables before an input.
enum Before {
    /// So many; the input only added some.
    Fewer(usize),
    /// These; the input declared some of them anew.
    Others(Scope<'static>),
}

impl Input {
    fn defines(&self) -> bool {
        !self.variables.is_empty() || !self.signatures.is_empty() || !self.imports.is_empty()
    }
}

impl Session {
    /// The names that an input sees, none of them a constant: Rhai would put a constant's value into functions, which a
    /// script does not see.
    fn names(&self) -> Scope<'static> {
        let mut names = Scope::new();
        for (name, ..) in self.scope.iter_raw() {
            names.push(name.to_owned(), ());
        }
        names
    }

    /// Its variables, as name, value and whether it is a constant, in the order in which they were declared.
    pub fn variables(&self) -> Vec<(String, Dynamic, bool)> {
        let mut found: Vec<(String, Dynamic, bool)> = Vec::new();
        for (name, is_constant, value) in self.scope.iter_raw().filter(|(name, ..)| *name != LAST) {
            // A name that is declared again hides the earlier one.
            found.retain(|(known, ..)| known != name);
            found.push((name.to_owned(), value.clone(), is_constant));
        }
        found
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&Dynamic> {
        self.scope.get(name)
    }

    /// Its functions, as they were declared: `double(value)`.
    pub fn functions(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for signature in self.inputs.iter().flat_map(|input| &input.signatures) {
            found.retain(|known| known != signature);
            found.push(signature.clone());
        }
        found
    }

    /// Names under which modules are imported.
    pub fn imports(&self) -> BTreeSet<String> {
        self.inputs.iter().flat_map(|input| &input.imports).map(|import| import.alias.clone()).collect()
    }

    /// The functions of the module that is imported as `alias`.
    pub fn members(&self, alias: &str) -> &[FunctionDoc] {
        let found =
            self.inputs.iter().rev().flat_map(|input| &input.imports).find(|import| import.alias == alias);
        found.map_or(&[], |import| &import.doc.functions)
    }

    /// The session as a script that does the same: its inputs, and a `print` of each value that was shown.
    pub fn script(&self) -> String {
        let used: BTreeSet<usize> = self.inputs.iter().filter_map(|input| input.used).collect();
        let mut text = String::new();
        for input in &self.inputs {
            let named = input.used.map_or_else(|| "()".to_owned(), name_of);
            let body = renamed(input.text.trim(), &named);
            let (head, tail) = match input.is_shown {
                true => body.split_at(end_of_statements(&body, end_of_code(&body))),
                false => (body.as_str(), ""),
            };
            let head = without_functions(head.trim(), &input.replaced);
            if !head.trim().is_empty() {
                // On a line of its own, where a remark at the end would swallow it. After a block it does no harm.
                let end = if head[end_of_code(&head)..].is_empty() { ";" } else { "\n;" };
                let is_ended = without_comments(&head).trim_end().ends_with(';');
                text.push_str(&format!("{head}{}\n", if is_ended { "" } else { end }));
            }
            let tail = without_comments(tail);
            let tail = tail.trim().trim_end_matches(';').trim();
            if !tail.is_empty() {
                if used.contains(&input.number) {
                    let name = name_of(input.number);
                    text.push_str(&format!("let {name} = {tail};\nprint({name});\n"));
                } else {
                    text.push_str(&format!("print({tail});\n"));
                }
            }
        }
        text
    }
}

/// True for signatures of one name and number of parameters: the later function takes the earlier one's place.
fn is_same(a: &str, b: &str) -> bool {
    a.split('(').next() == b.split('(').next()
        && a.matches(',').count() == b.matches(',').count()
        && a.ends_with("()") == b.ends_with("()")
}

/// The name of an input's value in a saved script.
fn name_of(number: usize) -> String {
    format!("last_{number}")
}

impl Host {
    /// Evaluates one input of a session: its variables, functions and imports stay in `session`; `_` is the last value.
    ///
    /// # Errors
    /// The input does not compile or failed. Variables that were declared before the failure stay; its functions and
    /// imports are forgotten.
    pub fn evaluate(&mut self, session: &mut Session, input: &str) -> Result<Dynamic, Failure> {
        let name = format!("{INPUT}{}", session.count + 1);
        self.evaluate_in(session, name, input, Some(Path::new("")))
    }

    /// Evaluates an expression to look at its value: it is no part of the session, and `_` stays what it was.
    ///
    /// # Errors
    /// As of [`Host::evaluate`].
    pub fn look_at(&mut self, session: &mut Session, expression: &str) -> Result<Dynamic, Failure> {
        let (last, value) = (session.last, session.scope.get(LAST).cloned());
        let result = self.evaluate(session, expression);
        session.inputs.pop_if(|input| input.number == session.count && !input.defines());
        session.last = last;
        session.scope.set_value(LAST, value.unwrap_or_default());
        result
    }

    /// Evaluates a script as if it was typed, with its imports beside it.
    ///
    /// # Errors
    /// As of [`Host::evaluate`].
    pub fn evaluate_script(&mut self, session: &mut Session, script: &Script) -> Result<Dynamic, Failure> {
        self.evaluate_in(session, script.source.clone(), &script.text, script.folder.as_deref())
    }

    fn evaluate_in(
        &mut self,
        session: &mut Session,
        name: String,
        text: &str,
        folder: Option<&Path>,
    ) -> Result<Dynamic, Failure> {
        if session.scope.is_empty() {
            session.scope.push(LAST, ());
        }
        session.count += 1;
        let number = session.count;
        self.context.sources().insert(&name, text, folder);
        let mut input = Input {
            number,
            name: name.clone(),
            has_begun: false,
            text: text.to_owned(),
            is_shown: false,
            used: None,
            variables: Vec::new(),
            signatures: Vec::new(),
            replaced: Vec::new(),
            functions: None,
            imports: Vec::new(),
            before: Before::Fewer(session.scope.len()),
        };
        let result = self.run_input(session, &mut input, &name);
        match &result {
            Ok(value) => {
                input.is_shown = !value.is_unit();
                if input.is_shown {
                    session.last = Some(number);
                    session.scope.set_value(LAST, value.clone());
                }
            }
            Err(failure) => {
                input.functions = None;
                input.imports.clear();
                // What ran before the failure goes into a saved script; nothing did where the text does not compile.
                let place =
                    failure.diagnostic.outermost().filter(|place| input.has_begun && place.source == name);
                input.text.truncate(place.map_or(0, |place| end_of_statements(text, offset(text, place))));
                input.text = without_functions(&input.text, &input.signatures);
                input.signatures.clear();
                input.variables = declared_in(&input.text);
                self.context.sources().insert(&name, &input.text, folder);
            }
        }
        if !input.text.trim().is_empty() {
            for earlier in &mut session.inputs {
                let again = earlier
                    .signatures
                    .iter()
                    .filter(|known| input.signatures.iter().any(|new| is_same(known, new)));
                earlier.replaced.extend(again.cloned());
            }
            session.inputs.push(input);
        }
        result
    }

    fn run_input(
        &mut self,
        session: &mut Session,
        input: &mut Input,
        name: &str,
    ) -> Result<Dynamic, Failure> {
        let mut run = || -> ScriptResult<Dynamic> {
            let places = last_values(&input.text);
            if !places.is_empty() {
                input.used = session.last;
            }
            self.resolver.renaming().read_last_value(places);
            let compiled = self.engine.compile_with_scope(&session.names(), &input.text);
            self.resolver.renaming().read_last_value(BTreeSet::new());
            let mut ast = compiled?;
            ast.set_source(name);
            if ast.has_functions() {
                self.check_functions(session, &input.text)?;
            }
            input.has_begun = true;
            self.context.sources().note_closures(name, &ast);
            input.variables = variables_of(&ast);
            if input.variables.iter().any(|variable| session.scope.contains(variable)) {
                input.before = Before::Others(session.scope.clone());
            }
            input.signatures = ast
                .iter_functions()
                .filter(|function| !function.name.starts_with(CLOSURE))
                .map(|function| format!("{}({})", function.name, function.params.join(", ")))
                .collect();
            let result = self.engine.eval_ast_with_scope::<Dynamic>(&mut session.scope, &ast)?;
            // Rhai forgets functions and imports at the end of an evaluation: a session keeps them as modules
            // of its engine, so that errors in them name the input they come from.
            if ast.has_functions() {
                let functions =
                    Module::eval_ast_as_new(Scope::new(), &ast.clone_functions_only(), &self.engine)?;
                input.functions = Some(functions.into());
            }
            for import in declared(&ast).imports.iter().filter(|import| !import.alias.is_empty()) {
                let module = self.resolver.resolve(&self.engine, Some(name), &import.path, Position::NONE)?;
                let doc = modules::read(&import.alias, &self.resolver.text(Some(name), &import.path)?);
                input.imports.push(Imported { alias: import.alias.clone(), module, doc });
            }
            Ok(result)
        };
        let result = run().map_err(|error| self.failure(&error, name));
        if result.is_ok() {
            self.take_in(input);
        }
        result
    }

    fn take_in(&mut self, input: &Input) {
        if let Some(functions) = &input.functions {
            self.engine.register_global_module(functions.clone());
        }
        for Imported { alias, module, .. } in &input.imports {
            self.engine.register_static_module(alias, module.clone());
        }
    }

    /// Takes back the last input that defined something, and what was typed after it; gives the names that are forgotten.
    pub fn undo(&mut self, session: &mut Session) -> Vec<String> {
        let Some(at) = session.inputs.iter().rposition(Input::defines) else { return Vec::new() };
        let mut later = session.inputs.split_off(at);
        let undone = later.remove(0);
        self.context.sources().remove(&undone.name);
        let functions = undone.signatures.iter().cloned();
        let imports = undone.imports.iter().map(|import| import.alias.clone());
        let forgotten: Vec<String> =
            undone.variables.iter().cloned().chain(functions).chain(imports).collect();
        // Later work stays, in a saved script too, where it does not speak of what is forgotten.
        later.retain(|input| {
            let is_lost = |name: &String| names_in(&input.text, name.split('(').next().unwrap_or(name));
            input.used != Some(undone.number) && !forgotten.iter().any(is_lost)
        });
        for earlier in &mut session.inputs {
            earlier.replaced.retain(|known| !undone.signatures.iter().any(|gone| is_same(known, gone)));
        }
        match undone.before {
            Before::Fewer(count) => {
                session.scope.rewind(count);
            }
            Before::Others(mut scope) => {
                // What only changed keeps its value: the declarations are taken back, not the work.
                let names: Vec<String> = scope.iter_raw().map(|(name, ..)| name.to_owned()).collect();
                for name in names.iter().filter(|name| !undone.variables.contains(name)) {
                    if let (Some(value), Some(false)) = (session.scope.get(name), scope.is_constant(name)) {
                        let value = value.clone();
                        scope.set_value(name.as_str(), value);
                    }
                }
                session.scope = scope;
            }
        }
        if session.last == Some(undone.number) {
            session.last = None;
            session.scope.set_value(LAST, ());
        }
        session.inputs.extend(later);
        self.renew(session);
        forgotten
    }

    /// Forgets everything that was typed.
    pub fn forget(&mut self, session: &mut Session) {
        for input in &session.inputs {
            self.context.sources().remove(&input.name);
        }
        *session = Session { count: session.count, ..Session::default() };
        self.renew(session);
    }

    /// A new engine with what the inputs defined: Rhai's has no way to take a module out again.
    fn renew(&mut self, session: &Session) {
        self.engine = self.new_engine();
        for input in &session.inputs {
            self.take_in(input);
        }
    }

    /// A value as a session shows it, in one piece.
    pub fn show(&self, value: Dynamic) -> String {
        let function = if value.is_string() { "to_debug" } else { "to_string" };
        let fallback = value.to_string();
        let text = self.engine.eval_fn_call::<ImmutableString>(function, None, (value,));
        text.map_or(fallback, |text| text.to_string())
    }

    /// The names of the sites of the models that a session has loaded.
    pub fn sites(&self, session: &Session) -> Vec<String> {
        let models = session.variables().into_iter().filter(|(_, value, _)| type_name(value) == "Model");
        let mut sites = Vec::new();
        for (_, model, _) in models {
            let found = self.engine.eval_fn_call::<Array>("sites", None, (model,)).unwrap_or_default();
            for site in found.into_iter().map(|site| site.to_string()) {
                if !sites.contains(&site) {
                    sites.push(site);
                }
            }
        }
        sites
    }

    /// Refuses functions that read variables of the session: in a script, which a saved session is, they see none.
    fn check_functions(&self, session: &Session, text: &str) -> ScriptResult<()> {
        let Err(error) = self.engine.compile(functions_alone(text)) else { return Ok(()) };
        match error.err_type() {
            rhai::ParseErrorType::VariableUndefined(name) if session.scope.contains(name) => {
                Err(error.into())
            }
            // Of the rest the whole text has told already: modules are imported outside of functions.
            _ => Ok(()),
        }
    }

    /// True where `input` is the beginning of a statement rather than a whole or a wrong one.
    pub fn is_incomplete(&self, session: &Session, input: &str) -> bool {
        self.resolver.renaming().read_last_value(last_values(input));
        let compiled = self.engine.compile_with_scope(&session.names(), input);
        self.resolver.renaming().read_last_value(BTreeSet::new());
        let Err(error) = compiled else { return false };
        let end = input.trim_end();
        let behind_end = error.position().line().is_none_or(|line| {
            let last = end.lines().count();
            let width = end.lines().last().map_or(0, |line| line.chars().count());
            line > last || (line == last && error.position().position().unwrap_or(0) > width)
        });
        match error.err_type() {
            rhai::ParseErrorType::UnexpectedEOF => true,
            // A backslash at the end of a line goes on with a string on the next one.
            rhai::ParseErrorType::BadInput(LexError::UnterminatedString) => {
                is_in_backticks(input) || input.trim_end_matches('\n').ends_with('\\')
            }
            rhai::ParseErrorType::BadInput(_) | rhai::ParseErrorType::VariableUndefined(_) => false,
            _ => behind_end,
        }
    }
}

/// The variables that a text declares at its top.
fn variables_of(ast: &AST) -> Vec<String> {
    let names = ast.statements().iter().filter_map(|statement| match statement {
        Stmt::Var(declared, ..) => Some(declared.0.name.to_string()),
        _ => None,
    });
    names.collect()
}
