//! What the actions have in common that touch nothing but the run itself, or a person.

use crate::model::catalog::{ActionSpec, Field, Others, Place, Touches};
use crate::port::action::Found;

pub(super) const fn spec(name: &'static str, fields: &'static [Field], short: Option<&'static str>, touches: Touches) -> ActionSpec {
    ActionSpec { name, fields, short, others: Others::Refused, touches, place: Place::Here }
}

/// An action whose `run` is a plain function of the arguments and the context.
macro_rules! plain {
    ($spec:expr, $check:ident, async $run:ident) => {
        plain!(@ $spec, $check, given cx => $run(given, cx));
    };
    ($spec:expr, $check:ident, $run:ident) => {
        plain!(@ $spec, $check, given cx => std::future::ready(Ok($run(given, cx))));
    };
    (@ $spec:expr, $check:ident, $given:ident $cx:ident => $run:expr) => {
        #[derive(Debug)]
        pub(super) struct Step;

        static SPEC: $crate::model::catalog::ActionSpec = $spec;

        impl $crate::port::action::Action for Step {
            fn spec(&self) -> &'static $crate::model::catalog::ActionSpec {
                &SPEC
            }
            fn check<'a>(
                &'a self,
                _given: &'a $crate::port::action::Args,
                _cx: &'a $crate::port::action::ActionCx,
            ) -> futures::future::BoxFuture<'a, Result<$crate::port::action::Found, $crate::port::action::ActionError>> {
                Box::pin(std::future::ready(Ok($check())))
            }
            fn run<'a>(
                &'a self,
                $given: &'a $crate::port::action::Args,
                $cx: &'a $crate::port::action::ActionCx,
            ) -> futures::future::BoxFuture<'a, Result<$crate::port::action::Outcome, $crate::port::action::ActionError>> {
                Box::pin($run)
            }
        }
    };
}
pub(super) use plain;

/// There is nothing to look at: it changes nothing.
pub(super) fn nothing() -> Found {
    Found::done()
}

/// What a person does, only that person can tell.
pub(super) fn by_hand() -> Found {
    Found::unknown("a person does it")
}
