//! The functions by which `pages/run.mjs` connects this program to the one that started the browser.

use js_sys::futures::JsFuture;
use js_sys::{Function, JsString, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};

/// Returns the name of the test to run.
pub(crate) fn job() -> String {
    option("name")
}

/// Returns an option of the job, a text; an empty one if it isn't set.
pub(crate) fn option(name: &str) -> String {
    let value = Reflect::get(&global("job"), &JsValue::from_str(name));
    value.ok().and_then(|value| value.as_string()).unwrap_or_default()
}

/// Reports that the test has passed.
pub(crate) fn passed() {
    call("passed", &[]);
}

/// Reports why the test has failed.
pub(crate) fn failed(why: &str) {
    call("failed", &[why]);
}

/// Notes what has happened, for a test that looks.
pub(crate) fn note(what: &str) {
    call("note", &[what]);
}

/// Sends `body` to `path`, and returns the answer; `None` if there is none.
pub(crate) async fn ask(path: &str, body: &str) -> Option<String> {
    let promise: Promise = call("ask", &[path, body])?.dyn_into().ok()?;
    JsFuture::from(promise).await.ok()?.as_string()
}

fn global(name: &str) -> JsValue {
    Reflect::get(&js_sys::global(), &JsValue::from_str(name)).unwrap_or_default()
}

/// Calls a function of the global object.
fn call(name: &str, args: &[&str]) -> Option<JsValue> {
    let function: Function = global(name).dyn_into().ok()?;
    let args: js_sys::Array = args.iter().map(|arg| JsString::from(*arg)).collect();
    function.apply(&JsValue::UNDEFINED, &args).ok()
}
