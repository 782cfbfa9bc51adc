// Runs a job of the program in page.js, in a page or a worker, and connects it to the program that serves this file.

import init from "/page.js"

export async function run(job) {
  const send = (path, body) => fetch(`/${path}/${job.id}`, { method: "POST", body, keepalive: true })
  globalThis.job = job
  globalThis.ask = async (path, body) => (await send(path, body)).text()
  globalThis.passed = () => send("passed", "")
  globalThis.failed = why => {
    globalThis.note?.(`failed: ${why}`)
    return send("failed", why)
  }
  addEventListener("error", event => failed(`${event.message}`))
  addEventListener("unhandledrejection", event => failed(`${event.reason}`))
  globalThis.program = await init({ module_or_path: "/page_bg.wasm" })
}
