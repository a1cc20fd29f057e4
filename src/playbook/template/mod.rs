//! Templates: Jinja as Ansible writes it, strict. A name that is not defined is an error with its place; nothing outside the
//! scope can be reached: no file, no environment, no clock.

pub mod filters;
pub mod scope;
#[cfg(test)]
mod tests;
pub mod tests_of;

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value as Jinja};
use serde_json::Value;

use self::scope::Scope;
use super::mistake::Place;
use super::spec::{Expr, Var};
use crate::base::suggest;

/// How many instructions one template may take: a loop over a million items is a mistake.
const FUEL: u64 = 2_000_000;

/// Renders templates. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Engine {
    env: Arc<Environment<'static>>,
}

/// What went wrong while rendering, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {text}")]
pub struct Trouble {
    pub at: Place,
    pub text: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name that is not defined, or not yet.
    Undefined,
    Wrong,
}

impl Default for Engine {
    fn default() -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(64);
        // As Ansible's template module: a block tag takes its own line away, the last newline stays.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build() {
            env.set_syntax(syntax);
        }
        filters::add(&mut env);
        tests_of::add(&mut env);
        Self { env: Arc::new(env) }
    }
}

/// Does a text have anything to render?
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

impl Engine {
    /// A text with its templates rendered; the value of the expression where the text is one `{{ }}` and no more.
    pub fn text(&self, at: &Place, text: &str, scope: &Scope) -> Result<Value, Trouble> {
        if !is_template(text) {
            return Ok(Value::String(text.to_owned()));
        }
        if let Some(expression) = self.lone_expression(text) {
            // A text that ends its line still ends it; a list stays a list.
            return self.value(at, expression, scope).map(|value| match value {
                Value::String(line) if text.ends_with('\n') => Value::String(line + "\n"),
                other => other,
            });
        }
        scope.forget();
        match self.env.render_str(text, scope.root()) {
            Ok(rendered) => scope.trouble().map_or(Ok(Value::String(rendered)), |text| Err(undefined(at, text))),
            Err(e) => Err(self.explain(at, text, Form::Template, &e, scope)),
        }
    }

