//! Behaviour of phx-proto, one file each, in one program that links once.

#![cfg(test)]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers_are_bounded;
mod backoff_bounds;
mod capacity;
mod causes_in_words;
mod channel_table;
mod clock;
mod closes;
mod common;
mod compression;
mod connect;
mod connection_table;
mod crashed_joins;
mod crashes;
mod debug_output;
mod diagram;
mod disconnect;
mod disconnect_then_leave;
mod dispatch;
mod endpoint;
mod error_chains;
mod events_lost;
mod forgotten_channels;
mod guarantee_1_any_order;
mod guarantee_2_old_connections;
mod guarantee_3_one_outcome;
mod guarantee_4_same_outputs;
mod guarantee_5_bounded;
mod guarantee_6_constant_work;
mod guarantee_7_intents;
mod heartbeat;
mod join;
mod leave;
mod lifecycle;
mod limits;
mod longpoll;
mod message_pack;
mod outcomes;
mod presence_bytes;
mod presence_laws;
mod presence_memory;
mod presence_recording;
mod presence_rules;
mod presences;
mod presets;
mod push;
mod push_without_reply;
mod reconnect;
mod reconnect_policy;
mod rejoin;
mod removed_channels;
mod serializer_allocations;
mod serializer_binary;
mod serializer_extremes;
mod serializer_payloads;
mod serializer_recordings;
mod serializer_replies;
mod serializer_round_trips;
mod serializer_topics;
mod serializer_v1;
mod serializer_v2_text;
mod serializer_words;
mod settings;
mod sleep_and_wake;
mod small_preset;
mod splits_in_time;
mod stale_transports;
mod topics;
mod transports;
mod turns;
mod turns_recover;
mod unnamed_closes;
mod unsendable;
