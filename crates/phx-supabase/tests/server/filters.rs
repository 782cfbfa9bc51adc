//! Filters of changes: what they pass, and those that can't be used.

use std::time::Duration;

use phx_supabase::testing::{self, Change};
use phx_supabase::{Filter, PostgresChanges};
use proptest::prelude::*;
use serde_json::json;

use crate::{TOPIC, Wire, server};

#[test]
fn rows_pass_the_filters_of_bindings() {
    let row =
        json!({ "id": 7, "name": "b", "on": true, "list": [], "gone": null, "say": "a,b (c)" });
    for (filter, passes) in [
        ("id=eq.7", true),
        ("id=eq.8", false),
        ("id=neq.8", true),
        ("id=gt.6.5", true),
        ("id=gt.7", false),
        ("id=gte.7", true),
        ("id=lt.7", false),
        ("id=lte.7", true),
        ("id=in.(1, 7)", true),
        ("id=in.(1,2)", false),
        ("name=eq.b", true),
        ("name=lt.c", true),
        ("on=eq.true", true),
        ("list=eq.[]", true),
        ("other=eq.1", false),
        (" ", true),
        ("id=gt.5,id=lt.8", true),
        ("id=gt.5,id=lt.7", false),
        ("id=not.eq.8", true),
        ("id=not.in.(1,7)", false),
        ("id=in.()", false),
        ("id=not.in.()", true),
        ("name=in.(a, b)", true),
        ("say=in.(\"a,b (c)\",x)", true),
        ("say=eq.\"a,b (c)\",id=eq.7", true),
        ("say=eq.\"a,b (c\",id=eq.7", false),
        ("say=eq.a,b", false),
        ("name=like.b", true),
        ("name=like.B", false),
        ("name=ilike.B", true),
        ("say=like.a%c)", true),
        ("say=like.\"a,_ (%\"", true),
        ("say=like.%b%", true),
        ("say=like.%z%", false),
        ("say=like._", false),
        ("name=like.\\_", false),
        ("say=not.like.%b%", false),
        // SQL's `null` passes no comparison, negated or not.
        ("gone=eq.1", false),
        ("gone=not.eq.1", false),
        ("gone=like.%", false),
        ("gone=is.null", true),
        ("gone=not.is.null", false),
        ("name=not.is.null", true),
        ("on=is.true", true),
        ("on=is.false", false),
        ("on=not.is.unknown", true),
        ("gone=isdistinct.1", true),
        ("id=isdistinct.7", false),
        ("id=not.isdistinct.7", true),
        ("id=like.7", false),
        ("other=is.null", false),
    ] {
        let mut wire = Wire::new(server());
        let binding = json!({ "event": "*", "schema": "public", "table": "t", "filter": filter });
        wire.joined(&json!({ "postgres_changes": [binding, null] }));
        testing::change(&mut wire.server, wire.now, TOPIC, &Change::insert("t", row.clone()));
        testing::change(&mut wire.server, wire.now, TOPIC, &Change::insert("u", row.clone()));
        let texts = wire.texts();
        let changes = texts.iter().filter(|text| text[3] == "postgres_changes").count();
        assert_eq!(changes, usize::from(passes), "{filter}");
    }
}

#[test]
fn a_filter_that_cannot_be_used_is_reported_and_passes_nothing() {
    for (filter, error) in [
        ("id", r#"["id"]"#),
        ("id=foo.hey", r#"["foo", "hey"]"#),
        ("id=eq", r#"["eq"]"#),
        ("id=in.1,2", "`in` filter value must be wrapped by parentheses"),
        ("id=eq.1,,id=eq.2", "filter must not contain empty segments (check for extra commas)"),
        ("id=is.7", "an is filter must be null, true, false, or unknown"),
        ("id=match.^7", r#"["match", "^7"]"#),
    ] {
        let mut wire = Wire::new(server());
        let binding = json!({ "event": "*", "schema": "public", "table": "t", "filter": filter });
        wire.joined(&json!({ "postgres_changes": [binding] }));
        testing::change(
            &mut wire.server,
            wire.now,
            TOPIC,
            &Change::insert("t", json!({ "id": 7 })),
        );
        wire.pass(Duration::from_secs(1));
        let texts = wire.texts();
        let [system] = texts.as_slice() else { panic!("{texts:?}") };
        let said = json!({
            "channel": "room", "extension": "postgres_changes", "status": "error",
            "message": format!("Error parsing `filter` params: {error}"),
        });
        assert_eq!(system[4], said);
    }
}

#[test]
fn what_the_filter_type_writes_the_server_reads() {
    let row = json!({ "id": 7, "say": "a \"b\", (c)\\ ", "gone": null, "on": false });
    let say = row["say"].as_str().unwrap();
    for (filter, passes) in [
        (Filter::new(), true),
        (Filter::new().eq("say", say), true),
        (Filter::new().eq("say", say.trim()), false),
        (Filter::new().one_of("say", ["x", say]), true),
        (Filter::new().negate_next().one_of("say", ["x", say]), false),
        (Filter::new().one_of("id", [1, 7]).neq("id", 8).gt("id", 6).gte("id", 7), true),
        (Filter::new().lt("id", 8).lte("id", 7).like("say", "a%").ilike("say", "A%"), true),
        (Filter::new().is("gone", None).is("on", Some(false)).negate_next().is("id", None), true),
        (Filter::new().is_distinct("gone", 1).negate_next().is_distinct("id", 7), true),
        (Filter::new().negate_next().negate_next().eq("id", 7), true),
    ] {
        let mut wire = Wire::new(server());
        let text = filter.to_string();
        let wanted = PostgresChanges::all().table("t").filter(filter);
        wire.joined(&json!({ "postgres_changes": [wanted] }));
        testing::change(&mut wire.server, wire.now, TOPIC, &Change::insert("t", row.clone()));
        let changes = wire.texts();
        assert_eq!(changes.len(), usize::from(passes), "{text}: {changes:?}");
    }
    let expressions = Filter::new().matches("a", "^(x|y)$").imatches("b", "^z");
    assert_eq!(expressions.to_string(), r#"a=match."^(x|y)$",b=imatch.^z"#);
}

proptest! {
    /// A filter is a client's text: whatever it is, it is read in one way or reported.
    #[test]
    fn no_filter_panics(filter in "(id=)?(not\\.)?(eq|in|is|like|ilike)?[.]?[\\PC%_,()\"\\\\]{0,12}") {
        let mut wire = Wire::new(server());
        let binding = json!({ "event": "*", "schema": "public", "table": "t", "filter": filter });
        wire.joined(&json!({ "postgres_changes": [binding] }));
        let row = json!({ "id": "a%_\\", "x": null });
        testing::change(&mut wire.server, wire.now, TOPIC, &Change::insert("t", row));
        let changes = wire.texts().len();
        wire.pass(Duration::from_secs(1));
        let subscribed = wire.texts();
        prop_assert_eq!(subscribed.len(), 1);
        // One that can't be used passes nothing.
        prop_assert!(changes == 0 || subscribed[0][4]["status"] == "ok", "{}", filter);
    }
}
