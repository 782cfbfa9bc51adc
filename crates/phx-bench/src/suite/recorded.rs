//! Scenarios with a recorder beside those without.

use super::rounds;

/// Returns the CPU time of each of these ways of recording beside none, as a table in Markdown.
pub(crate) fn ratios(modes: &[&str], rounds: u32) -> anyhow::Result<String> {
    let medians = rounds::measure(&rounds::recorded(modes), rounds)?;
    let mut text = "| scenario | recorder | CPU us | beside none |\n|---|---|---|---|\n".to_owned();
    for off in medians.rows().iter().filter(|cost| cost.client.ends_with(" off")) {
        for cost in medians.rows().iter().filter(|cost| cost.scenario == off.scenario) {
            let (_, mode) = cost.client.rsplit_once(' ').unwrap_or_default();
            let ratio = cost.cpu_us / off.cpu_us;
            text += &format!("| {} | {mode} | {:.3} | {ratio:.3} |\n", cost.scenario, cost.cpu_us);
        }
    }
    Ok(text)
}