    /// The expression of a text that is nothing but one `{{ }}`: its value keeps its type.
    pub fn lone_expression<'t>(&self, text: &'t str) -> Option<&'t str> {
        let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim_matches(['-', ' ', '\n', '\t']);
        let braces = inner.contains("}}") || inner.contains("{{");
        (!braces || self.env.compile_expression(inner).is_ok()).then_some(inner)
    }

    /// Every text in a value rendered.
    pub fn json(&self, at: &Place, value: &Value, scope: &Scope) -> Result<Value, Trouble> {
        Ok(match value {
            Value::String(text) => self.text(at, text, scope)?,
            Value::Array(list) => Value::Array(list.iter().map(|v| self.json(at, v, scope)).collect::<Result<_, _>>()?),
            Value::Object(map) => Value::Object(map.iter().map(|(k, v)| Ok((k.clone(), self.json(at, v, scope)?))).collect::<Result<_, _>>()?),
            other => other.clone(),
        })
    }

    pub fn var(&self, var: &Var, scope: &Scope) -> Result<Value, Trouble> {
        self.json(&var.at, &var.value, scope)
    }

    /// As a text, whatever it is.
    pub fn string(&self, at: &Place, text: &str, scope: &Scope) -> Result<String, Trouble> {
        Ok(match self.text(at, text, scope)? {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        })
    }

    /// The value of an expression.
    pub fn value(&self, at: &Place, expression: &str, scope: &Scope) -> Result<Value, Trouble> {
        scope.forget();
        let found = self.env.compile_expression(expression).and_then(|e| e.eval(scope.root()));
        match found {
            Ok(value) if value.is_undefined() => Err(self.explain(at, expression, Form::Expression, &Error::from(ErrorKind::UndefinedError), scope)),
            Ok(value) => match scope.trouble() {
                Some(text) => Err(undefined(at, text)),
                None => Ok(filters::to_json(&value)),
            },
            Err(e) => Err(self.explain(at, expression, Form::Expression, &e, scope)),
        }
    }

    /// Does a condition hold?
    pub fn holds(&self, expr: &Expr, scope: &Scope) -> Result<bool, Trouble> {
        let value = self.value(&expr.at, &expr.value, scope)?;
        match value {
            Value::Bool(b) => Ok(b),
            // A text that stands for a boolean is what people write in `-e`; any other text is a mistake, not a truth.
            Value::String(text) => filters::truth(&text).ok_or_else(|| wrong(&expr.at, format!("`{}` is the text `{text}`, not true or false", expr.value))),
            Value::Null => Ok(false),
            Value::Number(n) => Ok(n.as_f64() != Some(0.0)),
            Value::Array(list) => Ok(!list.is_empty()),
            Value::Object(map) => Ok(!map.is_empty()),
        }
    }

    /// All of them; the first that does not hold is given back.
    pub fn all<'e>(&self, exprs: &'e [Expr], scope: &Scope) -> Result<Option<&'e Expr>, Trouble> {
        for expr in exprs {
            if !self.holds(expr, scope)? {
                return Ok(Some(expr));
            }
        }
        Ok(None)
    }

    /// Is it a template at all? The first mistake of its grammar, and the names that it needs.
    pub fn inspect(&self, at: &Place, text: &str, form: Form) -> Result<BTreeSet<String>, Trouble> {
        let names = match form {
            Form::Template => self.env.template_from_str(text).map(|t| t.undeclared_variables(false)),
            Form::Expression => self.env.compile_expression(text).map(|e| e.undeclared_variables(false)),
        };
        let names = names.map_err(|e| Trouble { at: within(at, &e), text: said(&e), kind: Kind::Wrong })?;
        Ok(names.into_iter().collect())
    }

    /// Is it a function that every template has?
    pub fn is_global(&self, name: &str) -> bool {
        self.env.globals().any(|(g, _)| g == name)
    }

    fn explain(&self, at: &Place, text: &str, form: Form, error: &Error, scope: &Scope) -> Trouble {
        let place = within(at, error);
        if let Some(inner) = scope.trouble() {
            return undefined(&place, inner);
        }
        if error.kind() != ErrorKind::UndefinedError {
            return wrong(&place, said(error));
        }
        let paths = match form {
            Form::Template => self.env.template_from_str(text).map(|t| t.undeclared_variables(true)),
            Form::Expression => self.env.compile_expression(text).map(|e| e.undeclared_variables(true)),
        };
        let mut paths: Vec<String> = paths.unwrap_or_default().into_iter().collect();
        paths.sort();
        for path in paths {
            if self.is_global(&path) {
                continue;
            }
            if let Some(missing) = scope.missing(&path) {
                let known = scope.names();
                let help = if missing.contains('.') { None } else { suggest::nearest(&missing, known.iter().map(String::as_str)) };
                let help = help.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return undefined(&place, format!("`{missing}` is not defined{help}"));
            }
        }
        undefined(&place, format!("something in `{}` is not defined", text.trim()))
    }
}

/// How a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Template,
    Expression,
}

fn undefined(at: &Place, text: String) -> Trouble {
    Trouble { at: at.clone(), text, kind: Kind::Undefined }
}

fn wrong(at: &Place, text: String) -> Trouble {
    Trouble { at: at.clone(), text, kind: Kind::Wrong }
}

/// The place of an error inside a text that begins at `at`.
fn within(at: &Place, error: &Error) -> Place {
    match u32::try_from(error.line().unwrap_or(1)) {
        Ok(line) if line > 1 && at.line > 0 => Place { line: at.line + line - 1, ..at.clone() },
        _ => at.clone(),
    }
}

fn said(error: &Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    match error.kind() {
        ErrorKind::SyntaxError => format!("this is no template: {detail}"),
        ErrorKind::OutOfFuel => "the template does not come to an end".to_owned(),
        ErrorKind::UnknownFunction if detail.contains("lookup") => "there is no `lookup`: templates reach nothing outside".to_owned(),
        _ => detail,
    }
}

/// For callers that hold a Jinja value.
pub(super) fn from_json(value: &Value) -> Jinja {
    match value {
        Value::Null => Jinja::from(()),
        Value::Bool(b) => Jinja::from(*b),
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), ..) => Jinja::from(i),
            (_, Some(u), _) => Jinja::from(u),
            (_, _, Some(f)) => Jinja::from(f),
            _ => Jinja::from(n.to_string()),
        },
        Value::String(text) => Jinja::from(text.as_str()),
        Value::Array(list) => Jinja::from(list.iter().map(from_json).collect::<Vec<_>>()),
        Value::Object(map) => Jinja::from_pairs(map.iter().map(|(k, v)| (k.as_str(), from_json(v)))),
    }
}
