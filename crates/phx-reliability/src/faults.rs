//! Real faults on every adapter, over real sockets: the time until each is noticed, the time until recovery, and a
//! check that nothing is lost or doubled.

#![expect(clippy::print_stdout, reason = "the table goes to standard output")]

use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use phx_client::{BoxFuture, CloseCause, CloseCode};
use phx_testing::Connectivity;
use phx_testing::fault_proxy::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::adapters::{Adapter, AsyncStd, Smol, Tokio};
use crate::matrix::{self, Row};

mod attempts;
mod between;
mod connections;
mod fixture;
mod processes;
mod settings;

use attempts::Cut;
use between::Between;
use connections::{BURST, Breach};
use fixture::{Fixture, Times};
use settings::{AT_ONCE, ATTEMPT, HEARTBEAT_TIMEOUT, NEVER, REJOIN, SILENCE, SLACK, UNHEARD};

/// Faults to run.
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Args {
    /// Only faults whose name holds one of these
    only: Vec<String>,
    /// With compressed messages
    #[arg(long)]
    compress: bool,
}

/// Number of faults that run at the same time: they wait more than they work.
const AT_A_TIME: usize = 6;

/// Time limit of a fault, far above the usual; a fault that hangs is reported by its name.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the faults on every adapter, and prints the table.
///
/// # Errors
///
/// None; a case that fails is reported in the table, and by the exit code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cases: Vec<_> =
        CASES.iter().filter(|case| matrix::is_wanted(&args.only, case.name)).collect();
    let results = matrix::run(&cases, AT_A_TIME, |case, adapter| {
        let run = [run_one::<Tokio>, run_one::<Smol>, run_one::<AsyncStd>].get(adapter).copied();
        run.context("no such adapter")?(case, case.compresses.unwrap_or(args.compress))
    });
    let row = |(case, results): (&&Case, Vec<anyhow::Result<String>>)| Row {
        name: case.name,
        limits: millis(case.noticed),
        cells: results,
    };
    let rows: Vec<_> = cases.iter().zip(results).map(row).collect();
    let (table, failed) = matrix::table("within", &rows);
    println!(
        "Each cell: milliseconds until the fault was noticed / from then, or from the fault's end if that\n\
         was later, until the channel was joined again. `within` is what the settings promise for the\n\
         first; the second is promised within {} ms. A busy machine may add {} ms to each.\n\n{table}\n\
         faults: runs={} failed={failed}",
        REJOIN.as_millis(),
        SLACK.as_millis(),
        rows.iter().map(|row| row.cells.len()).sum::<usize>(),
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a fault. A thread that isn't done in time is left behind, since nothing can end it.
fn run_one<A: Adapter>(case: &'static Case, compresses: bool) -> anyhow::Result<String> {
    let (report, done) = channel();
    let thread = thread::Builder::new().name(format!("{} {}", A::NAME, case.name));
    thread
        .spawn(move || A::block_on(play::<A>(case, compresses, report)))
        .context("no thread for it")?;
    let Times { noticed, joined } = done.recv_timeout(LIMIT).context("it hung or panicked")??;
    match (noticed, case.noticed) {
        (Some(noticed), Some(promised)) => {
            ensure!(noticed <= promised + SLACK, "noticed after {noticed:?}");
        }
        (None, None) => {}
        (noticed, _) => ensure!(false, "noticed: {noticed:?}"),
    }
    ensure!(joined.is_none_or(|it| it <= REJOIN + SLACK), "joined again after {joined:?}");
    Ok(format!("{:>5} /{:>5}", millis(noticed), millis(joined)))
}

async fn play<A: Adapter>(case: &Case, compresses: bool, report: Sender<anyhow::Result<Times>>) {
    let times = match Fixture::set::<A>(case.between, compresses).await {
        Ok(fixture) => (case.story)(fixture).await,
        Err(error) => Err(error),
    };
    // The receiver may have timed out.
    let _ = report.send(times);
}

fn millis(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.as_millis().to_string())
}

/// One fault.
struct Case {
    name: &'static str,
    /// Time limit for noticing it, by the settings; `None` if the client must not notice it.
    noticed: Option<Duration>,
    between: Between,
    /// Whether messages are compressed, if the fault says so: it may be a matter of their size.
    compresses: Option<bool>,
    story: fn(Fixture) -> BoxFuture<anyhow::Result<Times>>,
}

/// Lists the faults: the name, the time limit for noticing it, the proxies between client and server, whether messages are
/// compressed, and the steps on the fixture.
macro_rules! cases {
    (@) => { None };
    (@ compressed) => { Some(true) };
    (@ plain) => { Some(false) };
    ($($name:ident: $noticed:expr, $between:ident $(($compressed:ident))?, |$fixture:ident| $story:expr;)*) => {
        &[$(Case {
            name: stringify!($name),
            noticed: $noticed,
            between: Between::$between,
            compresses: cases!(@ $($compressed)?),
            story: |$fixture| Box::pin($story),
        },)*]
    };
}

