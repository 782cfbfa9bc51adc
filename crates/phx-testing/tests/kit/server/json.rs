//! JSON that is unusual, as Phoenix 1.8.12 reads it.

use phx_testing::demo_server;

use crate::wire::JOIN;

fn answers(texts: &[&str]) -> Vec<String> {
    super::answers(demo_server(), "2.0.0", texts)
}

#[test]
fn the_first_of_equal_keys_counts() {
    let push = r#"["1","2","room:a","echo",{"a":1,"b":{"c":2,"c":3},"a":4}]"#;
    let reply = r#"["1","2","room:a","phx_reply",{"response":{"a":1,"b":{"c":2}},"status":"ok"}]"#;
    assert_eq!(answers(&[JOIN, push]), [reply]);
}

#[test]
fn a_negative_zero_comes_back_as_zero() {
    let push = r#"["1","2","room:a","echo",[-0,-0.0,-1]]"#;
    let reply = r#"["1","2","room:a","phx_reply",{"response":[0,-0.0,-1],"status":"ok"}]"#;
    assert_eq!(answers(&[JOIN, push]), [reply]);
}

#[test]
fn a_join_ref_that_is_an_object_is_stale() {
    let push = r#"[{"a":1},"2","room:a","echo",{}]"#;
    assert_eq!(answers(&[JOIN, push]), [""; 0]);
    let heartbeat = r#"[null,"3","phoenix","heartbeat",{}]"#;
    let alive = r#"[null,"3","phoenix","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(answers(&[JOIN, push, heartbeat]), [alive], "the connection goes on");
    let unjoined = r#"[null,"2","room:b","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]"#;
    assert_eq!(answers(&[r#"[{"a":1},"2","room:b","echo",{}]"#]), [unjoined]);
}

#[test]
fn a_join_whose_join_ref_is_an_object_is_taken() {
    let join = r#"[{"a":1},"1","room:a","phx_join",{}]"#;
    let joined = r#"["{\"a\":1}","1","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(answers(&[join]), [joined]);
    let push = r#"[{"a":1},"2","room:a","echo",{}]"#;
    let reply = r#"["{\"a\":1}","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(answers(&[join, push]), [reply]);
}

#[test]
fn a_frame_with_an_odd_ref_and_a_bad_payload_closes_the_connection() {
    for payload in [r#"{"a":"\ud800"}"#, "[1e400]", "nul"] {
        let push = format!(r#"[{{"a":1}},"2","room:a","echo",{payload}]"#);
        assert_eq!(answers(&[JOIN, &push]), ["close 1011"], "{push}");
    }
}
