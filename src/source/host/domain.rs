//! The parts of a domain's XML that no statistics have.

use crate::model::id::Uid;

/// Fetched once for each new guest, and again when its state changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Domain {
    pub uuid: Uid,
    pub name: String,
    pub macs: Vec<String>,
}

/// `None` where the text is no domain.
pub(super) fn parse(xml: &str) -> Option<Domain> {
    let tree = roxmltree::Document::parse(xml).ok()?;
    let root = tree.root_element();
    if !root.has_tag_name("domain") {
        return None;
    }
    let text = |tag: &str| root.children().find(|n| n.has_tag_name(tag)).and_then(|n| n.text());
    let macs = root
        .descendants()
        .filter(|n| n.has_tag_name("interface"))
        .filter_map(|n| n.children().find(|c| c.has_tag_name("mac")))
        .filter_map(|m| m.attribute("address").map(str::to_ascii_lowercase))
        .collect();
    Some(Domain { uuid: Uid::parse(text("uuid")?), name: text("name")?.to_owned(), macs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_domain() {
        let got = parse(include_str!("fixtures/domain-9.0.0.xml")).unwrap();
        assert_eq!((got.name.as_str(), got.macs.as_slice()), ("订单 一号", ["52:54:00:aa:bb:01".to_owned()].as_slice()));
        assert_eq!(got.uuid, Uid::parse("0a1b2c3d-1111-2222-3333-444455556666"));
        assert_eq!((parse("<network/>"), parse("<domain>")), (None, None));
    }
}
