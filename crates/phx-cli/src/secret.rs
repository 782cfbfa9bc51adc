//! Recognizes secrets by their names and by their look.

use std::borrow::Cow;

use url::form_urlencoded;

/// The text shown in place of a secret.
pub(crate) const MASKED: &str = "***";

/// Words, in the singular, that name secrets.
const WORDS: [&str; 22] = [
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "csrf",
    "jwt",
    "otp",
    "pass",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "pwd",
    "secret",
    "sessid",
    "session",
    "token",
    "totp",
    "xsrf",
];

/// Ends of words that are written as one, such as `accesstoken`.
const ENDS: [&str; 12] = [
    "apikey",
    "cookie",
    "credential",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "sessid",
    "sessionid",
    "token",
    "accesskey",
];

/// Words that make a following key a secret one.
const KEYS: [&str; 8] =
    ["access", "api", "auth", "encryption", "private", "secret", "service", "signing"];

/// Words at the end of names that describe a secret, and don't hold it: `token_type`, `session_count`.
const ABOUT: [&str; 20] = [
    "age",
    "at",
    "count",
    "enabled",
    "expiration",
    "expire",
    "expiry",
    "in",
    "kind",
    "len",
    "length",
    "limit",
    "name",
    "required",
    "size",
    "total",
    "ttl",
    "type",
    "used",
    "valid",
];

/// Such words at the beginning: `max_tokens`, `has_password`.
const ABOUT_FIRST: [&str; 5] = ["has", "is", "max", "min", "num"];

/// Beginnings of signed and encrypted tokens: those of `Phoenix.Token` and Plug's cookies, and so the `session` and
/// `static` of a live view, by their algorithms in base64, and the text after the scheme in an Authorization
/// header.
const BEGINNINGS: [&str; 6] =
    ["SFMyNTY.", "SFMzODQ.", "SFM1MTI.", "QTEyOEdDTQ.", "QTI1NkdDTQ.", "Bearer "];

/// Returns true if a name, such as the key of a JSON object, names a secret.
pub(crate) fn is_name(name: &str) -> bool {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(|word| singular(word)).collect();
    let is_about = words.last().is_some_and(|last| ABOUT.contains(last))
        || words.first().is_some_and(|first| ABOUT_FIRST.contains(first));
    let is_word = |word: &&str| WORDS.contains(word) || ENDS.iter().any(|end| word.ends_with(end));
    let is_key = |pair: &[&str]| matches!(pair, [before, "key"] if KEYS.contains(before));
    !is_about && (words.iter().any(is_word) || words.windows(2).any(is_key))
}

/// Returns true if a text contains the name of a secret, or text that looks like a secret.
pub(crate) fn is_in(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.split(|c| !is_part(c)).any(is_name) || matches!(without_tokens(text), Cow::Owned(_))
}

/// Masks all text that looks like a token, at any place: in the HTML of a live view, for example.
pub(crate) fn without_tokens(text: &str) -> Cow<'_, str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.~+/=".contains(c);
    let mut masked = String::new();
    let mut rest = text;
    while let Some(token) = first_token(rest) {
        let (before, from) = rest.split_at_checked(token).unwrap_or((rest, ""));
        let scheme = if from.starts_with("Bearer ") { "Bearer " } else { "" };
        let behind = from.get(scheme.len()..).unwrap_or_default();
        masked.push_str(before);
        masked.push_str(scheme);
        masked.push_str(MASKED);
        rest = behind.trim_start_matches(is_part);
    }
    if masked.is_empty() {
        return Cow::Borrowed(text);
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// Masks the values of `name=value` with names of secrets, as in forms, URLs and attributes, and the text before
/// the host of a URL.
pub(crate) fn without_values(text: &str) -> Cow<'_, str> {
    let is_name_part = |c: char| c.is_alphanumeric() || "_-.%+[]".contains(c);
    let ends_value = |c: char| c.is_whitespace() || "&;,\"'<>#".contains(c);
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let from = rest.get(at..).unwrap_or_default();
        let sign = if from.starts_with("://") { 3 } else { 1 };
        let (before, behind) = rest.split_at_checked(at.saturating_add(sign)).unwrap_or((rest, ""));
        masked.push_str(before);
        let name = before.trim_end_matches('=');
        let name = name.get(name.trim_end_matches(is_name_part).len()..).unwrap_or_default();
        let mut decoded = form_urlencoded::parse(name.as_bytes());
        let is_secret = from.starts_with('=') && decoded.any(|(name, _)| is_name(&name));
        let (kept, length) = if sign == 3 {
            let ends = |c: char| c.is_whitespace() || "/?#\"'<>".contains(c);
            let authority = behind.split(ends).next().unwrap_or_default();
            (0, authority.rfind('@').unwrap_or(0))
        } else if !is_secret {
            (0, 0)
        } else if let Some(quote) = behind.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let value = behind.get(1..).unwrap_or_default();
            (1, value.find(quote).unwrap_or(value.len()))
        } else {
            (0, behind.find(ends_value).unwrap_or(behind.len()))
        };
        masked.push_str(behind.get(..kept).unwrap_or_default());
        if length > 0 {
            masked.push_str(MASKED);
        }
        rest = behind.get(kept.saturating_add(length)..).unwrap_or_default();
    }
    masked.push_str(rest);
    if masked == text { Cow::Borrowed(text) } else { Cow::Owned(masked) }
}

