//! The behaviour suite in a page and in a worker.
//!
//! Each case is a frame of one page that is looked at, with a host name of its own: so it has a process of the browser
//! to itself, and no failed attempt of one slows down the others. Its servers are here, and obey the orders that it sends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use futures::StreamExt as _;
use phx_browser::Browser;
use phx_client::TransportKind;
use phx_testing::suite::{Case, Host, LIMIT, Order, Report, ServerKind, Site as _, Verdict, cases};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Number of cases that run at the same time: they wait more than they work.
const AT_A_TIME: usize = 4;

/// Where a case runs in the browser.
pub(crate) const PLACES: [&str; 2] = ["page", "worker"];

/// The cases that run now, by their numbers.
#[derive(Default)]
pub(crate) struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    running: BTreeMap<u64, Running>,
    started: u64,
}

struct Running {
    servers: Vec<Arc<Host>>,
    verdict: oneshot::Sender<Result<(), String>>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a page's request; `None` if it isn't for a case that runs.
    pub(crate) async fn answer(&self, path: &str, body: &[u8]) -> Option<Vec<u8>> {
        let (what, number) = path.strip_prefix('/')?.split_once('/')?;
        let number = number.parse().ok()?;
        match what {
            "start" => {
                let kind: ServerKind = serde_json::from_slice(body).ok()?;
                let server = Arc::new(Host::start(kind));
                let mut state = self.state();
                let servers = &mut state.running.get_mut(&number)?.servers;
                servers.push(Arc::clone(&server));
                Some(json!([servers.len() - 1, server.url()]).to_string().into_bytes())
            }
            "order" => {
                let (server, order): (usize, Order) = serde_json::from_slice(body).ok()?;
                let server = Arc::clone(self.state().running.get(&number)?.servers.get(server)?);
                serde_json::to_vec(&server.order(order).await).ok()
            }
            "passed" => self.end(number, Ok(())),
            "failed" => self.end(number, Err(String::from_utf8_lossy(body).into_owned())),
            _ => None,
        }
    }

    /// Ends a case, and with it its servers. The first report counts.
    fn end(&self, number: u64, verdict: Result<(), String>) -> Option<Vec<u8>> {
        let running = self.state().running.remove(&number)?;
        let _ = running.verdict.send(verdict);
        Some(Vec::new())
    }

    fn begin(&self) -> (u64, oneshot::Receiver<Result<(), String>>) {
        let (verdict, ended) = oneshot::channel();
        let mut state = self.state();
        state.started += 1;
        let number = state.started;
        state.running.insert(number, Running { servers: Vec::new(), verdict });
        (number, ended)
    }
}

/// Runs the cases whose names contain `part`, in each place.
pub(crate) async fn run(desk: &Desk, pages: SocketAddr, part: &str) -> anyhow::Result<Vec<Report>> {
    let browser = Browser::start().await;
    browser.open(&format!("http://localhost:{}/stage.html", pages.port())).await;
    let shown = browser.run("return document.visibilityState").await;
    anyhow::ensure!(shown == "visible", "the page is {shown}, so its timers are slow");

    let all: Vec<(&str, Case)> = PLACES
        .into_iter()
        .flat_map(|place| cases().into_iter().map(move |case| (place, case)))
        .filter(|(place, case)| format!("{place}::{}", case.name).contains(part))
        .collect();
    let stage = Stage { browser: &browser, desk, port: pages.port() };
    let mut verdicts = BTreeMap::new();
    for (alone, at_a_time) in [(false, AT_A_TIME), (true, 1)] {
        let some = all.iter().filter(|(_, case)| case.alone == alone);
        let runs =
            some.map(async |(place, case)| ((*place, case.name), stage.run(place, case).await));
        let ended: Vec<_> = futures::stream::iter(runs).buffer_unordered(at_a_time).collect().await;
        verdicts.extend(ended);
    }
    browser.close().await;
    PLACES
        .into_iter()
        .map(|place| {
            let listed = all.iter().filter(|(of, _)| *of == place);
            let verdicts: Option<Vec<_>> = listed
                .map(|(_, case)| Some((case.name, verdicts.get(&(place, case.name))?.clone())))
                .collect();
            let verdicts = verdicts.context("a case has no verdict")?;
            Ok(Report::new(place, TransportKind::WebSocket, verdicts))
        })
        .collect()
}

/// The page whose frames are the cases.
struct Stage<'a> {
    browser: &'a Browser,
    desk: &'a Desk,
    port: u16,
}

impl Stage<'_> {
    async fn run(&self, place: &str, case: &Case) -> Verdict {
        if let Some(why) = case.not_in_a_page {
            return Verdict::omitted(why);
        }
        let (number, ended) = self.desk.begin();
        let began = Instant::now();
        let url = format!(
            "http://case-{number}.localhost:{}/case.html?id={number}&name={}&place={place}",
            self.port, case.name
        );
        let add = "const frame = document.createElement('iframe')
            frame.id = `case-${arguments[0]}`
            frame.src = arguments[1]
            document.body.append(frame)";
        self.browser.run_with(add, &[json!(number), Value::from(url)]).await;
        let verdict = match timeout(LIMIT, ended).await {
            Ok(Ok(Ok(()))) => Verdict::passed(began.elapsed()),
            Ok(Ok(Err(why))) => Verdict::failed(why),
            Ok(Err(_)) => Verdict::failed("it ended without a report".to_owned()),
            Err(_) => {
                self.desk.end(number, Ok(()));
                Verdict::failed(format!("not done within {} s", LIMIT.as_secs()))
            }
        };
        let remove = "document.getElementById(`case-${arguments[0]}`).remove()";
        self.browser.run_with(remove, &[json!(number)]).await;
        verdict
    }
}
