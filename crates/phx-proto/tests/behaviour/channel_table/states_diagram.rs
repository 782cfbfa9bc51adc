//! The diagram of a channel's states.

use super::*;

/// Inputs of the diagram: the label, and the test with their table.
const INPUTS: [(&str, fn()); 23] = [
    ("join", the_user_joins),
    ("push", the_user_pushes),
    ("leave", the_user_leaves),
    ("remove", the_user_removes_it),
    ("replaced", the_user_replaces_it),
    ("accepted", the_join_is_accepted),
    ("rejected", the_join_is_rejected),
    ("crash of the join", the_join_crashes),
    ("params ready", the_params_are_made),
    ("params failed", the_params_cannot_be_made),
    ("transport ready", the_transport_takes_frames_again),
    ("message", a_message_comes),
    ("phx_error", the_server_says_that_this_join_crashed),
    ("phx_error", the_server_says_that_the_topic_crashed),
    ("unmatched topic", the_server_has_forgotten_it),
    ("phx_close", the_server_closes_this_join),
    ("phx_close", the_server_closes_the_topic),
    ("phx_close (by policy)", the_server_closes_this_join_and_the_policy_joins_again),
    ("phx_close (by policy)", the_server_closes_the_topic_and_the_policy_joins_again),
    ("connection lost", the_connection_is_lost),
    ("disconnect", the_user_disconnects),
    ("connection replaced", another_connection_opens),
    ("time", ten_seconds_pass),
];

#[test]
fn the_diagram_shows_the_tables() {
    diagram::assert_is_in_the_docs("A channel", &Some(New), &INPUTS);
}
