//! Runs all tests in the browser, and prints the table.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use futures::future::FutureExt as _;
use phx_testing::suite::{Report, table};

use crate::cases::{self, Desk};
use crate::http::{self, Answer, HTML, Handler, JAVASCRIPT, Request};
use crate::life;
use crate::program::WebProgram;

/// Profile of the page's program: quick to run, and as strict as a test.
const PROFILE: &str = "checks";

/// Runs the tests whose names contain `part`.
pub(crate) fn run(part: &str) -> anyhow::Result<ExitCode> {
    let program = WebProgram::build("phx-browser", "phx-browser", PROFILE)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(run_with(program, part))
}

async fn run_with(program: WebProgram, part: &str) -> anyhow::Result<ExitCode> {
    let desk = Arc::new(Desk::default());
    let pages = http::serve(pages(program, Arc::clone(&desk))).await.context("no port")?;
    let began = Instant::now();
    let mut reports = cases::run(&desk, pages, part).await?;
    reports.push(life::run(pages, part).await);
    println!("{}", table(&reports));
    println!("{} s", began.elapsed().as_secs());
    let passed = reports.iter().all(Report::passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the function that serves the pages, and passes their reports and orders on.
fn pages(program: WebProgram, desk: Arc<Desk>) -> Arc<Handler> {
    Arc::new(move |Request { path, body }| {
        let file = match &*path {
            "/stage.html" => Some((HTML, include_bytes!("../pages/stage.html").to_vec())),
            "/case.html" => Some((HTML, include_bytes!("../pages/case.html").to_vec())),
            "/life.html" => Some((HTML, include_bytes!("../pages/life.html").to_vec())),
            "/worker.mjs" => Some((JAVASCRIPT, include_bytes!("../pages/worker.mjs").to_vec())),
            path => program.file(path),
        };
        let desk = Arc::clone(&desk);
        async move {
            if let Some((kind, contents)) = file {
                return Answer::File(kind, contents);
            }
            let answer = desk.answer(&path, &body).await;
            answer.map_or(Answer::NotFound, |text| Answer::File("application/json", text))
        }
        .boxed()
    })
}
