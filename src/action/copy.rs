//! A file for the host: from beside the playbook, from the playbook's own text, or from a download that is pinned by its sum.

use futures::future::BoxFuture;

use super::deploy::Wanted;
use super::download::{self, Download};
use super::{args, remote};
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "copy",
    fields: &[
        Field::one_of("src", FieldKind::File),
        Field::one_of("content", FieldKind::Secret),
        Field::one_of("url", FieldKind::Text),
        Field::optional("mirror", FieldKind::Text),
        Field::optional("sha256", FieldKind::Text),
        Field::optional("at", FieldKind::Word(&["here", "target"])),
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

async fn wanted(given: &Args, cx: &ActionCx) -> Result<Wanted, ActionError> {
    let content = match (args::text(given, "content"), args::text(given, "src"), Download::of(given)?) {
        (Some(text), ..) => text.into_bytes(),
        (None, Some(path), _) => cx.files.read(&path).map_err(ActionError::arguments)?,
        (None, None, Some(download)) => download.bytes(cx).await?,
        (None, None, None) => return Err(ActionError::arguments("`copy` needs `src`, `content` or `url`")),
    };
    Wanted::new(given, content)
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move {
            match Download::of(given)? {
                // The sum is known without the file: a look fetches nothing.
                Some(download) => download::look(&download, &args::required(given, "dest")?, cx).await,
                None => wanted(given, cx).await?.look(cx).await,
            }
        })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(async move {
            match Download::of(given)?.filter(|d| d.happens_at_target(cx)) {
                Some(download) => download::at_target(&download, given, cx).await,
                None => wanted(given, cx).await?.put(cx).await,
            }
        })
    }

    fn settle<'a>(&'a self, cx: &'a ActionCx) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(remote::settle(cx))
    }
}
