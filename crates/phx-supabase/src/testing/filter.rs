//! Filters of rows: `column=operator.value`, several of them with commas between, each negated by `not.`.

use std::cmp::Ordering;

use serde_json::Value;

/// Returns true if a row passes a filter: if all conditions are true, as SQL sees it. A comparison with `null` is neither
/// true nor false.
///
/// # Errors
///
/// The reason why the filter can't be used, in Supabase's form. It doesn't depend on the row.
pub(super) fn passes(filter: &str, row: &Value) -> Result<bool, String> {
    let conditions = if filter.trim().is_empty() { Vec::new() } else { split(filter) };
    // Each is read, also after one that is false.
    conditions.into_iter().try_fold(true, |all, it| Ok(holds(it.trim(), row)? && all))
}

fn holds(condition: &str, row: &Value) -> Result<bool, String> {
    if condition.is_empty() {
        return Err("filter must not contain empty segments (check for extra commas)".to_owned());
    }
    let (column, rest) = condition.split_once('=').ok_or_else(|| format!("{:?}", [condition]))?;
    let (is_negated, rest) = rest.strip_prefix("not.").map_or((false, rest), |rest| (true, rest));
    let (operator, wanted) = rest.split_once('.').ok_or_else(|| format!("{:?}", [rest]))?;
    let value = row.get(column).unwrap_or_default();
    let text = unquoted(wanted);
    let order = |accepts: fn(Ordering) -> bool| compare(value, &text).map(accepts);
    let is_true = match operator {
        "eq" => order(Ordering::is_eq),
        "neq" => order(Ordering::is_ne),
        "lt" => order(Ordering::is_lt),
        "lte" => order(Ordering::is_le),
        "gt" => order(Ordering::is_gt),
        "gte" => order(Ordering::is_ge),
        "isdistinct" => Some(order(Ordering::is_eq) != Some(true)),
        "like" => value.as_str().map(|value| is_like(value, &text)),
        "ilike" => value.as_str().map(|value| is_like(&value.to_lowercase(), &text.to_lowercase())),
        "is" => Some(match wanted {
            "null" | "unknown" => value.is_null(),
            "true" => *value == true,
            "false" => *value == false,
            _ => return Err("an is filter must be null, true, false, or unknown".to_owned()),
        }),
        "in" => {
            let list = wanted.strip_prefix('(').and_then(|list| list.strip_suffix(')'));
            let list = list.ok_or("`in` filter value must be wrapped by parentheses")?;
            let is = |item: &str| compare(value, &unquoted(item.trim())) == Some(Ordering::Equal);
            let is_in = !list.is_empty() && split(list).into_iter().any(is);
            (!value.is_null()).then_some(is_in)
        }
        _ => return Err(format!("{:?}", [operator, wanted])),
    };
    Ok(row.get(column).is_some() && is_true.is_some_and(|is_true| is_true != is_negated))
}

/// The parts between commas that are neither in parentheses nor in quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut is_quoted, mut is_escaped, mut before) = (0_u32, false, false, ',');
    let is_comma = move |c: char| {
        let is_comma = c == ',' && depth == 0 && !is_quoted;
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' if is_quoted => is_quoted = false,
            _ if is_quoted => {}
            // Elsewhere it is a character like others.
            '"' if matches!(before, '.' | '(' | ',') => is_quoted = true,
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = c;
        is_comma
    };
    text.split(is_comma).collect()
}

/// A value without its quotes; one that isn't quoted to its end stays as it is.
fn unquoted(value: &str) -> String {
    let mut text = String::new();
    let mut chars = value.strip_prefix('"').unwrap_or_default().chars();
    while let Some(c) = chars.next() {
        match c {
            '"' if chars.as_str().is_empty() => return text,
            '"' => break,
            '\\' => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    value.to_owned()
}

/// The order of two values, of which the row's isn't `null`.
fn compare(value: &Value, wanted: &str) -> Option<Ordering> {
    match value {
        Value::Null => None,
        Value::Number(number) => number.as_f64()?.partial_cmp(&wanted.parse().ok()?),
        Value::String(text) => Some(text.as_str().cmp(wanted)),
        other => Some(other.to_string().as_str().cmp(wanted)),
    }
}

/// `%` stands for any text, `_` for one character, and a backslash makes a character stand for itself.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut pattern = pattern.chars();
    let text: Vec<char> = text.chars().collect();
    // The lengths of the beginnings of the text, in characters, that the pattern so far is like.
    let mut ends = vec![0];
    while let (Some(c), Some(first)) = (pattern.next(), ends.first()) {
        let wanted = if c == '\\' { pattern.next() } else { Some(c) };
        let is_next =
            |end: &usize| text.get(*end).is_some_and(|it| c == '_' || wanted == Some(*it));
        ends = match c {
            '%' => (*first..=text.len()).collect(),
            _ => ends.into_iter().filter(is_next).map(|end| end + 1).collect(),
        };
    }
    ends.contains(&text.len())
}
