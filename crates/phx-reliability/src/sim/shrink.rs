//! Shrinks plans that show a violation.

use super::plan::{Plan, Step};
use super::violation::Rule;
use super::world::run;

/// Returns the smallest plan found that breaks the same rule: without the steps that it doesn't need, and without
/// waits before the others where possible. A plan that breaks no rule is returned unchanged.
#[must_use]
pub fn shrink(plan: &Plan) -> Plan {
    let Some(rule) = broken(plan) else { return plan.clone() };
    let mut small = plan.clone();
    loop {
        let before = small.steps.len();
        leave_out_steps(&mut small, rule);
        if small.steps.len() == before {
            break;
        }
    }
    wait_less(&mut small, rule);
    small
}

fn broken(plan: &Plan) -> Option<Rule> {
    run(plan).violations.first().map(|violation| violation.rule)
}

fn breaks(plan: &Plan, rule: Rule) -> bool {
    run(plan).violations.iter().any(|violation| violation.rule == rule)
}

fn leave_out_steps(plan: &mut Plan, rule: Rule) {
    let mut count = plan.steps.len().div_ceil(2);
    while count > 0 {
        let mut at = 0;
        while at < plan.steps.len() {
            let end = at.saturating_add(count).min(plan.steps.len());
            let mut smaller = plan.clone();
            let passed: u64 = smaller.steps.drain(at..end).map(|step: Step| step.after).sum();
            // The step's time is added to the next one, since violations often depend on times.
            if let Some(next) = smaller.steps.get_mut(at) {
                next.after = next.after.saturating_add(passed);
            }
            if breaks(&smaller, rule) {
                *plan = smaller;
            } else {
                at = end;
            }
        }
        count /= 2;
    }
}

fn wait_less(plan: &mut Plan, rule: Rule) {
    for at in 0..plan.steps.len() {
        for less in [0, 1_000] {
            let mut shorter = plan.clone();
            if shorter.steps[at].after > less {
                shorter.steps[at].after = less;
                if breaks(&shorter, rule) {
                    *plan = shorter;
                    break;
                }
            }
        }
    }
}
