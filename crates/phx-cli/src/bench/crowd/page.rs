//! What a page of Phoenix LiveView has for its view: a CSRF token, and the root element's id and tokens.

use std::borrow::Cow;

/// The values of a page.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) csrf_token: String,
    pub(super) id: String,
    pub(super) session: String,
    pub(super) static_token: String,
}

impl Page {
    /// Takes them from HTML: of the first element that has a session. `None` if there is none.
    pub(super) fn parse(html: &str) -> Option<Self> {
        let mut csrf_token = None;
        let mut rest = html;
        while let Some(tag) = next_tag(&mut rest) {
            if tag.name.eq_ignore_ascii_case("meta")
                && tag.get("name").as_deref() == Some("csrf-token")
            {
                csrf_token = tag.get("content");
            }
            if let Some(session) = tag.get("data-phx-session") {
                return Some(Page {
                    csrf_token: csrf_token?.into_owned(),
                    id: tag.get("id")?.into_owned(),
                    session: session.into_owned(),
                    static_token: tag.get("data-phx-static").unwrap_or_default().into_owned(),
                });
            }
        }
        None
    }
}

/// The ref of the first upload in what a view rendered: the first text behind the attribute's name that is a ref, or the first
/// at all, since values may stand before the texts around them. It isn't that of the page, which belonged to the view before it
/// was live.
pub(super) fn upload_ref(rendered: &str) -> Option<String> {
    let behind = rendered.split_once("phx-upload-ref").map(|(_, behind)| behind);
    let found = behind.and_then(first_ref).or_else(|| first_ref(rendered));
    found.map(str::to_owned)
}

fn first_ref(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_ref = |text: &&str| {
        let random = text.strip_prefix("phx-");
        random.is_some_and(|random| random.len() >= 16 && random.chars().all(is_part))
    };
    let texts = text.split('"').map(|text| text.strip_suffix('\\').unwrap_or(text));
    texts.into_iter().find(is_ref)
}

/// An opening tag.
struct Tag<'a> {
    name: &'a str,
    /// What is between the name and the end.
    attributes: &'a str,
}

/// Returns the next opening tag, and moves on behind it. Comments and scripts are skipped.
fn next_tag<'a>(rest: &mut &'a str) -> Option<Tag<'a>> {
    loop {
        let (_, after) = rest.split_once('<')?;
        if let Some(comment) = after.strip_prefix("!--") {
            *rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let length = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let (name, after) = after.split_at_checked(length.unwrap_or(after.len()))?;
        if name.is_empty() {
            *rest = after;
            continue;
        }
        let (attributes, after) = after.split_at_checked(end_of_tag(after))?;
        *rest = match name.eq_ignore_ascii_case("script") {
            true => after.split_once("</script").map_or("", |(_, after)| after),
            false => after,
        };
        return Some(Tag { name, attributes });
    }
}

/// The place of the `>` that ends a tag: one in a quoted value doesn't.
fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    let end = text.bytes().position(|byte| match quote {
        None if byte == b'>' => true,
        None if byte == b'"' || byte == b'\'' => {
            quote = Some(byte);
            false
        }
        Some(open) if byte == open => {
            quote = None;
            false
        }
        _ => false,
    });
    end.unwrap_or(text.len())
}

impl<'a> Tag<'a> {
    /// The value of an attribute.
    fn get(&self, wanted: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.attributes.trim_start();
        while !rest.is_empty() {
            let length = rest.find(|c: char| c.is_ascii_whitespace() || c == '=');
            let (name, after) = rest.split_at_checked(length.unwrap_or(rest.len()))?;
            let (value, after) = match after.trim_start().strip_prefix('=') {
                Some(value) => value_of(value.trim_start()),
                None => ("", after),
            };
            if name.eq_ignore_ascii_case(wanted) {
                return Some(unescaped(value));
            }
            // A name may be empty, as in `=x`.
            let skip = usize::from(name.is_empty() && after.len() == rest.len());
            rest = after.get(skip..).unwrap_or_default().trim_start();
        }
        None
    }
}

/// Splits a value, with or without quotes, from what follows.
fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(value) = text.strip_prefix(quote) {
            return value.split_once(quote).unwrap_or((value, ""));
        }
    }
    let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Resolves the entities that Phoenix writes.
fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('&') {
        return Cow::Borrowed(value);
    }
    let texts = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let text = texts.into_iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to));
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_its_view_needs() {
        let html = r#"<!DOCTYPE html><html><head><!-- <meta name="csrf-token" content="no"> -->
            <meta charset="utf-8"><script>if (1 < 2) { "<div data-phx-session='no'>" }</script>
            <META content='a&amp;b=="' name=csrf-token />
            </head><body x="a > b" y><div data-phx-main class="c" id="phx-F1" data-phx-session="SFM.s"
              data-phx-static="st&#39;at">..</div><div id="phx-F2" data-phx-session="child"></div>"#;
        let page = Page::parse(html).unwrap();
        assert_eq!((&*page.csrf_token, &*page.id), ("a&b==\"", "phx-F1"));
        assert_eq!((&*page.session, &*page.static_token), ("SFM.s", "st'at"));
    }

    #[test]
    fn any_other_text_has_none() {
        for html in [
            "",
            "<",
            "<<<>",
            "<div",
            "<div data-phx-session",
            "<div id=a data-phx-session=\"x\">",
            "<meta name=csrf-token content=x><div data-phx-session=x>",
            "<meta = = name='csrf-token",
            "<!-- <script",
            "<p =\u{e9}='\u{2028}'>",
        ] {
            assert!(Page::parse(html).is_none(), "{html}");
        }
    }

    #[test]
    fn the_ref_of_an_upload_is_that_of_the_live_view() {
        let reference = "phx-GHcXWmHhZ4-_aBcD";
        for rendered in [
            format!(r#"{{"rendered":{{"0":"phx-short","1":"{reference}","s":["a"]}}}}"#),
            format!(r#"{{"0":"{reference}","s":["<input data-phx-upload-ref=\"","\">"]}}"#),
            format!(r#"{{"0":"<input data-phx-upload-ref=\"{reference}\">"}}"#),
            format!(
                r#"{{"0":"phx-AAAAAAAAAAAAAAAAAAAA","s":[" data-phx-upload-ref=\""],"1":"{reference}"}}"#
            ),
        ] {
            assert_eq!(upload_ref(&rendered).as_deref(), Some(reference), "{rendered}");
        }
        assert_eq!(upload_ref(r#"{"rendered":{"0":"phx-"}}"#), None);
    }
}
