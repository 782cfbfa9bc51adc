//! Runs every scenario of docs/LOADTEST.md, with the data files of the page.

use std::fs;

use phx_testing::listener::Listener;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::imitation;
use crate::support::{Server, phx};

const PAGE: &str = include_str!("../../../../docs/LOADTEST.md");

/// The blocks of a language, each with the file name in its first line.
fn blocks(language: &str) -> Vec<(&'static str, &'static str)> {
    let start = format!("```{language}\n# ");
    let blocks = PAGE.split(&*start).skip(1);
    let block = |block: &'static str| {
        let block = block.split_once("\n```").expect("the block ends").0;
        block.split_once('\n').expect("the file isn't empty")
    };
    blocks.map(block).collect()
}

#[tokio::test]
async fn every_scenario_of_the_page_runs() {
    let server = Server::start().await;
    let app = Listener::bind(imitation::app().build()).await.unwrap();
    let view_url = format!("ws://{}/live", app.address());
    let folder = TempDir::new().unwrap();
    for (name, text) in blocks("csv").into_iter().chain(blocks("jsonl")) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let scenarios = blocks("jsonl");
    assert!(scenarios.len() >= 4, "{} scenarios", scenarios.len());
    for (name, text) in scenarios {
        let has_view = text.contains(r#""do": "mount""#);
        let url = if has_view { &view_url } else { &server.url };
        let path = folder.path().join(name).display().to_string();
        let bench = ["bench", url, "--scenario", &path, "--users", "2", "--passes", "1"];
        let ended = phx(&[&bench[..], &["--json"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        let result: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(result["errors"], json!({}), "{name}: {result}");
        for step in result["steps"].as_array().unwrap() {
            // Those without a time of the server, and one that is drawn once in ten times.
            let others = ["arrival", "data", "set", "sleep", "write"];
            let is_other = others.contains(&step["name"].as_str().unwrap());
            assert!(is_other || step["count"].as_u64() > Some(0), "{name}: {step}");
        }
        if has_view {
            continue;
        }
        // The other way to perform it.
        let script = ["script", &path, "--url", &server.url];
        let ended = phx(&script).await;
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{name}: {ended:?}");
    }
    app.stop().await;
    server.stops_empty().await;
}
