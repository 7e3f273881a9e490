//! Functions of a module under names of their own.
//!
//! Rhai finds a function that is called without a module's name by its name and number of arguments, and remembers what
//! it found; it goes on remembering when a function of another module runs. Two modules with a `helper(x)` of their own
//! would then call the first one's, and a script that calls `t.sum()` would hide a module's own `sum(x)`. So a module is
//! compiled twice: the first time to find its functions and where it calls them, the second time with these names made
//! unique. Its public functions are there under their plain names too, for importers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::script::session::LAST;
use rhai::{AST, ASTNode, Engine, Expr, FnAccess, Module, ParseError, Position, Stmt, Token};

/// Between a function's name and the number that makes it unique. Rhai wants names of ASCII.
const MARK: &str = "__of_module_";

/// What the parser is to rename, while it reads a module for the second time.
#[derive(Debug, Clone, Default)]
pub struct Renaming(Rc<State>);

#[derive(Debug, Default)]
struct State {
    /// What is renamed now.
    names: RefCell<Option<Names>>,
    /// Modules so far.
    modules: Cell<usize>,
    /// Where an input of a session reads the last value, `_`, which is no name for Rhai.
    last_values: RefCell<BTreeSet<(usize, usize)>>,
}

#[derive(Debug)]
struct Names {
    /// The module's functions.
    functions: BTreeSet<String>,
    /// Where they are called.
    calls: BTreeSet<(usize, usize)>,
    /// What makes their names unique.
    tag: String,
    /// The token before was `fn`.
    is_declared: bool,
}

impl Renaming {
    /// Makes an engine's parser ask here.
    #[allow(deprecated)] // How Rhai marks what may change with a version.
    pub fn install(&self, engine: &mut Engine) {
        let renaming = self.clone();
        engine.on_parse_token(move |token, position, _| match renaming.0.names.borrow_mut().as_mut() {
            Some(names) => names.renamed(token, position),
            None if token == Token::Underscore && renaming.is_last_value(position) => {
                Token::Identifier(Box::new(LAST.into()))
            }
            None => token,
        });
    }

    /// Makes `_` at these places (line and column) the name of a variable, in what is compiled from now on.
    pub fn read_last_value(&self, places: BTreeSet<(usize, usize)>) {
        *self.0.last_values.borrow_mut() = places;
    }

    fn is_last_value(&self, position: Position) -> bool {
        place(position).is_some_and(|place| self.0.last_values.borrow().contains(&place))
    }

    /// The module `text`, which compiles to `ast`, with its functions under names of their own.
    ///
    /// # Errors
    /// The text does not compile.
    pub fn isolated(&self, engine: &Engine, text: &str, ast: AST) -> Result<AST, ParseError> {
        // A method of a type is found by the type too; its name is left alone, and with it the whole module.
        if ast.iter_fn_def().any(|function| function.this_type.is_some()) {
            return Ok(ast);
        }
        let is_own = |name: &str| !name.starts_with(super::source::CLOSURE);
        let functions: BTreeSet<String> =
            ast.iter_functions().map(|f| f.name.to_owned()).filter(|name| is_own(name)).collect();
        let mut calls = BTreeSet::new();
        ast.walk(&mut |path| {
            // A call that is a statement of its own is a node of another kind.
            let (call, position) = match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, position))) => (call, position),
                Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => (call, position),
                _ => return true,
            };
            if !call.is_qualified() && functions.contains(call.name.as_str()) {
                calls.extend(place(*position));
            }
            true
        });
        self.0.modules.set(self.0.modules.get() + 1);
        let tag = format!("{MARK}{}", self.0.modules.get());
        *self.0.names.borrow_mut() = Some(Names { functions, calls, tag: tag.clone(), is_declared: false });
        let compiled = engine.compile(text);
        *self.0.names.borrow_mut() = None;
        let compiled = compiled?;
        let mut functions = Module::new();
        for function in compiled.iter_fn_def() {
            functions.set_script_fn(function.clone());
            if let Some(plain) = function.name.strip_suffix(tag.as_str())
                && function.access == FnAccess::Public
            {
                let mut public = (**function).clone();
                public.name = plain.into();
                functions.set_script_fn(public);
            }
        }
        Ok(AST::new(compiled.statements().iter().cloned(), functions))
    }
}

impl Names {
    fn renamed(&mut self, token: Token, position: Position) -> Token {
        let is_declared = std::mem::replace(&mut self.is_declared, token == Token::Fn);
        match token {
            Token::Identifier(name)
                if self.functions.contains(name.as_str())
                    && (is_declared || place(position).is_some_and(|place| self.calls.contains(&place))) =>
            {
                Token::Identifier(Box::new(format!("{name}{}", self.tag).into()))
            }
            token => token,
        }
    }
}

fn place(position: Position) -> Option<(usize, usize)> {
    Some((position.line()?, position.position()?))
}

/// A text in which functions may be named, with the names that their modules' texts have.
pub fn plainly(text: &str) -> String {
    let mut parts = text.split(MARK);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_were_written() {
        assert_eq!(plainly("helper__of_module_12 (array)"), "helper (array)");
        assert_eq!(plainly("no name"), "no name");
    }
}
