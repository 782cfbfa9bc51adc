//! The part that runs in the browser, in a page or a worker: it does what `globalThis.job` says.

use phx_testing::suite::start;

mod host;
mod life;
mod speed;
mod stage;

/// Runs the job.
pub(crate) fn run() {
    std::panic::set_hook(Box::new(|panic| host::failed(&panic.to_string())));
    let name = host::job();
    match &*name {
        "life" => return life::begin(),
        "speed" => return speed::begin(),
        _ => {}
    }
    match start::<stage::Browser>(&name) {
        Some(test) => phx_web::spawn_local(async {
            test.await;
            host::passed();
        }),
        None => host::failed(&format!("there is no test {name:?}")),
    }
}
