//! What the policies make of a join that the server rejected.

use phx_proto::{Payload, Rejection, Rejoin, RejoinPolicy, Status};

fn rejection(rejoin: bool) -> Rejection {
    Rejection::new(Status::Error, Payload::empty(), rejoin)
}

#[test]
fn by_default_only_the_first_one_is_final() {
    let policy = RejoinPolicy::default();
    assert_eq!(policy.decide(&rejection(false)), Rejoin::Stop);
    assert_eq!(policy.decide(&rejection(true)), Rejoin::Backoff);
}

#[test]
fn always_and_never_mean_both() {
    for rejoin in [false, true] {
        assert_eq!(RejoinPolicy::always().decide(&rejection(rejoin)), Rejoin::Backoff);
        assert_eq!(RejoinPolicy::never().decide(&rejection(rejoin)), Rejoin::Stop);
    }
}

#[test]
fn a_policy_of_ones_own_sees_the_rejection() {
    let policy = RejoinPolicy::function(|rejection| {
        assert_eq!(
            (&rejection.status, &rejection.response),
            (&Status::Error, &Ok(Payload::empty()))
        );
        if rejection.rejoin { Rejoin::Stop } else { Rejoin::Backoff }
    });
    assert_eq!(policy.decide(&rejection(true)), Rejoin::Stop);
    assert_eq!(policy.decide(&rejection(false)), Rejoin::Backoff);
}
