//! `cargo xtask web-speed`: what a received message costs a page, beside the official client in the same browser.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use futures::FutureExt as _;
use phx_browser::Browser;
use phx_client::Payload;
use phx_testing::listener::Listener;
use serde_json::json;

use crate::chat;
use crate::http::{self, Answer, HTML, JAVASCRIPT, Request};
use crate::program::WebProgram;

/// Messages of a run, each with a payload of 80 bytes.
const MESSAGES: usize = 200_000;
const PAYLOAD_BYTES: usize = 80;

/// Runs of each client, in turns.
const RUNS: usize = 7;

/// Largest ratio to the official client, of the medians.
const LIMIT: f64 = 1.0;

const CLIENTS: [&str; 2] = ["rust", "javascript"];

/// The main thread's own time, which other programs of the machine don't lengthen, in microseconds for each message.
#[derive(Clone, Copy)]
struct Cost {
    /// All tasks.
    task: f64,
    /// What scripts and WebAssembly take of it.
    script: f64,
}

/// Prints each run, the medians and their ratios.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let program = WebProgram::build("phx-browser", "phx-browser", "release")?;
    let phoenix = chat::official_client()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(compare(program, phoenix))
}

async fn compare(program: WebProgram, phoenix: Vec<u8>) -> anyhow::Result<ExitCode> {
    let pages = http::serve(Arc::new(move |Request { path, .. }| {
        let file = match &*path {
            "/speed.html" => Some((HTML, include_bytes!("../pages/speed.html").to_vec())),
            "/phoenix.mjs" => Some((JAVASCRIPT, phoenix.clone())),
            path => program.file(path),
        };
        async { file.map_or(Answer::NotFound, |(kind, file)| Answer::File(kind, file)) }.boxed()
    }));
    let pages = pages.await.context("no port")?;
    let browser = Browser::start().await;
    browser.devtools("Performance.enable", json!({ "timeDomain": "threadTicks" })).await;
    let mut costs = CLIENTS.map(|_| Vec::new());
    println!("us a message  {}: task, script  {}: task, script", CLIENTS[0], CLIENTS[1]);
    for number in 1..=RUNS {
        print!("run {number}");
        for (client, costs) in CLIENTS.into_iter().zip(&mut costs) {
            let cost = measure(&browser, pages, client).await?;
            print!("  {:.3} {:.3}", cost.task, cost.script);
            costs.push(cost);
        }
        println!();
    }
    browser.close().await;
    let [ours, theirs] = costs.map(|costs| Cost {
        task: median(costs.iter().map(|cost| cost.task)),
        script: median(costs.iter().map(|cost| cost.script)),
    });
    println!(
        "medians  {:.3} {:.3}  {:.3} {:.3}",
        ours.task, ours.script, theirs.task, theirs.script
    );
    let (task, script) = (ours.task / theirs.task, ours.script / theirs.script);
    let is_met = task <= LIMIT && script <= LIMIT;
    let goal = if is_met { "met" } else { "missed" };
    println!("ratios: task {task:.2}, script {script:.2}; goal {LIMIT:.1}, {goal}");
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one client in a new page.
async fn measure(browser: &Browser, pages: SocketAddr, client: &str) -> anyhow::Result<Cost> {
    let server = Listener::bind(phx_testing::demo_server().build()).await.context("no port")?;
    let page = format!(
        "http://localhost:{}/speed.html?client={client}&count={MESSAGES}&url={}",
        pages.port(),
        server.url()
    );
    browser.open(&page).await;
    let next = "const done = arguments[0]; next().then(done)";
    let joined = browser.run_async(next, &[]).await;
    ensure!(joined == "joined", "{client}: {joined}");
    let before = metrics(browser).await?;
    let payloads: Vec<Payload> = (0..MESSAGES).map(payload).collect();
    for payload in payloads {
        server.broadcast("room:a", "numbered", payload);
    }
    let received = browser.run_async(next, &[]).await;
    ensure!(received == "all received", "{client}: {received}");
    let after = metrics(browser).await?;
    server.stop().await;
    let each = 1e6 / MESSAGES as f64;
    let [task, script] = [0, 1].map(|index| (after[index] - before[index]) * each);
    Ok(Cost { task, script })
}

/// Returns the payload with this number.
fn payload(number: usize) -> Payload {
    let empty = json!({ "n": number, "text": "" }).to_string().len();
    let text = "x".repeat(PAYLOAD_BYTES.saturating_sub(empty));
    Payload::json(&json!({ "n": number, "text": text })).expect("JSON")
}

/// Returns `TaskDuration` and `ScriptDuration`, in seconds.
async fn metrics(browser: &Browser) -> anyhow::Result<[f64; 2]> {
    let answer = browser.devtools("Performance.getMetrics", json!({})).await;
    let metrics = answer["metrics"].as_array().context("metrics")?;
    let value = |name: &str| {
        let metric = metrics.iter().find(|metric| metric["name"] == name);
        metric.and_then(|metric| metric["value"].as_f64()).with_context(|| name.to_owned())
    };
    Ok([value("TaskDuration")?, value("ScriptDuration")?])
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
