//! A file for the host whose text was rendered with the step's values before it came here.

use futures::future::BoxFuture;

use super::deploy::Wanted;
use super::{args, remote};
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "template",
    fields: &[
        Field::required("src", FieldKind::TemplateFile),
        Field::required("dest", FieldKind::Text),
        Field::optional("owner", FieldKind::Text),
        Field::optional("group", FieldKind::Text),
        Field::optional("mode", FieldKind::Text),
        Field::optional("backup", FieldKind::Switch),
    ],
    short: None,
    others: Others::Refused,
    touches: Touches::Target,
    place: Place::Host,
};

fn wanted(given: &Args) -> Result<Wanted, ActionError> {
    let content = args::text(given, "content").ok_or_else(|| ActionError::arguments("the template was not rendered"))?;
    Wanted::new(given, content.into_bytes())
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move { wanted(given)?.look(cx).await })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(async move { wanted(given)?.put(cx).await })
    }

    fn settle<'a>(&'a self, cx: &'a ActionCx) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(remote::settle(cx))
    }
}