/// All faults, in the order of the table: the same for every adapter.
const CASES: &[Case] = cases! {
    reset: AT_ONCE, Proxy, |fixture| LOST.before(BURST).strikes(fixture, |it| it.proxy.all().cut());
    end_without_a_close_frame: AT_ONCE, Proxy, |fixture| {
        LOST.before(BURST).strikes(fixture, |it| it.proxy.all().end())
    };
    half_open: SILENCE, Proxy, |fixture| SILENT.strikes(fixture, |it| it.proxy.all().half_open());
    // The server's frames still arrive: the server is alive, but that doesn't show that it hears the client.
    nothing_arrives: UNHEARD, Proxy, |fixture| {
        SILENT.strikes(fixture, |it| it.proxy.all().swallow(ToServer))
    };
    nothing_comes: SILENCE, Proxy, |fixture| {
        SILENT.strikes(fixture, |it| it.proxy.all().swallow(ToClient))
    };
    delay_within_the_timeout: NEVER, Proxy, |fixture| connections::delay(fixture);
    // Nothing arrives for three heartbeat timeouts, and then everything, late.
    delay_beyond_the_timeout: SILENCE, Proxy, |fixture| {
        SILENT.strikes(fixture, |it| it.proxy.all().set_latency(HEARTBEAT_TIMEOUT * 3))
    };
    stall_within_the_timeout: NEVER, Proxy, |fixture| connections::stall(fixture);
    full_send_buffer: SILENCE, Proxy (plain), |fixture| connections::full_send_buffer(fixture, &SILENT);
    reset_mid_frame: AT_ONCE, Proxy (plain), |fixture| LOST.strikes(fixture, |it| {
        it.proxy.all().cut_after(ToClient, 50_000);
        // Its outcome doesn't matter: the answer never comes.
        drop(it.room.push::<()>("big", &json!({ "bytes": 100_000 })).detach());
    });
    // In the text of the next frame, not in its header.
    garbled_frame_from_the_server: AT_ONCE, Proxy, |fixture| {
        LOST.strikes(fixture, |it| it.proxy.all().alter_after(ToClient, 10))
    };
    // The frame is no longer text, and the server reports that.
    garbled_frame_to_the_server: AT_ONCE, Proxy, |fixture| {
        INVALID.strikes(fixture, |it| it.proxy.all().alter_after(ToServer, 20))
    };
    reset_mid_compressed_frame: AT_ONCE, Proxy (compressed), |fixture| LOST.strikes(fixture, |it| {
        it.proxy.all().cut_after(ToClient, 500);
        // As above. It is 100 times smaller on the wire.
        drop(it.room.push::<()>("big", &json!({ "bytes": 100_000 })).detach());
    });
    // In the header: WebSocket has no checksum, and a garbled compressed text can be inflated to another text.
    garbled_header_of_a_compressed_frame: AT_ONCE, Proxy (compressed), |fixture| {
        LOST.strikes(fixture, |it| it.proxy.all().alter_after(ToClient, 1))
    };
    tls_reset_with_compression: AT_ONCE, ProxyAndTls (compressed), |fixture| {
        LOST.before(BURST).strikes(fixture, |it| it.proxy.all().cut())
    };
    port_closed: AT_ONCE, Proxy, |fixture| {
        attempts::unreachable(fixture, Connectivity::Offline, is_lost)
    };
    handshake_unanswered: ATTEMPT, Proxy, |fixture| {
        attempts::unreachable(fixture, Connectivity::Silent, is_unanswered)
    };
    // In the request and in the answer, at their first byte and further in.
    handshake_cut: AT_ONCE, Proxy, |fixture| {
        const PLACES: [Cut; 5] =
            [(ToServer, 0), (ToServer, 30), (ToClient, 0), (ToClient, 1), (ToClient, 60)];
        attempts::cut_at_each(fixture, &PLACES, is_lost)
    };
    dns_fails: ATTEMPT, ProxyByName, |fixture| attempts::dns_fails(fixture);
    tls_reset: AT_ONCE, ProxyAndTls, |fixture| {
        LOST.before(BURST).strikes(fixture, |it| it.proxy.all().cut())
    };
    tls_garbled: AT_ONCE, ProxyAndTls, |fixture| {
        GARBLED.before(BURST).strikes(fixture, |it| it.proxy.all().alter_after(ToClient, 10))
    };
    // In the client's hello, and at several places of the server's answer.
    tls_handshake_cut: AT_ONCE, ProxyAndTls, |fixture| {
        const PLACES: [Cut; 5] =
            [(ToServer, 0), (ToServer, 100), (ToClient, 0), (ToClient, 3), (ToClient, 300)];
        attempts::cut_at_each(fixture, &PLACES, is_lost)
    };
    tls_handshake_unanswered: ATTEMPT, ProxyAndTls, |fixture| {
        attempts::unreachable(fixture, Connectivity::Silent, is_unanswered)
    };
    server_stopped_within_the_timeout: NEVER, Nothing, |fixture| processes::stopped_shortly(fixture);
    server_stopped: SILENCE, Nothing, |fixture| processes::stopped(fixture);
    server_killed_and_restarted: AT_ONCE, Nothing, |fixture| processes::killed(fixture);
};

/// The operating system or the bytes report the lost connection.
const LOST: Breach = Breach::new(is_lost);
/// Only a heartbeat notices it.
const SILENT: Breach = Breach::new(|cause| *cause == CloseCause::HeartbeatTimedOut);
const INVALID: Breach =
    Breach::new(|cause| *cause == CloseCause::frame(CloseCode::from_u16(1007), ""));
const GARBLED: Breach = Breach::new(|cause| matches!(cause, CloseCause::Tls(_)));

fn is_lost(cause: &CloseCause) -> bool {
    matches!(cause, CloseCause::Io { .. } | CloseCause::ConnectFailed { .. })
}

fn is_unanswered(cause: &CloseCause) -> bool {
    *cause == CloseCause::ConnectTimedOut
}