/// Returns the position of the first token.
fn first_token(text: &str) -> Option<usize> {
    let known = BEGINNINGS.iter().filter_map(|beginning| text.find(beginning));
    known.chain(first_jwt(text)).min()
}

/// Finds a JSON Web Token: two parts that begin with `{"` in base64, and a third one.
fn first_jwt(text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices("eyJ").map(|(at, _)| at).find(|at| {
        let token = text.get(*at..).unwrap_or_default();
        let head = token.trim_start_matches(is_part);
        head.strip_prefix(".eyJ")
            .is_some_and(|claims| claims.trim_start_matches(is_part).starts_with('.'))
    })
}

/// Splits a name in `snake_case`, `kebab-case` or `camelCase` into its words, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before: Option<char> = None;
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let begins = match before {
            // `accessToken`, and the K of `APIKey`.
            Some(before) if c.is_uppercase() => {
                before.is_lowercase()
                    || (before.is_uppercase() && rest.peek().is_some_and(|c| c.is_lowercase()))
            }
            Some(before) => before.is_numeric() != c.is_numeric(),
            None => false,
        };
        if begins || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    words.retain(|word| !word.is_empty() && !word.chars().all(char::is_numeric));
    words
}

fn singular(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(short) if short.len() > 2 && !short.ends_with('s') => short,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        let names = "token Access_Token accessToken accesstoken auth_token tokens _csrf_token password \
            password1 newPassword userpassword pwd pin user_pin passwd secret client-secret \
            secret_key_base session session_id sessionId PHPSESSID credential credentials api_key \
            api-key apiKey APIKey apikey x-api-key private_key Authorization cookie Set-Cookie jwt \
            otp passphrase auth signing_key pass";
        for name in names.split(' ') {
            assert!(is_name(name), "{name}");
        }
    }

    #[test]
    fn harmless_names() {
        let names = "author authors authentic keyboard monkey key keys tokenizer max_tokens token_count \
            token_type expires_in token_expires_at spinner spin pinned opinion secretary passenger \
            compass bypass passive obsession session_count has_password body user primary_key \
            publicKey status reason cookie_name pass_count";
        for name in names.split(' ').chain([""]) {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn values_are_masked_by_their_names_and_users_of_urls_are() {
        for (text, masked) in [
            (
                "_csrf_token=a%20b&user%5B%70assword%5D=hush&n=1",
                "_csrf_token=***&user%5B%70assword%5D=***&n=1",
            ),
            ("https://h/x?a=b&token=hush#top", "https://h/x?a=b&token=***#top"),
            ("at postgres://me:hush@db/x, or", "at postgres://***@db/x, or"),
            ("<i api-key=\"hu sh\" b='c' pin='hush'>", "<i api-key=\"***\" b='c' pin='***'>"),
            ("token=", "token="),
            ("a=b://c=d@e", "a=b://***@e"),
            ("password==é; x", "password=***; x"),
        ] {
            assert_eq!(without_values(text), masked);
        }
        for text in ["", "=", "://", "a=b", "://@", "http://h/a@b", "é=é"] {
            assert_eq!(without_values(text), text);
        }
    }

    #[test]
    fn tokens_are_masked_wherever_they_stand() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl";
        for (text, masked) in [
            ("SFMyNTY.g2gDYQ.x-y_z", "***".to_owned()),
            (
                "<div data-phx-session=\\\"SFMyNTY.g2gD.xyz\\\" data-phx-static=\\\"SFMyNTY.a.b\\\">",
                "<div data-phx-session=\\\"***\\\" data-phx-static=\\\"***\\\">".to_owned(),
            ),
            (&format!("is {jwt}, and {jwt}"), "is ***, and ***".to_owned()),
            ("Bearer abc.def+/=, ok", "Bearer ***, ok".to_owned()),
            ("QTEyOEdDTQ.abc.def é", "*** é".to_owned()),
        ] {
            assert_eq!(without_tokens(text), masked);
            assert!(is_in(text));
        }
        for text in ["", "eyJ", "eyJ.eyJ", "a.b.c", "Bear er", "SFMyNTY", "hello, world"] {
            assert_eq!(without_tokens(text), text);
            assert!(!is_in(text), "{text}");
        }
        assert!(is_in("join room:a {\"token\": \"s3cret\"}") && !is_in("join room:a"));
    }
}
